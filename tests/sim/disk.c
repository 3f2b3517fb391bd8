/* The real store's disk: the simulated device. */
#include "sim/disk.h"

#include <stdlib.h>

#include "lib/device_sim.h"
#include "store/ondisk.h"

/* Behind a batch so many flushes ago there are others, or a mark. What rots earlier may look torn. */
#define RING_FLUSHES 8u
/* At its beginning it says which replicas there are: who loses that has lost a replica. */
#define RING_FIRST 32u

struct disk {
	struct sim_disk *sim;
	struct geometry geometry;
};

struct disk *disk_new(uint64_t size_bytes, uint64_t journal_bytes, uint64_t seed)
{
	struct disk *disk = calloc(1, sizeof(*disk));
	int rc;

	ASSERT(disk);
	rc = geometry_make(size_bytes, journal_bytes, 0, &disk->geometry);
	ASSERT(rc == 0);
	disk->sim = sim_disk_new(size_bytes, seed);
	ASSERT(disk->sim);
	return disk;
}

struct device *disk_open(struct disk *disk, struct loop *loop)
{
	return sim_disk_open(disk->sim, loop);
}

void disk_crash(struct disk *disk, bool power)
{
	sim_disk_crash(disk->sim, power);
}

uint64_t disk_newest(const struct disk *disk)
{
	return sim_disk_newest(disk->sim);
}

void disk_spoil_at(struct disk *disk, uint64_t offset_bytes)
{
	sim_disk_flip(disk->sim, offset_bytes + 100, 3);
}

void disk_spoil_newest(struct disk *disk)
{
	disk_spoil_at(disk, disk_newest(disk));
}

void disk_latency(struct disk *disk, uint64_t ns)
{
	sim_disk_latency(disk->sim, ns);
}

void disk_fail(struct disk *disk, uint64_t operation, int rc)
{
	sim_disk_fail(disk->sim, operation, rc, true);
}

void disk_hang(struct disk *disk, uint64_t operation)
{
	sim_disk_hang(disk->sim, operation, UINT64_MAX);
}

void disk_fail_reads(struct disk *disk, bool fail)
{
	sim_disk_fail_reads(disk->sim, fail);
}

bool disk_rot(struct disk *disk, struct random *random)
{
	return sim_disk_rot(disk->sim, geometry_grain_offset(&disk->geometry, 0), UINT64_MAX, 0, random);
}

bool disk_rot_ring(struct disk *disk, struct random *random)
{
	const struct geometry *g = &disk->geometry;
	uint64_t from_bytes = geometry_ring_offset(g, 0);

	return sim_disk_rot(disk->sim, from_bytes + RING_FIRST * BLOCK_BYTES,
		from_bytes + (uint64_t)g->ring_blocks * BLOCK_BYTES, RING_FLUSHES, random);
}

void disk_stall(struct disk *disk, bool stall)
{
	sim_disk_stall(disk->sim, stall ? geometry_grain_offset(&disk->geometry, 0) : UINT64_MAX);
}

void disk_misdirect(struct disk *disk, struct random *random)
{
	uint64_t blocks = random_chance(random, 1, 2) ? random_below(random, 64) : 0;

	sim_disk_misdirect(disk->sim, geometry_grain_offset(&disk->geometry, 0), blocks * BLOCK_BYTES);
}

void disk_lose_grain(struct disk *disk)
{
	sim_disk_misdirect(disk->sim, geometry_grain_offset(&disk->geometry, 0), 0);
}

void disks_forget(void)
{
	sim_disks_forget();
}
