#include "attach/front_op.h"

#include <errno.h>
#include <string.h>

bool front_range_is_valid(const struct volume *volume, uint64_t offset_bytes, uint64_t length_bytes)
{
	uint64_t size_bytes = volume_size_bytes(volume);

	return offset_bytes % BLOCK_BYTES == 0 && length_bytes % BLOCK_BYTES == 0 && length_bytes > 0 &&
	       offset_bytes <= size_bytes && length_bytes <= size_bytes - offset_bytes;
}

void front_op_begin(struct front_op *op, struct volume *volume, enum request_op kind, uint64_t id,
	uint64_t offset_bytes, uint64_t length_bytes, void (*ended)(struct front_op *op))
{
	bool is_split = kind == REQUEST_READ || kind == REQUEST_WRITE;

	op->volume = volume;
	op->op = kind;
	op->id = id;
	op->offset_bytes = offset_bytes;
	op->length_bytes = length_bytes;
	op->snapshot = (struct uuid){ 0 };
	op->part_count = is_split ? (unsigned)((length_bytes + ENTRY_MAX_BYTES - 1) / ENTRY_MAX_BYTES) : 1;
	ASSERT(op->part_count >= 1 && op->part_count <= FRONT_MAX_PARTS);
	op->part_submitted = 0;
	op->part_answered = 0;
	op->rc = 0;
	op->ended = ended;
}

uint32_t front_op_part_bytes(const struct front_op *op, unsigned index)
{
	uint64_t left = op->length_bytes - (uint64_t)index * ENTRY_MAX_BYTES;

	return left < ENTRY_MAX_BYTES ? (uint32_t)left : ENTRY_MAX_BYTES;
}

static void part_done(struct request *request, int rc)
{
	struct front_op *op = request->user;

	ASSERT(op->part_answered < op->part_submitted);
	op->part_answered++;
	if (rc < 0 && op->rc == 0)
		op->rc = rc;
	if (op->part_answered == op->part_count)
		op->ended(op);
}

void front_op_submit_part(struct front_op *op, struct buf *data)
{
	unsigned index = op->part_submitted;
	struct request *part = &op->part[index];

	ASSERT(index < op->part_count);
	memset(part, 0, sizeof(*part));
	list_init(&part->node);
	part->op = op->op;
	part->offset_bytes = op->offset_bytes + (uint64_t)index * ENTRY_MAX_BYTES;
	part->length_bytes = op->part_count == 1 ? op->length_bytes : front_op_part_bytes(op, index);
	part->data = data;
	part->snapshot = op->snapshot;
	part->id = op->id;
	part->part = index;
	part->done = part_done;
	part->user = op;
	op->part_submitted++;
	volume_submit(op->volume, part);
}

bool front_op_submit_read(struct front_op *op, struct buf_pool *bufs)
{
	while (op->part_submitted < op->part_count) {
		struct buf *data = buf_get(bufs, front_op_part_bytes(op, op->part_submitted));

		if (!data)
			return false;
		front_op_submit_part(op, data);
	}
	return true;
}

void front_op_drop(struct front_op *op, int rc)
{
	if (op->rc == 0)
		op->rc = rc;
	op->part_count = op->part_submitted;
	if (op->part_answered == op->part_count)
		op->ended(op);
}

void front_op_release(struct front_op *op)
{
	for (unsigned i = 0; i < op->part_submitted; i++) {
		buf_put(op->part[i].data);
		op->part[i].data = NULL;
	}
}
