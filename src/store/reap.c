/*
 * What nothing reaches any more. On the disk its layers are dead with the batch that let go of them; in
 * memory they are dead here, at once, and no view, merge or sum sees them any more. Their grains may be
 * millions, and the thread has leases to keep: they are freed in turns, all dead versions of an index
 * together.
 *
 * Until then they count with those in quarantine: nobody has them, and they are on their way to be free.
 */
#include "store/pool.h"

/* So many indices a turn, about a millisecond; then the others have as long. Tests see many turns. */
#ifdef QUOIN_ASSERT_EXPENSIVE
#define REAP_LOOKS 3u
#else
#define REAP_LOOKS 1024u
#endif
#define REAP_PAUSE_NS NS_PER_MS

static void reap_due(void *arg)
{
	pool_pump(arg);
}

void reap_init(struct pool *pool)
{
	list_init(&pool->reap.layers);
	loop_timer_init(&pool->reap.timer, reap_due, pool);
}

void reap_done(struct pool *pool)
{
	loop_timer_cancel(pool->loop, &pool->reap.timer);
}

/* ---- which ---- */

static void reach(struct layer *layer)
{
	for (; layer && !layer->reached; layer = layer->parent)
		layer->reached = true;
}

static void layer_die(struct pool *pool, struct layer *layer)
{
	layer_own(layer, NULL);
	layer->dead = true;
	list_push_back(&pool->reap.layers, &layer->owned);
	layer->tree->reap_index = 0;
	ASSERT(pool->map.used_count >= layer->grains);
	pool->map.used_count -= (uint32_t)layer->grains;
	pool->map.quarantine_count += (uint32_t)layer->grains;
}

void layers_reap(struct pool *pool)
{
	bool some = false;

	ASSERT(pool->round.state == ROUND_IDLE);
	list_for_each (node, &pool->layers)
		list_entry(node, struct layer, node)->reached = false;
	list_for_each (node, &pool->layers) {
		struct layer *layer = list_entry(node, struct layer, node);

		if (layer->top_of || layer->pinned || (layer->owner && layer->is_snapshot))
			reach(layer);
	}
	list_for_each (node, &pool->layers) {
		struct layer *layer = list_entry(node, struct layer, node);

		if (layer->reached || layer->dead)
			continue;
		layer_die(pool, layer);
		some = true;
	}
	if (some)
		layers_number(pool);
	pool->change++;
}

/* ---- turns ---- */

static void versions_free(struct pool *pool, const struct tree *tree, uint64_t index)
{
	uint32_t older;

	for (uint32_t place = map_first(pool, tree, index); place != PHYS_NONE; place = older) {
		older = map_older(&pool->map, place);
		if (!map_layer(&pool->map, place)->dead)
			continue;
		if (place < pool->g.grain_count) {
			pool->map.used_count++;
			pool->map.quarantine_count--;
		}
		map_remove(pool, place);
		map_quarantine(pool, place, pool->journal.durable);
	}
}

/* False: the end was not reached. */
static bool tree_turn(struct pool *pool, struct tree *tree)
{
	unsigned looks = 0;

	for (uint64_t word = tree->reap_index / 64; word < tree->limit / 64 + 1; word++) {
		uint64_t bits = tree->bits[word];

		if (word == tree->reap_index / 64)
			bits &= UINT64_MAX << tree->reap_index % 64;
		for (; bits; bits &= bits - 1) {
			uint64_t index = word * 64 + (uint64_t)__builtin_ctzll(bits);

			if (looks++ == REAP_LOOKS && !MUTANT(reap_at_once)) {
				tree->reap_index = index;
				return false;
			}
			versions_free(pool, tree, index);
		}
	}
	return true;
}

/* Nothing is mapped in it any more. */
static void layer_bury(struct pool *pool, struct layer *layer)
{
	ASSERT(layer->grains == 0);
	if (layer->record.place != PHYS_NONE && layer->head_batch == 0) {
		map_unalloc(pool, layer->record.place);
	} else if (layer->record.place != PHYS_NONE) {
		map_page_dirty(
			pool, geometry_place_page(&pool->g, layer->record.place), pool->journal.durable);
		map_layer_remove(pool, layer->record.place);
	}
	layer_free(pool, layer);
}

void reap_pump(struct pool *pool)
{
	struct tree *tree;

	ASSERT(pool->round.state == ROUND_IDLE);
	if (list_is_empty(&pool->reap.layers) || loop_timer_is_set(&pool->reap.timer) || pool->closing)
		return;
	tree = list_entry(list_first(&pool->reap.layers), struct layer, owned)->tree;
	pool->change++;
	if (tree_turn(pool, tree)) {
		list_for_each_safe (node, &pool->reap.layers) {
			struct layer *layer = list_entry(node, struct layer, owned);

			if (layer->tree == tree)
				layer_bury(pool, layer);
		}
		layers_number(pool);
	}
	if (!list_is_empty(&pool->reap.layers))
		loop_timer_set(pool->loop, &pool->reap.timer, loop_now_ns(pool->loop) + REAP_PAUSE_NS);
}
