#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/crc32c.h"
#include "base/entry.h"

#define DEVICE_BYTES (UINT64_C(1) << 30)

struct fixture {
	struct buf_pool *bufs;
	struct entry_pool *entries;
};

static int set_up(void **state)
{
	static struct fixture f;

	assert_int_equal(buf_pool_new(4 << 20, &f.bufs), 0);
	assert_int_equal(entry_pool_new(4, &f.entries), 0);
	*state = &f;
	return 0;
}

/* Both pools assert that nothing was left behind. */
static int tear_down(void **state)
{
	struct fixture *f = *state;

	entry_pool_free(f->entries);
	buf_pool_free(f->bufs);
	return 0;
}

static struct entry *write_of(struct fixture *f, uint64_t offset_bytes, uint32_t length_bytes)
{
	struct entry *entry = entry_get(f->entries);

	assert_non_null(entry);
	entry->op = ENTRY_WRITE;
	entry->offset_bytes = offset_bytes;
	entry->length_bytes = length_bytes;
	entry->payload = buf_get(f->bufs, length_bytes);
	assert_non_null(entry->payload);
	entry->payload->len_bytes = length_bytes;
	memset(entry->payload->data, 0x5a, length_bytes);
	crc32c_blocks(entry->payload->data, length_bytes / BLOCK_BYTES, entry->crc);
	return entry;
}

static void positions_compare_epoch_before_seq(void **state)
{
	struct position older = { { 1, 7 }, 100 };
	struct position newer = { { 2, 0 }, 1 };

	(void)state;
	assert_true(position_compare(older, newer) < 0);
	assert_true(position_compare(newer, older) > 0);
	assert_int_equal(position_compare(older, older), 0);
	newer = (struct position){ { 1, 8 }, 1 };
	assert_true(position_compare(older, newer) < 0);
	newer = (struct position){ { 1, 7 }, 101 };
	assert_true(position_compare(older, newer) < 0);
	assert_true(epoch_equal(older.epoch, newer.epoch));
	assert_false(epoch_equal(older.epoch, (struct epoch){ 1, 8 }));
	assert_true(epoch_compare((struct epoch){ UINT64_MAX, 0 }, (struct epoch){ 1, UINT32_MAX }) > 0);
}

static void a_pool_gives_no_more_than_its_capacity(void **state)
{
	struct fixture *f = *state;
	struct entry *entries[4];

	for (int i = 0; i < 4; i++) {
		entries[i] = entry_get(f->entries);
		assert_non_null(entries[i]);
	}
	assert_null(entry_get(f->entries));
	entry_put(entries[1]);
	entries[1] = entry_get(f->entries);
	assert_non_null(entries[1]);
	for (int i = 0; i < 4; i++)
		entry_put(entries[i]);
	entry_put(NULL);
}

static void a_reused_entry_is_zero_again(void **state)
{
	struct fixture *f = *state;
	struct entry *entry = write_of(f, 8192, 4096);

	entry->seq = 7;
	entry_put(entry);
	entry = entry_get(f->entries);
	assert_int_equal(entry->seq, 0);
	assert_int_equal(entry->crc[0], 0);
	assert_null(entry->payload);
	assert_int_equal(entry->refs, 1);
	entry_put(entry);
}

static void the_payload_goes_with_the_last_reference(void **state)
{
	struct fixture *f = *state;
	struct entry *entry = write_of(f, 0, 4096);

	entry_ref(entry);
	entry_put(entry);
	assert_int_equal(buf_pool_used_bytes(f->bufs), 4096);
	entry_put(entry);
	assert_int_equal(buf_pool_used_bytes(f->bufs), 0);
}

static void a_good_write_is_valid_up_to_the_devices_end(void **state)
{
	struct fixture *f = *state;
	struct entry *entry = write_of(f, DEVICE_BYTES - ENTRY_MAX_BYTES, ENTRY_MAX_BYTES);

	assert_true(entry_is_valid(entry, DEVICE_BYTES));
	assert_false(entry_is_valid(entry, DEVICE_BYTES - BLOCK_BYTES));
	entry->offset_bytes = UINT64_MAX - ENTRY_MAX_BYTES + 1;
	assert_false(entry_is_valid(entry, DEVICE_BYTES));
	entry_put(entry);
}

static void one_changed_bit_in_payload_or_sums_makes_a_write_invalid(void **state)
{
	struct fixture *f = *state;
	struct entry *entry = write_of(f, 0, 16384);

	assert_true(entry_is_valid(entry, DEVICE_BYTES));
	entry->payload->data[16383] ^= 0x80;
	assert_false(entry_is_valid(entry, DEVICE_BYTES));
	entry->payload->data[16383] ^= 0x80;
	entry->crc[2] ^= 1;
	assert_false(entry_is_valid(entry, DEVICE_BYTES));
	entry_put(entry);
}

static void odd_ranges_and_missing_payloads_are_invalid(void **state)
{
	struct fixture *f = *state;
	struct entry *entry = write_of(f, 0, 8192);
	struct buf *payload = entry->payload;

	entry->offset_bytes = 512;
	assert_false(entry_is_valid(entry, DEVICE_BYTES));
	entry->offset_bytes = 0;
	entry->length_bytes = 4096;
	assert_false(entry_is_valid(entry, DEVICE_BYTES));
	entry->length_bytes = 0;
	assert_false(entry_is_valid(entry, DEVICE_BYTES));
	entry->length_bytes = 8192;
	entry->payload = NULL;
	assert_false(entry_is_valid(entry, DEVICE_BYTES));
	entry->payload = payload;
	entry->op = (enum entry_op)99;
	assert_false(entry_is_valid(entry, DEVICE_BYTES));
	entry->op = ENTRY_WRITE;
	assert_true(entry_is_valid(entry, DEVICE_BYTES));
	entry_put(entry);
}

static void a_trim_may_be_long_but_bears_no_payload(void **state)
{
	struct fixture *f = *state;
	struct entry *entry = write_of(f, 0, 4096);

	entry->op = ENTRY_TRIM;
	assert_false(entry_is_valid(entry, DEVICE_BYTES));
	buf_put(entry->payload);
	entry->payload = NULL;
	entry->length_bytes = DEVICE_BYTES;
	assert_true(entry_is_valid(entry, DEVICE_BYTES));
	entry->op = ENTRY_ZERO;
	assert_true(entry_is_valid(entry, DEVICE_BYTES));
	entry->op = ENTRY_NEW_EPOCH;
	assert_false(entry_is_valid(entry, DEVICE_BYTES));
	entry->length_bytes = 0;
	assert_true(entry_is_valid(entry, DEVICE_BYTES));
	entry_put(entry);
}

#define WITH_POOLS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* A journal with an operation that isn't known counts as damaged. */
static void every_operation_is_known_and_no_other_number(void **state)
{
	static const enum entry_op known[] = { ENTRY_WRITE, ENTRY_TRIM, ENTRY_ZERO, ENTRY_NEW_EPOCH,
		ENTRY_SNAPSHOT, ENTRY_DELETE_SNAPSHOT, ENTRY_MEMBERSHIP, ENTRY_ROLLBACK };
	unsigned count = 0;

	(void)state;
	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		assert_true(entry_op_is_known(known[i]));
	for (uint32_t op = 0; op < 256; op++)
		count += entry_op_is_known(op);
	assert_int_equal(count, sizeof(known) / sizeof(known[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_operation_is_known_and_no_other_number),
		cmocka_unit_test(positions_compare_epoch_before_seq),
		WITH_POOLS(a_pool_gives_no_more_than_its_capacity),
		WITH_POOLS(a_reused_entry_is_zero_again),
		WITH_POOLS(the_payload_goes_with_the_last_reference),
		WITH_POOLS(a_good_write_is_valid_up_to_the_devices_end),
		WITH_POOLS(one_changed_bit_in_payload_or_sums_makes_a_write_invalid),
		WITH_POOLS(odd_ranges_and_missing_payloads_are_invalid),
		WITH_POOLS(a_trim_may_be_long_but_bears_no_payload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
