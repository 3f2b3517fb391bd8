/* Entries for others: from memory, or from the ring, header first, then the payload that its descriptor
 * names; of a redirected one from the grains that it names, as long as they are what they were. */
#include "store/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct log_job {
	struct device_io io;
	struct iovec iov;
	struct loop_task task;
	struct pool *pool;
	struct pool_replica *replica;
	void (*fn)(void *arg, int rc, struct entry *entry);
	void *arg;
	struct entry *entry;
	uint8_t *header;
	uint64_t batch, seq;
	uint32_t fresh[REDIRECT_MAX_GRAINS]; /* of a redirected entry */
	unsigned fresh_count, fresh_next;
	uint32_t dir;
	struct epoch epoch;
	int rc;
};

static void log_job_end(void *arg)
{
	struct log_job *job = arg;
	struct pool *pool = job->pool;
	struct entry *entry = job->entry;

	if (job->replica)
		job->replica->reads--;
	if (job->rc < 0) {
		entry_put(entry);
		entry = NULL;
	}
	job->fn(job->arg, pool->failed && job->rc == 0 && !entry ? -EIO : job->rc, entry);
	free(job->header);
	free(job);
	pool_pump_soon(pool);
}

/* From a completion: the answer may come at once. */
static void log_job_finish(struct log_job *job, int rc)
{
	job->rc = rc;
	log_job_end(job);
}

static void log_payload_ended(struct device_io *io, int rc);

static void log_grain_read(struct log_job *job)
{
	struct pool *pool = job->pool;
	unsigned i = job->fresh_next++;

	ASSERT(i < job->fresh_count);
	job->iov = (struct iovec){ .iov_base = job->entry->payload->data + (size_t)i * GRAIN_BYTES,
		.iov_len = GRAIN_BYTES };
	job->io.fn = log_payload_ended;
	pool_io_began(pool, &job->io);
	pool->device->ops->read(
		pool->device, &job->io, &job->iov, 1, geometry_grain_offset(&pool->g, job->fresh[i]));
}

static void log_payload_ended(struct device_io *io, int rc)
{
	struct log_job *job = container_of(io, struct log_job, io);
	const struct entry *entry = job->entry;
	uint32_t crcs[ENTRY_MAX_BLOCKS];
	size_t blocks = entry->length_bytes / BLOCK_BYTES;

	pool_io_ended(job->pool, io);
	if (rc == 0 && job->fresh_next < job->fresh_count) {
		log_grain_read(job);
		return;
	}
	if (rc == 0) {
		crc32c_blocks(entry->payload->data, blocks, crcs);
		if (memcmp(crcs, entry->crc, blocks * sizeof(crcs[0])) != 0 && !MUTANT(skip_crc))
			rc = -EILSEQ;
	}
	/* Once it is committed it may be applied, and its grains written again. */
	if (rc == -EILSEQ && job->fresh_count > 0 && job->seq <= job->replica->commit_seq) {
		rc = -ENOENT;
		if (job->replica->lost_seq < job->seq)
			job->replica->lost_seq = job->seq;
	}
	if (rc == -EILSEQ)
		job->pool->counters.checksum_errors++;
	log_job_finish(job, rc);
}

/* The record of the entry in the header, and where its payload begins. */
static int log_find(struct log_job *job, const struct batch_header *h, struct reader *records, uint32_t block,
	struct record *record, uint32_t *ret_payload_block)
{
	uint32_t at = block + 1;

	for (unsigned i = 0; i < h->record_count; i++) {
		if (record_decode(records, record) < 0)
			return -EILSEQ;
		if (record_is_entry(record) && record->dir == job->dir && record->seq == job->seq &&
			epoch_equal(record->epoch, job->epoch)) {
			*ret_payload_block = at;
			return 0;
		}
		at += record_payload_blocks(record);
	}
	return -ENOENT;
}

static int log_grains(struct log_job *job, const struct record *record)
{
	job->fresh_count = record_grains(record);
	job->fresh_next = 0;
	for (unsigned i = 0; i < job->fresh_count; i++) {
		if (record->fresh[i] >= job->pool->g.grain_count)
			return -EILSEQ;
		job->fresh[i] = record->fresh[i];
	}
	return 0;
}

static void log_header_ended(struct device_io *io, int rc)
{
	struct log_job *job = container_of(io, struct log_job, io);
	struct pool *pool = job->pool;
	uint32_t block = (uint32_t)(ring_batch(pool, job->batch)->position % pool->g.ring_blocks),
		 payload = 0;
	struct batch_header h;
	struct reader records;
	struct record record;

	pool_io_ended(pool, io);
	if (rc == 0 && batch_decode(&pool->g, block, job->header, &h, &records) < 0)
		rc = -EILSEQ;
	if (rc == 0)
		rc = h.number == job->batch ? log_find(job, &h, &records, block, &record, &payload) : -ENOENT;
	/* Let go, and its place written again, while the read was under way. */
	if (rc == -EILSEQ && job->batch < pool->journal.tail)
		rc = -ENOENT;
	if (rc == 0) {
		job->entry = entry_get(pool->options.entries);
		rc = job->entry ? 0 : -EAGAIN;
	}
	if (rc == 0)
		entry_of_record(&record, job->entry);
	if (rc == 0)
		rc = log_grains(job, &record);
	if (rc == 0 && record.op == ENTRY_WRITE) {
		job->entry->payload = buf_get(pool->options.bufs, (uint32_t)record.length_bytes);
		rc = job->entry->payload ? 0 : -EAGAIN;
	}
	if (rc < 0 || record.kind == RECORD_OP) {
		log_job_finish(job, rc);
		return;
	}
	job->entry->payload->len_bytes = (uint32_t)record.length_bytes;
	if (job->fresh_count > 0) {
		log_grain_read(job);
		return;
	}
	job->iov = (struct iovec){ .iov_base = job->entry->payload->data, .iov_len = record.length_bytes };
	job->io.fn = log_payload_ended;
	pool_io_began(pool, &job->io);
	pool->device->ops->read(
		pool->device, &job->io, &job->iov, 1, geometry_ring_offset(&pool->g, payload));
}

void pool_replica_log_read(struct pool_replica *replica, uint64_t seq,
	void (*fn)(void *arg, int rc, struct entry *entry), void *arg)
{
	struct pool *pool = replica->pool;
	struct log_job *job = calloc(1, sizeof(*job));
	struct log_entry *le = index_find(replica, seq);

	ASSERT(job);
	*job = (struct log_job){ .pool = pool, .replica = replica, .fn = fn, .arg = arg, .seq = seq };
	job->dir = replica->head.dir;
	replica->reads++;
	loop_task_init(&job->task, log_job_end, job);
	if (pool->failed)
		job->rc = -EIO;
	else if (!le)
		job->rc = -ENOENT;
	else if (le->entry && (le->entry->payload || le->entry->op != ENTRY_WRITE))
		job->entry = entry_ref(le->entry);
	else
		job->header = aligned_new(BLOCK_BYTES);
	if (!job->header) {
		loop_defer(pool->loop, &job->task);
		return;
	}
	job->batch = le->batch;
	job->epoch = le->epoch;
	job->iov = (struct iovec){ .iov_base = job->header, .iov_len = BLOCK_BYTES };
	job->io.fn = log_header_ended;
	pool_io_began(pool, &job->io);
	pool->device->ops->read(pool->device, &job->io, &job->iov, 1,
		geometry_ring_offset(
			&pool->g, (uint32_t)(ring_batch(pool, le->batch)->position % pool->g.ring_blocks)));
}
