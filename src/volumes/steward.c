#include "volumes/steward.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "volumes/manager.h"

#define STEWARD_DEADLINE_MS 10000u
#define STEWARD_PAUSE_NS    (5 * NS_PER_S)

/* ---- one goes ---- */

static void steward_down(struct op *op)
{
	const struct catalog_volume *volume;
	struct attachment *attachment = attachment_find(op->volumes, op->name);

	if (!attachment || !attachment->steward) {
		op_end(op, 0);
		return;
	}
	op->keep_record =
		catalog_volume_find_uuid(op->volumes->catalog, attachment->spec.volume, &volume, NULL) != 0 ||
		!uuid_equal(volume->holder.attachment, attachment->spec.attachment);
	attachment_take_down(op, op_end);
}

static bool shard_drain_waits(
	struct volumes *volumes, const struct catalog_volume *volume, const struct catalog_shard *shard)
{
	const struct catalog_replica *from;
	struct catalog_replica learner;
	struct error error;

	if (!drain_is_wanted(volumes, shard))
		return false;
	from = drain_next(volumes, shard);
	return !from || drain_place(volumes, volume, shard, from, &learner, &error) == 0;
}

/* Asked of every volume. */
static bool any_drain_is_wanted(const struct volumes *volumes, const struct catalog_volume *volume)
{
	for (unsigned s = 0; s < volume->shard_count; s++)
		if (drain_is_wanted(volumes, &volume->shards[s]))
			return true;
	return false;
}

/* Nothing of the two is decided by the other: both are asked, for both watch. */
static bool drain_waits(struct volumes *volumes, const struct catalog_volume *volume)
{
	bool waits = false;

	for (unsigned s = 0; s < volume->shard_count; s++)
		waits |= shard_drain_waits(volumes, volume, &volume->shards[s]);
	return waits;
}

static bool steward_is_needed(struct volumes *volumes, struct attachment *attachment)
{
	const struct catalog_volume *volume;
	bool goes_on;

	if (attachment->ended ||
		catalog_volume_find_uuid(volumes->catalog, attachment->spec.volume, &volume, NULL) ||
		volume->state != CATALOG_VOLUME_READY ||
		!uuid_equal(volume->holder.attachment, attachment->spec.attachment))
		return false;
	goes_on = look_after_goes_on(attachment, volume);
	return drain_waits(volumes, volume) || goes_on;
}

static unsigned stewards_end(struct volumes *volumes)
{
	unsigned count = 0;

	list_for_each (node, &volumes->attachments) {
		struct attachment *attachment = list_entry(node, struct attachment, node);
		struct op *op;

		count += attachment->steward;
		if (!attachment->steward || attachment->phase != ATTACHMENT_UP ||
			ops_has(volumes, attachment->spec.name, NULL) ||
			steward_is_needed(volumes, attachment))
			continue;
		op = op_make(volumes, "end stewardship", attachment->spec.name, OP_FOREVER_MS, steward_down,
			NULL, NULL);
		if (op)
			op_submit(op);
	}
	return count;
}

/* ---- one comes ---- */

static void steward_up(struct op *op, int rc)
{
	/* Somebody was faster, or no quorum is there now: later again. */
	if (rc) {
		op->volumes->steward_pause_ns = clock_now_ns(op->volumes->clock) + STEWARD_PAUSE_NS;
		look_after_failed(op->volumes, op->name);
	} else if (op->attachment) {
		look_after_begun(op->attachment);
	}
	op_end(op, rc);
}

static void steward_begin(struct op *op)
{
	const struct catalog_volume *volume;

	if (catalog_volume_find(op->volumes->catalog, op->name, &volume, NULL) ||
		volume_is_attached(volume) || attachment_find(op->volumes, op->name)) {
		op_end(op, 0);
		return;
	}
	op->steward = true;
	attachment_bring_up(op, steward_up);
}

bool steward_is_ours(const struct volumes *volumes, const struct catalog_volume *volume)
{
	for (unsigned s = 0; s < volume->shard_count; s++)
		for (unsigned i = 0; i < volume->shards[s].replica_count; i++) {
			const struct catalog_replica *replica = &volume->shards[s].replicas[i];
			const struct catalog_node *node;

			if (!replica->retired &&
				!catalog_node_find(volumes->catalog, replica->node, &node, NULL) &&
				node->live)
				return strcmp(replica->node, volumes->config.node) == 0;
		}
	return false;
}

static bool needs_steward(struct volumes *volumes, const struct catalog_volume *volume)
{
	bool due;

	if (volume->state != CATALOG_VOLUME_READY || volume->shard_count == 0)
		return false;
	due = look_after_is_due(volumes, volume);
	/* What goes through lists is asked of few. */
	return !volume_is_attached(volume) && steward_is_ours(volumes, volume) &&
	       (due || any_drain_is_wanted(volumes, volume)) && !attachment_find(volumes, volume->name) &&
	       !ops_has(volumes, volume->name, NULL) && (due || drain_waits(volumes, volume));
}

void stewards_plan(struct volumes *volumes)
{
	unsigned count = stewards_end(volumes);
	const struct catalog_volume *volume;

	look_after_forget(volumes);
	if (!catalog_node_lease_valid(volumes->catalog) ||
		clock_now_ns(volumes->clock) < volumes->steward_pause_ns)
		return;
	for (size_t i = 0; count < DRAIN_AT_ONCE && (volume = catalog_volume_at(volumes->catalog, i)); i++) {
		struct op *op;

		if (!needs_steward(volumes, volume))
			continue;
		op = op_make(volumes, "move replicas", volume->name, STEWARD_DEADLINE_MS, steward_begin, NULL,
			NULL);
		if (!op)
			return;
		op_submit(op);
		count++;
	}
}
