/*
 * Grains for resync and repair. On the wire, and between coordinator and replica, a grain's payload holds its
 * present blocks only, in order; in the store a copy is a whole grain.
 */
#include "datapath/private.h"
#include "store/checksums.h"

#include <errno.h>
#include <string.h>

/* The level that a message with a grain means; false: there is none (yet). */
static bool message_level(const struct host *host, const struct message *m, struct grain_level *ret_level)
{
	if (!host_level(host, m->grain.layer, ret_level))
		return false;
	if (ret_level->whole && !MUTANT(scrub_heals_volume_only))
		ret_level->snapshot = m->snapshot;
	return true;
}

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
	const struct grain_state *state = &copy->state;

	answer.rc = rc;
	answer.grain = job->message.grain;
	if (rc == 0) {
		answer.seq = copy->commit_seq;
		answer.grain.found = state->present != 0 || state->zero != 0;
		answer.grain.epoch = state->epoch;
		answer.grain.seq = state->seq;
		answer.grain.present = state->present;
		answer.grain.zero = state->zero;
		if (state->present) {
			job->payload = blocks_pack(
				job->host->datapath, copy->data, state->present, state->crc, job->crc);
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
	struct grain_level level;
	struct message answer;

	if (job && !pool_replica_levels_move(host->store) && message_level(host, &effect->message, &level)) {
		pool_replica_grain_get(host->store, level, effect->message.grain.index, grain_got, job);
		return;
	}
	if (job)
		job_put(job);
	answer = (struct message){
		.type = MESSAGE_GRAIN_ANSWER,
		.epoch = effect->message.epoch,
		.session = effect->message.session,
		.attempt = effect->message.attempt,
		.token = effect->message.token,
		.grain = effect->message.grain,
		.rc = -EAGAIN,
	};
	link_answer(host->datapath, effect->to, host->by_replica.key, &answer);
}

/* ---- GRAIN_WRITE: the target of a resync ---- */

/* Spreads the packed blocks over a whole grain; NULL when no buffer is free. */
static struct buf *blocks_unpack(struct job *job, struct grain_state *state)
{
	uint32_t count = 0;
	struct buf *whole;

	if (state->present == UINT16_MAX) {
		memcpy(state->crc, job->crc, sizeof(state->crc));
		return buf_ref(job->payload);
	}
	whole = buf_get(job->host->datapath->config.bufs, GRAIN_BYTES);
	if (!whole)
		return NULL;
	whole->len_bytes = GRAIN_BYTES;
	memset(whole->data, 0, GRAIN_BYTES);
	for (uint32_t i = 0; i < GRAIN_BLOCKS; i++) {
		if (!(state->present & 1u << i))
			continue;
		memcpy(whole->data + (size_t)i * BLOCK_BYTES,
			job->payload->data + (size_t)count * BLOCK_BYTES, BLOCK_BYTES);
		state->crc[i] = job->crc[count++];
	}
	return whole;
}

/* The message's grain as the store takes it; a reference to its data. -EAGAIN: no buffer is free. */
static int copy_make(struct job *job, struct grain_copy *ret_copy)
{
	const struct message_grain *grain = &job->message.grain;
	struct grain_copy copy = { .index = grain->index };

	if (!message_level(job->host, &job->message, &copy.level))
		return -EAGAIN;
	if (grain->found)
		copy.state = (struct grain_state){ .epoch = grain->epoch,
			.seq = grain->seq,
			.present = grain->present,
			.zero = grain->zero };
	if (copy.state.present) {
		copy.data = blocks_unpack(job, &copy.state);
		if (!copy.data)
			return -EAGAIN;
	}
	*ret_copy = copy;
	return 0;
}

/* A job for a message with a grain; NULL when none is free. */
static struct job *grain_job(struct host *host, const struct replica_effect *effect)
{
	const struct message *m = &effect->message;
	struct job *job = job_get(host, effect, true);

	if (job && m->payload) {
		job->payload = buf_ref(m->payload);
		memcpy(job->crc, m->crc, m->payload->len_bytes / BLOCK_BYTES * sizeof(job->crc[0]));
	}
	return job;
}

static void grain_written(void *arg, int rc)
{
	struct job *job = arg;
	struct host *host = job->host;
	struct message question = job->message;
	uint64_t to = job->to;
	bool gone = host->gone;

	job_put(job);
	if (gone)
		return;
	replica_grain_written(host->machine, to, &question, rc, datapath_now_ns(host->datapath));
	host_poll(host);
}

void host_grain_write(struct host *host, const struct replica_effect *effect)
{
	struct job *job = grain_job(host, effect);
	struct grain_copy copy;

	if (!job) {
		replica_grain_written(host->machine, effect->to, &effect->message, -EAGAIN,
			datapath_now_ns(host->datapath));
		return; /* host_poll() is under way */
	}
	if (copy_make(job, &copy) != 0) {
		grain_written(job, -EAGAIN);
		return;
	}
	ASSERT(!copy.level.whole);
	pool_replica_grain_put(host->store, &copy, grain_written, job);
	buf_put(copy.data);
}

/* ---- GRAIN_HEAL: who has a bad block ---- */

static void heal_over(struct job *job, int rc, uint32_t blocks)
{
	struct host *host = job->host;
	struct message question = job->message;
	uint64_t to = job->to;
	bool gone = host->gone;

	job_put(job);
	if (gone)
		return;
	replica_grain_healed(host->machine, to, &question, rc, blocks);
	host_poll(host);
}

static void heal_written(void *arg, int rc)
{
	struct job *job = arg;

	heal_over(job, rc, (uint32_t)__builtin_popcount(job->bad_blocks));
}

/* Which blocks are bad is known: they are written anew, if it is of the same version still. */
static void heal_looked(struct pool_read *read, int rc)
{
	struct job *job = container_of(read, struct job, read);
	struct grain_copy copy;

	buf_put(read->into);
	job->bad_blocks = (uint16_t)(read->bad_blocks & job->message.grain.present);
	if (rc != -EILSEQ && rc != -EIO) {
		heal_over(job, rc, 0); /* nothing is bad any more */
		return;
	}
	if (job->host->gone || job->bad_blocks == 0 || copy_make(job, &copy) != 0) {
		heal_over(job, -EAGAIN, 0);
		return;
	}
	pool_replica_grain_heal(job->host->store, &copy, job->bad_blocks, heal_written, job);
	buf_put(copy.data);
}

/* What is to be written anew has been decided by a comparison: nothing is looked at. */
static void rewrite(struct job *job)
{
	struct grain_copy copy;

	job->bad_blocks = (uint16_t)(job->message.blocks & job->message.grain.present);
	if (job->bad_blocks == 0 || copy_make(job, &copy) != 0) {
		heal_over(job, -EAGAIN, 0);
		return;
	}
	pool_replica_grain_rewrite(job->host->store, &copy, job->bad_blocks, heal_written, job);
	buf_put(copy.data);
}

static void replaced(void *arg, int rc)
{
	heal_over(arg, rc, rc == 0 ? GRAIN_BLOCKS : 0);
}

/* So it is with a whole grain: what stands here doesn't matter, but what is applied does. */
static void replace(struct job *job)
{
	const struct message *m = &job->message;
	struct host *host = job->host;
	struct grain_copy copy;

	if (m->grain.layer != LAYER_TOP || pool_replica_levels_move(host->store) ||
		copy_make(job, &copy) != 0) {
		heal_over(job, -EAGAIN, 0);
		return;
	}
	pool_replica_grain_replace(host->store, &copy, m->grain.seq, m->seq, replaced, job);
	buf_put(copy.data);
}

/* Everything that the copy has is applied here too. */
static void heal_applied(void *arg, int rc)
{
	struct job *job = arg;
	struct host *host = job->host;
	struct buf *into = NULL;

	if (rc == 0 && !host->gone && job->message.seq != 0) {
		replace(job);
		return;
	}
	if (rc == 0 && !host->gone && job->message.blocks != 0) {
		rewrite(job);
		return;
	}
	if (rc == 0 && !host->gone)
		into = buf_get(host->datapath->config.bufs, GRAIN_BYTES);
	if (!into) {
		heal_over(job, -EAGAIN, 0);
		return;
	}
	job->read = (struct pool_read){
		.fn = heal_looked,
		.replica = host->store,
		.offset_bytes = job->message.grain.index * GRAIN_BYTES,
		.length_bytes = GRAIN_BYTES,
		.snapshot = job->message.snapshot,
		.into = into,
	};
	pool_read(&job->read);
}

void host_grain_heal(struct host *host, const struct replica_effect *effect)
{
	struct job *job = grain_job(host, effect);

	if (!job || (!effect->message.grain.found && effect->message.seq == 0)) {
		if (job)
			job_put(job);
		replica_grain_healed(host->machine, effect->to, &effect->message, -EAGAIN, 0);
		return; /* host_poll() is under way */
	}
	pool_replica_applied_wait(host->store, effect->message.grain.seq, heal_applied, job);
}
