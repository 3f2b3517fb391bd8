/*
 * Grains that are known to be bad: of each the owner of the pool is told where it can be seen, so that it is
 * repaired from another copy. The telling may get lost (no coordinator, no source), so each is looked at
 * again after a while, and told again if it is bad still.
 */
#include "store/scrub.h"

/* ---- where a block is seen ---- */

static bool is_seen_from(const struct pool *pool, const struct layer *view, unsigned block)
{
	const struct scrub *s = pool->scrub;
	const struct layer *layer = map_layer(&pool->map, s->grain);

	return view->tree == layer->tree && layer_sees(view, layer) &&
	       layer_block_find(pool, view, s->slot.index, block) == s->grain;
}

/* Those of a replica that is copied to are nobody's reference: its resync finds what it lacks. */
static struct pool_replica *view_replica(const struct layer *view)
{
	struct pool_replica *replica = view->top_of ? view->top_of : view->owner;

	if (!replica || (!view->top_of && !view->is_snapshot) || replica->deleted ||
		replica->state.incomplete)
		return NULL;
	return replica;
}

/* A place from which the block is seen: the volume itself, or else a snapshot. */
static const struct layer *block_view(const struct pool *pool, unsigned block)
{
	const struct layer *best = NULL;

	list_for_each (node, &pool->layers) {
		const struct layer *view = list_entry(node, struct layer, node);

		if (!view_replica(view) || !is_seen_from(pool, view, block))
			continue;
		if (view->top_of)
			return view;
		if (!best)
			best = view;
	}
	return best;
}

/* The first of the bad blocks may be seen from nowhere: then another one tells where. */
static const struct layer *view_find(const struct pool *pool, uint16_t blocks)
{
	const struct layer *view = NULL;

	for (unsigned left = blocks; left != 0 && !view; left &= left - 1)
		view = block_view(pool, (unsigned)__builtin_ctz(left));
	return view;
}

/* Committed entries that wait to be applied say what these blocks are: what stands there is as good as
 * overwritten, and after a crash it may be half overwritten. */
static uint16_t blocks_pending(const struct pool *pool)
{
	const struct scrub *s = pool->scrub;
	const struct layer *layer = map_layer(&pool->map, s->grain);
	struct log_entry *entries[GRAIN_BLOCKS];
	uint16_t pending = 0;

	if (!layer->top_of || !index_grain(layer->top_of, s->slot.index, layer->top_of->commit_seq, entries))
		return 0;
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++)
		pending = (uint16_t)(pending | (entries[i] ? 1u << i : 0));
	return pending;
}

/* What a crash has cut off in the middle is no damage: a resync that was under way copies it again. */
static bool is_copied_to(const struct pool *pool)
{
	const struct layer *layer = map_layer(&pool->map, pool->scrub->grain);
	const struct pool_replica *replica = layer->top_of ? layer->top_of : layer->owner;

	return replica && replica->state.incomplete;
}

/* ---- the list ---- */

static struct scrub_bad *bad_find(struct scrub *s, uint32_t place)
{
	for (unsigned i = 0; i < SCRUB_BADS; i++)
		if (s->bads[i].layer != 0 && s->bads[i].place == place)
			return &s->bads[i];
	return NULL;
}

static void bad_forget(struct scrub *s, struct scrub_bad *bad)
{
	ASSERT(bad->layer != 0 && s->bad_count > 0);
	bad->layer = 0;
	s->bad_count--;
}

/* NULL: there are too many already; a later pass finds it again. */
static struct scrub_bad *bad_new(struct scrub *s)
{
	for (unsigned i = 0; i < SCRUB_BADS; i++) {
		if (s->bads[i].layer != 0)
			continue;
		s->bad_count++;
		s->bads[i] = (struct scrub_bad){
			.place = s->grain, .layer = s->slot.layer, .index = s->slot.index, .pass = s->pass
		};
		return &s->bads[i];
	}
	return NULL;
}

bool scrub_bad_stands(struct pool *pool, struct scrub_bad *bad)
{
	if (scrub_has_grain(pool, bad->place) && map_number(&pool->map, bad->place) == bad->layer &&
		pool->map.places[bad->place].index == bad->index)
		return true;
	bad_forget(pool->scrub, bad); /* overwritten, trimmed or removed */
	return false;
}

uint64_t scrub_bad_next_ns(const struct pool *pool)
{
	const struct scrub *s = pool->scrub;
	uint64_t next_ns = UINT64_MAX;

	for (unsigned i = 0; s->bad_count > 0 && i < SCRUB_BADS; i++)
		if (s->bads[i].layer != 0 && s->bads[i].due_ns < next_ns)
			next_ns = s->bads[i].due_ns;
	return next_ns;
}

void scrub_bad_look(struct pool *pool)
{
	struct scrub *s = pool->scrub;
	uint64_t next_ns = scrub_bad_next_ns(pool);

	for (unsigned i = 0; i < SCRUB_BADS; i++) {
		struct scrub_bad *bad = &s->bads[i];

		if (bad->layer == 0 || bad->due_ns != next_ns)
			continue;
		if (!scrub_bad_stands(pool, bad)) {
			loop_timer_set(pool->loop, &s->timer, loop_now_ns(pool->loop));
			return;
		}
		s->again = bad;
		scrub_grain(pool, bad->place);
		return;
	}
	ASSERT(!"one is due");
}

/* ---- the verdict ---- */

static void bad_tell(struct pool *pool, bool news, uint16_t blocks, bool device_error)
{
	const struct layer *view = view_find(pool, blocks);
	struct pool_bad told = { .kind = POOL_BAD_GRAIN,
		.news = news,
		.device_error = device_error,
		.replica = view ? view_replica(view) : NULL,
		.index = pool->scrub->slot.index,
		.blocks = blocks };

	if (view && !view->top_of)
		told.snapshot = view->record.snapshot;
	if (news)
		pool->scrub->newest = (struct pool_scrub_found){
			.volume = told.replica ? pool_replica_identity(told.replica)->volume
					       : (struct uuid){ { 0 } },
			.snapshot = told.snapshot,
			.offset_bytes = told.index * GRAIN_BYTES,
			.device_error = device_error,
		};
	if (pool->options.bad)
		pool->options.bad(pool->options.arg, &told);
}

static void count_repaired(struct pool *pool, const struct scrub_bad *bad, uint16_t blocks)
{
	struct scrub *s = pool->scrub;
	unsigned count = (unsigned)__builtin_popcount(blocks);

	s->since_open.repaired_blocks += count;
	if (bad->pass == s->pass)
		s->progress.pass.repaired_blocks += count;
	else
		s->progress.whole.repaired_blocks += count;
}

/* It was bad before. */
static void bad_judge(struct pool *pool, struct scrub_bad *bad, uint16_t blocks)
{
	struct scrub *s = pool->scrub;
	bool device_error = s->device_error || bad->device_error;

	count_repaired(pool, bad, bad->blocks & (uint16_t)~blocks);
	bad->blocks = blocks;
	bad->wait = bad->wait * 2 < SCRUB_TELL_MOST ? bad->wait * 2 : SCRUB_TELL_MOST;
	bad->due_ns = loop_now_ns(pool->loop) + bad->wait * SCRUB_TELL_NS;
	if (blocks == 0 || !view_find(pool, blocks))
		bad_forget(s, bad);
	else
		bad_tell(pool, false, blocks, device_error);
}

void scrub_grain_verdict(struct pool *pool)
{
	struct scrub *s = pool->scrub;
	struct scrub_bad *bad = s->again ? s->again : bad_find(s, s->grain);
	uint16_t blocks = s->bad_blocks;

	if (blocks != 0)
		blocks = (uint16_t)(blocks & ~blocks_pending(pool));
	if (bad) {
		bad_judge(pool, bad, blocks);
	} else if (blocks != 0 && !is_copied_to(pool)) {
		scrub_count(pool,
			(struct pool_scrub_tally){ .bad_blocks = (uint64_t)__builtin_popcount(blocks) });
		bad = view_find(pool, blocks) ? bad_new(s) : NULL;
		if (bad) {
			bad->blocks = blocks;
			bad->device_error = s->device_error;
			bad->wait = 1;
			bad->due_ns = loop_now_ns(pool->loop) + SCRUB_TELL_NS;
		}
		bad_tell(pool, true, blocks, s->device_error);
	}
	scrub_step_done(pool);
}
