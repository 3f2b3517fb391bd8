/* The map's hash by itself: segments that grow, versions of a grain, removal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "store/pool.h"

#define DISK_BYTES (UINT64_C(6) << 30) /* of nothing: several segments of the hash */
#define PLACES     75000u
#define LAYERS     3u

static struct pool *pool;
static struct layer *layers[LAYERS]; /* two of one tree, the newer last, and one of its own */
static bool is_in[PLACES];
static uint32_t order[PLACES];
static struct random rnd;

static struct layer *layer_of(uint32_t place)
{
	return layers[place % LAYERS];
}

static uint64_t index_of(uint32_t place)
{
	return place / LAYERS;
}

static int setup(void **state)
{
	(void)state;
	pool = calloc(1, sizeof(*pool));
	assert_non_null(pool);
	list_init(&pool->layers);
	assert_int_equal(geometry_make(DISK_BYTES, 0, 7, &pool->g), 0);
	assert_true(pool->g.grain_count >= PLACES);
	assert_int_equal(map_init(pool), 0);
	layers[0] = layer_new(pool, 1, NULL, PLACES);
	layers[1] = layer_new(pool, 2, layers[0], PLACES);
	layers[2] = layer_new(pool, 3, NULL, PLACES);
	random_init(&rnd, 1);
	for (uint32_t i = 0; i < PLACES; i++) {
		uint32_t other = (uint32_t)random_below(&rnd, i + 1);

		is_in[i] = false;
		order[i] = order[other];
		order[other] = i;
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = LAYERS; i-- > 0;)
		layer_free(pool, layers[i]);
	free(pool->layer_table);
	map_done(pool);
	free(pool);
	return 0;
}

static void insert(uint32_t place)
{
	struct slot slot = { .layer = layer_of(place)->record.number,
		.epoch_number = 1,
		.seq = place + 1,
		.index = (uint32_t)index_of(place),
		.present = 1 };

	map_slot_found(pool, place, &slot, 0);
	map_insert(pool, place, layer_of(place));
	is_in[place] = true;
}

static void take_out(uint32_t place)
{
	assert_int_equal(map_find(pool, layer_of(place), index_of(place)), place);
	map_remove(pool, place);
	map_slot_clear(pool, place);
	is_in[place] = false;
}

static void check_all(void)
{
	for (uint32_t place = 0; place < PLACES; place++)
		assert_int_equal(
			map_find(pool, layer_of(place), index_of(place)), is_in[place] ? place : PHYS_NONE);
	/* Newest first. */
	for (uint32_t old = 0; old + 1 < PLACES; old += LAYERS) {
		uint32_t first = map_first(pool, layers[0]->tree, index_of(old));

		if (is_in[old + 1]) {
			assert_int_equal(first, old + 1);
			assert_int_equal(map_older(&pool->map, first), is_in[old] ? old : PHYS_NONE);
		}
	}
}

static uint64_t buckets(uint64_t *ret_used)
{
	uint64_t size = 0;

	*ret_used = 0;
	for (uint32_t i = 0; i < pool->map.segment_count; i++) {
		size += pool->map.segments[i].size;
		*ret_used += pool->map.segments[i].used;
	}
	return size;
}

static void a_hash_grows_with_what_is_mapped_and_loses_none(void **state)
{
	uint64_t used, size, first = buckets(&used);

	(void)state;
	assert_true(pool->map.segment_count > 2);
	assert_int_equal(used, 0);
	for (uint32_t i = 0; i < PLACES; i++) {
		insert(order[i]);
		size = buckets(&used);
		assert_true(size <= used + used / 4 + first);
		assert_true(used <= size * 4 / 5);
		if (i % 15000 == 0)
			check_all();
	}
	/* Two versions of a grain take one bucket. */
	assert_int_equal(used, PLACES * 2 / LAYERS);
	assert_int_equal(pool->map.used_count, PLACES);
	check_all();
}

static void what_is_taken_out_is_gone_and_the_rest_is_found(void **state)
{
	uint64_t used;

	(void)state;
	for (uint32_t i = 0; i < PLACES; i++)
		insert(order[i]);
	for (unsigned turn = 0; turn < 4; turn++) {
		for (uint32_t i = 0; i < PLACES / 2; i++) {
			uint32_t place = (uint32_t)random_below(&rnd, PLACES);

			if (is_in[place])
				take_out(place);
			else
				insert(place);
		}
		check_all();
	}
	for (uint32_t i = 0; i < PLACES; i++)
		if (is_in[order[i]])
			take_out(order[i]);
	check_all();
	(void)buckets(&used);
	assert_int_equal(used, 0);
	assert_int_equal(map_slots_count(&pool->map), 0);
}

static void a_hash_that_knows_how_much_comes_does_not_grow(void **state)
{
	uint64_t used, size;

	(void)state;
	map_hash_expect(pool, PLACES);
	size = buckets(&used);
	for (uint32_t i = 0; i < PLACES; i++)
		insert(order[i]);
	assert_int_equal(buckets(&used), size);
	check_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_hash_grows_with_what_is_mapped_and_loses_none, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_is_taken_out_is_gone_and_the_rest_is_found, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_hash_that_knows_how_much_comes_does_not_grow, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
