#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"

#define MIB (UINT64_C(1) << 20)

static struct buf_pool *pool_of(uint64_t budget_bytes)
{
	struct buf_pool *pool;

	assert_int_equal(buf_pool_new(budget_bytes, &pool), 0);
	return pool;
}

static void a_buffer_is_aligned_and_has_at_least_the_room_asked_for(void **state)
{
	static const uint32_t asked[] = { 1, 4096, 4097, 16384, 60000, 65536, 65537, ENTRY_MAX_BYTES };
	static const uint32_t given[] = { 4096, 4096, 16384, 16384, 65536, 65536, 262144, 262144 };
	struct buf_pool *pool = pool_of(8 * MIB);

	(void)state;
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		struct buf *buf = buf_get(pool, asked[i]);

		assert_non_null(buf);
		assert_int_equal((uintptr_t)buf->data % 4096, 0);
		assert_int_equal(buf->cap_bytes, given[i]);
		assert_int_equal(buf->len_bytes, 0);
		assert_int_equal(buf->refs, 1);
		memset(buf->data, 0xff, buf->cap_bytes);
		buf->len_bytes = asked[i];
		buf_put(buf);
	}
	buf_pool_free(pool);
}

static void buffers_in_use_never_overlap(void **state)
{
	struct buf_pool *pool = pool_of(2 * MIB);
	struct buf *bufs[64];

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		bufs[i] = buf_get(pool, i % 2 ? 4096 : 16384);
		assert_non_null(bufs[i]);
		memset(bufs[i]->data, (int)i, bufs[i]->cap_bytes);
	}
	for (unsigned i = 0; i < 64; i++) {
		for (unsigned at = 0; at < bufs[i]->cap_bytes; at++)
			assert_int_equal(bufs[i]->data[at], i);
		buf_put(bufs[i]);
	}
	buf_pool_free(pool);
}

static void a_spent_budget_gives_null_until_a_buffer_is_put(void **state)
{
	struct buf_pool *pool = pool_of(MIB);
	struct buf *bufs[4];

	(void)state;
	for (int i = 0; i < 4; i++) {
		bufs[i] = buf_get(pool, ENTRY_MAX_BYTES);
		assert_non_null(bufs[i]);
	}
	assert_null(buf_get(pool, 1));
	assert_int_equal(buf_pool_used_bytes(pool), MIB);
	buf_put(bufs[2]);
	bufs[2] = buf_get(pool, 1);
	assert_non_null(bufs[2]);
	for (int i = 0; i < 4; i++)
		buf_put(bufs[i]);
	assert_int_equal(buf_pool_used_bytes(pool), 0);
	buf_pool_free(pool);
}

static void memory_that_small_buffers_used_serves_large_ones_later(void **state)
{
	struct buf_pool *pool = pool_of(MIB);
	struct buf *small[256];

	(void)state;
	for (int round = 0; round < 3; round++) {
		struct buf *large;

		for (int i = 0; i < 256; i++) {
			small[i] = buf_get(pool, 4096);
			assert_non_null(small[i]);
		}
		assert_null(buf_get(pool, 4096));
		for (int i = 0; i < 256; i++)
			buf_put(small[i]);
		large = buf_get(pool, ENTRY_MAX_BYTES);
		assert_non_null(large);
		buf_put(large);
	}
	buf_pool_free(pool);
}

static void the_last_of_several_references_gives_the_buffer_back(void **state)
{
	struct buf_pool *pool = pool_of(MIB);
	struct buf *buf = buf_get(pool, 4096);

	(void)state;
	assert_ptr_equal(buf_ref(buf), buf);
	buf_put(buf);
	assert_int_equal(buf_pool_used_bytes(pool), 4096);
	buf_put(buf);
	assert_int_equal(buf_pool_used_bytes(pool), 0);
	buf_put(NULL);
	buf_pool_free(pool);
	buf_pool_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_buffer_is_aligned_and_has_at_least_the_room_asked_for),
		cmocka_unit_test(buffers_in_use_never_overlap),
		cmocka_unit_test(a_spent_budget_gives_null_until_a_buffer_is_put),
		cmocka_unit_test(memory_that_small_buffers_used_serves_large_ones_later),
		cmocka_unit_test(the_last_of_several_references_gives_the_buffer_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
