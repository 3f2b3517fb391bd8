/*
 * What a grain holds, for resync and repair: as it is applied, and as it will be once everything committed
 * is.
 *
 * The version (epoch, seq) is that of the newest entry that changed the grain, so it is the same on all
 * replicas that have applied the same entries. A grain of which a level says nothing is not there: it has no
 * version.
 */
#include "store/checksums.h"
#include "store/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GRAIN_ATTEMPTS 8u
/* So many layers of grains are looked at in a turn: a millisecond or a few. Tests see many turns. */
#ifdef QUOIN_ASSERT_EXPENSIVE
#define TURN_LOOKS 24u
#else
#define TURN_LOOKS 8192u
#endif

struct grain_job {
	struct pool_read read;
	struct grain_copy copy;
	void (*fn)(void *arg, int rc, struct grain_copy *copy);
	void *arg;
	unsigned attempts;
	uint64_t change; /* of the map, when the state was taken */
	struct loop_task refused;
};

static void looked(struct pool *pool)
{
	if (pool->grain_looks > 0 && !MUTANT(turn_without_end))
		pool->grain_looks--;
}

bool grain_state_equal(const struct grain_state *a, const struct grain_state *b)
{
	if (!epoch_equal(a->epoch, b->epoch) || a->seq != b->seq || a->present != b->present ||
		a->zero != b->zero)
		return false;
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++)
		if ((a->present & 1u << i) && a->crc[i] != b->crc[i])
			return false;
	return true;
}

static bool slot_is_lost(const struct pool *pool, uint32_t place, const uint32_t *crcs)
{
	return pool->sums.lost > 0 && crcs && !map_slot_check(pool, place, crcs);
}

/* Checksums that are not at hand are told as 0: pool_replica_grain_loads(). */
static void state_of_slot(struct pool *pool, uint32_t place, struct grain_state *ret_state)
{
	const struct mapped *mapped = &pool->map.places[place];
	const uint32_t *crcs = sums_get(pool, place);
	struct position at = map_position(&pool->map, place);

	ret_state->epoch = at.epoch;
	ret_state->seq = at.seq;
	ret_state->present = mapped->present;
	ret_state->zero = mapped->zero;
	ret_state->lost = slot_is_lost(pool, place, crcs);
	memset(ret_state->crc, 0, sizeof(ret_state->crc));
	if (crcs)
		memcpy(ret_state->crc, crcs, sizeof(ret_state->crc));
}

/*
 * What a lower layer of the level says of blocks of which those above say nothing. Versions are positions of
 * one log: what a clone stands on is older than all of its own, whatever the origin's log says.
 */
static void state_fold(struct pool *pool, uint32_t place, bool is_own, struct grain_state *state)
{
	const struct mapped *slot = &pool->map.places[place];
	const uint32_t *crcs = sums_get(pool, place);
	uint16_t open = (uint16_t) ~(state->present | state->zero);

	if (open == UINT16_MAX) {
		state_of_slot(pool, place, state);
		if (!is_own) {
			state->epoch = (struct epoch){ 0, 0 };
			state->seq = 0;
		}
		return;
	}
	if ((slot->present & open) != 0 && slot_is_lost(pool, place, crcs))
		state->lost = true;
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++)
		if (slot->present & open & 1u << i)
			state->crc[i] = crcs ? crcs[i] : 0;
	state->present |= slot->present & open;
	state->zero |= slot->zero & open;
}

static void block_of_entry(struct grain_state *state, unsigned i, uint64_t block, const struct log_entry *le)
{
	uint16_t bit = (uint16_t)(1u << i);

	if (le->entry->op != ENTRY_WRITE) {
		state->present = (uint16_t)(state->present & ~bit);
		state->zero |= bit;
		state->crc[i] = 0;
		return;
	}
	ASSERT(block >= le->entry->offset_bytes / BLOCK_BYTES);
	ASSERT(block < (le->entry->offset_bytes + le->entry->length_bytes) / BLOCK_BYTES);
	state->present |= bit;
	state->zero = (uint16_t)(state->zero & ~bit);
	state->crc[i] = le->entry->crc[block - le->entry->offset_bytes / BLOCK_BYTES];
}

/* The top as it will be when all that is committed is applied. */
static void state_of_top(const struct pool_replica *replica, uint64_t index, struct grain_state *ret_state)
{
	struct pool *pool = replica->pool;
	uint32_t place = map_find(pool, replica->top, index);
	struct log_entry *blocks[GRAIN_BLOCKS], *newest;

	if (place != PHYS_NONE)
		state_of_slot(pool, place, ret_state);
	newest = MUTANT(resync_stale_map) ? NULL : index_grain(replica, index, replica->commit_seq, blocks);
	if (!newest)
		return;
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++)
		if (blocks[i])
			block_of_entry(ret_state, i, index * GRAIN_BLOCKS + i, blocks[i]);
	ret_state->zero &= layer_marks(pool, replica->top, index);
	ret_state->epoch = newest->epoch;
	ret_state->seq = newest->seq;
}

static bool state_of_level(const struct pool_replica *replica, struct grain_level level, uint64_t index,
	bool pending, struct grain_state *ret_state)
{
	struct pool *pool = replica->pool;
	const struct layer *upper = level_upper(replica, level), *stop;

	*ret_state = (struct grain_state){ 0 };
	if (!upper)
		return false;
	pending = pending && upper == replica->top;
	if (pending)
		state_of_top(replica, index, ret_state);
	stop = level.whole ? NULL : level_below(replica, upper);
	for (uint32_t place = map_first(pool, upper->tree, index); place != PHYS_NONE;
		place = map_older(&pool->map, place)) {
		const struct layer *layer = map_layer(&pool->map, place);

		looked(pool);
		if (!layer_sees(upper, layer) || (stop && layer_sees(stop, layer)) ||
			(pending && layer == upper))
			continue;
		ASSERT(pool->map.places[place].index == index);
		state_fold(pool, place, layer == replica->top || layer->owner == replica, ret_state);
	}
	/* A mark above nothing says nothing: whether it is there still depends on who was merged when. */
	ret_state->zero &= layer_masks_at(pool, stop, NULL, index).present;
	if (ret_state->present != 0 || ret_state->zero != 0)
		return true;
	*ret_state = (struct grain_state){ 0 };
	return false;
}

bool pool_replica_grain_loads(struct pool_replica *replica, struct grain_level level, uint64_t index)
{
	const struct layer *upper = level_upper(replica, level);

	return upper && !sums_want_versions(replica->pool, upper->tree, index, SUMS_MAP);
}

void pool_replica_grains_turn(struct pool_replica *replica, bool begins)
{
	if (!begins) {
		sums_turn_end(replica->pool, SUMS_MAP);
		return;
	}
	replica->pool->grain_looks = TURN_LOOKS;
	sums_turn_begin(replica->pool, SUMS_MAP);
}

bool pool_replica_grains_enough(const struct pool_replica *replica)
{
	return replica->pool->grain_looks == 0;
}

bool pool_replica_grain_applied(const struct pool_replica *replica, struct grain_level level, uint64_t index,
	struct grain_state *ret_state)
{
	return state_of_level(replica, level, index, false, ret_state);
}

bool pool_replica_grain_view(const struct pool_replica *replica, struct grain_level level, uint64_t index,
	struct grain_state *ret_state)
{
	return state_of_level(replica, level, index, true, ret_state);
}

static void grain_job_read(struct grain_job *job)
{
	struct pool_replica *replica = job->read.replica;

	job->copy.commit_seq = replica->commit_seq;
	pool_replica_grain_view(replica, job->copy.level, job->copy.index, &job->copy.state);
	job->change = replica->pool->change;
	pool_read(&job->read);
}

static void grain_job_done(struct pool_read *read, int rc)
{
	struct grain_job *job = container_of(read, struct grain_job, read);
	struct grain_copy *copy = &job->copy;
	bool moved;

	/* The read was planned, or planned anew, at a later commit: the copy must be of one moment. */
	moved = read->commit_seq != copy->commit_seq || read->change != job->change;
	if (rc == 0 && moved && job->attempts++ < GRAIN_ATTEMPTS) {
		grain_job_read(job);
		return;
	}
	if (rc == 0 && moved)
		rc = -EAGAIN;
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++)
		copy->state.crc[i] = read->crc[i];
	copy->data = read->into;
	copy->data->len_bytes = GRAIN_BYTES;
	if (rc < 0 || copy->state.present == 0) {
		buf_put(copy->data);
		copy->data = NULL;
	}
	job->fn(job->arg, rc, copy);
	free(job);
}

/* Buffers are short. */
static void grain_job_refused(void *arg)
{
	struct grain_job *job = arg;

	job->fn(job->arg, -EAGAIN, &job->copy);
	free(job);
}

void pool_replica_grain_get(struct pool_replica *replica, struct grain_level level, uint64_t index,
	void (*fn)(void *arg, int rc, struct grain_copy *copy), void *arg)
{
	/* A copy is rare beside a write; its memory is the size of a small message. */
	struct grain_job *job = calloc(1, sizeof(*job));
	struct buf *into = buf_get(replica->pool->options.bufs, GRAIN_BYTES);

	ASSERT(job);
	ASSERT(index < replica->grain_limit);
	job->fn = fn;
	job->arg = arg;
	job->copy.index = index;
	job->copy.level = level;
	job->read.snapshot = level.snapshot;
	job->read.fn = grain_job_done;
	job->read.replica = replica;
	job->read.offset_bytes = index * GRAIN_BYTES;
	job->read.length_bytes = GRAIN_BYTES;
	job->read.into = into;
	if (!into) {
		loop_task_init(&job->refused, grain_job_refused, job);
		loop_defer(replica->pool->loop, &job->refused);
		return;
	}
	grain_job_read(job);
}

/* ---- which grains there may be ---- */

static bool level_has(const struct pool_replica *replica, const struct layer *upper, const struct layer *stop,
	uint64_t index)
{
	struct pool *pool = replica->pool;

	for (uint32_t place = map_first(pool, upper->tree, index); place != PHYS_NONE;
		place = map_older(&pool->map, place)) {
		const struct layer *layer = map_layer(&pool->map, place);

		looked(pool);
		if (layer_sees(upper, layer) && !(stop && layer_sees(stop, layer)))
			return true;
	}
	return upper == replica->top && (index_has_grain(replica, index) || index_has_trim(replica, index));
}

uint64_t pool_replica_level_next(const struct pool_replica *replica, struct grain_level level, uint64_t from)
{
	const struct layer *upper = level_upper(replica, level);
	const struct layer *stop = upper && !level.whole ? level_below(replica, upper) : NULL;
	uint64_t words = (replica->grain_limit + 63) / 64;

	for (uint64_t word = from / 64; upper && word < words; word++) {
		uint64_t bits = upper->tree->bits[word];

		if (word == from / 64)
			bits &= UINT64_MAX << from % 64;
		for (; bits; bits &= bits - 1) {
			uint64_t index = word * 64 + (uint64_t)__builtin_ctzll(bits);

			if (level_has(replica, upper, stop, index) || pool_replica_grains_enough(replica))
				return index;
		}
	}
	return UINT64_MAX;
}

bool pool_replica_levels_move(struct pool_replica *replica)
{
	struct pool *pool = replica->pool;
	struct log_entry *le;

	for (uint64_t seq = replica->applied.seq + 1; replica->shapes > 0 && seq <= replica->commit_seq;
		seq++) {
		le = index_find(replica, seq);
		if (!le || !le->shapes)
			continue;
		pool->round.wanted = true;
		if (!list_is_empty(&pool->commit_news))
			pool->journal.mark_wanted = true;
		pool_pump_soon(pool);
		return true;
	}
	return false;
}
