/* Layers and their trees: layer.h. */
#include "store/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A number is never used again: the open count, durable before anything of this open, is part of it. */
uint64_t layer_number_new(struct pool *pool)
{
	return pool->sb.open_count << 24 | ++pool->next_layer;
}

static struct tree *tree_new(struct pool *pool, uint64_t limit)
{
	struct tree *tree = calloc(1, sizeof(*tree));

	if (!tree)
		return NULL;
	tree->bits = calloc(limit / 64 + 1, sizeof(*tree->bits));
	if (!tree->bits) {
		free(tree);
		return NULL;
	}
	tree->limit = limit;
	tree->key = ++pool->next_tree;
	return tree;
}

static bool table_grow(struct pool *pool)
{
	uint32_t size = pool->layer_table_size ? pool->layer_table_size * 2 : 64;
	struct layer **table = realloc(pool->layer_table, size * sizeof(struct layer *));

	if (!table)
		return false;
	memset(table + pool->layer_table_size, 0, (size - pool->layer_table_size) * sizeof(struct layer *));
	pool->layer_table = table;
	pool->layer_table_size = size;
	return true;
}

/* Numbers are consecutive within an open, and begin anew with each: all their bits count. */
static struct layer **layer_bucket(struct pool *pool, uint64_t number)
{
	return &pool->layer_buckets[number * UINT64_C(0x9e3779b97f4a7c15) >> (64 - LAYER_BUCKETS_LOG)];
}

struct layer *layer_new(struct pool *pool, uint64_t number, struct layer *parent, uint64_t limit)
{
	struct layer *layer = calloc(1, sizeof(*layer));
	struct list *after = pool->layers.prev;
	uint32_t id = 0;

	if (!layer)
		return NULL;
	layer->tree = parent ? parent->tree : tree_new(pool, limit);
	if (parent && !tree_grow(layer->tree, limit)) {
		free(layer);
		return NULL;
	}
	while (id < pool->layer_table_size && pool->layer_table[id])
		id++;
	if (!layer->tree || (id == pool->layer_table_size && !table_grow(pool))) {
		free(layer);
		return NULL;
	}
	ASSERT(number != 0 && number < LAYER_NUMBERS_END);
	ASSERT(!parent || parent->record.number < number);
	layer->tree->refs++;
	layer->id = id;
	pool->layer_table[id] = layer;
	layer->parent = parent;
	layer->record.number = number;
	layer->record.place = PHYS_NONE;
	list_init(&layer->owned);
	while (after != &pool->layers && list_entry(after, struct layer, node)->record.number > number)
		after = after->prev;
	list_insert_between(&layer->node, after, after->next);
	layer->bucket_next = *layer_bucket(pool, number);
	*layer_bucket(pool, number) = layer;
	return layer;
}

void layer_free(struct pool *pool, struct layer *layer)
{
	struct layer **at = layer_bucket(pool, layer->record.number);

	ASSERT(pool->layer_table[layer->id] == layer);
	ASSERT(layer->tree->refs > 0);
	ASSERT(!layer->top_of);
	pool->layer_table[layer->id] = NULL;
	while (*at != layer)
		at = &(*at)->bucket_next;
	*at = layer->bucket_next;
	list_remove(&layer->node);
	list_remove(&layer->owned);
	if (--layer->tree->refs == 0) {
		free(layer->tree->bits);
		free(layer->tree);
	}
	free(layer);
}

struct layer *layer_by_number(struct pool *pool, uint64_t number)
{
	struct layer *layer = *layer_bucket(pool, number);

	while (layer && layer->record.number != number)
		layer = layer->bucket_next;
	return layer;
}

struct layer *layer_of_snapshot(const struct pool_replica *replica, struct uuid snapshot)
{
	list_for_each (node, &replica->layers) {
		struct layer *layer = list_entry(node, struct layer, owned);

		if (layer->is_snapshot && uuid_equal(layer->record.snapshot, snapshot))
			return layer;
	}
	return NULL;
}

struct layer *level_upper(const struct pool_replica *replica, struct grain_level level)
{
	return uuid_is_none(level.snapshot) ? replica->top : layer_of_snapshot(replica, level.snapshot);
}

/* Removed layers in between belong to the one above them. */
const struct layer *level_below(const struct pool_replica *replica, const struct layer *upper)
{
	const struct layer *layer = upper->parent;

	while (layer && !(layer->owner == replica && layer->is_snapshot))
		layer = layer->parent;
	return layer;
}

void layer_own(struct layer *layer, struct pool_replica *owner)
{
	ASSERT(!layer->top_of);
	if (layer->owner) {
		ASSERT(layer->owner->frozen >= layer->grains);
		layer->owner->frozen -= layer->grains;
	}
	layer->owner = owner;
	list_remove(&layer->owned);
	if (!owner)
		return;
	owner->frozen += layer->grains;
	list_push_back(&owner->layers, &layer->owned);
}

void layer_grain_came(struct layer *layer)
{
	layer->grains++;
	if (layer->owner)
		layer->owner->frozen++;
	if (layer->top_of)
		thick_count(layer->top_of);
}

void layer_grain_went(struct layer *layer)
{
	ASSERT(layer->grains > 0);
	layer->grains--;
	if (layer->top_of)
		thick_count(layer->top_of);
	if (!layer->owner)
		return;
	ASSERT(layer->owner->frozen > 0);
	layer->owner->frozen--;
}

/* A parent is older than its children: backwards for the sizes, forwards for the places. */
void layers_number(struct pool *pool)
{
	uint32_t next = 0;

	pool->merge.wanted = true;
	pool->layers_change++;
	list_for_each (node, &pool->layers) {
		struct layer *layer = list_entry(node, struct layer, node);

		layer->size = 1;
		layer->children = 0;
		layer->dead_child = false;
	}
	for (struct list *node = pool->layers.prev; node != &pool->layers; node = node->prev) {
		struct layer *layer = list_entry(node, struct layer, node);

		if (!layer->parent)
			continue;
		ASSERT(layer->parent->tree == layer->tree);
		layer->parent->size += layer->size;
		layer->parent->children += !layer->dead;
		layer->parent->dead_child = layer->parent->dead_child || layer->dead;
	}
	list_for_each (node, &pool->layers) {
		struct layer *layer = list_entry(node, struct layer, node);
		uint32_t *at = layer->parent ? &layer->parent->next : &next;

		layer->in = *at;
		layer->out = layer->in + layer->size - 1;
		layer->next = layer->in + 1;
		*at = layer->out + 1;
	}
}

/* ---- what is reached ---- */

static void reach_record(struct pool *pool, uint64_t number)
{
	while (number != 0) {
		struct layer *layer = layer_by_number(pool, number);

		if (!layer || layer->reached)
			return;
		layer->reached = true;
		number = layer->record.parent;
	}
}

uint64_t layers_sum(struct pool *pool)
{
	uint64_t sum = 0;

	list_for_each (node, &pool->layers)
		list_entry(node, struct layer, node)->reached = false;
	for (uint32_t dir = 0; dir < pool->g.dir_pages; dir++)
		if (pool->dir[dir] && !pool->dir[dir]->delete_composed &&
			!(pool->dir[dir]->creating && pool->dir[dir]->head_batch == 0))
			reach_record(pool, pool->dir[dir]->head.parent);
	list_for_each (node, &pool->layers) {
		struct layer *layer = list_entry(node, struct layer, node);
		const struct pool_replica *owner = layer->owner ? layer->owner : layer->top_of;

		if (layer->record.is_snapshot && owner && !owner->delete_composed &&
			owner->head.root == layer->record.root)
			reach_record(pool, layer->record.number);
	}
	list_for_each (node, &pool->layers) {
		const struct layer *layer = list_entry(node, struct layer, node);

		if (layer->reached && layer->head_batch != 0 && layer->record.place != PHYS_NONE)
			sum += layer_hash(&layer->record);
	}
	return sum;
}

/* As of the ring's head: a change of top may be composed and not yet durable. */
static bool is_top_record(const struct layer *layer)
{
	return layer->top_of && layer->top_of->head.layer == layer->record.number;
}

uint64_t *layer_grain_count(struct layer *layer)
{
	return is_top_record(layer) ? &layer->top_of->head.grain_count : &layer->record.grain_count;
}

uint64_t *layer_grain_sum(struct layer *layer)
{
	return is_top_record(layer) ? &layer->top_of->head.grain_sum : &layer->record.grain_sum;
}

/* ---- what is seen ---- */

struct layer_masks layer_masks_at(
	const struct pool *pool, const struct layer *top, const struct layer *stop, uint64_t index)
{
	struct layer_masks masks = { 0, 0 };

	if (!top)
		return masks;
	for (uint32_t place = map_first(pool, top->tree, index); place != PHYS_NONE;
		place = map_older(&pool->map, place)) {
		const struct layer *layer = map_layer(&pool->map, place);
		const struct mapped *slot = &pool->map.places[place];
		uint16_t open = (uint16_t) ~(masks.present | masks.zero);

		if (!layer_sees(top, layer) || (stop && layer_sees(stop, layer)))
			continue;
		masks.present |= slot->present & open;
		masks.zero |= slot->zero & open;
		if ((uint16_t)(masks.present | masks.zero) == UINT16_MAX)
			break;
	}
	return masks;
}

/* Whether `lower`, which is below, is of a snapshot that was removed, and none that was not stands between.
 */
static bool is_of_level(const struct layer *layer, const struct layer *lower)
{
	const struct layer *at = layer;

	do {
		at = at->parent;
		if (at->owner && at->is_snapshot)
			return false;
	} while (at != lower);
	return true;
}

uint16_t layer_marks(const struct pool *pool, const struct layer *layer, uint64_t index)
{
	for (uint32_t place = map_first(pool, layer->tree, index); place != PHYS_NONE;
		place = map_older(&pool->map, place)) {
		const struct layer *lower = map_layer(&pool->map, place);

		if (lower == layer || !layer_sees(layer, lower))
			continue;
		if (is_of_level(layer, lower))
			return UINT16_MAX;
		return layer_masks_at(pool, layer->parent, NULL, index).present;
	}
	return 0;
}

uint32_t layer_block_find(const struct pool *pool, const struct layer *top, uint64_t index, unsigned block)
{
	for (uint32_t place = map_first(pool, top->tree, index); place != PHYS_NONE;
		place = map_older(&pool->map, place)) {
		const struct mapped *slot = &pool->map.places[place];

		if (!layer_sees(top, map_layer(&pool->map, place)))
			continue;
		if (slot->present & 1u << block)
			return place;
		if (slot->zero & 1u << block && !MUTANT(trim_falls_through))
			return PHYS_NONE;
	}
	return PHYS_NONE;
}
