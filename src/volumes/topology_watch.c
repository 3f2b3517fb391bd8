/* The place of this node, found at start and looked at again every minute. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fingerprint/fingerprint.h"
#include "volumes/manager.h"
#include "volumes/policy.h"
#include "volumes/topology.h"

#define LOOK_AGAIN_NS    (60 * NS_PER_S)
#define LOOK_DEADLINE_MS 30000u

/* `volumes->topology` keeps the labels that the record points to. */
static void record_fill(struct volumes *volumes, const struct topology *topology)
{
	const struct catalog_node *known;

	volumes->topology = *topology;
	if (volumes->catalog_opened &&
		!catalog_node_find(volumes->catalog, volumes->config.node, &known, NULL) &&
		uuid_equal(known->node, volumes->node_record.node))
		topology_keep(&volumes->topology, known);
	topology_record(&volumes->topology, &volumes->node_record);
}

static void unknown_told(struct volumes *volumes)
{
	if (volumes->topology.zone.from == CATALOG_SOURCE_NONE)
		manager_event(volumes, "topology-unknown", volumes->config.node,
			"neither quoind.conf, Docker's labels, cloud metadata nor DMI tell its zone: it "
			"counts as "
			"zone \"%s\", as do all others that don't know theirs",
			TOPOLOGY_UNKNOWN);
}

void topology_begin(struct volumes *volumes)
{
	struct topology *topology = malloc(sizeof(*topology));
	struct node_facts facts;

	node_facts_get(&facts);
	volumes->node_record.cores = facts.cores;
	volumes->node_record.memory_bytes = facts.memory_bytes;
	volumes->node_record.link_mbit_s = facts.link_mbit_s;
	if (topology) {
		topology_find(&volumes->config, &topology_sources_system, topology);
		record_fill(volumes, topology);
	}
	free(topology);
	volumes->topology_look_ns = clock_now_ns(volumes->clock) + LOOK_AGAIN_NS;
}

void topology_settle(struct volumes *volumes)
{
	struct topology topology = volumes->topology;
	const struct catalog_node *known;

	if (!catalog_node_find(volumes->catalog, volumes->config.node, &known, NULL) &&
		strcmp(known->zone, volumes->node_record.zone) != 0)
		volumes->zone_changed = true;
	record_fill(volumes, &topology);
}

/* ---- a zone that has changed ---- */

#define TELL_VOLUMES 16u

static bool is_here(const struct volumes *volumes, const struct catalog_volume *volume)
{
	for (unsigned s = 0; s < volume->shard_count; s++)
		for (unsigned i = 0; i < volume->shards[s].replica_count; i++)
			if (!volume->shards[s].replicas[i].retired &&
				strcmp(volume->shards[s].replicas[i].node, volumes->config.node) == 0)
				return true;
	return false;
}

/* Once the catalog says so too: which volumes with a replica here aren't as their class says. */
static void breaches_tell(struct volumes *volumes)
{
	const struct catalog_volume *volume;
	const struct catalog_node *known;
	struct breach breach;
	unsigned count = 0;

	if (catalog_node_find(volumes->catalog, volumes->config.node, &known, NULL) ||
		strcmp(known->zone, volumes->node_record.zone) != 0)
		return;
	volumes->zone_changed = false;
	for (size_t i = 0; (volume = catalog_volume_by_name_at(volumes->catalog, i)); i++) {
		if (!is_here(volumes, volume) || !breach_find(volumes, volume, &breach) ||
			++count > TELL_VOLUMES)
			continue;
		manager_event(volumes, "volume-breaks-class", volume->name,
			"%.150s; `quoin class check %.64s --apply` mends it", breach.why, volume->class_name);
	}
	if (count > TELL_VOLUMES)
		manager_event(volumes, "volume-breaks-class", volumes->config.node, "and %u volumes more",
			count - TELL_VOLUMES);
}

static int look_work(struct op *op)
{
	topology_find(&op->volumes->config, &topology_sources_system, op->state);
	return 0;
}

static void looked(struct op *op, int rc)
{
	struct volumes *volumes = op->volumes;
	struct catalog_node *record = &volumes->node_record;
	char before[64];
	bool zone_changed;

	snprintf(before, sizeof(before), "%.63s", record->zone);
	record_fill(volumes, op->state);
	zone_changed = strcmp(before, record->zone) != 0;
	if (zone_changed)
		manager_event(volumes, "topology-changed", volumes->config.node,
			"its zone was %s and is %s, by %s: volumes whose copies now share a zone say so; "
			"nothing moves by itself",
			before, record->zone, catalog_source_name(record->zone_from));
	volumes->zone_changed |= zone_changed;
	manager_kick(volumes); /* the plan compares the record */
	op_end(op, rc);
}

static void look_begin(struct op *op)
{
	op_work(op, look_work, looked);
}

void topology_tick(struct volumes *volumes)
{
	uint64_t now_ns = clock_now_ns(volumes->clock);
	struct op *op;

	if (!volumes->topology_told && volumes->phase == MANAGER_READY) {
		volumes->topology_told = true;
		unknown_told(volumes);
	}
	if (volumes->zone_changed && volumes->phase == MANAGER_READY)
		breaches_tell(volumes);
	if (now_ns < volumes->topology_look_ns)
		return;
	volumes->topology_look_ns = now_ns + LOOK_AGAIN_NS;
	op = op_make(volumes, "look at the node's place", "", LOOK_DEADLINE_MS, look_begin, NULL, NULL);
	if (!op)
		return;
	op->state = malloc(sizeof(struct topology));
	if (op->state)
		op_submit(op);
	else
		free(op);
}
