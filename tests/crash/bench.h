/* A pool on a simulated disk with a loop and a clock of its own: opened, asked, closed. */
#ifndef QUOIN_TESTS_CRASH_BENCH_H
#define QUOIN_TESTS_CRASH_BENCH_H

#include "device_sim.h"
#include "store/store.h"

struct bench {
	struct clock clock;
	uint64_t now_ns;
	struct loop loop;
	struct buf_pool *bufs;
	struct entry_pool *entries;
	struct sim_disk *disk;
	uint64_t cache_bytes; /* of checksums; 0: as in production, which is more than a small table has */
	struct pool *pool;
	struct pool_replica *made; /* by bench_replica() */
	int rc;                    /* of what was waited for */
	bool done;
	struct error error;
	void (*wrap)(struct bench *b, struct device **device); /* around what is opened; NULL: nothing */
	bool failed;
	void (*durable)(void *arg, struct pool_replica *replica, uint64_t seq);
	void (*bad)(void *arg, const struct pool_bad *bad); /* arg: this bench */
	void *arg;
};

/* The memory is made once and serves one pool after the other. */
void bench_init(struct bench *b);
void bench_done(struct bench *b);
/* Runs until what is waited for is done; asserts that it ends. */
void bench_wait(struct bench *b);
/* Lets time pass. */
void bench_run(struct bench *b, uint64_t ns);
int bench_format(struct bench *b, uint64_t journal_bytes);
int bench_open(struct bench *b);
void bench_close(struct bench *b);
/* A new disk, with a pool on it that is open: neither may fail. bench_end() takes them away. */
void bench_begin(struct bench *b, uint64_t disk_bytes, uint64_t journal_bytes);
/* Closes the pool if it is open, and frees its disk and all memory. */
void bench_end(struct bench *b);
/* A pool_done_fn that ends bench_wait(). */
void bench_finished(void *arg, int rc);
/* A new replica. NULL: refused; b->rc tells why. */
struct pool_replica *bench_replica(struct bench *b, const struct pool_replica_identity *identity);
/* The same, thin, by a number as its UUID; it must not be refused. */
struct pool_replica *bench_numbered(struct bench *b, uint8_t number, uint64_t size_bytes);
/* Appends an entry of epoch 1 that fills one block with `byte`. */
void bench_append_block(
	struct bench *b, struct pool_replica *replica, uint64_t seq, uint64_t offset_bytes, uint8_t byte);
/* Of the snapshot, or (none) of the volume. Returns what the read has ended with. */
int bench_read(struct bench *b, struct pool_replica *replica, struct uuid snapshot, uint64_t offset_bytes,
	uint32_t length_bytes, struct buf *into);
/* For b->durable: it is committed and everywhere as soon as it is durable. */
void bench_commit(void *arg, struct pool_replica *replica, uint64_t seq);

#endif
