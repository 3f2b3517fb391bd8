/* Facts, the check that a disk is empty, the measurement and the judgement, on files in a folder of our own.
 */
#include "fingerprint/fingerprint.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[64], path[96];

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/var/tmp/quoin-fingerprint-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/disk", folder);
	return 0;
}

static int remove_one(const char *name, const struct stat *st, int kind, struct FTW *walk)
{
	(void)st;
	(void)kind;
	(void)walk;
	return remove(name);
}

static int teardown(void **state)
{
	(void)state;
	return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void file_make(uint64_t size_bytes)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size_bytes), 0);
	close(fd);
}

static void file_write(uint64_t at, const void *bytes, size_t len)
{
	int fd = open(path, O_RDWR);

	assert_int_equal(pwrite(fd, bytes, len, (off_t)at), len);
	close(fd);
}

static void a_sparse_file_is_empty(void **state)
{
	struct error error;

	(void)state;
	file_make(UINT64_C(1) << 30);
	assert_int_equal(device_check_empty(path, &error), 0);
}

static void one_byte_anywhere_is_found(void **state)
{
	struct error error;

	(void)state;
	file_make(UINT64_C(1) << 30);
	file_write((UINT64_C(700) << 20) + 12345, "x", 1);
	assert_int_equal(device_check_empty(path, &error), -EEXIST);
	assert_non_null(strstr(error.text, path));
	assert_non_null(strstr(error.text, "not zero"));
}

static void a_filesystem_is_named(void **state)
{
	uint8_t magic[2] = { 0x53, 0xef };
	struct error error;
	uint8_t super[1024] = { 0 };

	(void)state;
	file_make(UINT64_C(64) << 20);
	/* What libblkid asks of an ext superblock: the magic, a state, a revision and the features of ext2.
	 */
	super[0] = 16;
	super[4] = 64;
	memcpy(super + 0x38, magic, 2);
	super[0x4c] = 1;
	memcpy(super + 0x78, "data", 4);
	file_write(1024, super, sizeof(super));
	assert_int_equal(device_check_empty(path, &error), -EEXIST);
	assert_non_null(strstr(error.text, "ext"));
}

static void a_folder_is_no_disk(void **state)
{
	struct error error;

	(void)state;
	assert_int_equal(device_check_empty(folder, &error), -ENOTSUP);
	assert_int_equal(device_check_empty("/nonexistent/disk", &error), -ENOENT);
}

static void reading_alone_changes_nothing(void **state)
{
	uint8_t before[4096], after[4096];
	struct measurement m;
	struct error error;
	int fd;

	(void)state;
	file_make(UINT64_C(8) << 20);
	memset(before, 'x', sizeof(before));
	file_write(4096, before, sizeof(before));
	fd = open(path, O_RDONLY | O_DIRECT);
	assert_true(fd >= 0);
	assert_int_equal(measure_run(fd, UINT64_C(8) << 20, 200, &m, &error), 0);
	close(fd);
	assert_true(m.samples_read > 0 && m.read_iops > 0 && m.took_ms < 1500);
	assert_int_equal(m.samples_write, 0);
	fd = open(path, O_RDONLY);
	assert_int_equal(pread(fd, after, sizeof(after), 4096), sizeof(after));
	close(fd);
	assert_memory_equal(before, after, sizeof(before));
}

static void figures_are_remembered_of_one_disk(void **state)
{
	const struct measurement m = {
		.read_p50_us = 80, .write_p50_us = 90, .samples_read = 9, .samples_write = 9
	};
	struct fingerprint first, second;
	struct error error;
	char cache[96];

	(void)state;
	snprintf(cache, sizeof(cache), "%s/cache", folder);
	file_make(UINT64_C(64) << 20);
	assert_int_equal(fingerprint_recall(path, cache, &first, &error), 0);
	assert_false(first.measured);
	assert_true(first.tier < TIER_HIGH);
	fingerprint_keep(cache, &m, &first);
	assert_int_equal(first.tier, TIER_HIGH);
	assert_int_equal(fingerprint_recall(path, cache, &second, &error), 0);
	assert_true(second.measured);
	assert_int_equal(second.measurement.write_p50_us, 90);
	assert_int_equal(second.tier, TIER_HIGH);
	/* Another size: another disk. */
	file_make(UINT64_C(128) << 20);
	assert_int_equal(fingerprint_recall(path, cache, &second, &error), 0);
	assert_false(second.measured);
}

static void drift_names_the_figure_that_changed(void **state)
{
	struct measurement was = {
		.read_p50_us = 80, .write_p50_us = 80, .samples_read = 9, .samples_write = 9
	};
	struct measurement now = was;
	char text[DRIFT_TEXT_MAX];

	(void)state;
	now.write_p50_us = 9100;
	measurement_drift_text(&now, &was, text);
	assert_string_equal(text, "durable write 9.1 ms, was 80 us");
	now.read_p50_us = 99000;
	measurement_drift_text(&now, &was, text);
	assert_string_equal(text, "read 99.0 ms, was 80 us");
}

static enum tier judged(
	enum device_bus bus, uint32_t write_us, uint32_t read_us, char reason[static TIER_REASON_MAX])
{
	struct device_facts facts = { .bus = bus, .write_back = true };
	struct measurement m = {
		.read_p50_us = read_us, .write_p50_us = write_us, .samples_read = 9, .samples_write = 9
	};

	return tier_judge(&facts, &m, reason);
}

static void tiers_follow_what_was_measured(void **state)
{
	char reason[TIER_REASON_MAX];

	(void)state;
	assert_int_equal(judged(BUS_NVME, 50, 80, reason), TIER_HIGH);
	assert_int_equal(judged(BUS_VIRTIO, 300, 80, reason), TIER_MEDIUM);
	assert_int_equal(judged(BUS_SATA, 5000, 80, reason), TIER_LOW);
	assert_int_equal(judged(BUS_SATA, 50, 9000, reason), TIER_LOW);
	assert_int_equal(judged(BUS_NVME, 1900, 80, reason), TIER_MEDIUM);
	assert_string_equal(
		reason, "NVMe, but durable write 1.9 ms: medium, because its cache needs a flush");
}

static enum tier judged_again(enum tier tier, uint32_t write_us, uint32_t read_us)
{
	const struct device_facts facts = { .bus = BUS_NVME };
	const struct measurement m = {
		.write_p50_us = write_us, .read_p50_us = read_us, .samples_read = 9, .samples_write = 9
	};

	return tier_judge_again(&facts, tier, &m);
}

static void a_tier_changes_only_well_beyond_its_threshold(void **state)
{
	(void)state;
	/* 200 us are between high and medium, 2 ms between medium and low. */
	assert_int_equal(judged_again(TIER_HIGH, 230, 50), TIER_HIGH);
	assert_int_equal(judged_again(TIER_HIGH, 250, 50), TIER_MEDIUM);
	assert_int_equal(judged_again(TIER_HIGH, 9100, 50), TIER_LOW);
	assert_int_equal(judged_again(TIER_MEDIUM, 180, 50), TIER_MEDIUM);
	assert_int_equal(judged_again(TIER_MEDIUM, 150, 50), TIER_HIGH);
	assert_int_equal(judged_again(TIER_MEDIUM, 2300, 50), TIER_MEDIUM);
	assert_int_equal(judged_again(TIER_MEDIUM, 2500, 50), TIER_LOW);
	assert_int_equal(judged_again(TIER_LOW, 1800, 50), TIER_LOW);
	assert_int_equal(judged_again(TIER_LOW, 1600, 50), TIER_MEDIUM);
	assert_int_equal(judged_again(TIER_LOW, 50, 50), TIER_HIGH);
	/* Reads count as well. */
	assert_int_equal(judged_again(TIER_HIGH, 50, 280), TIER_HIGH);
	assert_int_equal(judged_again(TIER_HIGH, 50, 400), TIER_MEDIUM);
}

static void an_unknown_tier_is_what_is_measured(void **state)
{
	(void)state;
	assert_int_equal(judged_again(TIER_UNKNOWN, 190, 50), TIER_HIGH);
	assert_int_equal(judged_again(TIER_UNKNOWN, 210, 50), TIER_MEDIUM);
}

static void without_figures_nothing_is_high(void **state)
{
	struct device_facts facts = { .bus = BUS_NVME };
	char reason[TIER_REASON_MAX];

	(void)state;
	assert_int_equal(tier_judge(&facts, NULL, reason), TIER_MEDIUM);
	facts.rotational = true;
	assert_int_equal(tier_judge(&facts, NULL, reason), TIER_LOW);
}

static void a_tier_has_three_names(void **state)
{
	struct error error;
	enum tier tier;

	(void)state;
	assert_int_equal(tier_parse("medium", &tier, &error), 0);
	assert_int_equal(tier, TIER_MEDIUM);
	assert_int_equal(tier_parse("hihg", &tier, &error), -EINVAL);
	assert_non_null(strstr(error.text, "high"));
}

static void a_node_knows_itself(void **state)
{
	struct node_facts facts;

	(void)state;
	node_facts_get(&facts);
	assert_true(facts.cores > 0 && facts.memory_bytes > 0);
	assert_int_equal(strlen(facts.boot_id), 36);
}

static void a_node_serves_no_more_than_its_weakest_part(void **state)
{
	struct node_facts facts = { .cores = 8, .link_mbit_s = 10000 };
	char reason[TIER_REASON_MAX];

	(void)state;
	assert_int_equal(node_tier_judge(&facts, TIER_HIGH, reason), TIER_HIGH);
	assert_int_equal(node_tier_judge(&facts, TIER_LOW, reason), TIER_LOW);
	assert_int_equal(node_tier_judge(&facts, TIER_UNKNOWN, reason), TIER_UNKNOWN);
	facts.link_mbit_s = 100;
	assert_int_equal(node_tier_judge(&facts, TIER_HIGH, reason), TIER_MEDIUM);
	assert_non_null(strstr(reason, "100 Mbit/s"));
	facts.link_mbit_s = 10;
	assert_int_equal(node_tier_judge(&facts, TIER_MEDIUM, reason), TIER_LOW);
	facts.link_mbit_s = 0;
	assert_int_equal(node_tier_judge(&facts, TIER_HIGH, reason), TIER_HIGH);
	facts.cores = 1;
	assert_int_equal(node_tier_judge(&facts, TIER_HIGH, reason), TIER_MEDIUM);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_sparse_file_is_empty),
		test(one_byte_anywhere_is_found),
		test(a_filesystem_is_named),
		test(a_folder_is_no_disk),
		test(reading_alone_changes_nothing),
		test(figures_are_remembered_of_one_disk),
		cmocka_unit_test(drift_names_the_figure_that_changed),
		cmocka_unit_test(tiers_follow_what_was_measured),
		cmocka_unit_test(a_tier_changes_only_well_beyond_its_threshold),
		cmocka_unit_test(an_unknown_tier_is_what_is_measured),
		cmocka_unit_test(without_figures_nothing_is_high),
		cmocka_unit_test(a_tier_has_three_names),
		cmocka_unit_test(a_node_knows_itself),
		cmocka_unit_test(a_node_serves_no_more_than_its_weakest_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
