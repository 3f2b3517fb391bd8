#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/crc32c.h"
#include "base/limits.h"
#include "base/random.h"

static void check_both(const void *bytes, size_t len, uint32_t expected)
{
	assert_int_equal(crc32c(bytes, len), expected);
	assert_int_equal(crc32c_software(0, bytes, len), expected);
}

static void published_values_come_out(void **state)
{
	uint8_t bytes[32];
	/* RFC 3720, B.4: an iSCSI Read (10) command. */
	static const uint8_t command[48] = { 0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0,
		0, 0, 0, 0x04, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0, 0,
		0, 0, 0 };

	(void)state;
	check_both("123456789", 9, 0xe3069283);
	check_both(NULL, 0, 0);
	memset(bytes, 0, sizeof(bytes));
	check_both(bytes, sizeof(bytes), 0x8a9136aa);
	memset(bytes, 0xff, sizeof(bytes));
	check_both(bytes, sizeof(bytes), 0x62a8ab43);
	for (uint8_t i = 0; i < 32; i++)
		bytes[i] = i;
	check_both(bytes, sizeof(bytes), 0x46dd794e);
	for (uint8_t i = 0; i < 32; i++)
		bytes[i] = (uint8_t)(31 - i);
	check_both(bytes, sizeof(bytes), 0x113fdb5c);
	check_both(command, sizeof(command), 0xd9963a56);
}

static void instruction_and_table_agree_at_every_length_and_alignment(void **state)
{
	uint8_t bytes[300];
	struct random random;

	(void)state;
	random_init(&random, 1);
	random_bytes(&random, bytes, sizeof(bytes));
	for (size_t start = 0; start < 16; start++) {
		for (size_t len = 0; len + start < sizeof(bytes); len++)
			assert_int_equal(crc32c(bytes + start, len), crc32c_software(0, bytes + start, len));
	}
}

/* Long ones are summed in parts side by side, and joined. */
static void instruction_and_table_agree_on_long_inputs(void **state)
{
	static uint8_t bytes[3 * BLOCK_BYTES];
	struct random random;

	(void)state;
	random_init(&random, 4);
	random_bytes(&random, bytes, sizeof(bytes));
	for (size_t len = 4000; len < sizeof(bytes); len += 61) {
		uint32_t crc = (uint32_t)random_u64(&random);

		assert_int_equal(crc32c_extend(crc, bytes + len % 8, len - len % 8),
			crc32c_software(crc, bytes + len % 8, len - len % 8));
	}
}

static void a_sum_in_pieces_equals_the_sum_of_the_whole(void **state)
{
	uint8_t bytes[3 * 1024];
	struct random random;
	uint32_t whole;

	(void)state;
	random_init(&random, 2);
	random_bytes(&random, bytes, sizeof(bytes));
	whole = crc32c(bytes, sizeof(bytes));
	for (size_t cut = 0; cut <= sizeof(bytes); cut += 37) {
		uint32_t crc = crc32c(bytes, cut);

		assert_int_equal(crc32c_extend(crc, bytes + cut, sizeof(bytes) - cut), whole);
		assert_int_equal(crc32c_software(crc, bytes + cut, sizeof(bytes) - cut), whole);
	}
}

static void each_block_gets_its_own_sum(void **state)
{
	static uint8_t bytes[ENTRY_MAX_BYTES];
	uint32_t crcs[ENTRY_MAX_BLOCKS + 1];
	struct random random;

	(void)state;
	random_init(&random, 3);
	random_bytes(&random, bytes, sizeof(bytes));
	for (size_t blocks = 0; blocks <= ENTRY_MAX_BLOCKS; blocks++) {
		crcs[blocks] = 0xabcd;
		crc32c_blocks(bytes, blocks, crcs);
		assert_int_equal(crcs[blocks], 0xabcd);
		for (size_t i = 0; i < blocks; i++)
			assert_int_equal(crcs[i], crc32c(bytes + i * BLOCK_BYTES, BLOCK_BYTES));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_values_come_out),
		cmocka_unit_test(instruction_and_table_agree_at_every_length_and_alignment),
		cmocka_unit_test(instruction_and_table_agree_on_long_inputs),
		cmocka_unit_test(a_sum_in_pieces_equals_the_sum_of_the_whole),
		cmocka_unit_test(each_block_gets_its_own_sum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
