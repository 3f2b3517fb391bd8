#include "net/send_queue.h"

#include <errno.h>
#include <stdlib.h>

int send_queue_init(struct send_queue *queue)
{
	*queue = (struct send_queue){
		.ring = malloc(SEND_RING_BYTES),
		.items = calloc(SEND_MAX_FRAMES, sizeof(struct send_item)),
	};
	if (queue->ring && queue->items)
		return 0;
	send_queue_done(queue);
	return -ENOMEM;
}

void send_queue_done(struct send_queue *queue)
{
	for (uint32_t i = 0; i < queue->count; i++)
		buf_put(queue->items[(queue->first + i) % SEND_MAX_FRAMES].payload);
	free(queue->ring);
	free(queue->items);
	*queue = (struct send_queue){ 0 };
}

static uint32_t item_bytes(const struct send_item *item)
{
	return item->head_bytes + (item->payload ? item->payload->len_bytes : 0);
}

/* Room for head_bytes in one piece: sets where, and how much of the ring it takes. */
static int ring_reserve(const struct send_queue *queue, uint32_t head_bytes, struct send_item *item)
{
	uint32_t end = (queue->ring_begin + queue->ring_used_bytes) % SEND_RING_BYTES;
	uint32_t free_bytes = SEND_RING_BYTES - queue->ring_used_bytes;
	uint32_t to_end_bytes = SEND_RING_BYTES - end;

	item->head_at = end;
	item->head_bytes = item->ring_bytes = head_bytes;
	if (head_bytes > to_end_bytes) {
		item->head_at = 0;
		item->ring_bytes = to_end_bytes + head_bytes;
	}
	return item->ring_bytes <= free_bytes ? 0 : -EAGAIN;
}

int send_queue_push(struct send_queue *queue, const struct frame *frame)
{
	uint32_t payload_bytes = frame_payload_bytes(frame);
	uint32_t crc_count = payload_bytes / BLOCK_BYTES;
	uint32_t head_bytes = FRAME_HEADER_BYTES + frame->body_bytes + crc_count * (uint32_t)sizeof(uint32_t);
	struct send_item *item = &queue->items[(queue->first + queue->count) % SEND_MAX_FRAMES];
	struct writer w;

	ASSERT(frame->body_bytes <= FRAME_MAX_BODY_BYTES && payload_bytes <= FRAME_MAX_PAYLOAD_BYTES);
	if (queue->count == 0)
		queue->ring_begin = 0; /* in one piece for longer */
	if (queue->count == SEND_MAX_FRAMES || queue->bytes + head_bytes + payload_bytes > NET_QUEUE_BYTES ||
		ring_reserve(queue, head_bytes, item) < 0)
		return -EAGAIN;
	frame_header_encode(frame, queue->ring + item->head_at);
	w = writer_init(queue->ring + item->head_at + FRAME_HEADER_BYTES, head_bytes - FRAME_HEADER_BYTES);
	write_bytes(&w, frame->body, frame->body_bytes);
	for (uint32_t i = 0; i < crc_count; i++)
		write_u32(&w, frame->crc[i]);
	ASSERT(!w.failed && writer_left(&w) == 0);
	item->payload = frame->payload ? buf_ref(frame->payload) : NULL;
	queue->ring_used_bytes += item->ring_bytes;
	queue->bytes += head_bytes + payload_bytes;
	queue->count++;
	return 0;
}

unsigned send_queue_gather(const struct send_queue *queue, struct iovec *iov, unsigned max)
{
	uint32_t skip_bytes = queue->first_sent_bytes; /* only the first item can be partly sent */
	unsigned pieces = 0;

	for (uint32_t i = 0; i < queue->count; i++) {
		const struct send_item *item = &queue->items[(queue->first + i) % SEND_MAX_FRAMES];
		uint8_t *head = queue->ring + item->head_at;
		uint32_t head_skip = skip_bytes < item->head_bytes ? skip_bytes : item->head_bytes;

		if (head_skip < item->head_bytes) {
			struct iovec *last = pieces > 0 ? &iov[pieces - 1] : NULL;

			if (last && (uint8_t *)last->iov_base + last->iov_len == head) {
				last->iov_len += item->head_bytes; /* small frames side by side: one piece */
			} else {
				if (pieces == max)
					break;
				iov[pieces++] =
					(struct iovec){ head + head_skip, item->head_bytes - head_skip };
			}
		}
		skip_bytes -= head_skip;
		if (item->payload && skip_bytes < item->payload->len_bytes) {
			if (pieces == max)
				break;
			iov[pieces++] = (struct iovec){ item->payload->data + skip_bytes,
				item->payload->len_bytes - skip_bytes };
		}
		skip_bytes = 0;
	}
	return pieces;
}

unsigned send_queue_advance(struct send_queue *queue, size_t bytes)
{
	unsigned frames = 0;

	ASSERT(bytes <= queue->bytes);
	queue->bytes -= bytes;
	bytes += queue->first_sent_bytes;
	while (queue->count > 0) {
		struct send_item *item = &queue->items[queue->first];

		if (bytes < item_bytes(item))
			break;
		bytes -= item_bytes(item);
		buf_put(item->payload);
		item->payload = NULL;
		queue->ring_begin = (queue->ring_begin + item->ring_bytes) % SEND_RING_BYTES;
		queue->ring_used_bytes -= item->ring_bytes;
		queue->first = (queue->first + 1) % SEND_MAX_FRAMES;
		queue->count--;
		frames++;
	}
	queue->first_sent_bytes = (uint32_t)bytes;
	return frames;
}
