/*
 * What a grain holds, for resync and repair: as it is applied, and as it will be once everything committed
 * is.
 *
 * The version (epoch, seq) is that of the newest entry that changed the grain, so it is the same on all
 * replicas that have applied the same entries. A grain without blocks is not there: it has no version.
 */
#include "store/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GRAIN_ATTEMPTS 8u

struct grain_job {
	struct pool_read read;
	struct grain_copy copy;
	void (*fn)(void *arg, int rc, struct grain_copy *copy);
	void *arg;
	unsigned attempts;
	struct loop_task refused;
};

bool grain_state_equal(const struct grain_state *a, const struct grain_state *b)
{
	if (!epoch_equal(a->epoch, b->epoch) || a->seq != b->seq || a->present != b->present ||
		a->zero != b->zero)
		return false;
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++)
		if ((a->present & 1u << i) && a->crc[i] != b->crc[i])
			return false;
	return true;
}

bool pool_replica_grain_applied(
	const struct pool_replica *replica, uint64_t index, struct grain_state *ret_state)
{
	uint32_t phys = map_find(replica->pool, replica->head.layer, index);
	const struct slot *slot;

	*ret_state = (struct grain_state){ 0 };
	if (phys == PHYS_NONE)
		return false;
	slot = &replica->pool->map.slots[phys];
	ASSERT(slot->layer == replica->head.layer && slot->index == index);
	ret_state->epoch = (struct epoch){ slot->epoch_number, slot->epoch_restart };
	ret_state->seq = slot->seq;
	ret_state->present = slot->present;
	ret_state->zero = slot->zero;
	memcpy(ret_state->crc, slot->crc, sizeof(ret_state->crc));
	return true;
}

static void block_of_entry(struct grain_state *state, unsigned i, uint64_t block, const struct log_entry *le)
{
	uint16_t bit = (uint16_t)(1u << i);

	if (le->entry->op != ENTRY_WRITE) {
		state->present = (uint16_t)(state->present & ~bit);
		state->crc[i] = 0;
		return;
	}
	ASSERT(block >= le->entry->offset_bytes / BLOCK_BYTES);
	ASSERT(block < (le->entry->offset_bytes + le->entry->length_bytes) / BLOCK_BYTES);
	state->present |= bit;
	state->crc[i] = le->entry->crc[block - le->entry->offset_bytes / BLOCK_BYTES];
}

bool pool_replica_grain_view(
	const struct pool_replica *replica, uint64_t index, struct grain_state *ret_state)
{
	struct log_entry *blocks[GRAIN_BLOCKS], *newest;

	pool_replica_grain_applied(replica, index, ret_state);
	if (!MUTANT(resync_stale_map)) {
		newest = index_grain(replica, index, replica->commit_seq, blocks);
		for (unsigned i = 0; newest && i < GRAIN_BLOCKS; i++)
			if (blocks[i])
				block_of_entry(ret_state, i, index * GRAIN_BLOCKS + i, blocks[i]);
		if (newest) {
			ret_state->epoch = newest->epoch;
			ret_state->seq = newest->seq;
		}
	}
	return ret_state->present != 0;
}

uint16_t pool_replica_grain_present(const struct pool_replica *replica, uint64_t index)
{
	struct grain_state state;

	pool_replica_grain_view(replica, index, &state);
	return state.present;
}

static void grain_job_read(struct grain_job *job)
{
	struct pool_replica *replica = job->read.replica;

	job->copy.commit_seq = replica->commit_seq;
	pool_replica_grain_view(replica, job->copy.index, &job->copy.state);
	pool_read(&job->read);
}

static void grain_job_done(struct pool_read *read, int rc)
{
	struct grain_job *job = container_of(read, struct grain_job, read);
	struct grain_copy *copy = &job->copy;

	/* The read was planned, or planned anew, at a later commit: the copy must be of one moment. */
	if (rc == 0 && read->commit_seq != copy->commit_seq && job->attempts++ < GRAIN_ATTEMPTS) {
		grain_job_read(job);
		return;
	}
	if (rc == 0 && read->commit_seq != copy->commit_seq)
		rc = -EAGAIN;
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++)
		copy->state.crc[i] = read->crc[i];
	copy->data = read->into;
	copy->data->len_bytes = GRAIN_BYTES;
	if (rc < 0 || copy->state.present == 0) {
		buf_put(copy->data);
		copy->data = NULL;
	}
	job->fn(job->arg, rc, copy);
	free(job);
}

/* Buffers are short. */
static void grain_job_refused(void *arg)
{
	struct grain_job *job = arg;

	job->fn(job->arg, -EAGAIN, &job->copy);
	free(job);
}

void pool_replica_grain_get(struct pool_replica *replica, uint64_t index,
	void (*fn)(void *arg, int rc, struct grain_copy *copy), void *arg)
{
	/* A copy is rare beside a write; its memory is the size of a small message. */
	struct grain_job *job = calloc(1, sizeof(*job));
	struct buf *into = buf_get(replica->pool->options.bufs, GRAIN_BYTES);

	ASSERT(job);
	ASSERT(index < replica->grain_limit);
	job->fn = fn;
	job->arg = arg;
	job->copy.index = index;
	job->read.fn = grain_job_done;
	job->read.replica = replica;
	job->read.offset_bytes = index * GRAIN_BYTES;
	job->read.length_bytes = GRAIN_BYTES;
	job->read.into = into;
	if (!into) {
		loop_task_init(&job->refused, grain_job_refused, job);
		loop_defer(replica->pool->loop, &job->refused);
		return;
	}
	grain_job_read(job);
}
