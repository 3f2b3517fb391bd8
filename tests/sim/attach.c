/*
 * What agents do about the attach record, every few milliseconds: attach where the record says, take a new
 * number when a session has been ended, detach what the record gives to another, sooner or later.
 */
#include <stdlib.h>
#include <stdio.h>

#include "sim/cluster.h"

#define CONTROL_NS (20 * NS_PER_MS)

static void ready(void *user, struct volume *volume)
{
	struct attached *a = user;

	(void)volume;
	a->ready = true;
	trace_event(&a->node->cluster->trace, "ready", a->node->index, a->number, 0);
	client_start(a);
}

static void changed(void *user, struct volume *volume, enum volume_state state)
{
	struct attached *a = user;

	(void)volume;
	trace_event(&a->node->cluster->trace, "state", a->node->index, a->number, (uint64_t)state);
}

static void ended(void *user, struct volume *volume, struct epoch promised, const char *why)
{
	struct attached *a = user;

	(void)volume;
	a->ended = true;
	a->promised = promised;
	trace_event(&a->node->cluster->trace, "ended", a->node->index, a->number, promised.number);
	trace_words(&a->node->cluster->trace, "n%u e%llu ended: %s", a->node->index,
		(unsigned long long)a->number, why);
}

static void fill_spec(struct cluster *c, struct volume_spec *spec)
{
	*spec = (struct volume_spec){
		.volume = c->volume,
		.group = c->group,
		.attachment = c->record.attachment,
		.name = "volume",
		.size_bytes = SIM_VOLUME_BYTES,
		.epoch = { .number = c->record.number },
		.config_number = 1,
		.reads_quorum = c->plan.reads_quorum,
	};
	for (unsigned i = 0; i < c->plan.nodes; i++) {
		struct volume_voter *voter = &spec->voters[spec->voter_count];

		if (uuid_is_none(c->nodes[i].replica))
			continue;
		spec->voter_count++;
		voter->replica = c->nodes[i].replica;
		snprintf(voter->node, sizeof(voter->node), "%s", c->nodes[i].name);
		net_sim_address(i, &voter->address);
	}
}

static struct attached **handle_slot(struct process *p, struct attached *of)
{
	for (unsigned i = 0; i < SIM_MAX_ATTACHED; i++)
		if (p->handles[i] == of)
			return &p->handles[i];
	return NULL;
}

/* The compare-and-set: nobody else has this number. */
static void record_take(struct cluster *c, unsigned holder, uint64_t above)
{
	if (c->record.number < above)
		c->record.number = above;
	c->record.number++;
	c->record.holder = holder;
	c->record.attachment = uuid_random(&c->random);
	trace_event(&c->trace, "record", holder, c->record.number, 0);
}

static void attach(struct node *node, uint64_t above)
{
	struct cluster *c = node->cluster;
	struct attached **slot = handle_slot(node->process, NULL);
	struct volume_events events = { .ready = ready, .changed = changed, .ended = ended };
	struct volume_spec spec;
	struct attached *a;

	if (!slot)
		return; /* older handles must go first */
	a = calloc(1, sizeof(*a));
	ASSERT(a);
	record_take(c, node->index, above);
	fill_spec(c, &spec);
	a->node = node;
	a->number = c->record.number;
	list_init(&a->idle);
	events.user = a;
	*slot = a;
	ASSERT(volume_attach(node->process->datapath, &spec, &events, &a->volume) == 0);
}

static void detached(void *arg, int rc)
{
	struct attached *a = arg;
	struct cluster *c = a->node->cluster;
	struct attached **slot = handle_slot(a->node->process, a);

	ASSERT(slot);
	trace_event(&c->trace, "detached", a->node->index, a->number, (uint64_t)(uint32_t)-rc);
	if (a->in_flight != 0)
		cluster_violation(
			c, "node %u: detached with %u requests unanswered", a->node->index, a->in_flight);
	client_stop(a);
	*slot = NULL;
	free(a);
}

static void detach(struct attached *a)
{
	if (a->detaching)
		return;
	a->detaching = true;
	trace_event(&a->node->cluster->trace, "detach", a->node->index, a->number, 0);
	volume_detach(a->volume, detached, a);
}

struct attached *attached_current(struct cluster *c)
{
	struct node *node = &c->nodes[c->record.holder];

	for (unsigned i = 0; node->process && i < SIM_MAX_ATTACHED; i++) {
		struct attached *a = node->process->handles[i];

		if (a && a->number == c->record.number)
			return a;
	}
	return NULL;
}

void attach_move(struct cluster *c, unsigned holder)
{
	if (!node_is_up(&c->nodes[holder]))
		return;
	attach(&c->nodes[holder], 0);
	loop_sim_kick(&c->sim, holder);
}

/* Handles that the record doesn't name learn it when their node looks there: often soon, sometimes late. */
static void look_at_handles(struct node *node)
{
	struct cluster *c = node->cluster;

	for (unsigned i = 0; i < SIM_MAX_ATTACHED; i++) {
		struct attached *a = node->process->handles[i];
		uint64_t chance = c->phase == CLUSTER_RUNNING ? 250 : 4;

		if (!a || a->detaching ||
			(a->number == c->record.number && node->index == c->record.holder && !a->ended))
			continue;
		if (a->ended || random_below(&c->random, chance) == 0)
			detach(a);
	}
}

static void control(struct sim_event *event)
{
	struct cluster *c = event->arg;

	for (unsigned i = 0; i < c->plan.nodes; i++) {
		struct node *node = &c->nodes[i];

		if (!node->process && c->sim.now_ns >= node->restart_ns)
			node_start(node);
		if (!node->process || loop_sim_is_paused(&c->sim, i))
			continue;
		if (node_is_up(node) && c->record.holder == i) {
			struct attached *a = attached_current(c);

			if (!a)
				attach(node, 0);
			else if (a->ended && !a->detaching)
				attach(node, a->promised.number);
		}
		look_at_handles(node);
		loop_sim_kick(&c->sim, i);
	}
	/* A dead holder is succeeded by somebody sooner or later. */
	if (!c->nodes[c->record.holder].process && random_below(&c->random, 100) == 0)
		attach_move(c, (unsigned)random_below(&c->random, c->plan.nodes));
	sim_event_set(&c->sim, &c->control, c->sim.now_ns + CONTROL_NS);
}

void control_start(struct cluster *c)
{
	c->control = (struct sim_event){ .fn = control, .arg = c };
	sim_event_set(&c->sim, &c->control, c->sim.now_ns);
}
