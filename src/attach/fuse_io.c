/*
 * READ, WRITE and FALLOCATE of the kernel as requests to the volume, split where they are larger than an
 * entry.
 *
 * Copies of a payload in this process, between the kernel's and the pool's buffer that journal and sockets
 * use: one up to FUSE_COPY_MAX_BYTES (it lands before its size is known), none above.
 */
#include "attach/fuse_serve_private.h"

#include <errno.h>
#include <linux/falloc.h>
#include <string.h>

static void fuse_io_part_done(struct request *request, int rc);

/* Writes an answer; what the kernel no longer waits for (interrupted, aborted) is nobody's loss. */
static void fuse_io_writev(struct fuse_serve *serve, const struct iovec *iov, int count)
{
	if (serve->fd >= 0 && writev(serve->fd, iov, count) < 0)
		stat_add(&serve->stats.errors);
}

void fuse_io_answer(struct fuse_serve *serve, uint64_t unique, int error)
{
	struct fuse_out_header out = { .len = sizeof(out), .error = error, .unique = unique };
	struct iovec iov = { &out, sizeof(out) };

	ASSERT(error <= 0);
	if (error < 0)
		stat_add(&serve->stats.errors);
	fuse_io_writev(serve, &iov, 1);
}

/* What the kernel, and so the application, is told. */
static int fuse_io_error(int rc)
{
	switch (rc) {
	case -ENOSPC:
	case -EINVAL:
		return rc;
	default:
		return -EIO;
	}
}

static void fuse_io_answer_read(struct fuse_op *op)
{
	struct fuse_out_header out = { .unique = op->unique };
	struct iovec iov[1 + FUSE_MAX_PARTS] = { { &out, sizeof(out) } };

	for (unsigned i = 0; i < op->part_count; i++)
		iov[1 + i] = (struct iovec){ op->part[i].data->data, op->part[i].length_bytes };
	out.len = (uint32_t)(sizeof(out) + op->length_bytes);
	fuse_io_writev(op->serve, iov, (int)(1 + op->part_count));
}

static void fuse_io_answer_write(struct fuse_op *op)
{
	struct fuse_write_out written = { .size = (uint32_t)op->length_bytes };
	struct fuse_out_header out = { .len = sizeof(out) + sizeof(written), .unique = op->unique };
	struct iovec iov[2] = { { &out, sizeof(out) }, { &written, sizeof(written) } };

	fuse_io_writev(op->serve, iov, 2);
}

/* Answers the kernel and gives everything back. */
static void fuse_op_end(struct fuse_op *op)
{
	struct fuse_serve *serve = op->serve;

	if (op->rc < 0)
		fuse_io_answer(serve, op->unique, fuse_io_error(op->rc));
	else if (op->op == REQUEST_READ)
		fuse_io_answer_read(op);
	else if (op->op == REQUEST_WRITE)
		fuse_io_answer_write(op);
	else
		fuse_io_answer(serve, op->unique, 0);
	for (unsigned i = 0; i < op->part_count; i++) {
		buf_put(op->part[i].data);
		op->part[i].data = NULL;
	}
	list_remove(&op->node);
	list_push_front(&serve->free_ops, &op->node);
	fuse_serve_op_ended(serve);
}

static void fuse_io_part_done(struct request *request, int rc)
{
	struct fuse_op *op = request->user;

	ASSERT(op->part_answered < op->part_submitted);
	op->part_answered++;
	if (rc < 0 && op->rc == 0)
		op->rc = rc;
	if (op->part_answered == op->part_count)
		fuse_op_end(op);
}

/* `data` is the op's from here on. */
static void fuse_op_submit_part(
	struct fuse_op *op, uint64_t offset_bytes, uint64_t length_bytes, struct buf *data)
{
	struct request *part = &op->part[op->part_submitted];

	memset(part, 0, sizeof(*part));
	list_init(&part->node);
	part->op = op->op;
	part->offset_bytes = offset_bytes;
	part->length_bytes = length_bytes;
	part->data = data;
	part->id = op->unique;
	part->part = op->part_submitted;
	part->done = fuse_io_part_done;
	part->user = op;
	op->part_submitted++;
	volume_submit(op->serve->volume, part);
}

static struct fuse_op *fuse_op_begin(struct fuse_serve *serve, uint64_t unique, enum request_op kind,
	uint64_t offset_bytes, uint64_t length_bytes)
{
	struct fuse_op *op = list_entry(list_pop_front(&serve->free_ops), struct fuse_op, node);

	op->unique = unique;
	op->op = kind;
	op->offset_bytes = offset_bytes;
	op->length_bytes = length_bytes;
	op->part_count = kind == REQUEST_READ || kind == REQUEST_WRITE
				 ? (unsigned)((length_bytes + ENTRY_MAX_BYTES - 1) / ENTRY_MAX_BYTES)
				 : 1;
	ASSERT(op->part_count >= 1 && op->part_count <= FUSE_MAX_PARTS);
	op->part_submitted = 0;
	op->part_answered = 0;
	op->rc = 0;
	serve->in_flight++;
	return op;
}

static uint32_t fuse_op_part_bytes(const struct fuse_op *op, unsigned index)
{
	uint64_t left = op->length_bytes - (uint64_t)index * ENTRY_MAX_BYTES;

	return left < ENTRY_MAX_BYTES ? (uint32_t)left : ENTRY_MAX_BYTES;
}

/* Submits as many parts as there are buffers for. True: all. */
static bool fuse_op_submit_read(struct fuse_op *op)
{
	while (op->part_submitted < op->part_count) {
		unsigned index = op->part_submitted;
		uint32_t length_bytes = fuse_op_part_bytes(op, index);
		struct buf *data = buf_get(op->serve->bufs, length_bytes);

		if (!data)
			return false;
		fuse_op_submit_part(
			op, op->offset_bytes + (uint64_t)index * ENTRY_MAX_BYTES, length_bytes, data);
	}
	return true;
}

bool fuse_io_resume_waiting(struct fuse_serve *serve)
{
	while (!list_is_empty(&serve->waiting)) {
		struct fuse_op *op = list_entry(list_first(&serve->waiting), struct fuse_op, node);

		if (!fuse_op_submit_read(op))
			return false;
		list_remove(&op->node);
	}
	return true;
}

void fuse_io_drop_waiting(struct fuse_serve *serve)
{
	struct list *node;

	while ((node = list_pop_front(&serve->waiting))) {
		struct fuse_op *op = list_entry(node, struct fuse_op, node);

		/* The parts that were submitted end it. */
		op->rc = -EIO;
		op->part_count = op->part_submitted;
		if (op->part_answered == op->part_count)
			fuse_op_end(op);
	}
}

/* Whole blocks, inside the volume. */
static bool fuse_io_range_is_valid(
	const struct fuse_serve *serve, uint64_t offset_bytes, uint64_t length_bytes)
{
	uint64_t size_bytes = volume_size_bytes(serve->volume);

	return offset_bytes % BLOCK_BYTES == 0 && length_bytes % BLOCK_BYTES == 0 && length_bytes > 0 &&
	       offset_bytes <= size_bytes && length_bytes <= size_bytes - offset_bytes;
}

static void fuse_io_read(struct fuse_serve *serve, const struct fuse_in_header *header)
{
	uint64_t size_bytes = volume_size_bytes(serve->volume);
	struct fuse_read_in in;
	struct fuse_op *op;

	memcpy(&in, serve->landing->head + sizeof(*header), sizeof(in));
	/* As files do: a read that begins at or behind the end finds nothing, one across it is short. */
	if (in.offset >= size_bytes) {
		fuse_io_answer(serve, header->unique, 0);
		return;
	}
	if (in.size > size_bytes - in.offset)
		in.size = (uint32_t)(size_bytes - in.offset);
	if (in.size > FUSE_MAX_WRITE_BYTES || !fuse_io_range_is_valid(serve, in.offset, in.size)) {
		fuse_io_answer(serve, header->unique, -EINVAL);
		return;
	}
	op = fuse_op_begin(serve, header->unique, REQUEST_READ, in.offset, in.size);
	if (!fuse_op_submit_read(op))
		list_push_back(&serve->waiting, &op->node);
}

/*
 * The payload of one part, taken out of the landing: copied where it is small, so that it doesn't hold a
 * large buffer for as long as replication needs it. Never fails: without a small buffer the large one goes.
 */
static struct buf *fuse_io_take_payload(struct fuse_serve *serve, unsigned index, uint32_t length_bytes)
{
	struct landing *landing = serve->landing;
	struct buf *data = NULL;

	if (length_bytes <= FUSE_COPY_MAX_BYTES)
		data = buf_get(serve->bufs, length_bytes);
	if (data) {
		memcpy(data->data, landing->part[index]->data, length_bytes);
		stat_add(&serve->stats.copies);
	} else {
		data = landing->part[index];
		landing->part[index] = NULL;
	}
	data->len_bytes = length_bytes;
	return data;
}

static void fuse_io_write(struct fuse_serve *serve, const struct fuse_in_header *header, size_t length_bytes)
{
	struct fuse_write_in in;
	struct fuse_op *op;

	memcpy(&in, serve->landing->head + sizeof(*header), sizeof(in));
	if (in.size != length_bytes - FUSE_HEAD_BYTES || !fuse_io_range_is_valid(serve, in.offset, in.size)) {
		fuse_io_answer(serve, header->unique, -EINVAL);
		return;
	}
	op = fuse_op_begin(serve, header->unique, REQUEST_WRITE, in.offset, in.size);
	while (op->part_submitted < op->part_count) {
		unsigned index = op->part_submitted;
		uint32_t part_bytes = fuse_op_part_bytes(op, index);

		fuse_op_submit_part(op, in.offset + (uint64_t)index * ENTRY_MAX_BYTES, part_bytes,
			fuse_io_take_payload(serve, index, part_bytes));
	}
}

/* Discard arrives as a punched hole, write-zeroes as a zeroed range; both are answered from metadata,
 * quickly. */
static void fuse_io_fallocate(struct fuse_serve *serve, const struct fuse_in_header *header)
{
	struct fuse_fallocate_in in;
	enum request_op kind;

	memcpy(&in, serve->landing->head + sizeof(*header), sizeof(in));
	switch (in.mode) {
	case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE:
		kind = REQUEST_TRIM;
		break;
	case FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE:
		kind = REQUEST_ZERO;
		break;
	default: /* never ENOSYS: it would end all of fallocate for this connection */
		fuse_io_answer(serve, header->unique, -EOPNOTSUPP);
		return;
	}
	if (!fuse_io_range_is_valid(serve, in.offset, in.length)) {
		fuse_io_answer(serve, header->unique, -EINVAL);
		return;
	}
	fuse_op_submit_part(
		fuse_op_begin(serve, header->unique, kind, in.offset, in.length), in.offset, in.length, NULL);
}

bool fuse_io_is_io(const struct fuse_in_header *header)
{
	return header->opcode == FUSE_READ || header->opcode == FUSE_WRITE ||
	       header->opcode == FUSE_FALLOCATE;
}

void fuse_io_begin(struct fuse_serve *serve, const struct fuse_in_header *header, size_t length_bytes)
{
	stat_add(&serve->stats.requests);
	if (header->opcode == FUSE_READ && length_bytes >= sizeof(*header) + sizeof(struct fuse_read_in))
		fuse_io_read(serve, header);
	else if (header->opcode == FUSE_WRITE && length_bytes >= FUSE_HEAD_BYTES)
		fuse_io_write(serve, header, length_bytes);
	else if (header->opcode == FUSE_FALLOCATE &&
		 length_bytes >= sizeof(*header) + sizeof(struct fuse_fallocate_in))
		fuse_io_fallocate(serve, header);
	else
		fuse_io_answer(serve, header->unique, -EIO);
}
