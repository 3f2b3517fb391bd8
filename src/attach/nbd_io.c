/*
 * Requests of NBD clients, as requests to the volume.
 *
 * Copies of a payload in this process: one for what came into the staging buffer together with its header
 * (small writes), none for the rest, which is received into the buffers that journal and sockets use. Reads:
 * none.
 */
#include "attach/nbd_serve_private.h"

#include <errno.h>

/* How much of the volume's map one block status looks at: a moment's work. */
#define STATUS_MAX_BYTES VOLUME_MAP_MAX_BYTES

static void op_ended(struct front_op *io)
{
	nbd_send_reply(container_of(io, struct nbd_op, io));
}

static struct nbd_op *op_get(struct nbd_conn *conn, const struct nbd_request *request)
{
	struct list *node = list_pop_front(&conn->serve->free_ops);
	struct nbd_op *op = node ? nbd_op_of(node) : NULL;

	if (!op)
		return NULL;
	op->conn = conn;
	op->request = *request;
	op->status = NULL;
	op->read_bytes = 0;
	op->io.rc = 0;
	op->io.part_count = op->io.part_submitted = 0;
	conn->in_flight++;
	conn->serve->in_flight++;
	stat_add(&conn->serve->stats.requests);
	return op;
}

static void op_put(struct nbd_op *op)
{
	struct nbd_conn *conn = op->conn;

	conn->read_bytes -= op->read_bytes;
	front_op_release(&op->io);
	buf_put(op->status);
	op->status = NULL;
	ASSERT(conn->in_flight > 0 && conn->serve->in_flight > 0);
	conn->in_flight--;
	conn->serve->in_flight--;
	list_remove(&op->io.node);
	list_push_front(&conn->serve->free_ops, &op->io.node);
}

void nbd_op_free(struct nbd_op *op)
{
	struct nbd_conn *conn = op->conn;

	op_put(op);
	if (conn->full) {
		conn->full = false;
		conn->serve->stalled = true;
	}
	nbd_serve_moved(conn->serve);
}

static void op_begin(struct nbd_op *op, enum request_op kind)
{
	struct nbd_serve *serve = op->conn->serve;

	front_op_begin(&op->io, serve->volume, kind, serve->next_id++, op->request.offset_bytes,
		op->request.length_bytes, op_ended);
}

static void in_release(struct nbd_op *op)
{
	for (unsigned i = 0; i < FRONT_MAX_PARTS; i++) {
		buf_put(op->in[i]);
		op->in[i] = NULL;
	}
}

/* All buffers of a write at once, or none: two writes that wait for each other's halves would wait for ever.
 */
static bool in_get(struct nbd_op *op)
{
	for (unsigned i = 0; i < op->io.part_count; i++) {
		op->in[i] = buf_get(op->conn->serve->bufs, front_op_part_bytes(&op->io, i));
		if (!op->in[i]) {
			in_release(op);
			return false;
		}
	}
	return true;
}

static bool begin_write(struct nbd_op *op)
{
	op_begin(op, REQUEST_WRITE);
	if (!in_get(op)) {
		op_put(op); /* nothing has moved: who waits goes on waiting */
		return false;
	}
	op->conn->writing = op;
	op->conn->written_bytes = 0;
	return true;
}

static void begin_read(struct nbd_op *op)
{
	struct nbd_serve *serve = op->conn->serve;

	op_begin(op, REQUEST_READ);
	op->read_bytes = op->request.length_bytes;
	op->conn->read_bytes += op->read_bytes;
	if (!front_op_submit_read(&op->io, serve->bufs)) {
		list_push_back(&serve->waiting, &op->io.node);
		nbd_serve_stall(serve);
	}
}

/* The next extent of the reply; one that is like its neighbour makes that longer. False: there is no room. */
static bool extent_add(struct nbd_op *op, uint32_t length_bytes, uint32_t state)
{
	bool longer = op->extent_count > 0 && op->extent_state == state;
	unsigned max = op->request.flags & NBD_CMD_FLAG_REQ_ONE ? 1 : NBD_EXTENTS_MAX;

	if (!longer && op->extent_count == max)
		return false;
	op->extent_bytes = longer ? op->extent_bytes + length_bytes : length_bytes;
	op->extent_count += !longer;
	op->extent_state = state;
	nbd_extent_encode(op->status->data + (size_t)(op->extent_count - 1) * NBD_EXTENT_BYTES,
		op->extent_bytes, state);
	return true;
}

/* All in one go, so the answer is of one moment. */
static void volume_extents(struct nbd_op *op, uint64_t left_bytes)
{
	struct volume *volume = op->conn->serve->volume;
	uint64_t offset_bytes = op->request.offset_bytes;

	while (left_bytes > 0) {
		struct extent extent = volume_extent(volume, offset_bytes, left_bytes);

		ASSERT(extent.length_bytes > 0 && extent.length_bytes <= left_bytes);
		if (!extent_add(op, (uint32_t)extent.length_bytes, extent.is_hole ? NBD_STATE_HOLE_ZERO : 0))
			break;
		offset_bytes += extent.length_bytes;
		left_bytes -= extent.length_bytes;
	}
	nbd_send_reply(op);
}

static uint32_t state_of(enum nbd_context context, enum block_state block)
{
	if (context == NBD_CONTEXT_ALLOCATION)
		return block == BLOCK_DATA ? 0 : NBD_STATE_HOLE_ZERO;
	return block == BLOCK_DATA ? NBD_STATE_CHANGED : block == BLOCK_TRIMMED ? NBD_STATE_TRIMMED : 0;
}

/* A snapshot's map has come: of the grains that the request touches. */
static void map_ended(struct front_op *io)
{
	struct nbd_op *op = container_of(io, struct nbd_op, io);
	uint32_t block = (uint32_t)((op->request.offset_bytes - io->offset_bytes) / BLOCK_BYTES);
	uint64_t end_bytes = op->request.offset_bytes + op->request.length_bytes;
	uint64_t map_end_bytes = io->offset_bytes + io->length_bytes;
	uint32_t end =
		(uint32_t)(((end_bytes < map_end_bytes ? end_bytes : map_end_bytes) - io->offset_bytes) /
			   BLOCK_BYTES);

	for (; io->rc == 0 && block < end; block++)
		if (!extent_add(op, BLOCK_BYTES,
			    state_of(op->conn->handshake.context, volume_map_block(io->part[0].data, block))))
			break;
	nbd_send_reply(op);
}

static bool begin_map(struct nbd_op *op, uint64_t length_bytes)
{
	struct nbd_serve *serve = op->conn->serve;
	uint64_t offset_bytes = op->request.offset_bytes / GRAIN_BYTES * GRAIN_BYTES;
	uint64_t end_bytes =
		(op->request.offset_bytes + length_bytes + GRAIN_BYTES - 1) / GRAIN_BYTES * GRAIN_BYTES;
	struct buf *data;

	if (end_bytes - offset_bytes > STATUS_MAX_BYTES)
		end_bytes = offset_bytes + STATUS_MAX_BYTES;
	data = buf_get(serve->bufs, volume_map_bytes(end_bytes - offset_bytes));
	if (!data) {
		op_put(op);
		return false;
	}
	front_op_begin(&op->io, serve->volume, REQUEST_MAP, serve->next_id++, offset_bytes,
		end_bytes - offset_bytes, map_ended);
	op->io.snapshot = op->conn->handshake.since;
	front_op_submit_part(&op->io, data);
	return true;
}

static bool begin_status(struct nbd_op *op)
{
	uint64_t length_bytes = op->request.length_bytes;

	op->status = buf_get(op->conn->serve->bufs, BLOCK_BYTES);
	if (!op->status) {
		op_put(op);
		return false;
	}
	op->extent_count = 0;
	if (length_bytes > STATUS_MAX_BYTES)
		length_bytes = STATUS_MAX_BYTES;
	if (volume_is_read_only(op->conn->serve->volume))
		return begin_map(op, length_bytes);
	volume_extents(op, length_bytes);
	return true;
}

/* One that was checked. */
static bool begin_checked(struct nbd_op *op)
{
	enum request_op kind = REQUEST_FLUSH;

	switch (op->request.command) {
	case NBD_CMD_READ:
		begin_read(op);
		return true;
	case NBD_CMD_WRITE:
		return begin_write(op);
	case NBD_CMD_BLOCK_STATUS:
		return begin_status(op);
	case NBD_CMD_TRIM:
		kind = REQUEST_TRIM;
		break;
	case NBD_CMD_WRITE_ZEROES:
		kind = REQUEST_ZERO;
		break;
	default:
		break;
	}
	op_begin(op, kind);
	front_op_submit_part(&op->io, NULL);
	return true;
}

bool nbd_io_begin(struct nbd_conn *conn, const struct nbd_request *request)
{
	int rc = nbd_request_check(
		request, volume_size_bytes(conn->serve->volume), conn->handshake.context != NBD_CONTEXT_NONE);
	struct nbd_op *op = op_get(conn, request);

	if (!op)
		return false;
	if (rc == 0 && (request->length_bytes > 0 || request->command == NBD_CMD_FLUSH))
		return begin_checked(op);
	/* Refused, or nothing is to be done. */
	conn->skip_bytes = nbd_request_payload_bytes(request);
	op->io.rc = rc;
	nbd_send_reply(op);
	return true;
}

void nbd_io_payload(struct nbd_conn *conn)
{
	struct nbd_op *op = conn->writing;
	uint32_t whole_bytes = 0;

	for (unsigned i = 0; i < op->io.part_count; i++) {
		whole_bytes += front_op_part_bytes(&op->io, i);
		if (whole_bytes > conn->written_bytes)
			return;
		if (i < op->io.part_submitted)
			continue;
		op->in[i]->len_bytes = front_op_part_bytes(&op->io, i);
		if (i + 1 == op->io.part_count)
			conn->writing = NULL;
		front_op_submit_part(&op->io, op->in[i]);
		op->in[i] = NULL;
	}
}

void nbd_io_abandon(struct nbd_conn *conn)
{
	struct nbd_op *op = conn->writing;

	if (!op)
		return;
	conn->writing = NULL;
	in_release(op);
	front_op_drop(&op->io, -EIO);
}

bool nbd_io_resume_waiting(struct nbd_serve *serve)
{
	while (!list_is_empty(&serve->waiting)) {
		struct nbd_op *op = nbd_op_of(list_first(&serve->waiting));

		if (!front_op_submit_read(&op->io, serve->bufs))
			return false;
		list_remove(&op->io.node);
	}
	return true;
}

void nbd_io_drop_waiting(struct nbd_serve *serve, const struct nbd_conn *conn)
{
	struct list *node, *next;

	for (node = serve->waiting.next; node != &serve->waiting; node = next) {
		struct nbd_op *op = nbd_op_of(node);

		next = node->next;
		if (conn && op->conn != conn)
			continue;
		list_remove(node);
		front_op_drop(&op->io, -EIO);
	}
}
