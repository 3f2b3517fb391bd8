/* The coordinator with its local replica, and a remote replica. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "floor.h"

/* What goes before a block, and (the slot alone) comes back as its answer. */
struct header {
	uint64_t slot, offset_bytes;
};

static void *blocks_new(unsigned count)
{
	void *blocks = aligned_alloc(4096, options.block_bytes * count);

	if (!blocks)
		fail("memory");
	memset(blocks, 7, options.block_bytes * count);
	return blocks;
}

/* ---- replica ---- */

/* One block is received at a time, into a free slot; answers that are ready together leave together. */
struct replica {
	struct io_uring ring;
	struct disk disk;
	int sock;
	uint8_t *blocks;
	struct header headers[MAX_DEPTH + 1];
	unsigned free[MAX_DEPTH + 1], free_count, current;
	bool receiving, sending;
	struct iovec iov[2];
	struct msghdr message;
	uint64_t answers[MAX_DEPTH + 1], leaving[MAX_DEPTH + 1];
	unsigned answer_count;
};

static void replica_arm(struct replica *r)
{
	if (!r->receiving && r->free_count > 0) {
		r->current = r->free[--r->free_count];
		r->iov[0] = (struct iovec){ &r->headers[r->current], sizeof(r->headers[0]) };
		r->iov[1] =
			(struct iovec){ r->blocks + r->current * options.block_bytes, options.block_bytes };
		r->message = (struct msghdr){ .msg_iov = r->iov, .msg_iovlen = 2 };
		io_uring_prep_recvmsg(ring_sqe(&r->ring, TAG_RECEIVE, 0), r->sock, &r->message, MSG_WAITALL);
		r->receiving = true;
	}
	if (!r->sending && r->answer_count > 0) {
		memcpy(r->leaving, r->answers, r->answer_count * sizeof(r->answers[0]));
		io_uring_prep_send(ring_sqe(&r->ring, TAG_SEND, 0), r->sock, r->leaving,
			r->answer_count * sizeof(r->answers[0]), MSG_WAITALL | MSG_NOSIGNAL);
		r->answer_count = 0;
		r->sending = true;
	}
}

static void replica_complete(struct replica *r, enum tag tag, unsigned index, int result)
{
	unsigned durable[MAX_DEPTH + 1], count;

	switch (tag) {
	case TAG_RECEIVE:
		if (result <= 0)
			exit(0);
		if ((size_t)result != sizeof(struct header) + options.block_bytes)
			fail("short receive");
		r->receiving = false;
		disk_write(&r->disk, r->current, r->iov[1].iov_base, r->headers[r->current].offset_bytes);
		break;
	case TAG_SEND:
		r->sending = false;
		break;
	case TAG_WRITE:
	case TAG_FLUSH:
		count = disk_complete(&r->disk, tag, index, result, durable);
		for (unsigned i = 0; i < count; i++) {
			r->answers[r->answer_count++] = r->headers[durable[i]].slot;
			r->free[r->free_count++] = durable[i];
		}
		break;
	}
}

void replica_run(int sock, unsigned index)
{
	static struct replica r;
	struct io_uring_cqe *cqe;
	unsigned head, count;

	r.sock = sock;
	ring_open(&r.ring);
	disk_open(&r.disk, &r.ring, index);
	r.blocks = blocks_new(options.depth + 1);
	for (unsigned i = 0; i <= options.depth; i++)
		r.free[r.free_count++] = i;
	for (;;) {
		replica_arm(&r);
		(void)io_uring_submit_and_wait(&r.ring, 1);
		count = 0;
		io_uring_for_each_cqe(&r.ring, head, cqe)
		{
			replica_complete(
				&r, (enum tag)(cqe->user_data >> 32), (unsigned)cqe->user_data, cqe->res);
			count++;
		}
		io_uring_cq_advance(&r.ring, count);
	}
}

/* ---- coordinator ---- */

/* One send at a time to a peer: what queues up meanwhile leaves together. */
struct peer {
	int sock;
	unsigned queue[MAX_DEPTH], queued;
	size_t sending_bytes;
	struct iovec iov[2 * MAX_DEPTH];
	struct msghdr message;
	uint64_t answers[MAX_DEPTH];
	size_t answer_bytes; /* of a part of one */
};

struct slot {
	uint64_t start_ns;
	unsigned answers; /* how many replicas have it durable */
	bool busy;
	struct header header;
};

struct coordinator {
	struct io_uring ring;
	struct disk disk;
	uint8_t *blocks;
	struct peer peers[MAX_REPLICAS];
	unsigned peer_count, in_flight;
	struct slot slots[MAX_DEPTH];
	struct histogram *latencies;
};

static void peer_receive(struct coordinator *c, unsigned index)
{
	struct peer *p = &c->peers[index];

	io_uring_prep_recv(ring_sqe(&c->ring, TAG_RECEIVE, index), p->sock,
		(uint8_t *)p->answers + p->answer_bytes, sizeof(p->answers) - p->answer_bytes, 0);
}

static void peer_send(struct coordinator *c, unsigned index)
{
	struct peer *p = &c->peers[index];

	if (p->sending_bytes > 0 || p->queued == 0)
		return;
	for (unsigned i = 0; i < p->queued; i++) {
		p->iov[2 * i] = (struct iovec){ &c->slots[p->queue[i]].header, sizeof(struct header) };
		p->iov[2 * i + 1] =
			(struct iovec){ c->blocks + p->queue[i] * options.block_bytes, options.block_bytes };
	}
	p->message = (struct msghdr){ .msg_iov = p->iov, .msg_iovlen = 2ul * p->queued };
	p->sending_bytes = p->queued * (sizeof(struct header) + options.block_bytes);
	p->queued = 0;
	io_uring_prep_sendmsg(
		ring_sqe(&c->ring, TAG_SEND, index), p->sock, &p->message, MSG_WAITALL | MSG_NOSIGNAL);
}

static void coordinator_issue(struct coordinator *c)
{
	static unsigned seed = 1;
	uint64_t blocks = options.size_bytes / options.block_bytes;

	for (unsigned i = 0; i < options.depth; i++) {
		struct slot *s = &c->slots[i];
		uint64_t block = ((uint64_t)rand_r(&seed) << 16 ^ (uint64_t)rand_r(&seed)) % blocks;

		if (s->busy)
			continue;
		*s = (struct slot){
			.busy = true, .start_ns = now_ns(), .header = { i, block * options.block_bytes }
		};
		disk_write(&c->disk, i, c->blocks + i * options.block_bytes, s->header.offset_bytes);
		for (unsigned p = 0; p < c->peer_count; p++)
			c->peers[p].queue[c->peers[p].queued++] = i;
		c->in_flight++;
	}
}

static void coordinator_answer(struct coordinator *c, uint64_t index)
{
	struct slot *s = &c->slots[index];

	s->answers++;
	if (s->answers == options.replicas / 2 + 1)
		histogram_add(c->latencies, now_ns() - s->start_ns);
	/* Its buffer is used again only when all have it, as a real one's would be. */
	if (s->answers == options.replicas) {
		s->busy = false;
		c->in_flight--;
	}
}

static void coordinator_answers(struct coordinator *c, unsigned index, int result)
{
	struct peer *p = &c->peers[index];
	size_t whole;

	if (result <= 0)
		fail("a replica is gone");
	p->answer_bytes += (size_t)result;
	whole = p->answer_bytes / sizeof(p->answers[0]);
	for (size_t i = 0; i < whole; i++)
		coordinator_answer(c, p->answers[i]);
	p->answer_bytes %= sizeof(p->answers[0]);
	memmove(p->answers, &p->answers[whole], p->answer_bytes);
	peer_receive(c, index);
}

static void coordinator_complete(struct coordinator *c, enum tag tag, unsigned index, int result)
{
	unsigned durable[MAX_DEPTH + 1], count;

	switch (tag) {
	case TAG_RECEIVE:
		coordinator_answers(c, index, result);
		break;
	case TAG_SEND:
		if (result < 0 || (size_t)result != c->peers[index].sending_bytes)
			fail("send");
		c->peers[index].sending_bytes = 0;
		break;
	case TAG_WRITE:
	case TAG_FLUSH:
		count = disk_complete(&c->disk, tag, index, result, durable);
		for (unsigned i = 0; i < count; i++)
			coordinator_answer(c, durable[i]);
		break;
	}
}

double coordinator_run(const int *socks, unsigned peers, struct histogram *latencies)
{
	static struct coordinator c;
	uint64_t begin_ns, end_ns;
	struct io_uring_cqe *cqe;
	unsigned head, count;

	c.latencies = latencies;
	c.peer_count = peers;
	ring_open(&c.ring);
	disk_open(&c.disk, &c.ring, 0);
	c.blocks = blocks_new(options.depth);
	for (unsigned p = 0; p < peers; p++) {
		c.peers[p].sock = socks[p];
		peer_receive(&c, p);
	}
	begin_ns = now_ns();
	end_ns = begin_ns + options.seconds * UINT64_C(1000000000);
	do {
		if (now_ns() < end_ns)
			coordinator_issue(&c);
		for (unsigned p = 0; p < peers; p++)
			peer_send(&c, p);
		(void)io_uring_submit_and_wait(&c.ring, 1);
		count = 0;
		io_uring_for_each_cqe(&c.ring, head, cqe)
		{
			coordinator_complete(
				&c, (enum tag)(cqe->user_data >> 32), (unsigned)cqe->user_data, cqe->res);
			count++;
		}
		io_uring_cq_advance(&c.ring, count);
	} while (now_ns() < end_ns || c.in_flight > 0);
	return (double)(now_ns() - begin_ns) / 1e9;
}
