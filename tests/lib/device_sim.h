/*
 * A simulated disk behind store/device.h, in memory and in the virtual time of a loop's core. It has a
 * volatile cache: a write is durable once a flush that was submitted after its completion has completed. A
 * crash with loss of power keeps any subset of the unflushed blocks, some of them torn at 512 bytes. Faults:
 * latency, bit rot, misdirected and lost writes, errors.
 *
 * The disk outlives the device that is opened on it, as a disk outlives a process.
 */
#ifndef QUOIN_TESTS_LIB_DEVICE_SIM_H
#define QUOIN_TESTS_LIB_DEVICE_SIM_H

#include "base/base.h"
#include "loop/loop.h"
#include "store/device.h"

struct sim_disk;

struct sim_disk *sim_disk_new(uint64_t size_bytes, uint64_t seed);
/* Nothing is open on it. NULL is fine. */
void sim_disk_free(struct sim_disk *disk);

/* All memory of all disks was taken from under them. */
void sim_disks_forget(void);

uint64_t sim_disk_size(const struct sim_disk *disk);

/* One device at a time; its close() ends it. */
struct device *sim_disk_open(struct sim_disk *disk, struct loop *loop);

/*
 * The process that has it open dies: its device and its operations in flight are gone, nothing is called
 * back. With `power`, what was not flushed is kept or lost block by block at random; without, everything that
 * was submitted stands in the cache.
 */
void sim_disk_crash(struct sim_disk *disk, bool power);
/*
 * A new disk with what would be there after a crash with loss of power now, by its own seed; this one goes on
 * undisturbed. For trying many outcomes of one moment.
 */
struct sim_disk *sim_disk_crashed_copy(const struct sim_disk *disk, uint64_t seed);

/* Whether no write waits for a flush: a crash has one outcome only. */
bool sim_disk_is_flushed(const struct sim_disk *disk);

/* Operations take between half of this and twice as long; 20 us at first. */
void sim_disk_latency(struct sim_disk *disk, uint64_t ns);
/* The operation with this number (from now: 1 is the next) ends with rc, and so do all after it if
 * `for_good`. 0: never. */
void sim_disk_fail(struct sim_disk *disk, uint64_t operation, int rc, bool for_good);
/* Reads end with -EIO from now on, or no longer. */
void sim_disk_fail_reads(struct sim_disk *disk, bool fail);
/*
 * The next write at or beyond `from_bytes` goes to `by_bytes` further on (a multiple of 4096); 0 drops it. It
 * is answered as done.
 */
void sim_disk_misdirect(struct sim_disk *disk, uint64_t from_bytes, uint64_t by_bytes);
/* Flips a bit of what is there, in the cache and on the medium. */
void sim_disk_flip(struct sim_disk *disk, uint64_t offset_bytes, unsigned bit);
/* Where the newest write that has completed stands. */
uint64_t sim_disk_newest(const struct sim_disk *disk);
/*
 * Flips a random bit in a random block of [from_bytes, to_bytes) that has been written, and since whose
 * writing at least `flushes` flushes have been asked for. False: there is none.
 */
bool sim_disk_rot(struct sim_disk *disk, uint64_t from_bytes, uint64_t to_bytes, uint64_t flushes,
	struct random *random);
/* Writes at or beyond from_bytes hang, from the next one on, until this is called with UINT64_MAX. */
void sim_disk_stall(struct sim_disk *disk, uint64_t from_bytes);
/*
 * The device does not answer: the operation with this number (from now: 1 is the next) and those after it,
 * `count` in all (UINT64_MAX: for good), hang and have no effect, until this is called with 0, or the disk
 * crashes.
 */
void sim_disk_hang(struct sim_disk *disk, uint64_t operation, uint64_t count);

/* What a reader sees now. Multiples of 4096. */
void sim_disk_peek(const struct sim_disk *disk, uint64_t offset_bytes, void *to, uint64_t length_bytes);
/* Puts bytes there, durably. */
void sim_disk_poke(struct sim_disk *disk, uint64_t offset_bytes, const void *from, uint64_t length_bytes);

struct sim_disk_counters {
	uint64_t reads, writes, flushes, discards, written_bytes;
};
const struct sim_disk_counters *sim_disk_counters(const struct sim_disk *disk);
/* Called after each operation has had its effect, before its callback: a place to crash. NULL: none. */
void sim_disk_watch(struct sim_disk *disk, void (*fn)(void *arg), void *arg);

#endif
