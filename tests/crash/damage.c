#include "damage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TRIES 64u

struct range {
	uint64_t from_bytes, to_bytes;
};

static struct range area_range(const struct geometry *g, enum damage_area area)
{
	switch (area) {
	case AREA_JOURNAL:
		return (struct range){ g->ring_offset_bytes, g->table_offset_bytes[0] };
	case AREA_TABLE:
		return (struct range){ g->table_offset_bytes[0], g->grain_offset_bytes };
	case AREA_GRAINS:
		return (struct range){ g->grain_offset_bytes,
			g->grain_offset_bytes + (uint64_t)g->grain_count * GRAIN_BYTES };
	case AREA_SUPERBLOCKS:
	case AREA_COUNT:
		break;
	}
	return (struct range){ 0, BLOCK_BYTES };
}

static bool is_zero(const uint8_t *block)
{
	return block[0] == 0 && memcmp(block, block + 1, BLOCK_BYTES - 1) == 0;
}

/* Mostly a block with something in it. */
static uint64_t block_pick(
	const struct sim_disk *disk, const struct geometry *g, enum damage_area area, struct random *random)
{
	struct range range = area_range(g, area);
	uint8_t block[BLOCK_BYTES];
	uint64_t offset = range.from_bytes;

	if (area == AREA_SUPERBLOCKS)
		return geometry_superblock_offset(g->size_bytes, (unsigned)random_below(random, 2));
	for (unsigned i = 0; i < TRIES; i++) {
		offset =
			range.from_bytes +
			random_below(random, (range.to_bytes - range.from_bytes) / BLOCK_BYTES) * BLOCK_BYTES;
		sim_disk_peek(disk, offset, block, BLOCK_BYTES);
		if (!is_zero(block))
			break;
	}
	return offset;
}

static bool flip(struct sim_disk *disk, struct random *random, struct damage *d)
{
	uint8_t block[BLOCK_BYTES];
	uint64_t at = random_below(random, BLOCK_BYTES);

	sim_disk_peek(disk, d->offset_bytes, block, BLOCK_BYTES);
	d->bit = (unsigned)(at * 8 + random_below(random, 8));
	block[at] ^= (uint8_t)(1u << d->bit % 8);
	sim_disk_poke(disk, d->offset_bytes, block, BLOCK_BYTES);
	return true;
}

/* Puts `from`'s bytes there; false where they are the same already. */
static bool replace(struct sim_disk *disk, const struct sim_disk *from, struct damage *d)
{
	static uint8_t now[GRAIN_BYTES], then[GRAIN_BYTES];

	sim_disk_peek(disk, d->offset_bytes, now, d->length_bytes);
	sim_disk_peek(from, d->from_bytes, then, d->length_bytes);
	if (memcmp(now, then, d->length_bytes) == 0)
		return false;
	sim_disk_poke(disk, d->offset_bytes, then, d->length_bytes);
	return true;
}

/* Grains whole, now and then. */
static void length_pick(const struct geometry *g, struct random *random, struct damage *d)
{
	d->length_bytes = BLOCK_BYTES;
	if (d->area == AREA_GRAINS && random_chance(random, 1, 3)) {
		d->offset_bytes -= (d->offset_bytes - g->grain_offset_bytes) % GRAIN_BYTES;
		d->length_bytes = GRAIN_BYTES;
	}
}

static enum damage_area area_pick(struct random *random)
{
	uint64_t dice = random_below(random, 100);

	if (dice < 8)
		return AREA_SUPERBLOCKS;
	if (dice < 45)
		return AREA_JOURNAL;
	return dice < 70 ? AREA_TABLE : AREA_GRAINS;
}

bool damage_one(struct sim_disk *disk, const struct sim_disk *older, const struct geometry *g,
	struct random *random, struct damage *ret_damage)
{
	for (unsigned i = 0; i < TRIES; i++) {
		struct damage d = {
			.kind = DAMAGE_FLIP, .area = area_pick(random), .length_bytes = BLOCK_BYTES
		};
		uint64_t dice = random_below(random, 10);
		bool done;

		d.offset_bytes = block_pick(disk, g, d.area, random);
		if (dice < 2 && older) {
			d.kind = DAMAGE_STALE;
			length_pick(g, random, &d);
			d.from_bytes = d.offset_bytes;
			done = replace(disk, older, &d);
		} else if (dice < 4) {
			d.kind = DAMAGE_MISDIRECTED;
			length_pick(g, random, &d);
			d.from_bytes = block_pick(disk, g, d.area, random);
			if (d.length_bytes == GRAIN_BYTES)
				d.from_bytes -= (d.from_bytes - g->grain_offset_bytes) % GRAIN_BYTES;
			done = replace(disk, disk, &d);
		} else {
			done = flip(disk, random, &d);
		}
		if (done) {
			*ret_damage = d;
			return true;
		}
	}
	return false;
}

void damage_superblock(struct sim_disk *disk, unsigned copy, struct random *random)
{
	struct damage d = { .offset_bytes = geometry_superblock_offset(sim_disk_size(disk), copy) };

	(void)flip(disk, random, &d);
}

const char *damage_text(const struct damage *d, char text[static 128])
{
	static const char *const kinds[] = { "flip", "stale", "misdirected" };
	static const char *const areas[] = { "superblocks", "journal", "table", "grains" };

	(void)snprintf(text, 128, "%s in %s at %" PRIu64 " (%u bytes, bit %u, from %" PRIu64 ")",
		kinds[d->kind], areas[d->area], d->offset_bytes, d->length_bytes, d->bit, d->from_bytes);
	return text;
}
