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

static struct fuse_op *fuse_op_of(struct front_op *io)
{
	return container_of(io, struct fuse_op, io);
}

static void fuse_io_answer_read(struct fuse_op *op)
{
	struct fuse_out_header out = { .unique = op->io.id };
	struct iovec iov[1 + FRONT_MAX_PARTS] = { { &out, sizeof(out) } };

	for (unsigned i = 0; i < op->io.part_count; i++)
		iov[1 + i] = (struct iovec){ op->io.part[i].data->data, op->io.part[i].length_bytes };
	out.len = (uint32_t)(sizeof(out) + op->io.length_bytes);
	fuse_io_writev(op->serve, iov, (int)(1 + op->io.part_count));
}

static void fuse_io_answer_write(struct fuse_op *op)
{
	struct fuse_write_out written = { .size = (uint32_t)op->io.length_bytes };
	struct fuse_out_header out = { .len = sizeof(out) + sizeof(written), .unique = op->io.id };
	struct iovec iov[2] = { { &out, sizeof(out) }, { &written, sizeof(written) } };

	fuse_io_writev(op->serve, iov, 2);
}

/* Answers the kernel and gives everything back. */
static void fuse_op_end(struct front_op *io)
{
	struct fuse_op *op = fuse_op_of(io);
	struct fuse_serve *serve = op->serve;

	if (io->rc < 0)
		fuse_io_answer(serve, io->id, fuse_io_error(io->rc));
	else if (io->op == REQUEST_READ)
		fuse_io_answer_read(op);
	else if (io->op == REQUEST_WRITE)
		fuse_io_answer_write(op);
	else
		fuse_io_answer(serve, io->id, 0);
	front_op_release(io);
	list_remove(&io->node);
	list_push_front(&serve->free_ops, &io->node);
	fuse_serve_op_ended(serve);
}

static struct front_op *fuse_op_begin(struct fuse_serve *serve, uint64_t unique, enum request_op kind,
	uint64_t offset_bytes, uint64_t length_bytes)
{
	struct front_op *io = list_entry(list_pop_front(&serve->free_ops), struct front_op, node);

	front_op_begin(io, serve->volume, kind, unique, offset_bytes, length_bytes, fuse_op_end);
	serve->in_flight++;
	return io;
}

bool fuse_io_resume_waiting(struct fuse_serve *serve)
{
	while (!list_is_empty(&serve->waiting)) {
		struct front_op *io = list_entry(list_first(&serve->waiting), struct front_op, node);

		if (!front_op_submit_read(io, serve->bufs))
			return false;
		list_remove(&io->node);
	}
	return true;
}

void fuse_io_drop_waiting(struct fuse_serve *serve)
{
	struct list *node;

	while ((node = list_pop_front(&serve->waiting)))
		front_op_drop(list_entry(node, struct front_op, node), -EIO);
}

static void fuse_io_read(struct fuse_serve *serve, const struct fuse_in_header *header)
{
	uint64_t size_bytes = volume_size_bytes(serve->volume);
	struct fuse_read_in in;
	struct front_op *io;

	memcpy(&in, serve->landing->head + sizeof(*header), sizeof(in));
	/* As files do: a read that begins at or behind the end finds nothing, one across it is short. */
	if (in.offset >= size_bytes) {
		fuse_io_answer(serve, header->unique, 0);
		return;
	}
	if (in.size > size_bytes - in.offset)
		in.size = (uint32_t)(size_bytes - in.offset);
	if (in.size > FRONT_MAX_BYTES || !front_range_is_valid(serve->volume, in.offset, in.size)) {
		fuse_io_answer(serve, header->unique, -EINVAL);
		return;
	}
	io = fuse_op_begin(serve, header->unique, REQUEST_READ, in.offset, in.size);
	if (!front_op_submit_read(io, serve->bufs))
		list_push_back(&serve->waiting, &io->node);
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
	struct front_op *io;

	memcpy(&in, serve->landing->head + sizeof(*header), sizeof(in));
	if (in.size != length_bytes - FUSE_HEAD_BYTES ||
		!front_range_is_valid(serve->volume, in.offset, in.size)) {
		fuse_io_answer(serve, header->unique, -EINVAL);
		return;
	}
	io = fuse_op_begin(serve, header->unique, REQUEST_WRITE, in.offset, in.size);
	while (io->part_submitted < io->part_count) {
		unsigned index = io->part_submitted;

		front_op_submit_part(io, fuse_io_take_payload(serve, index, front_op_part_bytes(io, index)));
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
	if (!front_range_is_valid(serve->volume, in.offset, in.length)) {
		fuse_io_answer(serve, header->unique, -EINVAL);
		return;
	}
	front_op_submit_part(fuse_op_begin(serve, header->unique, kind, in.offset, in.length), NULL);
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
