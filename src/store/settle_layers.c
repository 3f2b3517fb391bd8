/*
 * After replay: layers come to life from their records, slots find their layers, counts and sums are
 * compared. A layer whose slots don't agree with its number and sum makes all replicas of its tree
 * incomplete; so does a parent that is not there. What nothing reaches is dead, and its slots are free.
 */
#include "store/opening.h"

#include <errno.h>
#include <stdlib.h>

/* A layer as it is found: of a record in a place, or a replica's top. */
struct found_layer {
	uint64_t number, parent, limit;
	const struct layer_record *record; /* NULL: a top */
	struct pool_replica *replica;      /* of a top; of a frozen one, its owner */
	struct layer *layer;
	bool reached;
};

struct settling {
	struct opening *o;
	struct found_layer *found;
	size_t count;
};

int opening_layer(struct opening *o, const struct layer_record *record)
{
	if (o->layer_count == o->layer_size) {
		uint32_t size = o->layer_size ? o->layer_size * 2 : 64;
		struct layer_record *layers = realloc(o->layers, size * sizeof(*layers));

		if (!layers)
			return -ENOMEM;
		o->layers = layers;
		o->layer_size = size;
	}
	o->layers[o->layer_count] = *record;
	map_slot_clear(o->pool, record->place);
	o->pool->map.places[record->place] =
		(struct mapped){ .origin = ORIGIN_LAYER, .index = o->layer_count++ };
	return 0;
}

static int found_compare(const void *a, const void *b)
{
	const struct found_layer *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static struct found_layer *found_by_number(const struct settling *s, uint64_t number)
{
	struct found_layer key = { .number = number };

	return s->count ? bsearch(&key, s->found, s->count, sizeof(key), found_compare) : NULL;
}

static struct pool_replica *owner_of(const struct pool *pool, uint64_t root)
{
	for (uint32_t dir = 0; dir < pool->g.dir_pages; dir++)
		if (pool->dir[dir] && pool->dir[dir]->head.root == root)
			return pool->dir[dir];
	return NULL;
}

/* All that claims to be a layer, by number. */
static int layers_find(struct settling *s)
{
	struct pool *pool = s->o->pool;
	size_t kept = 0;

	s->found = calloc((size_t)s->o->layer_count + pool->g.dir_pages, sizeof(*s->found));
	if (!s->found)
		return -ENOMEM;
	for (uint32_t dir = 0; dir < pool->g.dir_pages; dir++)
		if (pool->dir[dir])
			s->found[s->count++] = (struct found_layer){
				.number = pool->dir[dir]->head.layer,
				.parent = pool->dir[dir]->head.parent,
				.limit = pool->dir[dir]->grain_limit,
				.replica = pool->dir[dir],
			};
	for (uint32_t place = 0; place < geometry_places(&pool->g); place++) {
		const struct layer_record *record;

		if (pool->map.places[place].origin != ORIGIN_LAYER)
			continue;
		record = &s->o->layers[pool->map.places[place].index];
		s->found[s->count++] = (struct found_layer){
			.number = record->number,
			.parent = record->parent,
			.record = record,
			.replica = owner_of(pool, record->root),
		};
		map_slot_clear(pool, place);
	}
	if (s->count > 1)
		qsort(s->found, s->count, sizeof(*s->found), found_compare);
	/* Of two with one number the top stays; a record of its own it gets when it is frozen. */
	for (size_t i = 0; i < s->count; i++) {
		if (kept > 0 && s->found[kept - 1].number == s->found[i].number) {
			if (!s->found[i].record)
				s->found[kept - 1] = s->found[i];
			continue;
		}
		s->found[kept++] = s->found[i];
	}
	s->count = kept;
	return 0;
}

static void reach(struct settling *s, struct found_layer *found, uint64_t limit)
{
	while (found && (!found->reached || found->limit < limit)) {
		found->reached = true;
		if (found->limit < limit)
			found->limit = limit;
		found = found->parent ? found_by_number(s, found->parent) : NULL;
	}
}

/* Parents first, for they are older. */
static int layers_make(struct settling *s)
{
	struct pool *pool = s->o->pool;

	for (size_t i = 0; i < s->count; i++) {
		struct found_layer *found = &s->found[i];

		if (!found->record || (found->record->is_snapshot && found->replica))
			reach(s, found, found->replica->grain_limit);
	}
	for (size_t i = 0; i < s->count; i++) {
		struct found_layer *found = &s->found[i];
		struct found_layer *parent = found->parent ? found_by_number(s, found->parent) : NULL;

		if (!found->reached)
			continue;
		found->layer = layer_new(pool, found->number, parent ? parent->layer : NULL, found->limit);
		if (!found->layer)
			return -ENOMEM;
		found->layer->damaged = found->parent != 0 && !parent;
		if (!found->record) {
			ASSERT(!found->replica->top);
			found->layer->top_of = found->replica;
			found->replica->top = found->layer;
			continue;
		}
		found->layer->record = *found->record;
		found->layer->is_snapshot = found->record->is_snapshot;
		found->layer->head_batch = 1;
		layer_own(found->layer, found->replica);
		map_layer_put(pool, found->layer);
	}
	layers_number(pool);
	return 0;
}

/* ---- slots ---- */

/* The bitmap tells for most: a look into the hash costs two cache misses, ten million times. */
static bool index_is_mapped(const struct pool *pool, const struct layer *layer, uint64_t index)
{
	if (!(layer->tree->bits[index / 64] & UINT64_C(1) << index % 64))
		return false;
	return map_find(pool, layer, index) != PHYS_NONE;
}

/*
 * Of two slots for one index the image that freed the older one was lost; whether more was, count and sum
 * tell. The older stays out of use, and what says the damage frees it, so that it does not come back. Returns
 * whether this one is the newer.
 */
static bool slot_wins(struct opening *o, struct layer *layer, uint32_t place)
{
	struct pool *pool = o->pool;
	uint32_t other = map_find(pool, layer, pool->map.places[place].index), loser;
	int order;

	ASSERT(other != PHYS_NONE && other != place);
	order = position_compare(map_position(&pool->map, place), map_position(&pool->map, other));
	layer->damaged = layer->damaged || order == 0;
	loser = order > 0 ? other : place;
	if (loser == other) {
		layer->found_count--;
		layer->found_sum -= o->hashes[other];
		map_remove(pool, other);
	}
	map_slot_clear(pool, loser);
	map_page_dirty(pool, geometry_place_page(&pool->g, loser), pool->journal.durable);
	if (o->stale_count < STALE_MAX)
		o->stale[o->stale_count++] = loser;
	return loser == other;
}

static void slot_settle(struct opening *o, struct layer *layer, uint32_t place)
{
	struct pool *pool = o->pool;
	uint64_t index = pool->map.places[place].index;

	if (!layer) {
		/* Free (memory that was never touched takes no room), or of a layer that is gone. */
		if (!map_is_free(&pool->map, place))
			map_slot_clear(pool, place);
		if (place >= pool->g.grain_count) {
			pool->map.extra_free_count++;
			return;
		}
		pool->map.free_bits[place / 64] |= UINT64_C(1) << place % 64;
		pool->map.free_count++;
		return;
	}
	if (index >= layer->tree->limit) {
		layer->damaged = true; /* it stays out of use */
		map_slot_clear(pool, place);
		return;
	}
	if (index_is_mapped(pool, layer, index) && !slot_wins(o, layer, place))
		return;
	layer->found_count++;
	layer->found_sum += o->hashes[place];
	map_insert(pool, place, layer);
	layer->tree->bits[index / 64] |= UINT64_C(1) << index % 64;
}

static void slots_settle(struct settling *s)
{
	struct pool *pool = s->o->pool;
	struct found_layer *found = NULL;

	map_hash_expect(pool, map_slots_count(&pool->map));
	for (uint32_t place = 0; place < geometry_places(&pool->g); place++) {
		uint64_t number;

		if (pool->map.places[place].origin == ORIGIN_LAYER)
			continue;
		number = map_number(&pool->map, place);
		if (number == 0)
			found = NULL;
		else if (!found || found->number != number)
			found = found_by_number(s, number);
		slot_settle(s->o, found ? found->layer : NULL, place);
	}
}

/* ---- damage ---- */

static void tree_damage(struct opening *o, const struct tree *tree)
{
	for (uint32_t dir = 0; dir < o->pool->g.dir_pages; dir++)
		if (o->pool->dir[dir] && o->pool->dir[dir]->top->tree == tree)
			o->suspects[dir].damaged = true;
}

static void layers_compare(struct opening *o)
{
	struct pool *pool = o->pool;
	bool records_differ;

	pool->layer_sum = layers_sum(pool);
	records_differ = o->sum_known && pool->layer_sum != o->layer_sum;
	list_for_each (node, &pool->layers) {
		struct layer *layer = list_entry(node, struct layer, node);

		if ((*layer_grain_count(layer) != layer->found_count ||
			    *layer_grain_sum(layer) != layer->found_sum) &&
			!MUTANT(lost_slot_unnoticed))
			layer->damaged = true;
		/* Some frozen layer is lost, or an older record of it was found. */
		if (layer->damaged || (records_differ && (!layer->top_of || layer->parent)))
			tree_damage(o, layer->tree);
	}
}

static void pending_mark(struct pool_replica *replica)
{
	list_for_each (node, &replica->log) {
		const struct log_entry *le = list_entry(node, struct log_entry, log_node);

		if (le->applied || le->entry->op != ENTRY_WRITE)
			continue;
		for (unsigned i = 0; i < le->piece_count; i++)
			replica_grain_mark(replica, le->pieces[i].index);
	}
}

int layers_settle(struct opening *o)
{
	struct settling s = { .o = o };
	int rc = layers_find(&s);

	if (rc == 0)
		rc = layers_make(&s);
	if (rc == 0) {
		slots_settle(&s);
		layers_compare(o);
		for (uint32_t dir = 0; dir < o->pool->g.dir_pages; dir++)
			if (o->pool->dir[dir])
				pending_mark(o->pool->dir[dir]);
	}
	free(s.found);
	free(o->layers);
	free(o->hashes);
	o->layers = NULL;
	o->hashes = NULL;
	return rc;
}
