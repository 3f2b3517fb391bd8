/*
 * The list of disks, on loop devices over files of our own: what stands on a device is named, what is free is
 * offered, and not a byte is written. Without loop devices (not root, or a container without them) it is
 * skipped.
 */
#include "fingerprint/fingerprint.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <cmocka.h>

#define DISK_BYTES (UINT64_C(32) << 20)
#define SECTOR     512u

struct disk {
	char file[64], device[32];
	int fd, loop_fd;
};

/* The CRC of GPT (begin ~0, inverted) and of LVM (begin 0xf597a6cf). */
static uint32_t crc32_of(uint32_t crc, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		crc ^= bytes[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return crc;
}

static void put32(uint8_t *to, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		to[i] = (uint8_t)(value >> 8 * i);
}

static void put64(uint8_t *to, uint64_t value)
{
	put32(to, (uint32_t)value);
	put32(to + 4, (uint32_t)(value >> 32));
}

static void disk_free(struct disk *disk)
{
	if (disk->loop_fd >= 0) {
		(void)ioctl(disk->loop_fd, LOOP_CLR_FD, 0);
		close(disk->loop_fd);
	}
	close(disk->fd);
	unlink(disk->file);
}

/* False: there are no loop devices for us. */
static bool disk_loop(struct disk *disk)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

	disk->loop_fd = -1;
	/* Others take free ones too. */
	for (unsigned tries = 0; control >= 0 && tries < 50; tries++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE);

		if (number < 0)
			break;
		snprintf(disk->device, sizeof(disk->device), "/dev/loop%d", number);
		disk->loop_fd = open(disk->device, O_RDWR | O_CLOEXEC);
		if (disk->loop_fd >= 0 && ioctl(disk->loop_fd, LOOP_SET_FD, disk->fd) == 0)
			break;
		if (disk->loop_fd >= 0)
			close(disk->loop_fd);
		disk->loop_fd = -1;
	}
	if (control >= 0)
		close(control);
	return disk->loop_fd >= 0;
}

static void disk_make(struct disk *disk)
{
	snprintf(disk->file, sizeof(disk->file), "/var/tmp/quoin-scan-XXXXXX");
	disk->fd = mkstemp(disk->file);
	assert_true(disk->fd >= 0);
	disk->loop_fd = -1;
	assert_int_equal(ftruncate(disk->fd, (off_t)DISK_BYTES), 0);
}

static uint32_t disk_sum(const struct disk *disk)
{
	static uint8_t chunk[1 << 20];
	uint32_t sum = 0;

	for (uint64_t at = 0; at < DISK_BYTES; at += sizeof(chunk)) {
		assert_int_equal(pread(disk->fd, chunk, sizeof(chunk), (off_t)at), sizeof(chunk));
		sum = crc32c_extend(sum, chunk, sizeof(chunk));
	}
	return sum;
}

/* What libblkid asks of an ext4 superblock: magic, revision, and features that ext2 and ext3 don't have. */
static void ext4_write(struct disk *disk)
{
	uint8_t super[1024] = { 0 };

	put32(super, 2048);
	put32(super + 4, 8192);
	super[0x38] = 0x53;
	super[0x39] = 0xef;
	put32(super + 0x4c, 1);
	put32(super + 0x5c, 0x4);
	put32(super + 0x60, 0x42);
	put32(super + 0x64, 0x8);
	memcpy(super + 0x78, "photos", 6);
	assert_int_equal(pwrite(disk->fd, super, sizeof(super), 1024), sizeof(super));
}

static void lvm_write(struct disk *disk)
{
	uint8_t label[SECTOR] = "LABELONE";

	put64(label + 8, 1);
	put32(label + 20, 32);
	memcpy(label + 24, "LVM2 001", 8);
	memcpy(label + 32, "abcdefghijklmnopqrstuvwxyz012345", 32);
	put32(label + 16, crc32_of(0xf597a6cf, label + 20, sizeof(label) - 20));
	assert_int_equal(pwrite(disk->fd, label, sizeof(label), SECTOR), sizeof(label));
}

static void raid_write(struct disk *disk)
{
	uint8_t super[1024] = { 0 };

	put32(super, 0xa92b4efc);
	put32(super + 4, 1);
	memcpy(super + 16, "0123456789abcdef", 16);
	memcpy(super + 32, "host:7", 6);
	put64(super + 144, 8);
	assert_int_equal(pwrite(disk->fd, super, sizeof(super), 4096), sizeof(super));
}

static void gpt_write(struct disk *disk)
{
	static const uint8_t entries[128 * 128];
	uint8_t mbr[SECTOR] = { 0 }, header[SECTOR] = "EFI PART";
	uint64_t last = DISK_BYTES / SECTOR - 1;

	mbr[446 + 4] = 0xee;
	put32(mbr + 446 + 8, 1);
	put32(mbr + 446 + 12, (uint32_t)last);
	mbr[510] = 0x55;
	mbr[511] = 0xaa;
	put32(header + 8, 0x10000);
	put32(header + 12, 92);
	put64(header + 24, 1);
	put64(header + 32, last);
	put64(header + 40, 34);
	put64(header + 48, last - 33);
	memcpy(header + 56, "0123456789abcdef", 16);
	put64(header + 72, 2);
	put32(header + 80, 128);
	put32(header + 84, 128);
	put32(header + 88, ~crc32_of(~0u, entries, sizeof(entries)));
	put32(header + 16, ~crc32_of(~0u, header, 92));
	assert_int_equal(pwrite(disk->fd, mbr, sizeof(mbr), 0), sizeof(mbr));
	assert_int_equal(pwrite(disk->fd, header, sizeof(header), SECTOR), sizeof(header));
}

static const struct scan_device *device_find(const struct scan *scan, const char *path)
{
	for (size_t i = 0; i < scan->count; i++)
		if (strcmp(scan->devices[i].facts.path, path) == 0)
			return &scan->devices[i];
	return NULL;
}

static void what_stands_on_a_disk_is_named_and_nothing_is_written(void **state)
{
	static const struct {
		void (*write)(struct disk *disk);
		const char *signature, *table, *words;
	} cases[] = {
		{ ext4_write, "ext4", "", "a filesystem: ext4 (label photos)" },
		{ lvm_write, "LVM2_member", "", "a signature: LVM2_member" },
		{ raid_write, "linux_raid_member", "", "a signature: linux_raid_member" },
		{ gpt_write, "", "gpt", "a partition table (gpt)" },
	};
	const struct scan_options options = { .measure = true, .budget_ms = 100 };

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct scan_device *device;
		struct error error;
		struct scan scan;
		struct disk disk;
		uint32_t before;

		disk_make(&disk);
		cases[i].write(&disk);
		if (!disk_loop(&disk)) {
			disk_free(&disk);
			skip();
		}
		before = disk_sum(&disk);
		assert_int_equal(scan_run(&options, &scan, &error), 0);
		device = device_find(&scan, disk.device);
		assert_non_null(device);
		assert_false(device->offered);
		assert_false(device->in_use);
		assert_false(device->measured);
		assert_string_equal(device->signature, cases[i].signature);
		assert_string_equal(device->table, cases[i].table);
		assert_non_null(strstr(device->why, cases[i].words));
		assert_int_equal(device_check_empty(disk.device, &error), -EEXIST);
		assert_non_null(strstr(error.text, cases[i].words));
		assert_int_equal(disk_sum(&disk), before);
		scan_done(&scan);
		disk_free(&disk);
	}
}

static void an_empty_disk_is_offered_measured_and_left_as_it_was(void **state)
{
	const struct scan_options options = { .measure = true, .budget_ms = 400 };
	const struct scan_device *device;
	struct error error;
	struct scan scan;
	struct disk disk;
	uint32_t before;

	(void)state;
	disk_make(&disk);
	if (!disk_loop(&disk)) {
		disk_free(&disk);
		skip();
	}
	before = disk_sum(&disk);
	assert_int_equal(scan_run(&options, &scan, &error), 0);
	device = device_find(&scan, disk.device);
	assert_non_null(device);
	assert_true(device->offered);
	assert_string_equal(device->why, "");
	assert_int_equal(device->facts.size_bytes, DISK_BYTES);
	assert_int_equal(device->facts.bus, BUS_LOOP);
	assert_true(device->measured);
	assert_true(device->measurement.samples_read > 0 && device->measurement.read_iops > 0);
	assert_int_equal(device->measurement.samples_write, 0);
	/* Nobody knows what a flush of it costs. */
	assert_true(device->tier < TIER_HIGH);
	assert_int_equal(disk_sum(&disk), before);
	scan_done(&scan);
	disk_free(&disk);
}

static bool look_always(void *arg, const char *path, char ret_words[static 128])
{
	(void)path;
	snprintf(ret_words, 128, "%s", (const char *)arg);
	return true;
}

static void data_without_a_signature_is_asked_about(void **state)
{
	struct scan_options options = { .look = look_always, .arg = (void *)(uintptr_t) "ours" };
	const struct scan_device *device;
	struct error error;
	struct scan scan;
	struct disk disk;

	(void)state;
	disk_make(&disk);
	assert_int_equal(pwrite(disk.fd, "something", 9, 5), 9);
	if (!disk_loop(&disk)) {
		disk_free(&disk);
		skip();
	}
	assert_int_equal(scan_run(&options, &scan, &error), 0);
	device = device_find(&scan, disk.device);
	assert_non_null(device);
	assert_false(device->offered);
	assert_non_null(strstr(device->why, "is ours"));
	scan_done(&scan);
	options.look = NULL;
	assert_int_equal(scan_run(&options, &scan, &error), 0);
	device = device_find(&scan, disk.device);
	assert_non_null(device);
	assert_false(device->offered);
	assert_non_null(strstr(device->why, "not zero"));
	scan_done(&scan);
	disk_free(&disk);
}

static void a_disk_that_another_holds_is_in_use(void **state)
{
	const struct scan_options options = { .measure = false };
	const struct scan_device *device;
	struct error error;
	struct scan scan;
	struct disk disk;
	int held;

	(void)state;
	disk_make(&disk);
	if (!disk_loop(&disk)) {
		disk_free(&disk);
		skip();
	}
	held = open(disk.device, O_RDONLY | O_EXCL | O_CLOEXEC);
	assert_true(held >= 0);
	assert_int_equal(scan_run(&options, &scan, &error), 0);
	device = device_find(&scan, disk.device);
	assert_non_null(device);
	assert_true(device->in_use);
	assert_false(device->offered);
	assert_non_null(strstr(device->why, "in use"));
	close(held);
	scan_done(&scan);
	disk_free(&disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_stands_on_a_disk_is_named_and_nothing_is_written),
		cmocka_unit_test(an_empty_disk_is_offered_measured_and_left_as_it_was),
		cmocka_unit_test(data_without_a_signature_is_asked_about),
		cmocka_unit_test(a_disk_that_another_holds_is_in_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
