/*
 * Maps for a resync: which grains a replica has, and in which version. The source's map travels as a payload
 * of records (replication/map_record.h); the target compares it with its own.
 *
 *   survey record (16)  0 index u32  4 zero u32  8 hash u64 of what the other record says: nothing is decided
 *                       by it, it only counts
 */
#include "datapath/private.h"
#include "store/checksums.h"

#include <errno.h>
#include <string.h>

/* Grains that one map may reach over: their bits are looked through in one go. */
#define MAP_MAX_SPAN (UINT64_C(1) << 22)
/* A window ends after so many grains that are freed for each that may be copied: they cost much less. */
#define FREES_PER_COPY 4u
/* Grains whose checksums are read from the disk in advance. */
#define LOAD_AHEAD 128u
#define FREES_MAX  (FREES_PER_COPY * MAP_MAX_COPIES)

/* ---- records ---- */

static void record_encode(
	uint8_t bytes[static MAP_RECORD_BYTES], uint64_t index, const struct grain_state *state)
{
	struct map_record record = { .index = (uint32_t)index,
		.epoch = state->epoch,
		.seq = state->seq,
		.present = state->present,
		.zero = state->zero,
		.lost = state->lost };

	memcpy(record.crc, state->crc, sizeof(record.crc));
	map_record_encode(bytes, &record);
}

static uint64_t record_hash(const uint8_t bytes[static MAP_RECORD_BYTES])
{
	struct reader r = reader_init(bytes, MAP_RECORD_BYTES);
	uint64_t hash = 0;

	while (reader_left(&r) > 0) {
		hash = (hash ^ read_u64(&r)) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 29;
	}
	return hash;
}

/* The n-th record, as one or the other kind. */
static void map_put(uint8_t *map, uint32_t n, bool survey, uint64_t index, const struct grain_state *state)
{
	uint8_t record[MAP_RECORD_BYTES];
	struct writer w;

	if (!survey) {
		record_encode(map + (size_t)n * MAP_RECORD_BYTES, index, state);
		return;
	}
	record_encode(record, index, state);
	w = writer_init(map + (size_t)n * MAP_SURVEY_BYTES, MAP_SURVEY_BYTES);
	write_u32(&w, (uint32_t)index);
	write_u32(&w, 0);
	write_u64(&w, record_hash(record));
}

static uint32_t record_bytes(bool survey)
{
	return survey ? MAP_SURVEY_BYTES : MAP_RECORD_BYTES;
}

static uint64_t map_index(const uint8_t *map, uint32_t n, bool survey)
{
	struct reader r = reader_init(map + (size_t)n * record_bytes(survey), 4);

	return read_u32(&r);
}

/* ---- MAP_READ: the source ---- */

static void map_answer(struct host *host, uint64_t to, const struct message *question, struct message *answer)
{
	answer->type = MESSAGE_MAP_ANSWER;
	answer->epoch = question->epoch;
	answer->session = question->session;
	answer->attempt = question->attempt;
	answer->token = question->token;
	link_answer(host->datapath, to, host->by_replica.key, answer);
}

/* What follows will be asked for next: it is read at once. */
static void load_ahead(const struct host *host, struct grain_level level, uint64_t index, uint64_t end)
{
	for (unsigned n = 0; n < LOAD_AHEAD; n++) {
		index = pool_replica_level_next(host->store, level, index + 1);
		if (index >= end || pool_replica_grains_enough(host->store))
			return;
		(void)pool_replica_grain_loads(host->store, level, index);
	}
}

/* Fills the map; returns where it ends. */
static uint64_t map_fill(
	const struct host *host, const struct message_map *asked, uint8_t *map, uint32_t *ret_count)
{
	uint64_t end = asked->end, index = asked->from;
	uint32_t count = 0;
	struct grain_state state;
	struct grain_level level;

	if (!host_level(host, asked->layer, &level)) {
		*ret_count = 0;
		return asked->from;
	}

	if (end - asked->from > MAP_MAX_SPAN)
		end = asked->from + MAP_MAX_SPAN;
	for (;; index++) {
		index = pool_replica_level_next(host->store, level, index);
		if (index >= end) {
			*ret_count = count;
			return end;
		}
		if (count == asked->count ||
			(index > asked->from && pool_replica_grains_enough(host->store))) {
			*ret_count = count;
			return index;
		}
		if (pool_replica_grain_loads(host->store, level, index)) {
			load_ahead(host, level, index, end);
			*ret_count = count;
			return index;
		}
		if (pool_replica_grain_view(host->store, level, index, &state))
			map_put(map, count++, asked->survey, index, &state);
	}
}

static uint64_t map_of_turn(
	struct host *host, const struct message_map *asked, uint8_t *map, uint32_t *ret_count)
{
	uint64_t end;

	pool_replica_grains_turn(host->store, true);
	end = map_fill(host, asked, map, ret_count);
	pool_replica_grains_turn(host->store, false);
	return end;
}

void host_map_read(struct host *host, const struct replica_effect *effect)
{
	const struct message *question = &effect->message;
	struct message answer = { .map = question->map, .rc = -EAGAIN };
	uint32_t crc[MAP_MAX_GRAINS * MAP_RECORD_BYTES / BLOCK_BYTES], count, bytes;
	struct buf *buf = NULL;
	uint64_t grains = pool_replica_size(host->store) / GRAIN_BYTES;

	if (!pool_replica_levels_move(host->store) && question->map.count > 0 &&
		question->map.count <= MAP_MAX_GRAINS && question->map.from < question->map.end &&
		question->map.end <= grains)
		buf = buf_get(host->datapath->config.bufs,
			question->map.count * record_bytes(question->map.survey));
	if (!buf) {
		map_answer(host, effect->to, question, &answer);
		return;
	}
	answer.rc = 0;
	answer.seq = pool_replica_commit_seq(host->store);
	if (question->map.layer == LAYER_TREE)
		answer.rc = host_tree_fill(host, buf, &count);
	else
		answer.map.end = map_of_turn(host, &question->map, buf->data, &count);
	answer.map.count = count;
	if (answer.rc == 0 && answer.map.end == question->map.from)
		answer.rc = -EAGAIN;
	if (answer.rc == 0 && count > 0) {
		bytes = count * (question->map.layer == LAYER_TREE ? MAP_LEVEL_BYTES
								   : record_bytes(question->map.survey));
		buf->len_bytes = (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
		memset(buf->data + bytes, 0, buf->len_bytes - bytes);
		crc32c_blocks(buf->data, buf->len_bytes / BLOCK_BYTES, crc);
		answer.payload = buf;
		answer.crc = crc;
	}
	map_answer(host, effect->to, question, &answer);
	buf_put(buf);
}

/* ---- MAP_COMPARE: the target ---- */

struct comparison {
	const struct message_map *map;
	const uint8_t *records;
	struct grain_level level;
	uint64_t end;
	bool loading; /* of the grain at `end` the checksums are on their way */
	uint32_t copies, frees;
	uint32_t copy[MAP_MAX_COPIES];
	uint32_t free[FREES_MAX];
};

/* Records ascend within the window, or the map is nonsense. */
static bool records_are_sound(const struct message_map *map, const uint8_t *records)
{
	uint64_t least = map->from;

	for (uint32_t n = 0; n < map->count; n++) {
		uint64_t index = map_index(records, n, map->survey);

		if (index < least || index >= map->end)
			return false;
		least = index + 1;
	}
	return true;
}

/* Whether this grain is, here, what the record says. */
static bool is_same(const struct host *host, const struct comparison *c, uint32_t n, uint64_t index)
{
	uint32_t bytes = record_bytes(c->map->survey);
	uint8_t mine[MAP_RECORD_BYTES];
	struct grain_state state;

	if (!pool_replica_grain_applied(host->store, c->level, index, &state))
		return false;
	if (MUTANT(old_sync_base) && state.seq <= pool_replica_commit_seq(host->store))
		return true;
	map_put(mine, 0, c->map->survey, index, &state);
	return memcmp(mine, c->records + (size_t)n * bytes, bytes) == 0;
}

/* Both sides' grains in index order. It ends early where as much differs as may be dealt with at once. */
static void compare(const struct host *host, struct comparison *c)
{
	uint64_t most_copies = c->map->survey ? UINT64_MAX : c->map->copies;
	uint64_t most_frees = c->map->survey ? FREES_MAX : most_copies * FREES_PER_COPY;
	uint64_t mine = pool_replica_level_next(host->store, c->level, c->map->from);
	struct grain_state state;

	for (uint32_t n = 0;;) {
		uint64_t theirs = n < c->map->count ? map_index(c->records, n, c->map->survey) : UINT64_MAX;
		uint64_t index = mine < theirs ? mine : theirs;

		if (index >= c->map->end) {
			c->end = c->map->end;
			return;
		}
		c->end = index;
		if (index > c->map->from && pool_replica_grains_enough(host->store))
			return;
		if (pool_replica_grain_loads(host->store, c->level, index)) {
			load_ahead(host, c->level, index, c->map->end);
			c->loading = true;
			return;
		}
		if (index == theirs && !is_same(host, c, n, index)) {
			if (c->copies == most_copies)
				return;
			if (!c->map->survey)
				c->copy[c->copies] = (uint32_t)index;
			c->copies++;
		} else if (index != theirs &&
			   pool_replica_grain_applied(host->store, c->level, index, &state) &&
			   !MUTANT(sync_forgets_trims) && !(MUTANT(copies_before_frees) && c->map->survey)) {
			if (c->frees == most_frees)
				return;
			c->free[c->frees++] = (uint32_t)index;
		}
		n += index == theirs;
		if (index == mine)
			mine = pool_replica_level_next(host->store, c->level, mine + 1);
	}
}

void host_compared_tell(struct job *job)
{
	struct host *host = job->host;
	struct message question = job->message;
	struct replica_compared compared = job->compared;
	uint64_t to = job->to;
	bool gone = host->gone;

	compared.rc = job->rc;
	if (compared.indices) {
		/* Where they stay until the answer has been polled. */
		memcpy(host->indices, job->crc, compared.copies * sizeof(host->indices[0]));
		compared.indices = host->indices;
	}
	job_put(job);
	if (gone)
		return;
	replica_map_compared(host->machine, to, &question, &compared);
	host_poll(host);
}

static void freed(void *arg, int rc)
{
	struct job *job = arg;

	ASSERT(job->puts > 0);
	if (rc != 0)
		job->rc = rc;
	if (--job->puts == 0)
		host_compared_tell(job);
}

/*
 * Frees what the source hasn't; entries that are held back follow. A survey does so too, before anything
 * needs room: what is beyond the cursor may hold anything, since it is compared again when its turn comes.
 */
static void frees_begin(struct job *job, const struct comparison *c)
{
	for (uint32_t k = 0; k < c->frees; k++) {
		struct grain_copy nothing = { .level = c->level, .index = c->free[k] };

		job->puts++;
		pool_replica_grain_put(job->host->store, &nothing, freed, job);
	}
}

void host_compare_refuse(struct host *host, const struct replica_effect *effect, int rc)
{
	struct replica_compared refused = { .rc = rc, .end = effect->message.map.from };

	replica_map_compared(host->machine, effect->to, &effect->message, &refused);
}

void host_map_compare(struct host *host, const struct replica_effect *effect)
{
	const struct message *m = &effect->message;
	struct comparison c = { .map = &m->map, .records = m->payload ? m->payload->data : NULL };
	struct job *job;

	_Static_assert(sizeof(job->crc) >= MAP_MAX_COPIES * sizeof(uint32_t), "indices fit");
	if (m->map.layer == LAYER_TREE) {
		host_tree_compare(host, effect);
		return;
	}
	if (!host_level(host, m->map.layer, &c.level) || m->map.copies > MAP_MAX_COPIES ||
		(m->map.copies == 0 && !m->map.survey) || (m->map.count > 0 && !m->payload) ||
		!records_are_sound(&m->map, c.records)) {
		host_compare_refuse(host, effect, -EPROTO);
		return; /* host_poll() is under way */
	}
	job = job_get(host, effect, true);
	if (!job) {
		host_compare_refuse(host, effect, -EAGAIN);
		return;
	}
	pool_replica_grains_turn(host->store, true);
	compare(host, &c);
	pool_replica_grains_turn(host->store, false);
	if (c.loading && c.end == m->map.from) {
		job_put(job);
		host_compare_refuse(host, effect, -EAGAIN);
		return;
	}
	job->compared = (struct replica_compared){ .end = c.end, .copies = c.copies, .freed = c.frees };
	if (!m->map.survey && c.copies > 0) {
		job->compared.indices = job->crc;
		memcpy(job->crc, c.copy, c.copies * sizeof(c.copy[0]));
	}
	/* Entries concern the top alone. */
	if (!m->map.survey && m->map.layer == LAYER_TOP)
		pool_replica_sync_edge(host->store, c.end);
	if (c.frees == 0)
		host_compared_tell(job);
	else
		frees_begin(job, &c);
}
