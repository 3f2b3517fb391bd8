/*
 * The loop that converges: after each change, and each second, what is observed on this node is compared with
 * the catalog, and what follows is begun, unless it is under way already.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/import.h"
#include "reconcile/reconcile.h"
#include "volumes/manager.h"
#include "volumes/mount.h"
#include "volumes/replica_make.h"
#include "volumes/snapview.h"
#include "volumes/steward.h"

#define STEP_DEADLINE_MS     20000u
#define BRING_UP_DEADLINE_MS 60000u
#define BRING_UP_PAUSE_MS    2000u
#define STEP_PAUSE_MS        1000u

/* ---- what is observed ---- */

struct observed {
	struct reconcile_observed observed;
	struct catalog_pool *pools;
	struct reconcile_replica *replicas;
	struct reconcile_volume *attached;
	struct uuid *wanted;
	struct volumes *volumes;
};

static void wanted_add(void *arg, const char *name)
{
	struct observed *o = arg;
	const struct catalog_volume *volume;
	struct uuid *more;

	if (catalog_volume_find(o->volumes->catalog, name, &volume, NULL))
		return;
	more = reallocarray(o->wanted, o->observed.wanted_count + 1, sizeof(*more));
	if (!more)
		return;
	o->wanted = more;
	o->wanted[o->observed.wanted_count++] = volume->volume;
}

/* Also what an operation is bringing up now, which has no mount ID yet. */
static void attached_observe(struct observed *o)
{
	unsigned count = 0;

	list_for_each (node, &o->volumes->attachments)
		count++;
	o->attached = calloc(count + 1, sizeof(*o->attached));
	if (!o->attached)
		return;
	list_for_each (node, &o->volumes->attachments) {
		const struct attachment *attachment = list_entry(node, struct attachment, node);
		const struct catalog_volume *volume;

		/* Opened without the kvdb, and nobody has asked it yet: nothing follows from that. */
		if (catalog_volume_find_uuid(o->volumes->catalog, attachment->spec.volume, &volume, NULL) ==
				-ENOENT &&
			attachment->pin && !catalog_pin_is_told(attachment->pin))
			continue;
		o->attached[o->observed.attached_count++] = (struct reconcile_volume){
			.volume = attachment->spec.volume,
			.attachment = attachment->spec.attachment,
			.has_quorum = attachment_serves(attachment),
		};
	}
}

static void pools_observe(struct observed *o)
{
	unsigned count = 0;

	list_for_each (node, &o->volumes->pools)
		count++;
	o->pools = calloc(count + 1, sizeof(*o->pools));
	if (!o->pools)
		return;
	list_for_each (node, &o->volumes->pools)
		o->observed.pool_count += local_pool_record(o->volumes,
			list_entry(node, struct local_pool, node), &o->pools[o->observed.pool_count]);
}

static void replicas_observe(struct observed *o)
{
	const struct snapshot_rows *rows = &o->volumes->snapshot.rows;

	o->replicas = calloc(rows->replica_count + 1, sizeof(*o->replicas));
	if (!o->replicas)
		return;
	for (unsigned i = 0; i < rows->replica_count; i++)
		o->replicas[o->observed.replica_count++] = (struct reconcile_replica){
			.replica = rows->replicas[i].replica,
			.volume = rows->replicas[i].volume,
			.pool = rows->replicas[i].pool,
		};
}

static bool observe(struct volumes *volumes, struct observed *o)
{
	*o = (struct observed){ .volumes = volumes, .observed = { .node = &volumes->node_record } };
	pools_observe(o);
	replicas_observe(o);
	attached_observe(o);
	mounts_each_volume(volumes->mounts, wanted_add, o);
	o->observed.pools = o->pools;
	o->observed.replicas = o->replicas;
	o->observed.attached = o->attached;
	o->observed.wanted = o->wanted;
	return o->pools && o->replicas && o->attached;
}

static void observed_done(struct observed *o)
{
	free(o->pools);
	free(o->replicas);
	free(o->attached);
	free(o->wanted);
}

/* ---- what follows ---- */

static void step_pause(struct op *op)
{
	op_end(op, op->rc_undone);
}

/* What was refused is refused again: without a pause the plan would ask for it as fast as it can. */
void step_told(struct op *op, int rc)
{
	if (rc == 0 || rc == -ECANCELED) {
		op_end(op, rc);
		return;
	}
	manager_event(op->volumes, "reconcile-failed", op->name, "%s: %s", op->verb,
		op->error.text[0] ? op->error.text : strerror(-rc));
	op->rc_undone = rc;
	op_retry(op, STEP_PAUSE_MS, step_pause);
}

static void pool_put_begin(struct op *op)
{
	struct local_pool *pool = pools_find(op->volumes, op->name);
	struct catalog_pool record;

	op->told_then = step_told;
	if (!pool || !local_pool_record(op->volumes, pool, &record))
		op_end(op, 0);
	else
		catalog_pool_put(op->volumes->catalog, &record, op_left_ms(op), op_told, op);
}

static void replica_removed_begin(struct op *op)
{
	op->told_then = step_told;
	catalog_replica_removed(op->volumes->catalog, op->volume, op->replica, op_left_ms(op), op_told, op);
}

static void replica_made_begin(struct op *op)
{
	op->told_then = step_told;
	catalog_replica_made(op->volumes->catalog, op->volume, op->replica, op_left_ms(op), op_told, op);
}

static void bring_up_pause(struct op *op)
{
	op_end(op, op->rc_undone);
}

static void bring_up_told(struct op *op, int rc)
{
	if (!rc) {
		op_end(op, 0);
		return;
	}
	manager_event(op->volumes, "volume-not-attached", op->name, "%s", op->error.text);
	op->rc_undone = rc;
	op_retry(op, BRING_UP_PAUSE_MS, bring_up_pause);
}

/*
 * The export of an import that has not ended was there for who has died with this agent's former life: it
 * does not come back.
 */
static bool import_let_go(struct op *op)
{
	const struct catalog_volume *volume;

	if (attachment_find(op->volumes, op->name) ||
		catalog_volume_find(op->volumes->catalog, op->name, &volume, NULL) ||
		!catalog_import_refuse(volume, (struct uuid){ 0 }, &op->error))
		return false;
	manager_event(op->volumes, "volume-not-attached", op->name, "%s", op->error.text);
	if (mounts_attached_set(op->volumes->mounts, op->name, ATTACHED_NOT, &op->error))
		manager_event(op->volumes, "state-not-written", op->name, "%s", op->error.text);
	return true;
}

static void bring_up_begin(struct op *op)
{
	struct mounts_count count = mounts_count(op->volumes->mounts, op->name);
	enum attached_as as = mounts_attached(op->volumes->mounts, op->name);

	op->nbd = as == ATTACHED_NBD && !count.current && !count.older;
	if (count.current || count.older)
		mount_run(op, bring_up_told);
	else if (as != ATTACHED_NOT && !import_let_go(op))
		attachment_bring_up(op, bring_up_told);
	else
		op_end(op, 0);
}

static void wanted_begin(struct op *op)
{
	const struct catalog_volume *volume;

	if (catalog_volume_find(op->volumes->catalog, op->name, &volume, NULL) || volume_is_attached(volume))
		op_end(op, 0); /* another's by now; or ours still, which the plan sees */
	else
		bring_up_begin(op);
}

static void wanted_bring_up(void *arg, const char *name)
{
	struct volumes *volumes = arg;
	struct op *op =
		op_make(volumes, "attach again", name, BRING_UP_DEADLINE_MS, wanted_begin, NULL, NULL);

	if (!op)
		return;
	op->patient = true;
	op_submit(op);
}

void manager_wanted_again(struct volumes *volumes)
{
	mounts_each_volume(volumes->mounts, wanted_bring_up, volumes);
}

static void release_begin(struct op *op)
{
	op->told_then = step_told;
	if (attachment_find(op->volumes, op->name))
		op_end(op, 0); /* an operation has brought it up meanwhile */
	else
		catalog_volume_detach(
			op->volumes->catalog, op->volume, op->replica, op_left_ms(op), op_told, op);
}

static void hold_begin(struct op *op)
{
	op->told_then = step_told;
	attachment_hold_again(op);
}

static void take_down_begin(struct op *op)
{
	struct attachment *attachment = attachment_find(op->volumes, op->name);

	if (!attachment || !uuid_equal(attachment->spec.attachment, op->replica))
		op_end(op, 0);
	else
		attachment_fence(op, attachment, step_told);
}

/* ---- the plan ---- */

/* NULL where there is one for the name already. */
static struct op *step_new(struct volumes *volumes, const char *verb, const char *name, uint64_t deadline_ms,
	void (*begin)(struct op *op), const struct reconcile_action *action)
{
	struct op *op = ops_has(volumes, name, NULL)
				? NULL
				: op_make(volumes, verb, name, deadline_ms, begin, NULL, NULL);

	if (!op)
		return NULL;
	op->volume = action->volume_uuid;
	op->replica = action->replica;
	op->pool_uuid = action->pool;
	op->no_look = true; /* the plan has seen what it is about */
	error_set(&op->why_undone, -ESTALE, "%s", action->why);
	return op;
}

static void step_submit(struct op *op)
{
	if (op)
		op_submit(op);
}

static void replica_step(struct volumes *volumes, const struct reconcile_action *action)
{
	char name[UUID_TEXT_LEN + 1];
	bool create = action->kind == RECONCILE_REPLICA_CREATE;
	struct op *op = step_new(volumes, create ? "make replica" : "delete replica",
		uuid_format(action->replica, name), STEP_DEADLINE_MS, replica_begin, action);

	if (op && replica_job_make(op, action))
		op_submit(op);
	else
		free(op);
}

static void replica_tell(struct volumes *volumes, const struct reconcile_action *action)
{
	char name[UUID_TEXT_LEN + 1];

	for (unsigned i = 0; i < volumes->orphan_count; i++)
		if (uuid_equal(volumes->orphans[i], action->replica))
			return;
	if (volumes->orphan_count == sizeof(volumes->orphans) / sizeof(volumes->orphans[0]))
		return;
	volumes->orphans[volumes->orphan_count++] = action->replica;
	manager_event(volumes, reconcile_kind_name(action->kind), uuid_format(action->replica, name), "%s",
		action->why);
}

/* The name under which operations on this volume run. */
static const char *action_volume_name(struct volumes *volumes, const struct reconcile_action *action)
{
	const struct attachment *attachment = attachment_find_uuid(volumes, action->volume_uuid);

	if (attachment)
		return attachment->spec.name;
	return action->volume ? action->volume->name : "";
}

static void action_begin(struct volumes *volumes, const struct reconcile_action *action)
{
	const char *name = action_volume_name(volumes, action);
	char replica[UUID_TEXT_LEN + 1];
	struct op *op = NULL;

	switch (action->kind) {
	case RECONCILE_NODE_REGISTER:
		manager_register(volumes);
		return;
	case RECONCILE_POOL_PUT:
		step_submit(step_new(volumes, "register pool", action->pool_put->name, STEP_DEADLINE_MS,
			pool_put_begin, action));
		return;
	case RECONCILE_REPLICA_CREATE:
	case RECONCILE_REPLICA_DELETE:
		replica_step(volumes, action);
		return;
	case RECONCILE_REPLICA_REMOVED:
		step_submit(step_new(volumes, "forget replica", uuid_format(action->replica, replica),
			STEP_DEADLINE_MS, replica_removed_begin, action));
		return;
	case RECONCILE_REPLICA_MADE:
		step_submit(step_new(volumes, "tell of replica", uuid_format(action->replica, replica),
			STEP_DEADLINE_MS, replica_made_begin, action));
		return;
	case RECONCILE_REPLICA_LOST:
	case RECONCILE_REPLICA_ORPHAN:
		replica_tell(volumes, action);
		return;
	case RECONCILE_VOLUME_BRING_UP:
		step_submit(step_new(
			volumes, "attach again", name, BRING_UP_DEADLINE_MS, bring_up_begin, action));
		return;
	case RECONCILE_VOLUME_RELEASE:
		op = step_new(volumes, "release", name, STEP_DEADLINE_MS, release_begin, action);
		break;
	case RECONCILE_VOLUME_HOLD:
		op = step_new(volumes, "hold again", name, STEP_DEADLINE_MS, hold_begin, action);
		break;
	case RECONCILE_VOLUME_TAKE_DOWN:
		op = step_new(volumes, "take down", name, OP_FOREVER_MS, take_down_begin, action);
		break;
	}
	if (op)
		op->replica = action->attachment;
	step_submit(op);
}

void manager_plan(struct volumes *volumes)
{
	struct reconcile_actions actions;
	struct observed o;

	if (volumes->phase != MANAGER_READY || volumes->snapshot.stale || !volumes->snapshot.number)
		return;
	if (observe(volumes, &o) && !reconcile_plan(volumes->catalog, &o.observed, &actions)) {
		for (size_t i = 0; i < actions.count; i++)
			action_begin(volumes, &actions.actions[i]);
		reconcile_actions_done(&actions);
	}
	observed_done(&o);
	membership_plan(volumes);
	snapviews_plan(volumes);
}
