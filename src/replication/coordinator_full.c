/*
 * Room. A write gets a seq only when a quorum of those in step has room for it, behind all that has one
 * already. So no entry stands in the log that no quorum can take, and trims, which make room, are not behind
 * one. A replica says that its pool is full while it can still take what is under way; when no quorum is left
 * without such, writes wait for a little and are then refused; reads and trims go on. docs/protocol.md,
 * "Room".
 */
#include "replication/coordinator_private.h"

#include <errno.h>

static void masks(const struct coordinator *co, uint8_t *in_step, uint8_t *with_room)
{
	*in_step = *with_room = 0;
	for (unsigned i = 0; i < co->config.voter_count; i++) {
		const struct voter *v = &co->voters[i];

		if (!voter_is_streaming(v) || !coordinator_is_voter(co, i))
			continue;
		*in_step = (uint8_t)(*in_step | 1u << i);
		if (!v->full)
			*with_room = (uint8_t)(*with_room | 1u << i);
	}
}

/* Whether this voter can take so much more; false too where it isn't known how far behind it is. */
static bool voter_has_room(const struct coordinator *co, const struct voter *v, uint64_t bytes)
{
	uint64_t behind;

	if (v->durable_seq <= co->adopted_seq || co->last_seq - v->durable_seq >= WINDOW_SLOTS)
		return false;
	behind = co->slots[co->last_seq % WINDOW_SLOTS].bytes_so_far -
		 co->slots[v->durable_seq % WINDOW_SLOTS].bytes_so_far;
	return behind + bytes <= v->room_bytes;
}

bool coordinator_has_room(const struct coordinator *co, uint64_t bytes)
{
	uint8_t in_step, with_room;

	masks(co, &in_step, &with_room);
	with_room = 0;
	for (unsigned i = 0; i < co->config.voter_count; i++)
		if ((in_step & 1u << i) != 0 && voter_has_room(co, &co->voters[i], bytes))
			with_room = (uint8_t)(with_room | 1u << i);
	return coordinator_is_quorum(co, with_room) || MUTANT(full_pool_unnoticed) ||
	       (MUTANT(seq_without_quorum) && !coordinator_is_quorum(co, in_step));
}

static bool is_refusing(const struct coordinator *co)
{
	return co->full_since_ns != 0 && co->now_ns - co->full_since_ns >= FULL_PATIENCE_NS;
}

static void refuse(struct coordinator *co, struct operation *op)
{
	list_remove(&op->node);
	co->waiting_count--;
	entry_put(op->entry);
	op->entry = NULL;
	co->refused++;
	coordinator_answer(co, op, -ENOSPC);
}

static void refuse_writes(struct coordinator *co)
{
	list_for_each_safe (node, &co->waiting) {
		struct operation *op = list_entry(node, struct operation, node);

		if (op->entry->payload)
			refuse(co, op);
	}
}

void coordinator_full_step(struct coordinator *co)
{
	uint8_t in_step, with_room;
	bool was = co->full_since_ns != 0, quorum, is;

	if (co->phase != COORDINATOR_SERVING)
		return;
	masks(co, &in_step, &with_room);
	quorum = coordinator_is_quorum(co, in_step);
	/* Who was full when its connection was lost will be so when it is back. */
	is = !coordinator_is_quorum(co, with_room) && (quorum || was) && !MUTANT(full_pool_unnoticed);
	if (is != was) {
		co->full_since_ns = is ? co->now_ns : 0;
		co->changed = true;
	}
	if (!is)
		coordinator_admit(co);
	else if (quorum && is_refusing(co))
		refuse_writes(co);
}

/*
 * A snapshot freezes what a thick replica has, and as much is kept for it anew: where a voter that is in step
 * hasn't got it, there is no snapshot. One that others take it from at this moment is short of it afterwards,
 * and says that it is full to them.
 */
static bool snapshot_fits(const struct coordinator *co)
{
	for (unsigned i = 0; i < co->config.voter_count; i++)
		if (voter_is_streaming(&co->voters[i]) && co->voters[i].no_snapshot)
			return MUTANT(thick_snapshot_unasked);
	return true;
}

void coordinator_refuse_snapshots(struct coordinator *co)
{
	if (snapshot_fits(co))
		return;
	list_for_each_safe (node, &co->waiting) {
		struct operation *op = list_entry(node, struct operation, node);

		if (op->entry->op == ENTRY_SNAPSHOT)
			refuse(co, op);
	}
}

uint64_t coordinator_full_due_ns(const struct coordinator *co)
{
	if (co->full_since_ns == 0 || co->waiting_count == 0 || is_refusing(co))
		return UINT64_MAX;
	return co->full_since_ns + FULL_PATIENCE_NS;
}
