/*
 * Grains for a resync. On the wire, and between coordinator and replica, a grain's payload holds its present
 * blocks only, in order; in the store a copy is a whole grain.
 */
#include "datapath/private.h"

#include <errno.h>
#include <string.h>

/* Grains that are freed at a time ahead of a copy. */
#define FREE_BATCH 32u

/* ---- GRAIN_READ: the source ---- */

static void grain_send(struct job *job, const struct message *answer)
{
	if (!job->host->gone)
		link_answer(job->host->datapath, job->to, job->host->by_replica.key, answer);
}

/*
 * Moves the present blocks of a whole grain together; returns a buffer of its own with one reference (taking
 * that of `data` over), or NULL when none is free.
 */
static struct buf *blocks_pack(struct datapath *dp, struct buf *data, uint16_t present, const uint32_t *crc,
	uint32_t packed_crc[static GRAIN_BLOCKS])
{
	struct buf *packed = data;
	uint32_t count = 0;

	if (data->refs > 1 && present != UINT16_MAX)
		packed = buf_get(dp->config.bufs, (uint32_t)__builtin_popcount(present) * BLOCK_BYTES);
	if (!packed) {
		buf_put(data);
		return NULL;
	}
	for (uint32_t i = 0; i < GRAIN_BLOCKS; i++) {
		if (!(present & 1u << i))
			continue;
		if (packed != data || count != i)
			memcpy(packed->data + (size_t)count * BLOCK_BYTES,
				data->data + (size_t)i * BLOCK_BYTES, BLOCK_BYTES);
		packed_crc[count++] = crc[i];
	}
	packed->len_bytes = count * BLOCK_BYTES;
	if (packed != data)
		buf_put(data);
	return packed;
}

static void grain_got(void *arg, int rc, struct grain_copy *copy)
{
	struct job *job = arg;
	struct message answer = job_answer(job, MESSAGE_GRAIN_ANSWER);

	answer.rc = rc;
	answer.grain.from = job->message.grain.from;
	answer.grain.index = job->next_index;
	if (rc == 0) {
		answer.grain.found = true;
		answer.grain.epoch = copy->epoch;
		answer.grain.seq = copy->seq;
		answer.grain.present = copy->present;
		answer.grain.zero = copy->zero;
		if (copy->present) {
			job->payload = blocks_pack(
				job->host->datapath, copy->data, copy->present, copy->crc, job->crc);
			answer.payload = job->payload;
			answer.crc = job->crc;
			if (!job->payload)
				answer.rc = -EAGAIN;
		} else {
			buf_put(copy->data);
		}
	}
	grain_send(job, &answer);
	job_put(job);
}

void host_grain_read(struct host *host, const struct replica_effect *effect)
{
	struct job *job = job_get(host, effect, false);
	const struct message_grain *range = &effect->message.grain;
	uint64_t index;
	struct message answer;

	if (job) {
		index = pool_replica_grain_next(host->store, range->from);
		if (index < range->index) {
			job->next_index = index;
			pool_replica_grain_get(host->store, index, grain_got, job);
			return;
		}
		answer = job_answer(job, MESSAGE_GRAIN_ANSWER);
		answer.grain.from = range->from;
		answer.grain.index = range->index;
		answer.grain.seq = pool_replica_commit_seq(host->store);
		grain_send(job, &answer);
		job_put(job);
		return;
	}
	answer = (struct message){
		.type = MESSAGE_GRAIN_ANSWER,
		.epoch = effect->message.epoch,
		.session = effect->message.session,
		.attempt = effect->message.attempt,
		.token = effect->message.token,
		.grain = *range,
		.rc = -EAGAIN,
	};
	link_answer(host->datapath, effect->to, host->by_replica.key, &answer);
}

/* ---- GRAIN_WRITE: the target ---- */

static void grain_write_step(struct job *job);

static void grain_put_done(void *arg, int rc)
{
	struct job *job = arg;

	ASSERT(job->puts > 0);
	if (rc != 0)
		job->rc = rc;
	if (--job->puts == 0)
		grain_write_step(job);
}

static void grain_write_finish(struct job *job)
{
	struct host *host = job->host;
	struct message question = job->message;
	uint64_t to = job->to;
	int rc = job->rc;
	bool gone = host->gone;

	job_put(job);
	if (gone)
		return;
	replica_grain_written(host->machine, to, &question, rc, datapath_now_ns(host->datapath));
	host_poll(host);
}

/* Frees what the source has not, a batch at a time. */
static void free_before(struct job *job, uint64_t end)
{
	while (job->puts < FREE_BATCH) {
		struct grain_copy nothing = { .seq = job->message.grain.seq,
			.epoch = job->message.grain.epoch };
		uint64_t index = pool_replica_grain_next(job->host->store, job->next_index);

		if (index >= end) {
			job->next_index = end;
			return;
		}
		nothing.index = index;
		job->next_index = index + 1;
		job->puts++;
		pool_replica_grain_put(job->host->store, &nothing, grain_put_done, job);
	}
}

/* Spreads the packed blocks over a whole grain; NULL when no buffer is free. */
static struct buf *blocks_unpack(struct job *job, struct grain_copy *copy)
{
	uint32_t count = 0;
	struct buf *whole;

	if (copy->present == UINT16_MAX) {
		memcpy(copy->crc, job->crc, sizeof(copy->crc));
		return buf_ref(job->payload);
	}
	whole = buf_get(job->host->datapath->config.bufs, GRAIN_BYTES);
	if (!whole)
		return NULL;
	whole->len_bytes = GRAIN_BYTES;
	memset(whole->data, 0, GRAIN_BYTES);
	for (uint32_t i = 0; i < GRAIN_BLOCKS; i++) {
		if (!(copy->present & 1u << i))
			continue;
		memcpy(whole->data + (size_t)i * BLOCK_BYTES,
			job->payload->data + (size_t)count * BLOCK_BYTES, BLOCK_BYTES);
		copy->crc[i] = job->crc[count++];
	}
	return whole;
}

static void grain_copy_put(struct job *job)
{
	const struct message_grain *grain = &job->message.grain;
	struct grain_copy copy = {
		.index = grain->index,
		.epoch = grain->epoch,
		.seq = grain->seq,
		.present = grain->present,
		.zero = grain->zero,
	};

	if (grain->present) {
		copy.data = blocks_unpack(job, &copy);
		if (!copy.data) {
			job->rc = -EAGAIN;
			grain_write_finish(job);
			return;
		}
	}
	job->puts = 1;
	pool_replica_grain_put(job->host->store, &copy, grain_put_done, job);
	buf_put(copy.data);
}

static void grain_write_step(struct job *job)
{
	const struct message_grain *grain = &job->message.grain;

	if (job->rc != 0 || job->host->gone) {
		grain_write_finish(job);
		return;
	}
	if (MUTANT(sync_forgets_trims) && job->next_index < grain->index)
		job->next_index = grain->index;
	if (job->next_index < grain->index) {
		free_before(job, grain->index);
		if (job->puts > 0)
			return;
	}
	if (job->next_index == grain->index && grain->found) {
		job->next_index++;
		grain_copy_put(job);
		return;
	}
	grain_write_finish(job);
}

void host_grain_write(struct host *host, const struct replica_effect *effect)
{
	struct job *job = job_get(host, effect, true);
	const struct message *m = &effect->message;

	if (!job) {
		replica_grain_written(host->machine, effect->to, m, -EAGAIN, datapath_now_ns(host->datapath));
		return; /* host_poll() is under way */
	}
	job->next_index = m->grain.from;
	if (m->payload) {
		job->payload = buf_ref(m->payload);
		memcpy(job->crc, m->crc, m->payload->len_bytes / BLOCK_BYTES * sizeof(job->crc[0]));
	}
	grain_write_step(job);
}
