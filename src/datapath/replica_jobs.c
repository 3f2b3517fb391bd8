/* What replicas do for coordinators besides appending: reads of data and log, and waits for what is applied.
 */
#include "datapath/private.h"

#include <errno.h>
#include <string.h>

struct job *job_get(struct host *host, const struct replica_effect *effect, bool must)
{
	struct datapath *dp = host->datapath;
	struct list *node;
	struct job *job;

	if (!must && dp->free_job_count <= JOBS_RESERVE)
		return NULL;
	if (dp->free_job_count == 0)
		return NULL;
	node = list_pop_front(&dp->free_jobs);
	job = node ? list_entry(node, struct job, node) : &dp->jobs[dp->jobs_cut++];
	dp->free_job_count--;
	job->host = host;
	job->to = effect->to;
	job->message = effect->message;
	job->message.rows = NULL;
	job->message.entry = NULL;
	job->message.payload = NULL;
	job->message.crc = NULL;
	job->payload = NULL;
	job->puts = 0;
	job->rc = 0;
	host_asked(host);
	return job;
}

void job_put(struct job *job)
{
	struct host *host = job->host;
	struct datapath *dp = host->datapath;

	buf_put(job->payload);
	job->payload = NULL;
	list_push_back(&dp->free_jobs, &job->node);
	dp->free_job_count++;
	host_returned(host);
}

struct message job_answer(const struct job *job, enum message_type type)
{
	return (struct message){
		.type = type,
		.epoch = job->message.epoch,
		.session = job->message.session,
		.attempt = job->message.attempt,
		.token = job->message.token,
	};
}

static void refuse(struct host *host, const struct replica_effect *effect, enum message_type type)
{
	const struct message *question = &effect->message;
	struct message answer = {
		.type = type,
		.epoch = question->epoch,
		.session = question->session,
		.attempt = question->attempt,
		.token = question->token,
		.seq = question->seq,
		.rc = -EAGAIN,
	};

	link_answer(host->datapath, effect->to, host->by_replica.key, &answer);
}

static void job_send(struct job *job, const struct message *answer)
{
	if (!job->host->gone)
		link_answer(job->host->datapath, job->to, job->host->by_replica.key, answer);
}

/* ---- READ ---- */

static void read_done(struct pool_read *read, int rc)
{
	struct job *job = container_of(read, struct job, read);
	struct message answer = job_answer(job, MESSAGE_READ_ANSWER);

	answer.rc = rc;
	/* A snapshot that is committed, and not there yet, is made soon. */
	if (rc == -ENOENT && !job->host->gone)
		(void)pool_replica_levels_move(job->host->store);
	if (rc == 0) {
		job->payload->len_bytes = job->message.length_bytes;
		answer.payload = job->payload;
		answer.crc = read->crc;
	}
	job_send(job, &answer);
	job_put(job);
}

/* It is in memory: answered at once. */
static void map_answer(struct job *job, struct buf *into)
{
	const struct message *question = &job->message;
	struct message answer = job_answer(job, MESSAGE_READ_ANSWER);

	answer.rc = view_map_fill(job->host->store, question->snapshot, question->older,
		question->offset_bytes, question->length_bytes, into);
	job->payload = into;
	if (answer.rc == 0) {
		crc32c_blocks(into->data, into->len_bytes / BLOCK_BYTES, job->crc);
		answer.payload = into;
		answer.crc = job->crc;
	}
	if (answer.rc == -ENOENT)
		(void)pool_replica_levels_move(job->host->store);
	job_send(job, &answer);
	job_put(job);
}

void host_read(struct host *host, const struct replica_effect *effect)
{
	const struct message *question = &effect->message;
	uint32_t bytes =
		question->map_wanted ? volume_map_bytes(question->length_bytes) : question->length_bytes;
	struct job *job = job_get(host, effect, false);
	struct buf *into = job ? buf_get(host->datapath->config.bufs, bytes) : NULL;

	if (!into) {
		if (job)
			job_put(job);
		refuse(host, effect, MESSAGE_READ_ANSWER);
		return;
	}
	if (question->map_wanted) {
		map_answer(job, into);
		return;
	}
	job->payload = into;
	job->read = (struct pool_read){
		.fn = read_done,
		.replica = host->store,
		.offset_bytes = effect->message.offset_bytes,
		.length_bytes = effect->message.length_bytes,
		.snapshot = effect->message.snapshot,
		.into = into,
	};
	pool_read(&job->read);
}

/* ---- LOG_READ ---- */

static void log_read_done(void *arg, int rc, struct entry *entry)
{
	struct job *job = arg;
	struct message answer = job_answer(job, MESSAGE_LOG_ANSWER);

	answer.rc = rc;
	answer.seq = job->message.seq;
	answer.entry = rc == 0 ? entry : NULL;
	job_send(job, &answer);
	if (rc == 0)
		entry_put(entry);
	job_put(job);
}

void host_log_read(struct host *host, const struct replica_effect *effect)
{
	struct job *job = job_get(host, effect, false);

	if (!job) {
		refuse(host, effect, MESSAGE_LOG_ANSWER);
		return;
	}
	pool_replica_log_read(host->store, effect->message.seq, log_read_done, job);
}

/* ---- APPLIED_WAIT: one under way; a newer one is asked when it is back ---- */

static void applied(void *arg, int rc)
{
	struct host *host = arg;
	bool gone = host->gone;
	uint64_t seq = host->applied_asked;
	struct replica_figures figures;

	host->applied_waiting = false;
	host_returned(host);
	if (gone)
		return;
	if (seq != host->applied_wanted) {
		host_applied_wait(host, host->applied_wanted);
		return;
	}
	host_figures(host, &figures);
	replica_applied(host->machine, seq, rc, &figures);
	host_poll(host);
}

void host_applied_wait(struct host *host, uint64_t seq)
{
	host->applied_wanted = seq;
	if (host->applied_waiting)
		return;
	host->applied_waiting = true;
	host->applied_asked = seq;
	host_asked(host);
	pool_replica_applied_wait(host->store, seq, applied, host);
}
