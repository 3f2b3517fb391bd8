/*
 * The floor in three parts: floor.c (start, options, results), floor_disk.c, floor_nodes.c (coordinator,
 * replica).
 */
#ifndef QUOIN_TESTS_BENCH_FLOOR_H
#define QUOIN_TESTS_BENCH_FLOOR_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

#define MAX_DEPTH    256u
#define MAX_REPLICAS 5u
/* 64 steps for each power of two, from 64 ns on. */
#define HISTOGRAM_SLOTS (64u * 36)

enum durable { DURABLE_NONE, DURABLE_DSYNC, DURABLE_FLUSH };

struct floor_options {
	const char *dir;
	size_t block_bytes;
	unsigned depth, seconds, replicas;
	enum durable durable;
	uint64_t size_bytes;
};
extern struct floor_options options;

struct histogram {
	uint64_t buckets[HISTOGRAM_SLOTS];
	uint64_t count, sum_ns;
};
void histogram_add(struct histogram *h, uint64_t ns);

_Noreturn void fail(const char *what);
uint64_t now_ns(void);

/* What a completion belongs to; the rest of the user data is an index. */
enum tag { TAG_WRITE = 1, TAG_FLUSH, TAG_SEND, TAG_RECEIVE };
static inline uint64_t tagged(enum tag tag, unsigned index)
{
	return (uint64_t)tag << 32 | index;
}

void ring_open(struct io_uring *ring);
struct io_uring_sqe *ring_sqe(struct io_uring *ring, enum tag tag, unsigned index);

/*
 * One file; a slot's write is durable when it has been written and, with `flush`, a later flush has covered
 * it.
 */
struct disk {
	struct io_uring *ring;
	int fd;
	bool flushing;
	unsigned written[MAX_DEPTH + 1], written_count; /* wait for the next flush */
	unsigned covered[MAX_DEPTH + 1], covered_count; /* of the flush under way */
};
void disk_open(struct disk *disk, struct io_uring *ring, unsigned index);
void disk_write(struct disk *disk, unsigned slot, const void *data, uint64_t offset_bytes);
/* Takes a completion of TAG_WRITE or TAG_FLUSH; returns how many slots became durable. */
unsigned disk_complete(
	struct disk *disk, enum tag tag, unsigned index, int result, unsigned slots[static MAX_DEPTH + 1]);

/* Runs until the socket is closed, then exits. */
_Noreturn void replica_run(int sock, unsigned index);
/* Runs for options.seconds; returns how long it took. */
double coordinator_run(const int *socks, unsigned peers, struct histogram *latencies);

#endif
