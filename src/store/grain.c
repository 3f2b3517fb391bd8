/* A grain's content for a resync: the blocks that are there as of one commit_seq, from entries and grain
 * alike. */
#include "store/pool.h"

#include <errno.h>
#include <stdlib.h>

#define GRAIN_ATTEMPTS 8u

struct grain_job {
	struct pool_read read;
	struct grain_copy copy;
	void (*fn)(void *arg, int rc, struct grain_copy *copy);
	void *arg;
	unsigned attempts;
	struct loop_task refused;
};

static void grain_job_read(struct grain_job *job)
{
	struct pool_replica *replica = job->read.replica;

	job->copy.seq = replica->commit_seq;
	job->copy.epoch = replica_epoch_at(replica, replica->commit_seq);
	job->copy.present = replica_grain_present(replica, job->copy.index, replica->commit_seq);
	job->copy.zero = 0;
	pool_read(&job->read);
}

static void grain_job_done(struct pool_read *read, int rc)
{
	struct grain_job *job = container_of(read, struct grain_job, read);
	struct grain_copy *copy = &job->copy;

	/* The read was planned, or planned anew, at a later commit: the copy must be of one moment. */
	if (rc == 0 && read->commit_seq != copy->seq && job->attempts++ < GRAIN_ATTEMPTS) {
		grain_job_read(job);
		return;
	}
	if (rc == 0 && read->commit_seq != copy->seq)
		rc = -EAGAIN;
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++)
		copy->crc[i] = read->crc[i];
	copy->data = read->into;
	copy->data->len_bytes = GRAIN_BYTES;
	if (rc < 0 || copy->present == 0) {
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
