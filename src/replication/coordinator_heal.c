/*
 * Repair of a bad block: a read that one voter can't serve is served by another; then the grain is copied to
 * the first. So it is where the voter's scrub has found the block, of the volume or of a snapshot, and nobody
 * has read it. It takes it only if its own is of the very same version, so that nothing older ever replaces
 * anything newer; if versions differ (the grain is being written to) it is tried again, a little later.
 */
#include "replication/coordinator_copy.h"

#include <errno.h>

static bool is_being_healed(
	const struct coordinator *co, int i, struct uuid snapshot, uint64_t index, unsigned *ret_heals)
{
	*ret_heals = 0;
	for (unsigned k = 0; k < COPIES_MAX && co->copy_count > 0; k++) {
		const struct copy *copy = &co->copies[k];

		if (copy->stage == COPY_FREE || !copy->heal)
			continue;
		++*ret_heals;
		if (copy->target == i && copy->index == index && uuid_equal(copy->snapshot, snapshot))
			return true;
	}
	return false;
}

static unsigned bad_find(const struct voter *v, uint64_t index)
{
	unsigned k = 0;

	while (k < v->bad_count && v->bad_grains[k] != index)
		k++;
	return k;
}

/* Where no other copy can be read either it is tried again and again: that is told once. */
static void bad_note(struct coordinator *co, struct voter *v, uint64_t first, uint64_t last)
{
	bool is_new = false;

	for (uint64_t index = first; index <= last; index++) {
		if (bad_find(v, index) < v->bad_count || v->bad_count == BAD_GRAINS_MAX)
			continue;
		v->bad_grains[v->bad_count++] = index;
		is_new = true;
	}
	v->bad_reads++;
	if (is_new) {
		v->bad_found++;
		co->changed = true;
	}
}

static void bad_forget(struct voter *v, uint64_t index)
{
	unsigned k = bad_find(v, index);

	if (k < v->bad_count)
		v->bad_grains[k] = v->bad_grains[--v->bad_count];
}

/* False: as many as may be are under way. */
static bool heal_begin(struct coordinator *co, int i, struct uuid snapshot, uint64_t index)
{
	unsigned heals;
	struct copy *copy;

	if (is_being_healed(co, i, snapshot, index, &heals))
		return true;
	copy = heals < HEALS_MAX ? coordinator_copy_new(co, i, LAYER_WHOLE, index, true) : NULL;
	if (copy)
		copy->snapshot = snapshot;
	return copy != NULL;
}

void coordinator_bad_read(struct coordinator *co, int i, uint64_t offset_bytes, uint32_t length_bytes)
{
	uint64_t first = offset_bytes / GRAIN_BYTES, last = (offset_bytes + length_bytes - 1) / GRAIN_BYTES;
	const struct uuid none = { { 0 } };

	ASSERT(length_bytes > 0 && offset_bytes + length_bytes <= co->config.size_bytes);
	bad_note(co, &co->voters[i], first, last);
	if (!voter_is_streaming(&co->voters[i]))
		return;
	/* More are found by the next read that they fail. */
	for (uint64_t index = first; index <= last; index++)
		if (!heal_begin(co, i, none, index))
			return;
}

void coordinator_recv_grain_bad(struct coordinator *co, int i, const struct message *m)
{
	if (m->grain.layer != LAYER_WHOLE || m->grain.index >= co->config.size_bytes / GRAIN_BYTES) {
		co->dropped++;
		return;
	}
	if (voter_is_streaming(&co->voters[i]))
		(void)heal_begin(co, i, m->snapshot, m->grain.index); /* it tells again */
}

void coordinator_heal_again(struct coordinator *co, struct copy *copy)
{
	ASSERT(copy->heal && copy->stage != COPY_FREE);
	/* A comparison looks at all of them once more. */
	if (++copy->tries < HEAL_TRIES && !copy->compares)
		coordinator_copy_again(co, copy, (uint64_t)copy->tries * copy->tries * RETRY_NS);
	else
		coordinator_copy_free(co, copy);
}

void coordinator_healed(struct coordinator *co, struct copy *copy, const struct message *m)
{
	struct voter *v = &co->voters[copy->target];

	ASSERT(copy->heal && copy->stage == COPY_SENT);
	if (m->rc == -EAGAIN) {
		coordinator_heal_again(co, copy);
		return;
	}
	if (m->rc == 0 && m->blocks > 0) {
		v->healed_blocks += m->blocks;
		co->changed = true;
	}
	if (m->rc == 0)
		bad_forget(v, copy->index);
	coordinator_copy_free(co, copy);
}
