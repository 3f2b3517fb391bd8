/*
 * Rebalancing by itself: one node of the cluster, the first that lives, looks now and then, and asks for the
 * moves that are due as a user would. What it remembers is lost with it: the next one begins where the pools
 * are more than REBALANCE_PERCENT apart.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "volumes/manager.h"
#include "volumes/rebalance.h"

#define LOOK_NS         (10 * NS_PER_S)
#define IDLE_NS         (600 * NS_PER_S) /* where nothing could be done, the volumes are looked at again */
#define AT_ONCE         16u              /* moves that one look asks for */
#define READ_TIMEOUT_MS 12000u

struct asked {
	struct volumes *volumes;
	struct rebalance_view view;
};

/* By name: the same answer on every node that sees the same leases. */
static bool is_ours(const struct volumes *volumes)
{
	const struct catalog_node *node;

	for (size_t i = 0; (node = catalog_node_at(volumes->catalog, i)); i++)
		if (node->live)
			return strcmp(node->name, volumes->config.node) == 0;
	return false;
}

static void told(void *arg, int rc, const struct error *error)
{
	struct asked *asked = arg;
	const struct rebalance_view *view = &asked->view;

	asked->volumes->rebalance_asking--;
	if (!rc)
		manager_event(asked->volumes, "rebalance-move", view->volume,
			"its replica on %.64s/%.64s is to move to %.64s/%.64s: the pools aren't even",
			view->from_node, view->from_pool, view->to_node, view->to_pool);
	else if (rc != -EBUSY && rc != -ECANCELED && rc != -ESHUTDOWN)
		manager_event(asked->volumes, "replica-not-moved", view->volume, "%s", error->text);
	free(asked);
}

static void move_ask(struct volumes *volumes, const struct rebalance_view *view)
{
	char from[VOLUMES_FROM_LEN + 1], to[2 * NAME_MAX_LEN + 2];
	struct asked *asked = malloc(sizeof(*asked));

	if (!asked)
		return; /* the next look tries again */
	*asked = (struct asked){ volumes, *view };
	snprintf(from, sizeof(from), "%s/%s#%u", view->from_node, view->from_pool, view->shard);
	snprintf(to, sizeof(to), "%s/%s", view->to_node, view->to_pool);
	volumes->rebalance_asking++;
	volumes_move_replica(volumes, view->volume, from, to, told, asked);
}

static bool is_going(const struct rebalance_auto *state)
{
	bool going = false;

	for (unsigned tier = 0; tier <= TIER_HIGH; tier++)
		going |= state->going[tier];
	return going;
}

/* So much may be asked for in a time: the next look waits for what this one has asked for. */
static uint64_t pause_ns(const struct volumes *volumes, uint64_t bytes)
{
	unsigned __int128 wait_ns =
		(unsigned __int128)bytes * NS_PER_S / volumes->config.rebalance_bytes_per_s;

	return wait_ns < LOOK_NS ? LOOK_NS : (uint64_t)wait_ns;
}

/* All volumes are in view. */
static void look(struct volumes *volumes, uint32_t mark)
{
	bool was_going = is_going(&volumes->rebalance);
	struct rebalance_move moves[AT_ONCE];
	struct rebalance_view views[AT_ONCE];
	struct rebalance_reading reading;
	struct error error;
	uint64_t bytes = 0;
	size_t count = 0;
	int rc = rebalance_read(volumes, &reading, &error);

	if (!rc)
		rc = rebalance_step(
			&volumes->rebalance, &reading.input, reading.busy, moves, AT_ONCE, &count);
	for (size_t i = 0; !rc && i < count; i++) {
		rebalance_view_fill(&reading, &moves[i], &views[i]);
		bytes += moves[i].bytes;
	}
	rebalance_read_done(&reading);
	volumes->rebalance_next_ns = clock_now_ns(volumes->clock) + pause_ns(volumes, bytes);
	if (rc)
		return;
	if (count == 0 && !is_going(&volumes->rebalance)) {
		volumes->rebalance_idle_mark = mark;
		volumes->rebalance_idle_ns = clock_now_ns(volumes->clock) + IDLE_NS;
	}
	if (!was_going && count > 0)
		manager_event(volumes, "rebalance-begins", volumes->config.node,
			"pools of a tier are more than %u %% apart", REBALANCE_PERCENT);
	else if (was_going && !is_going(&volumes->rebalance))
		manager_event(volumes, "rebalance-ends", volumes->config.node,
			"pools are as even as they can be, or within %u %%", REBALANCE_STOP_PERCENT);
	for (size_t i = 0; i < count; i++)
		move_ask(volumes, &views[i]);
}

static void looked(void *arg, int rc, const struct error *error)
{
	struct volumes *volumes = arg;

	(void)error; /* the next look tries again */
	if (rc)
		volumes->rebalance_next_ns = clock_now_ns(volumes->clock) + LOOK_NS;
	else if (volumes->phase == MANAGER_READY)
		look(volumes, volumes->rebalance_mark);
	catalog_unpin(volumes->rebalance_pin);
	volumes->rebalance_pin = NULL;
}

/* What a plan depends on, of the pools: where nothing was to be done, nothing is until this changes. */
static uint32_t pools_mark(const struct placement_pool *pools, size_t count)
{
	uint32_t mark = 0;

	for (size_t i = 0; i < count; i++) {
		const uint64_t facts[] = { pools[i].provisioned_bytes, pools[i].limit_bytes, pools[i].tier,
			pools[i].ok, pools[i].node_live, pools[i].draining, pools[i].thick_room_bytes };

		mark = crc32c_extend(mark, pools[i].pool.byte, sizeof(pools[i].pool.byte));
		mark = crc32c_extend(mark, facts, sizeof(facts));
	}
	return mark;
}

/* The pools tell whether the volumes, which most likely are elsewhere, have to be looked at. */
static void look_begin(struct volumes *volumes)
{
	uint64_t now_ns = clock_now_ns(volumes->clock);
	struct placement_pool *pools;
	size_t count;
	bool is_due;

	if (placement_pools_read(volumes->catalog, &pools, &count))
		return; /* the next look tries again */
	volumes->rebalance_mark = pools_mark(pools, count);
	is_due = rebalance_is_due(&volumes->rebalance, pools, count) &&
		 (volumes->rebalance_mark != volumes->rebalance_idle_mark ||
			 now_ns >= volumes->rebalance_idle_ns);
	free(pools);
	if (!is_due) {
		volumes->rebalance_next_ns = now_ns + LOOK_NS;
		return;
	}
	volumes->rebalance_pin = catalog_pin_all(volumes->catalog);
	if (catalog_pin_is_known(volumes->rebalance_pin))
		looked(volumes, 0, NULL);
	else
		catalog_pin_read(volumes->rebalance_pin, READ_TIMEOUT_MS, looked, volumes);
}

void rebalance_tick(struct volumes *volumes)
{
	if (!volumes->config.rebalance || volumes->phase != MANAGER_READY || volumes->rebalance_asking > 0 ||
		volumes->rebalance_pin || clock_now_ns(volumes->clock) < volumes->rebalance_next_ns ||
		!catalog_node_lease_valid(volumes->catalog))
		return;
	if (is_ours(volumes))
		look_begin(volumes);
	else
		volumes->rebalance = (struct rebalance_auto){ 0 };
}
