/* Damage to a disk that a pool is on: rot, stale and misdirected writes, by area. */
#ifndef QUOIN_TESTS_CRASH_DAMAGE_H
#define QUOIN_TESTS_CRASH_DAMAGE_H

#include "device_sim.h"
#include "store/ondisk.h"

enum damage_area { AREA_SUPERBLOCKS, AREA_JOURNAL, AREA_TABLE, AREA_GRAINS, AREA_COUNT };
enum damage_kind { DAMAGE_FLIP, DAMAGE_STALE, DAMAGE_MISDIRECTED };

struct damage {
	enum damage_kind kind;
	enum damage_area area;
	uint64_t offset_bytes;
	uint64_t from_bytes; /* misdirected: whose content it is */
	unsigned bit;        /* flip */
	uint32_t length_bytes;
};

/*
 * Does one thing to the disk that changes what is there; `older` is an earlier state of it, or NULL. False:
 * none was found.
 */
bool damage_one(struct sim_disk *disk, const struct sim_disk *older, const struct geometry *g,
	struct random *random, struct damage *ret_damage);
/* A flip in one copy of the superblock. */
void damage_superblock(struct sim_disk *disk, unsigned copy, struct random *random);
const char *damage_text(const struct damage *damage, char text[static 128]);

#endif
