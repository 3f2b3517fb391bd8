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

static void ended(void *user, struct volume *volume, bool outdated, struct epoch promised, const char *why)
{
	struct attached *a = user;

	(void)volume;
	a->ended = true;
	a->outdated = outdated;
	a->promised = promised;
	trace_event(&a->node->cluster->trace, "ended", a->node->index, a->number, promised.number);
	trace_words(&a->node->cluster->trace, "n%u e%llu ended: %s", a->node->index,
		(unsigned long long)a->number, why);
}

/* Scenes write it, or don't. */
static void record_asked(void *user, struct volume *volume, const struct volume_record *record)
{
	struct attached *a = user;

	(void)volume;
	a->asked = *record;
	a->has_asked = true;
	trace_event(&a->node->cluster->trace, "record-asked", a->node->index, record->number,
		record->voter_count * 16 + record->next_voter_count);
}

void sim_voter_fill(const struct sim_volume *v, unsigned replica, struct volume_voter *voter)
{
	*voter = (struct volume_voter){ .replica = v->replicas[replica].uuid };
	snprintf(voter->node, sizeof(voter->node), "%s", v->cluster->nodes[v->replicas[replica].node].name);
	net_sim_address(v->replicas[replica].node, &voter->address);
}

void sim_spec_fill(const struct sim_volume *v, struct volume_spec *spec)
{
	const struct sim_members *members =
		!v->cluster->scene && kvdb_is_away(v->cluster) ? &v->noted : &v->members;

	*spec = (struct volume_spec){
		.volume = v->volume,
		.group = v->group,
		.attachment = v->record.attachment,
		.size_bytes = v->size_bytes,
		.epoch = { .number = v->record.number, .restart = v->record.restart },
		.session = v->record.session,
		.dead_session = v->record.dead_session,
		.config_number = members->number ? members->number : 1,
		.reads_quorum = v->cluster->plan.reads_quorum,
		.steward = v->record.steward,
		.error_after_ms = v->cluster->plan.error_after_ms,
	};
	snprintf(spec->name, sizeof(spec->name), "%s", v->name);
	for (unsigned i = 0; i < v->replica_count; i++) {
		unsigned bit = 1u << spec->voter_count;

		if (members->voters != 0 && ((members->voters | members->next) & 1u << i) == 0)
			continue;
		if (members->voters & 1u << i)
			spec->voter_mask = (uint8_t)(spec->voter_mask | bit);
		if (members->next & 1u << i)
			spec->next_mask = (uint8_t)(spec->next_mask | bit);
		sim_voter_fill(v, i, &spec->voters[spec->voter_count++]);
	}
}

static struct attached **handle_slot(struct process *p, const struct sim_volume *v, struct attached *of)
{
	for (unsigned i = 0; i < SIM_MAX_ATTACHED; i++)
		if (p->handles[v->index][i] == of)
			return &p->handles[v->index][i];
	return NULL;
}

/* The compare-and-set: nobody else has this number. */
static void record_take(struct sim_volume *v, unsigned holder, uint64_t above)
{
	struct record *record = &v->record;

	if (record->number < above)
		record->number = above;
	record->number++;
	record->restart = 0;
	record->told = false;
	record->holder = holder;
	record->attachment = uuid_random(&v->cluster->random);
	record->steward = v->as_steward;
	v->as_steward = false;
	trace_event(&v->cluster->trace, "record", holder, record->number, v->index);
}

bool kvdb_is_away(const struct cluster *c)
{
	return c->sim.now_ns < c->kvdb_back_ns;
}

/* Without the kvdb: who restarts where the volume was goes on with the number that it knows. */
static void record_restart(struct sim_volume *v)
{
	v->record.restart++;
	v->record.attachment = uuid_random(&v->cluster->random);
	trace_event(&v->cluster->trace, "record-restart", v->record.number, v->record.restart, v->index);
}

/* What an agent does that finds the session of its dead predecessor; it may also have lost that file. */
static void session_begin(struct sim_volume *v, struct node *node)
{
	struct sim_session *last = &v->sessions[node->index];
	bool named = last->session != 0 && last->process != node->process &&
		     (v->cluster->scene || random_chance(&v->cluster->random, 3, 4));

	v->record.dead_session = named ? last->session : 0;
	v->record.session = random_u64(&v->cluster->random) | 1;
	*last = (struct sim_session){ v->record.session, node->process };
}

/* How long the kvdb takes for its answer. What it says was so when it was asked. */
uint64_t kvdb_late_ns(struct cluster *c)
{
	uint64_t most_ns = c->phase == CLUSTER_RUNNING ? c->plan.kvdb_late_ns : 0;

	return most_ns ? random_below(&c->random, most_ns + 1) : 0;
}

static void note_members(struct sim_volume *v)
{
	v->noted = v->members;
	v->noted_joint = v->members.next != 0;
}

static void attach_begin(struct sim_volume *v, struct node *node, const struct volume_spec *spec)
{
	struct attached **slot = handle_slot(node->process, v, NULL);
	struct volume_events events = {
		.ready = ready, .changed = changed, .ended = ended, .record = record_asked
	};
	struct attached *a;

	if (v->record.number == spec->epoch.number)
		v->record.told = true;
	if (!slot)
		return; /* older handles must go first */
	a = calloc(1, sizeof(*a));
	ASSERT(a);
	a->node = node;
	a->of = v;
	a->number = spec->epoch.number;
	a->restart = spec->epoch.restart;
	list_init(&a->idle);
	events.user = a;
	*slot = a;
	ASSERT(sim_volume_attach(v, node, spec, &events, &a->volume) == 0);
}

/* The record may name another by now; who asked doesn't know. */
static void late_answer(struct sim_event *event)
{
	struct late_attach *late = event->arg;
	struct node *node = late->node;

	if (late->process == node->process) {
		trace_event(&node->cluster->trace, "late-answer", node->index, late->spec.epoch.number, 0);
		attach_begin(late->of, node, &late->spec);
		loop_sim_kick(&node->cluster->sim, node->index);
	}
	late->process = NULL;
}

bool attach_is_asked(const struct sim_volume *v, const struct node *node)
{
	return node->process && v->late[node->index].process == node->process;
}

void attach(struct sim_volume *v, struct node *node, uint64_t above)
{
	struct late_attach *late = &v->late[node->index];
	bool away = kvdb_is_away(v->cluster);
	struct volume_spec spec;
	uint64_t late_ns;

	if (!handle_slot(node->process, v, NULL) || attach_is_asked(v, node))
		return;
	if (away && (v->noted_joint || !v->record.told))
		return; /* who the members are is not known, or what its number is */
	if (!away) {
		record_take(v, node->index, above);
		note_members(v);
	} else {
		record_restart(v);
	}
	session_begin(v, node);
	sim_spec_fill(v, &spec);
	late_ns = away ? 0 : kvdb_late_ns(v->cluster);
	if (late_ns == 0) {
		attach_begin(v, node, &spec);
		return;
	}
	sim_event_cancel(&v->cluster->sim, &late->event); /* of a process that has died */
	*late = (struct late_attach){ { .fn = late_answer, .arg = late }, v, node, node->process, spec };
	sim_event_set(&v->cluster->sim, &late->event, v->cluster->sim.now_ns + late_ns);
}

static void detached(void *arg, int rc)
{
	struct attached *a = arg;
	struct cluster *c = a->node->cluster;
	struct attached **slot = handle_slot(a->node->process, a->of, a);

	ASSERT(slot);
	trace_event(&c->trace, "detached", a->node->index, a->number, (uint64_t)(uint32_t)-rc);
	if (a->in_flight != 0)
		cluster_violation(
			c, "node %u: detached with %u requests unanswered", a->node->index, a->in_flight);
	client_stop(a);
	*slot = NULL;
	free(a);
}

void detach(struct attached *a)
{
	if (a->detaching)
		return;
	a->detaching = true;
	trace_event(&a->node->cluster->trace, "detach", a->node->index, a->number, 0);
	volume_detach(a->volume, detached, a);
}

struct attached *attached_current(struct sim_volume *of)
{
	const struct sim_volume *v = sim_lead(of);
	struct node *node = &v->cluster->nodes[v->record.holder];

	for (unsigned i = 0; node->process && i < SIM_MAX_ATTACHED; i++) {
		struct attached *a = node->process->handles[v->index][i];

		if (a && a->number == v->record.number && a->restart == v->record.restart)
			return a;
	}
	return NULL;
}

void attach_move(struct sim_volume *v, unsigned holder)
{
	struct cluster *c = v->cluster;

	if (!node_is_up(&c->nodes[holder]) || kvdb_is_away(c))
		return;
	if (c->plan.kvdb_ns && random_chance(&c->random, 1, 8)) {
		record_take(v, holder, 0); /* its answer is lost: the taker finds out when it looks */
		return;
	}
	attach(v, &c->nodes[holder], 0);
	loop_sim_kick(&c->sim, holder);
}

/* Handles that the record doesn't name learn it when their node looks there: often soon, sometimes late. */
static void look_at_handles(struct sim_volume *v, struct node *node)
{
	struct cluster *c = node->cluster;

	for (unsigned i = 0; i < SIM_MAX_ATTACHED; i++) {
		struct attached *a = node->process->handles[v->index][i];
		uint64_t chance = c->phase == CLUSTER_RUNNING ? 250 : 4;

		if (!a || a->detaching || (a == attached_current(v) && !a->ended))
			continue;
		if (a->ended || random_below(&c->random, chance) == 0)
			detach(a);
	}
}

static void control_volume(struct sim_volume *v, struct node *node)
{
	if (node_is_up(node) && v->record.holder == node->index) {
		struct attached *a = attached_current(v);

		if (!a)
			attach(v, node, 0);
		else if (a->ended && !a->detaching && !kvdb_is_away(v->cluster))
			attach(v, node, a->promised.number);
		else if (!kvdb_is_away(v->cluster))
			members_look(v, a);
		if (a && v->cluster->plan.small && v->cluster->phase == CLUSTER_CONVERGING)
			client_trim(a);
	}
	if (kvdb_is_away(v->cluster))
		return;
	look_at_handles(v, node);
	members_renew(v, node);
}

static void control(struct sim_event *event)
{
	struct cluster *c = event->arg;

	for (unsigned i = 0; i < c->plan.nodes; i++) {
		struct node *node = &c->nodes[i];

		if (node->may_fail && c->sim.now_ns >= node->repair_ns) {
			for (unsigned k = 0; k < c->plan.pools; k++) {
				disk_fail(node->pools[k].disk, 0, 0);
				disk_hang(node->pools[k].disk, 0);
			}
			if (node->process)
				node_crash(node, false);
			node->may_fail = false;
		}
		if (!node->process && c->sim.now_ns >= node->restart_ns)
			node_start(node);
		if (!node->process || loop_sim_is_paused(&c->sim, i))
			continue;
		for (unsigned k = 0; k < sim_attachable(c); k++)
			control_volume(&c->volumes[k], node);
		loop_sim_kick(&c->sim, i);
	}
	/* A dead holder is succeeded by somebody sooner or later. */
	for (unsigned k = 0; k < sim_attachable(c); k++) {
		struct sim_volume *v = &c->volumes[k];

		if (!c->nodes[v->record.holder].process && random_below(&c->random, 100) == 0)
			attach_move(v, (unsigned)random_below(&c->random, c->plan.nodes));
	}
	sim_event_set(&c->sim, &c->control, c->sim.now_ns + CONTROL_NS);
}

void control_start(struct cluster *c)
{
	c->control = (struct sim_event){ .fn = control, .arg = c };
	sim_event_set(&c->sim, &c->control, c->sim.now_ns);
}
