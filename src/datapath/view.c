/*
 * A snapshot as a volume that is only read. What it holds never changes once a replica has applied it, so any
 * complete replica that has it will do: no coordinator, lease or quorum (docs/protocol.md, "Reading
 * snapshots").
 *
 *   submitted --> cached? --yes--------------------------------> answered
 *                   | no
 *                   v
 *        a replica is asked (the local one first) --its blocks--> answered
 *           ^       | refused, damaged, without the snapshot, away, or silent for 1 s
 *           |       v
 *           +--- the next one; all have failed: from the first again in 100 ms; after 30 s -EIO
 */
#include "datapath/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void timer_soon(struct volume *volume)
{
	struct datapath *dp = volume->datapath;

	loop_timer_set(dp->config.loop, &volume->timer, datapath_now_ns(dp) + VIEW_AGAIN_MS * NS_PER_MS);
}

/* Of its answer. */
static uint32_t data_bytes(const struct request *request)
{
	return request->op == REQUEST_MAP ? volume_map_bytes(request->length_bytes)
					  : (uint32_t)request->length_bytes;
}

static void view_finish(struct volume *volume, struct op *op, int rc)
{
	struct request *request = op->request;

	ASSERT(!op->reading);
	if (rc == 0) {
		request->data->len_bytes = data_bytes(request);
		volume->unreadable_told = volume->gone_told = false;
	}
	volume->datapath->view_stats.reads++;
	volume->datapath->view_stats.errors += rc != 0;
	list_remove(&op->node);
	op_put(op);
	request_finish(volume, request, rc);
}

/* ---- one replica ---- */

static struct host *host_of(const struct volume *volume, unsigned i)
{
	struct host *host =
		volume->voters[i].peer ? NULL : host_find(volume->datapath, volume->voters[i].replica);

	return host && !host->failed ? host : NULL;
}

/* What was asked of the voter has failed. */
static void view_failed(struct volume *volume, struct op *op, int rc)
{
	unsigned voter = (unsigned)op->voter;

	ASSERT(op->voter >= 0 && voter < volume->spec.voter_count);
	op->voter = -1;
	if (rc == -ENOENT)
		op->gone |= 1u << voter;
	/* One that isn't there yet, or has no room for a moment, is as good as the others soon. */
	if (rc != -ENOENT && rc != -EAGAIN)
		volume->avoid_until_ns[voter] = datapath_now_ns(volume->datapath) + VIEW_AVOID_MS * NS_PER_MS;
	if (volume->detaching)
		view_finish(volume, op, -EIO);
	else
		view_ask(volume, op);
}

static void local_done(struct pool_read *read, int rc)
{
	struct op *op = container_of(read, struct op, read);
	struct volume *volume = op->request->volume;
	struct host *host = host_of(volume, (unsigned)op->voter);

	op->reading = false;
	op->left = read->left;
	buf_put(read->into);
	if (rc != 0 && (!host || host->store != read->replica))
		rc = -EAGAIN; /* the members have changed since: it says nothing of this one */
	if (rc == 0) {
		view_finish(volume, op, 0);
		return;
	}
	if (rc == -ENOENT && host) /* one that is committed, and not there yet, is made soon */
		(void)pool_replica_levels_move(host->store);
	view_failed(volume, op, rc);
}

/* Its map is in memory: answered at once. */
static bool local_map(struct volume *volume, struct op *op, struct host *host)
{
	struct request *request = op->request;
	int rc = view_map_fill(host->store, volume->spec.snapshot, request->snapshot, request->offset_bytes,
		request->length_bytes, request->data);

	if (rc == -ENOENT) {
		(void)pool_replica_levels_move(host->store);
		op->gone |= 1u << (unsigned)op->voter;
		return false;
	}
	volume->datapath->view_stats.local++;
	view_finish(volume, op, rc);
	return true;
}

static bool local_ask(struct volume *volume, struct op *op, struct host *host)
{
	struct request *request = op->request;

	if (replica_may_read_snapshot(host->machine) != 0 ||
		(request->op != REQUEST_MAP && !op_data_is_own(op)))
		return false;
	host_grow(host, volume->spec.size_bytes);
	if (request->op == REQUEST_MAP)
		return local_map(volume, op, host);
	op->reading = true;
	op->read = (struct pool_read){
		.fn = local_done,
		.replica = host->store,
		.offset_bytes = request->offset_bytes,
		.length_bytes = (uint32_t)request->length_bytes,
		.snapshot = volume->spec.snapshot,
		.into = buf_ref(request->data),
	};
	volume->datapath->view_stats.local++;
	pool_read(&op->read);
	return true;
}

static bool remote_ask(struct volume *volume, struct op *op, unsigned i)
{
	struct message message = { .type = MESSAGE_SNAPSHOT_READ,
		.session = volume->spec.session,
		.snapshot = volume->spec.snapshot,
		.offset_bytes = op->request->offset_bytes,
		.length_bytes = (uint32_t)op->request->length_bytes,
		.size_bytes = volume->spec.size_bytes };

	if (op->request->op == REQUEST_MAP) {
		message.map_wanted = true;
		message.older = op->request->snapshot;
	}

	op->generation++; /* each asking has its own token */
	message.token = op_token(op);
	if (peer_send(&volume->voters[i], &message) != 0)
		return false;
	volume->datapath->view_stats.remote++;
	return true;
}

void view_answer(struct voter *voter, const struct message *message)
{
	struct volume *volume = voter->volume;
	struct datapath *dp = volume->datapath;
	uint32_t index = (uint32_t)message->token;
	struct op *op = index < DATAPATH_MAX_OPS ? &dp->ops[index] : NULL;
	struct request *request = op ? op->request : NULL;

	if (message->type != MESSAGE_READ_ANSWER || !request || op_token(op) != message->token ||
		request->volume != volume || op->voter != (int)voter->index)
		return; /* another was asked since, or it is answered */
	if (message->rc == -EINVAL && request->op == REQUEST_MAP) { /* the others would say the same */
		view_finish(volume, op, -EINVAL);
		return;
	}
	if (message->rc != 0) {
		view_failed(volume, op, message->rc);
		return;
	}
	if (message->payload->len_bytes != data_bytes(request)) {
		view_failed(volume, op, -EPROTO);
		return;
	}
	if (!op_data_is_own(op)) {
		view_failed(volume, op, -EAGAIN);
		return;
	}
	memcpy(request->data->data, message->payload->data, data_bytes(request));
	if (request->op == REQUEST_READ)
		snapshot_cache_put(dp->snapshot_cache, volume->cache_key, request->offset_bytes,
			(uint32_t)request->length_bytes, request->data->data);
	view_finish(volume, op, 0);
}

/* ---- which one ---- */

/* The local one; else, so that each has its share, and the same grain comes from the same; who has failed
 * last. -1: all were tried. */
static int view_choose(const struct volume *volume, const struct op *op)
{
	uint64_t now = datapath_now_ns(volume->datapath);
	unsigned count = volume->spec.voter_count;
	unsigned first = (unsigned)(op->request->offset_bytes / (1u << 20) % count);
	int best = -1;

	for (unsigned k = 0; k < count; k++) {
		unsigned i = (first + k) % count;

		if (op->tried & 1u << i)
			continue;
		if (now >= volume->avoid_until_ns[i] && !volume->voters[i].peer)
			return (int)i;
		if (best < 0 || (volume->avoid_until_ns[best] > now && volume->avoid_until_ns[i] <= now))
			best = (int)i;
	}
	return best;
}

void view_ask(struct volume *volume, struct op *op)
{
	struct host *host;
	bool again = op->tried != 0;
	int i;

	timer_soon(volume);
	op->asked_ns = datapath_now_ns(volume->datapath);
	while ((i = view_choose(volume, op)) >= 0) {
		bool asked;

		op->tried |= 1u << i;
		op->voter = i;
		host = host_of(volume, (unsigned)i);
		asked = volume->voters[i].peer ? remote_ask(volume, op, (unsigned)i)
					       : host && local_ask(volume, op, host);
		if (asked) {
			volume->datapath->view_stats.elsewhere += again;
			return;
		}
	}
	op->voter = -1;
}

/* ---- time ---- */

static bool all_say_gone(const struct volume *volume, const struct op *op)
{
	return op->gone == (1u << volume->spec.voter_count) - 1;
}

static void round_again(struct volume *volume, struct op *op, uint64_t now)
{
	uint64_t since_ms = (now - op->request->started_ns) / NS_PER_MS;

	if (all_say_gone(volume, op) && since_ms >= VIEW_GONE_MS) {
		if (!volume->gone_told)
			datapath_event(volume->datapath, "snapshot-gone", volume->spec.name,
				"no replica has it any more: it was removed while it was read; "
				"reads get EIO");
		volume->gone_told = true;
		view_finish(volume, op, -EIO);
	} else if (since_ms >= VIEW_GIVE_UP_MS) {
		if (!volume->unreadable_told)
			datapath_event(volume->datapath, "snapshot-unreadable", volume->spec.name,
				"for %u s no complete replica that has it answered: reads get EIO",
				VIEW_GIVE_UP_MS / 1000);
		volume->unreadable_told = true;
		view_finish(volume, op, -EIO);
	} else {
		op->tried = op->gone = 0;
		view_ask(volume, op);
	}
}

void view_tick(void *arg)
{
	struct volume *volume = arg;
	uint64_t now = datapath_now_ns(volume->datapath);

	list_for_each_safe (node, &volume->asking) {
		struct op *op = list_entry(node, struct op, node);
		uint64_t asked_ms = (now - op->asked_ns) / NS_PER_MS;

		if (op->reading) /* its pool's watch ends it where the disk doesn't */
			continue;
		if (op->voter < 0 && asked_ms >= VIEW_AGAIN_MS) {
			round_again(volume, op, now);
		} else if (op->voter >= 0 && asked_ms >= VIEW_SILENCE_MS) {
			op->generation++; /* its answer comes too late now */
			view_failed(volume, op, -ETIMEDOUT);
		}
	}
	if (!list_is_empty(&volume->asking))
		timer_soon(volume);
}

/* What was asked over the connection that is lost is asked elsewhere. */
void view_voter_down(struct voter *voter)
{
	struct volume *volume = voter->volume;

	list_for_each_safe (node, &volume->asking) {
		struct op *op = list_entry(node, struct op, node);

		if (op->voter == (int)voter->index && !op->reading)
			view_failed(volume, op, -ENOTCONN);
	}
}

/* ---- requests ---- */

/* False where no op is free. */
static bool view_start(struct volume *volume, struct request *request)
{
	struct datapath *dp = volume->datapath;
	struct op *op;

	if (request->op == REQUEST_READ &&
		snapshot_cache_get(dp->snapshot_cache, volume->cache_key, request->offset_bytes,
			(uint32_t)request->length_bytes, request->data->data)) {
		request->data->len_bytes = (uint32_t)request->length_bytes;
		list_remove(&request->node);
		dp->view_stats.reads++;
		dp->view_stats.cached++;
		request_finish(volume, request, 0);
		return true;
	}
	op = op_get(dp);
	if (!op)
		return false;
	list_remove(&request->node);
	op->request = request;
	list_push_back(&volume->asking, &op->node);
	view_ask(volume, op);
	return true;
}

static void view_end_all(struct volume *volume)
{
	struct list *node;

	while ((node = list_pop_front(&volume->waiting)) != NULL)
		request_finish(volume, list_entry(node, struct request, node), -EIO);
	list_for_each_safe (at, &volume->asking) {
		struct op *op = list_entry(at, struct op, node);

		if (!op->reading)
			view_finish(volume, op, -EIO);
	}
}

void view_run(struct volume *volume)
{
	struct datapath *dp = volume->datapath;
	pool_done_fn detach_fn = volume->detach_fn;
	void *detach_arg = volume->detach_arg;
	struct list *node;

	if (volume->detaching)
		view_end_all(volume);
	while ((node = list_first(&volume->waiting)) != NULL)
		if (!view_start(volume, list_entry(node, struct request, node))) {
			loop_timer_set(dp->config.loop, &dp->admit_timer,
				datapath_now_ns(dp) + ADMIT_RETRY_MS * NS_PER_MS);
			break;
		}
	volume_finish(volume);
	if (!volume->detaching || volume->in_flight > 0)
		return;
	volume_free(volume);
	detach_fn(detach_arg, 0);
}
