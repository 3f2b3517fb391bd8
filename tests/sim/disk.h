/* A node's disk: what is on it outlives the node's crashes. Behind it stands the simulated device of
 * tests/lib. */
#ifndef QUOIN_TESTS_SIM_DISK_H
#define QUOIN_TESTS_SIM_DISK_H

#include "base/base.h"
#include "loop/loop.h"
#include "store/device.h"

struct disk;

/* `journal_bytes`: of the pool that will be on it. */
struct disk *disk_new(uint64_t size_bytes, uint64_t journal_bytes, uint64_t seed);
/* The node that starts opens it; pool_open() and pool_format() take the device over. */
struct device *disk_open(struct disk *disk, struct loop *loop);
/*
 * The node's process has died: nothing of it is told anything any more. With `power`, what was not flushed is
 * lost in part (any subset of sectors, the last ones torn); without, what was submitted stays in the device's
 * cache.
 */
void disk_crash(struct disk *disk, bool power);
/* Flips a bit in what was written last. */
void disk_spoil_newest(struct disk *disk);
/* Where that stands; and flips a bit there. */
uint64_t disk_newest(const struct disk *disk);
void disk_spoil_at(struct disk *disk, uint64_t offset_bytes);
/* How long operations take from now on, at random up to twice as long. */
void disk_latency(struct disk *disk, uint64_t ns);
/* From its operation after so many (1: the next) on, all end with rc. 0: never, again. */
void disk_fail(struct disk *disk, uint64_t operation, int rc);
/* The same, but they are not answered at all, until they are again. */
void disk_hang(struct disk *disk, uint64_t operation);
/* Reads fail, or no longer. */
void disk_fail_reads(struct disk *disk, bool fail);
/* Flips a bit in a block of a grain that was written. False where there is none. */
bool disk_rot(struct disk *disk, struct random *random);
/* In a block of the log's ring that other batches have followed, which say that it was durable. */
bool disk_rot_ring(struct disk *disk, struct random *random);
/* Writes of grains hang until they may go on: nothing is applied, and the ring fills. */
void disk_stall(struct disk *disk, bool stall);
/* The next write of a grain goes to one nearby, or nowhere; it is answered as done. */
void disk_misdirect(struct disk *disk, struct random *random);
/* The next write of a grain is answered, and goes nowhere. */
void disk_lose_grain(struct disk *disk);

/* All of them are gone, and their memory with them. */
void disks_forget(void);

#endif
