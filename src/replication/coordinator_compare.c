/*
 * The replicas of a group are compared with each other: once in a period, and when a scrub asks for it. Level
 * by level, window by window, the maps of all that are complete and matched are asked for at one commit
 * point, and judged (coordinator_judge.c) when all are there. No data is read: each replica's scrub compares
 * its data with the checksums that the maps tell.
 */
#include "replication/coordinator_compare.h"

#include <errno.h>
#include <string.h>

#define FIRST_NS    (600 * NS_PER_S) /* after it has begun to serve, or sooner where the period is short */
#define ALONE_NS    NS_PER_S         /* there is nobody to compare with, or a resync is under way */
#define BEHIND_NS   (100 * NS_PER_MS)
#define BUSY_GAP_NS (50 * NS_PER_MS) /* between windows, while the application uses the volume */
#define PATIENCE_NS (10 * NS_PER_S)  /* an answer that has not come by then never will */
#define GRAINS_MOST 256u             /* of one window */
#define WAITS_MOST  50u              /* for somebody who is behind; then it is compared without him */

static const struct position top_level = { { UINT64_MAX, UINT32_MAX }, UINT64_MAX };

static uint64_t grain_count(const struct coordinator *co)
{
	return co->config.size_bytes / GRAIN_BYTES;
}

static uint32_t grains_most(const struct coordinator *co)
{
	return co->config.map_grains != 0 && co->config.map_grains < GRAINS_MOST ? co->config.map_grains
										 : GRAINS_MOST;
}

/* What was asked, and has not been answered, is void. */
static void answers_drop(struct coordinator *co)
{
	struct compare *c = &co->compare;

	for (unsigned i = 0; i < GROUP_MAX_VOTERS; i++) {
		buf_put(c->maps[i].data);
		c->maps[i] = (struct compare_map){ 0 };
		if (i < co->config.voter_count)
			co->voters[i].due &= ~(uint32_t)DUE_COMPARE;
	}
	c->voters = 0;
}

void coordinator_compare_free(struct coordinator *co)
{
	answers_drop(co);
}

void coordinator_compare_again(struct coordinator *co, uint64_t after_ns)
{
	struct compare *c = &co->compare;

	ASSERT(c->step != COMPARE_REST);
	answers_drop(co);
	c->step = COMPARE_TREE;
	c->next_ns = co->now_ns + after_ns;
}

void coordinator_compare_lost(struct coordinator *co, int i)
{
	if (co->compare.voters & 1u << i)
		coordinator_compare_again(co, RETRY_NS);
}

/* ---- passes ---- */

/* Sessions that began together don't compare together. */
static uint64_t first_ns(const struct coordinator *co)
{
	uint64_t every_ns = co->config.compare_every_ms * NS_PER_MS;
	uint64_t most = every_ns < FIRST_NS ? every_ns : FIRST_NS;

	return most / 2 + co->config.session % (most / 2 + 1);
}

static void pass_begin(struct coordinator *co)
{
	struct compare *c = &co->compare;

	c->status.under_way = true;
	c->status.pass = (struct compare_tally){ 0 };
	c->through = c->level = (struct position){ { 0, 0 }, 0 };
	c->cursor = 0;
	c->tries = c->waits = 0;
	c->watches = c->snapshots_differ = false;
	c->steady = UINT8_MAX;
	c->step = COMPARE_TREE;
	co->changed = true;
}

static void pass_end(struct coordinator *co)
{
	struct compare *c = &co->compare;
	struct compare_status *s = &c->status;
	uint64_t every_ns = co->config.compare_every_ms * NS_PER_MS;

	answers_drop(co);
	s->last = s->pass;
	s->last_asked = s->asked;
	s->pass = (struct compare_tally){ 0 };
	s->passes++;
	s->ended_ns = co->now_ns;
	s->under_way = false;
	s->asked = c->once_more;
	c->step = COMPARE_REST;
	c->next_ns = every_ns ? co->now_ns + every_ns : UINT64_MAX;
	if (c->missing && s->last.differing > s->last.rewritten && every_ns > FIRST_NS)
		c->next_ns = co->now_ns + FIRST_NS;
	if (c->once_more)
		c->next_ns = co->now_ns;
	c->once_more = c->missing = c->watches = false;
	co->changed = true;
}

void coordinator_recv_compare_asked(struct coordinator *co)
{
	struct compare *c = &co->compare;

	if (co->phase != COORDINATOR_SERVING || co->config.steward)
		return;
	if (c->step != COMPARE_REST) {
		c->once_more = true;
		return;
	}
	c->status.asked = true;
	c->next_ns = co->now_ns;
	coordinator_compare_step(co);
}

/* ---- questions ---- */

/* Those that can be compared now; 0: later. */
static uint8_t voters_to_ask(struct coordinator *co)
{
	struct compare *c = &co->compare;
	uint8_t mask = 0;
	bool behind = false;

	for (unsigned i = 0; i < co->config.voter_count; i++) {
		const struct voter *v = &co->voters[i];

		if (v->stage >= VOTER_SYNC_WAIT && v->stage <= VOTER_SYNC_FINISHING) {
			c->next_ns = co->now_ns + ALONE_NS;
			return 0;
		}
		if (!v->up || !voter_is_streaming(v))
			continue;
		/* It has been sent all that is committed: it has it before the question. */
		if (v->next_seq > co->commit_seq && v->writable)
			mask = (uint8_t)(mask | 1u << i);
		else
			behind = true;
	}
	if (behind && c->waits < WAITS_MOST) {
		c->waits++;
		c->next_ns = co->now_ns + BEHIND_NS;
		return 0;
	}
	if ((mask & (mask - 1)) != 0)
		return mask;
	c->next_ns = co->now_ns + ALONE_NS;
	return 0;
}

static void ask(struct coordinator *co, uint8_t voters)
{
	struct compare *c = &co->compare;

	answers_drop(co);
	c->voters = voters;
	c->seq = MUTANT(compare_at_any_point) ? 0 : co->commit_seq;
	c->asked_ns = co->now_ns;
	c->next_ns = co->now_ns + PATIENCE_NS;
	for (unsigned i = 0; i < co->config.voter_count; i++) {
		if (!(voters & 1u << i))
			continue;
		c->maps[i].token = co->token++;
		co->voters[i].due |= DUE_COMPARE;
	}
	co->again = true;
}

/* Which levels there are may change at any time: it is asked for before each window, of one. */
static void ask_tree(struct coordinator *co)
{
	int source = coordinator_source(co, -1, co->commit_seq, 0);

	if (source < 0) {
		co->compare.next_ns = co->now_ns + ALONE_NS;
		return;
	}
	ask(co, (uint8_t)(1u << source));
}

static void ask_maps(struct coordinator *co)
{
	struct compare *c = &co->compare;
	uint8_t voters = voters_to_ask(co);
	uint64_t bytes = (uint64_t)grains_most(co) * MAP_RECORD_BYTES, later_ns;

	if (voters == 0) {
		c->step = COMPARE_TREE;
		return;
	}
	later_ns = budget_take(
		co->config.compare_budget, bytes * (uint64_t)__builtin_popcount(voters), co->now_ns);
	if (later_ns) {
		c->step = COMPARE_TREE;
		c->next_ns = later_ns;
		return;
	}
	c->step = COMPARE_MAPS;
	ask(co, voters);
}

void coordinator_compare_step(struct coordinator *co)
{
	struct compare *c = &co->compare;

	if (co->phase != COORDINATOR_SERVING || co->config.steward)
		return;
	if (c->step == COMPARE_REST && c->next_ns == 0)
		c->next_ns = co->config.compare_every_ms ? co->now_ns + first_ns(co) : UINT64_MAX;
	if (c->next_ns > co->now_ns || c->step == COMPARE_REPAIR)
		return;
	if (c->step == COMPARE_REST)
		pass_begin(co);
	if (MUTANT(compare_never)) {
		pass_end(co);
		return;
	}
	if (c->voters != 0)
		coordinator_compare_again(co, 0);
	c->step = COMPARE_TREE;
	ask_tree(co);
}

void coordinator_compare_message(struct coordinator *co, int i, struct message *m)
{
	const struct compare *c = &co->compare;

	ASSERT(c->voters & 1u << i);
	m->type = MESSAGE_MAP_READ;
	m->token = c->maps[i].token;
	m->seq = c->seq;
	m->map = (struct message_map){ .end = grain_count(co), .count = MAP_MAX_GRAINS, .layer = LAYER_TREE };
	if (c->step == COMPARE_TREE)
		return;
	m->map.from = c->cursor;
	m->map.count = grains_most(co);
	m->map.layer = c->layer;
}

/* ---- answers ---- */

/* The lowest level that isn't through; the top is the last. */
static void level_find(struct coordinator *co, const struct compare_map *tree)
{
	struct compare *c = &co->compare;
	struct position level = top_level;

	c->layer = LAYER_TOP;
	c->levels = tree->count;
	for (uint32_t n = 0; n < tree->count && c->layer == LAYER_TOP && !MUTANT(top_level_only); n++) {
		struct reader r = reader_init(tree->data->data + (size_t)n * MAP_LEVEL_BYTES + 32, 20);
		struct position frozen;

		frozen.epoch.number = read_u64(&r);
		frozen.seq = read_u64(&r);
		frozen.epoch.restart = read_u32(&r);
		if (position_compare(frozen, c->through) <= 0)
			continue;
		c->layer = n + 1;
		level = frozen;
	}
	/* What was the top when it was begun may be a snapshot's by now. */
	if (position_compare(level, c->level) != 0 && position_compare(c->level, top_level) != 0)
		c->cursor = 0;
	c->level = level;
}

/* The window is through. */
static void next_window(struct coordinator *co)
{
	struct compare *c = &co->compare;
	uint64_t grains = grain_count(co);

	c->status.percent =
		(unsigned)(((c->layer == LAYER_TOP ? c->levels : c->layer - 1) * grains + c->cursor) * 100 /
			   ((c->levels + 1) * grains));
	c->waits = 0;
	if (c->cursor >= grains && c->layer == LAYER_TOP) {
		pass_end(co);
		return;
	}
	if (c->cursor >= grains) {
		c->through = c->level;
		c->cursor = 0;
	}
	coordinator_compare_again(co, coordinator_is_busy(co) ? BUSY_GAP_NS : 0);
}

/* All that were asked have answered. */
static void answered(struct coordinator *co)
{
	struct compare *c = &co->compare;
	uint64_t end = UINT64_MAX;

	for (unsigned i = 0; i < co->config.voter_count; i++) {
		const struct compare_map *map = &c->maps[i];

		if (!(c->voters & 1u << i))
			continue;
		if (map->rc != 0) {
			coordinator_compare_again(co, RETRY_NS);
			return;
		}
		if (c->step == COMPARE_TREE) {
			level_find(co, map);
			ask_maps(co);
			return;
		}
		if (map->end < end)
			end = map->end;
	}
	if (coordinator_compare_judge(co, end))
		next_window(co);
}

static bool answer_makes_sense(const struct coordinator *co, const struct message *m)
{
	const struct compare *c = &co->compare;
	bool tree = c->step == COMPARE_TREE;
	uint64_t bytes = (uint64_t)m->map.count * (tree ? MAP_LEVEL_BYTES : MAP_RECORD_BYTES);
	uint64_t least = c->cursor;

	if (m->seq < c->seq || m->map.survey || (m->payload ? m->payload->len_bytes : 0) < bytes)
		return false;
	if (tree)
		return m->map.layer == LAYER_TREE && m->map.count <= MAP_MAX_LEVELS;
	if (m->map.layer != c->layer || m->map.from != c->cursor || m->map.end <= c->cursor ||
		m->map.end > grain_count(co) || m->map.count > grains_most(co))
		return false;
	for (uint32_t n = 0; n < m->map.count; n++) {
		uint32_t index = map_record_index(m->payload->data + (size_t)n * MAP_RECORD_BYTES);

		if (index < least || index >= m->map.end)
			return false;
		least = (uint64_t)index + 1;
	}
	return true;
}

bool coordinator_recv_compare_map(struct coordinator *co, int i, const struct message *m)
{
	struct compare *c = &co->compare;
	struct compare_map *map = &c->maps[i];

	if (map->token == 0 || map->token != m->token || (co->voters[i].due & DUE_COMPARE) != 0)
		return false;
	ASSERT(c->voters & 1u << i && !map->came);
	map->token = 0;
	map->came = true;
	map->rc = m->rc;
	if (m->rc == 0 && !answer_makes_sense(co, m)) {
		co->dropped++;
		map->rc = -EPROTO;
	}
	if (map->rc == 0) {
		map->q = m->seq;
		map->end = m->map.end;
		map->count = m->map.count;
		map->data = m->payload ? buf_ref(m->payload) : NULL;
	}
	for (unsigned k = 0; k < co->config.voter_count; k++)
		if ((c->voters & 1u << k) && !c->maps[k].came)
			return true;
	answered(co);
	return true;
}
