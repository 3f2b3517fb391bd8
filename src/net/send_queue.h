/*
 * What waits to leave on one connection: header, body and checksums of each frame in a ring of bytes,
 * payloads by reference. What queues up while a send is under way leaves together with the next.
 */
#ifndef QUOIN_NET_SEND_QUEUE_H
#define QUOIN_NET_SEND_QUEUE_H

#include <sys/uio.h>

#include "net/frame.h"

/* Three of the largest bodies, or two thousand answers: more than the 4 KiB appends in NET_QUEUE_BYTES. */
#define SEND_RING_BYTES (256u << 10)
#define SEND_MAX_FRAMES 2048u

struct send_item {
	uint32_t head_at, head_bytes; /* in the ring, in one piece */
	uint32_t ring_bytes;          /* head_bytes and what was skipped at the ring's end */
	struct buf *payload;
};

struct send_queue {
	uint8_t *ring;
	struct send_item *items; /* a ring too */
	uint32_t ring_begin, ring_used_bytes;
	uint32_t first, count;
	uint32_t first_sent_bytes; /* of the first item */
	uint64_t bytes;            /* on the wire, of all that waits */
};

/* -ENOMEM. */
int send_queue_init(struct send_queue *queue) MUST_CHECK;
/* Drops what waits. Fine on a zeroed one. */
void send_queue_done(struct send_queue *queue);
/* -EAGAIN when there is no room. One frame always fits an empty queue. */
int send_queue_push(struct send_queue *queue, const struct frame *frame) MUST_CHECK;
/* Describes what is to be sent next, at most `max` pieces. They stay valid until they are advanced over. */
unsigned send_queue_gather(const struct send_queue *queue, struct iovec *iov, unsigned max);
/* That many bytes have left. Returns the number of frames that are now whole on their way. */
unsigned send_queue_advance(struct send_queue *queue, size_t bytes);

#endif
