/* What the offline reader says of whole and of damaged pools. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "bench.h"
#include "tools/tools.h"

#define DISK_BYTES    (UINT64_C(8) << 20)
#define JOURNAL_BYTES (UINT64_C(1) << 20)
#define VOLUME_BYTES  (UINT64_C(1) << 20)

static struct bench bench;
static struct pool_replica *replica;
static struct image image;
static struct image_source source;
static struct error error;

static int disk_read(void *arg, uint64_t offset_bytes, void *to, uint64_t length_bytes)
{
	sim_disk_peek(arg, offset_bytes, to, length_bytes);
	return 0;
}

static int look(void)
{
	source = (struct image_source){ .read = disk_read, .arg = bench.disk, .size_bytes = DISK_BYTES };
	return image_load(&image, &source, &error);
}

static bool is_found(enum severity severity, const char *area, const char *words)
{
	for (uint32_t i = 0; i < image.finding_count; i++)
		if (image.findings[i].severity == severity && strcmp(image.findings[i].area, area) == 0 &&
			strstr(image.findings[i].text, words))
			return true;
	return false;
}

static void created(void *arg, int rc, struct pool_replica *made)
{
	replica = made;
	bench_finished(arg, rc);
}

static void write_block(uint64_t seq, uint64_t block)
{
	struct entry *entry = entry_get(bench.entries);

	entry->epoch.number = 1;
	entry->seq = seq;
	entry->op = ENTRY_WRITE;
	entry->offset_bytes = block * BLOCK_BYTES;
	entry->length_bytes = BLOCK_BYTES;
	entry->payload = buf_get(bench.bufs, BLOCK_BYTES);
	entry->payload->len_bytes = BLOCK_BYTES;
	memset(entry->payload->data, (int)(seq & 0xff) + 1, BLOCK_BYTES);
	crc32c_blocks(entry->payload->data, 1, entry->crc);
	pool_replica_append(replica, entry);
	entry_put(entry);
}

/* Forty blocks in many grains, all applied, and two more that are only in the journal. */
static int pool_write(void **state)
{
	const struct pool_replica_identity identity = {
		.replica = { { 3 } }, .group = { { 4 } }, .volume = { { 5 } }, .size_bytes = VOLUME_BYTES
	};

	(void)state;
	bench_init(&bench);
	bench.disk = sim_disk_new(DISK_BYTES, 1);
	assert_int_equal(bench_format(&bench, JOURNAL_BYTES), 0);
	assert_int_equal(bench_open(&bench), 0);
	pool_replica_create(bench.pool, &identity, created, &bench);
	bench_wait(&bench);
	for (uint64_t seq = 1; seq <= 40; seq++)
		write_block(seq, seq * 6);
	bench_run(&bench, NS_PER_S);
	pool_replica_commit_set(replica, 40);
	bench_run(&bench, 3 * NS_PER_S);
	write_block(41, 1);
	write_block(42, 2);
	bench_run(&bench, NS_PER_S);
	bench_close(&bench);
	return 0;
}

static int pool_drop(void **state)
{
	(void)state;
	image_done(&image);
	sim_disk_free(bench.disk);
	bench_done(&bench);
	return 0;
}

static void block_spoil(uint64_t offset_bytes)
{
	sim_disk_flip(bench.disk, offset_bytes + 100, 3);
}

static void whole_pool_is_clean_and_its_replica_is_described(void **state)
{
	const struct image_replica *seen;

	(void)state;
	assert_int_equal(look(), 0);
	assert_int_equal(image_verify_data(&image, NULL, NULL), 0);
	assert_int_equal(image.damages, 0);
	assert_int_equal(image.replica_count, 1);
	seen = image.by_layer[0];
	assert_int_equal(seen->last.seq, 42);
	assert_int_equal(seen->commit_seq, 40);
	assert_int_equal(seen->record.applied.seq, 40);
	assert_int_equal(seen->block_count, 40);
	assert_int_equal(image.blocks_checked, 40);
	assert_int_equal(image.blocks_rotten, 0);
}

static void one_lost_superblock_is_damage_and_two_are_refused(void **state)
{
	(void)state;
	block_spoil(0);
	assert_int_equal(look(), 0);
	assert_true(is_found(SEVERITY_DAMAGE, "superblock", "copy A"));
	image_done(&image);
	block_spoil(geometry_superblock_offset(DISK_BYTES, 1));
	assert_int_equal(look(), -EILSEQ);
	assert_non_null(strstr(error.text, "both copies"));
}

static void truncated_pool_is_refused_with_both_sizes(void **state)
{
	(void)state;
	assert_int_equal(look(), 0);
	image_done(&image);
	source.size_bytes -= BLOCK_BYTES;
	assert_int_equal(image_load(&image, &source, &error), -EILSEQ);
	assert_non_null(strstr(error.text, "truncated"));
}

static int spoil_grain(struct image *of, uint32_t phys, const struct slot *slot, void *arg)
{
	uint32_t *spoiled = arg;

	if (slot->index == 0 || *spoiled != 0)
		return 0;
	*spoiled = slot->index;
	block_spoil(
		geometry_grain_offset(&of->g, phys) + (uint64_t)__builtin_ctz(slot->present) * BLOCK_BYTES);
	return 0;
}

static void rotten_block_is_found_by_reading_the_grains_only(void **state)
{
	uint32_t index = 0;

	(void)state;
	assert_int_equal(look(), 0);
	assert_int_equal(image_slots(&image, spoil_grain, &index), 0);
	assert_int_equal(image.damages, 0);
	assert_int_equal(image_verify_data(&image, NULL, NULL), 0);
	assert_int_equal(image.blocks_rotten, 1);
	assert_true(is_found(SEVERITY_DAMAGE, "grain", "does not match its checksum"));
}

/* The same grain's content in the place of another's: each block is sound, but not where it stands. */
static int swap_grains(struct image *of, uint32_t phys, const struct slot *slot, void *arg)
{
	static uint8_t bytes[BLOCK_BYTES];
	uint32_t *first = arg;
	unsigned block = (unsigned)__builtin_ctz(slot->present);

	if (*first == UINT32_MAX) {
		*first = phys;
		sim_disk_peek(bench.disk, geometry_grain_offset(&of->g, phys) + (uint64_t)block * BLOCK_BYTES,
			bytes, BLOCK_BYTES);
	} else {
		sim_disk_poke(bench.disk, geometry_grain_offset(&of->g, phys) + (uint64_t)block * BLOCK_BYTES,
			bytes, BLOCK_BYTES);
	}
	return 0;
}

static void misdirected_content_is_found(void **state)
{
	uint32_t first = UINT32_MAX;

	(void)state;
	assert_int_equal(look(), 0);
	assert_int_equal(image_slots(&image, swap_grains, &first), 0);
	assert_int_equal(image_verify_data(&image, NULL, NULL), 0);
	assert_true(image.blocks_rotten > 0);
}

static void rotten_payload_in_the_journal_damages_its_replica(void **state)
{
	uint32_t block = 0;

	(void)state;
	assert_int_equal(look(), 0);
	for (uint32_t i = 0; i < image.by_layer[0]->entry_count; i++)
		if (image.by_layer[0]->entries[i].seq == 41)
			block = image.by_layer[0]->entries[i].payload_block;
	block_spoil(geometry_ring_offset(&image.g, block));
	image_done(&image);
	assert_int_equal(look(), 0);
	assert_true(is_found(SEVERITY_DAMAGE, "replica", "entry 41 of its log is rotten"));
	assert_true(image.by_layer[0]->damaged);
}

static void lost_header_in_the_middle_is_damage_and_the_last_one_is_a_torn_tail(void **state)
{
	uint32_t middle = UINT32_MAX, last = UINT32_MAX;

	(void)state;
	assert_int_equal(look(), 0);
	for (uint32_t block = 0; block < image.g.ring_blocks; block++) {
		if (image.batches[block].number == image.claim)
			middle = block;
		if (image.batches[block].number == image.end - 1)
			last = block;
	}
	assert_true(middle != UINT32_MAX && last != UINT32_MAX && middle != last);
	block_spoil(geometry_ring_offset(&image.g, middle));
	image_done(&image);
	assert_int_equal(look(), 0);
	assert_true(is_found(SEVERITY_DAMAGE, "journal", "was durable and is not there"));
	block_spoil(geometry_ring_offset(&image.g, middle)); /* back again */
	block_spoil(geometry_ring_offset(&image.g, last));
	image_done(&image);
	assert_int_equal(look(), 0);
	assert_int_equal(image.damages, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, pool_write, pool_drop)
	const struct CMUnitTest tests[] = {
		TEST(whole_pool_is_clean_and_its_replica_is_described),
		TEST(one_lost_superblock_is_damage_and_two_are_refused),
		TEST(truncated_pool_is_refused_with_both_sizes),
		TEST(rotten_block_is_found_by_reading_the_grains_only),
		TEST(misdirected_content_is_found),
		TEST(rotten_payload_in_the_journal_damages_its_replica),
		TEST(lost_header_in_the_middle_is_damage_and_the_last_one_is_a_torn_tail),
	};

	return cmocka_run_group_tests_name("tools image", tests, NULL, NULL);
}
