/*
 * Requests of a front: checked, given an op and, for writes, an entry with its checksums (computed here,
 * once), handed to the coordinator, answered in a later call. Where ops, entries or buffers are short they
 * wait.
 */
#include "datapath/stripe.h"

#include <errno.h>

static bool request_is_structural(const struct request *request)
{
	return request->op == REQUEST_SNAPSHOT || request->op == REQUEST_SNAPSHOT_DELETE ||
	       request->op == REQUEST_ROLLBACK;
}

static bool request_is_valid(const struct volume *volume, const struct request *request)
{
	uint64_t size_bytes = volume->spec.size_bytes;

	if (request->op == REQUEST_FLUSH)
		return true;
	if (request_is_structural(request))
		return request->offset_bytes == 0 && request->length_bytes == 0 &&
		       !uuid_is_none(request->snapshot);
	if (request->offset_bytes % BLOCK_BYTES || request->length_bytes % BLOCK_BYTES ||
		request->length_bytes == 0)
		return false;
	if (request->offset_bytes > size_bytes || request->length_bytes > size_bytes - request->offset_bytes)
		return false;
	if (request->op == REQUEST_TRIM || request->op == REQUEST_ZERO)
		return true;
	if (request->op == REQUEST_MAP)
		return volume_is_read_only(volume) && request->length_bytes <= VOLUME_MAP_MAX_BYTES &&
		       request->offset_bytes % GRAIN_BYTES == 0 && request->length_bytes % GRAIN_BYTES == 0 &&
		       request->data && request->data->cap_bytes >= volume_map_bytes(request->length_bytes);
	if (request->op != REQUEST_READ && request->op != REQUEST_WRITE)
		return false;
	return request->length_bytes <= ENTRY_MAX_BYTES && request->data &&
	       request->data->cap_bytes >= request->length_bytes;
}

void request_finish(struct volume *volume, struct request *request, int rc)
{
	request->priv[0] = (void *)(intptr_t)rc;
	list_push_back(&volume->finished, &request->node);
	volume_mark(volume);
}

void volume_enqueue(struct volume *volume, struct request *request)
{
	request->volume = volume;
	volume->in_flight++;
	list_push_back(&volume->waiting, &request->node);
	volume_mark(volume);
}

void volume_submit(struct volume *volume, struct request *request)
{
	request->volume = volume;
	request->started_ns = datapath_now_ns(volume->datapath);
	request->seq = 0;
	request->is_piece = false;
	list_init(&request->node);
	volume->in_flight++;
	if (!request_is_valid(volume, request)) {
		request_finish(volume, request, -EINVAL);
	} else if (volume->state == VOLUME_ENDED || volume->detaching) {
		request_finish(volume, request, -EIO);
	} else if (request->op == REQUEST_FLUSH) {
		request_finish(volume, request, 0);
	} else if (volume_is_read_only(volume) && request->op != REQUEST_READ && request->op != REQUEST_MAP) {
		request_finish(volume, request, -EROFS);
	} else {
		list_push_back(&volume->waiting, &request->node);
		volume_mark(volume);
	}
}

static enum entry_op entry_op_of(enum request_op op)
{
	switch (op) {
	case REQUEST_WRITE:
		return ENTRY_WRITE;
	case REQUEST_TRIM:
		return ENTRY_TRIM;
	case REQUEST_SNAPSHOT:
		return ENTRY_SNAPSHOT;
	case REQUEST_SNAPSHOT_DELETE:
		return ENTRY_DELETE_SNAPSHOT;
	case REQUEST_ROLLBACK:
		return ENTRY_ROLLBACK;
	case REQUEST_ZERO:
		return ENTRY_ZERO;
	case REQUEST_READ:
	case REQUEST_MAP:
	case REQUEST_FLUSH:
		break;
	}
	ASSERT(!"a request that needs an entry");
	return ENTRY_ZERO;
}

static struct entry *entry_make(struct datapath *dp, const struct request *request)
{
	struct entry *entry = entry_get(dp->config.entries);

	if (!entry)
		return NULL;
	entry->op = entry_op_of(request->op);
	entry->attachment = request->snapshot;
	entry->offset_bytes = request->offset_bytes;
	entry->length_bytes = request->length_bytes;
	entry->request_id = request->id;
	entry->request_part = request->part;
	if (request->op == REQUEST_WRITE) {
		request->data->len_bytes = (uint32_t)request->length_bytes;
		entry->payload = buf_ref(request->data);
		crc32c_blocks(request->data->data, request->length_bytes / BLOCK_BYTES, entry->crc);
	}
	return entry;
}

struct op *op_get(struct datapath *dp)
{
	struct list *node = list_pop_front(&dp->free_ops);
	struct op *op;

	if (node) {
		op = list_entry(node, struct op, node);
	} else {
		if (dp->ops_cut == DATAPATH_MAX_OPS)
			return NULL;
		op = &dp->ops[dp->ops_cut];
		op->index = dp->ops_cut++;
	}
	op->operation = (struct operation){ .voter = -1 };
	op->generation++;
	op->reading = false;
	op->answered = false;
	op->voter = -1;
	op->rc = 0;
	op->tried = op->gone = 0;
	op->left = false;
	return op;
}

/*
 * Before anything is put into request->data: it gets another buffer where a disk may still write to the one
 * that it has. False: buffers are short.
 */
bool op_data_is_own(struct op *op)
{
	struct request *request = op->request;
	struct buf *data;

	if (!op->left)
		return true;
	data = buf_get(request->volume->datapath->config.bufs, (uint32_t)request->length_bytes);
	if (!data)
		return false;
	buf_put(request->data); /* the store holds it */
	request->data = data;
	op->left = false;
	return true;
}

void op_put(struct op *op)
{
	struct datapath *dp = op->request->volume->datapath;

	op->request = NULL;
	op->generation++; /* an answer that is on its way finds nothing */
	list_push_back(&dp->free_ops, &op->node);
}

/* False where something is short. */
static bool request_start(struct volume *volume, struct request *request)
{
	struct datapath *dp = volume->datapath;
	bool is_read = request->op == REQUEST_READ;
	struct op *op = op_get(dp);
	struct entry *entry = NULL;

	if (!op)
		return false;
	op->request = request;
	if (!is_read) {
		entry = entry_make(dp, request);
		if (!entry) {
			op_put(op);
			return false;
		}
	}
	list_remove(&request->node);
	op->operation.is_read = is_read;
	op->operation.offset_bytes = request->offset_bytes;
	op->operation.length_bytes = is_read ? (uint32_t)request->length_bytes : 0;
	op->operation.entry = entry;
	coordinator_submit(volume->coordinator, &op->operation, datapath_now_ns(dp));
	return true;
}

void volume_admit(struct volume *volume)
{
	struct datapath *dp = volume->datapath;
	struct list *node;

	while ((node = list_first(&volume->waiting)) != NULL) {
		struct request *request = list_entry(node, struct request, node);

		if (volume->state == VOLUME_ENDED) {
			list_remove(node);
			request_finish(volume, request, -EIO);
		} else if (!volume_limits_admit(volume, request)) {
			return;
		} else if (!request_start(volume, request)) {
			loop_timer_set(dp->config.loop, &dp->admit_timer,
				datapath_now_ns(dp) + ADMIT_RETRY_MS * NS_PER_MS);
			return;
		}
		volume_limits_admitted(volume);
	}
}

void volume_answered(struct volume *volume, struct operation *operation, int rc)
{
	struct op *op = container_of(operation, struct op, operation);
	struct request *request = op->request;

	if (op->reading) { /* the buffer isn't ours yet */
		op->answered = true;
		op->rc = rc;
		return;
	}
	request->seq = operation->seq;
	if (request->op == REQUEST_WRITE && rc == 0)
		trace_committed(volume, operation->seq, datapath_now_ns(volume->datapath));
	op_put(op);
	request_finish(volume, request, rc);
}

static struct io_stats *stats_of(struct volume *volume, const struct request *request)
{
	switch (request->op) {
	case REQUEST_READ:
		return &volume->read_stats;
	case REQUEST_WRITE:
		return &volume->write_stats;
	case REQUEST_TRIM:
	case REQUEST_ZERO:
		return &volume->trim_stats;
	case REQUEST_FLUSH:
	case REQUEST_MAP:
	case REQUEST_SNAPSHOT:
	case REQUEST_SNAPSHOT_DELETE:
	case REQUEST_ROLLBACK:
		break;
	}
	return NULL;
}

void volume_finish(struct volume *volume)
{
	struct list *node;

	while ((node = list_pop_front(&volume->finished)) != NULL) {
		struct request *request = list_entry(node, struct request, node);
		int rc = (int)(intptr_t)request->priv[0];
		uint64_t at_ns = datapath_now_ns(volume->datapath);
		struct io_stats *stats = request->is_piece ? NULL : stats_of(volume, request);

		if (stats)
			io_stats_add(stats, request->length_bytes, at_ns - request->started_ns, rc);
		if (request->op == REQUEST_WRITE && request->seq != 0 && rc == 0)
			trace_answered(volume, request, request->seq, at_ns);
		ASSERT(volume->in_flight > 0);
		volume->in_flight--;
		if (volume->whole)
			stripe_answered(volume, request);
		request->done(request, rc);
	}
}
