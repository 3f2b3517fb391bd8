/*
 * What a replica may still take: a share of the ring for what is not committed, the ring itself, and free
 * grains, of which 1 % is kept for trims and repair.
 *
 * All replicas' uncommitted entries together get a quarter of the ring, shared evenly: that much may have to
 * be carried forward for groups without quorum, and the others go on in the rest.
 */
#include "store/pool.h"
#include "store/usage.h"

#define SHARE_MIN_BYTES   ((uint64_t)ENTRY_MAX_BYTES + BLOCK_BYTES)
#define GRAIN_RESERVE_DIV 100u
/* Beside the reserve, for entries that were under way when their coordinators were told that it is full. */
#define GRAIN_SLACK_DIV 50u
#define GRAIN_SLACK_MIN (ENTRY_MAX_BLOCKS + 16u)

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t ring_bytes(const struct pool *pool)
{
	return (uint64_t)pool->g.ring_blocks * BLOCK_BYTES;
}

static uint64_t share_bytes(const struct pool *pool)
{
	return ring_bytes(pool) / 4 / (pool->replica_count ? pool->replica_count : 1);
}

/* So many have room for their largest entry each (rings that small are for tests). */
uint32_t pool_replica_limit(const struct pool *pool)
{
	uint64_t share_min = least(SHARE_MIN_BYTES, ring_bytes(pool) / 16);

	return (uint32_t)least(ring_bytes(pool) / 4 / share_min, pool->g.dir_pages);
}

static uint64_t grains_reserve(const struct pool *pool)
{
	return pool->g.grain_count / GRAIN_RESERVE_DIV + 1 + pool->grains_reserved + pool->thick_grains;
}

static uint64_t slack_grains(const struct pool *pool, bool thick)
{
	uint64_t slack = pool->g.grain_count / GRAIN_SLACK_DIV;

	/* Who isn't full takes the largest entry; pools that small are for tests. */
	if (slack < GRAIN_SLACK_MIN)
		slack = least(GRAIN_SLACK_MIN, pool->g.grain_count / 4);
	/* What is kept must not be hurt: all that replicas may be sent before they have told that it is full.
	 */
	if (thick && slack < pool->g.ring_blocks / 8)
		slack = least(pool->g.ring_blocks / 8, pool->g.grain_count / 4);
	return slack;
}

uint64_t pool_thick_slack_grains(const struct pool *pool)
{
	return slack_grains(pool, true);
}

uint64_t pool_least_grains(const struct pool *pool)
{
	return grains_reserve(pool) + slack_grains(pool, pool->thick_grains > 0);
}

uint64_t pool_least_thick_grains(const struct pool *pool)
{
	return grains_reserve(pool) + pool_thick_slack_grains(pool);
}

uint64_t pool_spare_grains(const struct pool *pool)
{
	uint64_t grains = pool->map.free_count + pool->map.quarantine_count;

	return grains > pool_least_grains(pool) ? grains - pool_least_grains(pool) : 0;
}

bool pool_is_full(const struct pool *pool)
{
	return pool->map.free_count + pool->map.quarantine_count < pool_least_grains(pool);
}

bool pool_replica_is_full(const struct pool_replica *replica)
{
	const struct pool *pool = replica->pool;

	return !thick_is_free(replica) && pool->map.free_count + pool->map.quarantine_count <
						  pool_least_grains(pool) - replica->thick_grains;
}

/*
 * Of what is kept for it: all but what its own entries are going to take. That matters where the pool hasn't
 * got what it should keep: what is there must not be promised twice. (Who asks whether it is full needs no
 * such care: the slack beside the reserve is for what is under way.)
 */
static uint64_t thick_left(const struct pool_replica *replica)
{
	uint64_t due = MUTANT(thick_promised_twice) ? 0 : replica->thick_due;

	return replica->thick_grains > due ? replica->thick_grains - due : 0;
}

/* A fresh grain may be taken by each 4 KiB. Those of a thick one are kept for it, unless the pool hasn't got
 * them. */
static uint64_t grains_bytes(const struct pool_replica *replica)
{
	const struct pool *pool = replica->pool;
	uint64_t reserve = grains_reserve(pool), grains = pool->map.free_count + pool->map.quarantine_count;

	if (thick_is_free(replica))
		return UINT64_MAX;
	reserve -= thick_left(replica);
	return grains > reserve ? (grains - reserve) * BLOCK_BYTES : 0;
}

/* A small entry may cost a header block of its own: half of the ring's bytes count, but one large entry fits.
 */
static uint64_t entries_bytes(uint64_t ring)
{
	return ring / 2 < ENTRY_MAX_BYTES && ring >= SHARE_MIN_BYTES ? ENTRY_MAX_BYTES : ring / 2;
}

void pool_replica_rooms(const struct pool_replica *replica, uint64_t *ret_room, uint64_t *ret_adopted)
{
	const struct pool *pool = replica->pool;
	uint64_t ring, grains, les, share;

	*ret_room = *ret_adopted = 0;
	if (pool->failed || replica->deleted)
		return;
	ring = ring_bytes(pool) * 11 / 16;
	ring = ring > journal_used_blocks(pool) * BLOCK_BYTES ? ring - journal_used_blocks(pool) * BLOCK_BYTES
							      : 0;
	grains = grains_bytes(replica);
	les = pool->le_count - pool->le_used;
	les = les > 64 ? (les - 64) * BLOCK_BYTES : 0;
	share = share_bytes(pool);
	share = share > replica->uncommitted_bytes ? share - replica->uncommitted_bytes : 0;
	*ret_room = least(entries_bytes(least(share, ring)), least(grains, les));
	*ret_adopted = least(entries_bytes(ring), least(grains, les));
}

uint64_t pool_replica_room(const struct pool_replica *replica)
{
	uint64_t room, adopted;

	pool_replica_rooms(replica, &room, &adopted);
	return room;
}
