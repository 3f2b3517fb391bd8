/* A volume in memory as a real block device: FUSE and loop of this machine's kernel. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "rig.h"

#define MIB (1u << 20)

static int device_setup(void **state)
{
	struct rig *rig = malloc(sizeof(*rig));

	rig_init(rig, NULL, RIG_VOLUME_BYTES, 64 * MIB);
	*state = rig;
	return rig_attach(rig);
}

static int device_teardown(void **state)
{
	struct rig *rig = *state;

	rig_done(rig, false);
	free(rig);
	return 0;
}

static int open_device(struct rig *rig)
{
	int fd = open(blockdev_path(rig->blockdev), O_RDWR | O_DIRECT | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static uint8_t *random_buffer(size_t len_bytes)
{
	uint8_t *bytes = aligned_alloc(4096, len_bytes);
	struct random random;

	assert_non_null(bytes);
	random_init(&random, 7);
	random_bytes(&random, bytes, len_bytes);
	return bytes;
}

static void device_has_the_volumes_size_and_blocks_of_4096_bytes(void **state)
{
	struct rig *rig = *state;
	struct stat link_st, st;
	char link[ATTACH_PATH_MAX];
	uint64_t size_bytes = 0;
	int block_bytes = 0, fd = open_device(rig);

	assert_int_equal(ioctl(fd, BLKGETSIZE64, &size_bytes), 0);
	assert_int_equal(size_bytes, RIG_VOLUME_BYTES);
	assert_int_equal(ioctl(fd, BLKSSZGET, &block_bytes), 0);
	assert_int_equal(block_bytes, 4096);
	assert_int_equal(stat(blockdev_link(rig->blockdev), &link_st), 0);
	assert_int_equal(stat(blockdev_path(rig->blockdev), &st), 0);
	assert_int_equal(link_st.st_rdev, st.st_rdev);
	(void)snprintf(link, sizeof(link), "%s", blockdev_link(rig->blockdev));
	close(fd);
	assert_int_equal(rig_detach(rig, DETACH_CLEAN), 0);
	assert_int_equal(lstat(link, &link_st), -1);
}

static void written_bytes_reach_the_volume_and_are_read_back(void **state)
{
	static const size_t lengths[] = { 4096, 65536, 65536 + 4096, 262144, 524288, MIB, 3 * MIB + 8192 };
	struct rig *rig = *state;
	uint8_t *bytes = random_buffer(4 * MIB), *back = aligned_alloc(4096, 4 * MIB);
	struct volume_memory_stats stats;
	struct blockdev_stats front;
	int fd = open_device(rig);

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		off_t offset = (off_t)(4096 + i * 8 * MIB);

		assert_int_equal(pwrite(fd, bytes, lengths[i], offset), lengths[i]);
		assert_memory_equal(volume_memory_bytes(rig->volume) + offset, bytes, lengths[i]);
		memset(back, 0, lengths[i]);
		assert_int_equal(pread(fd, back, lengths[i], offset), lengths[i]);
		assert_memory_equal(back, bytes, lengths[i]);
	}
	assert_int_equal(fsync(fd), 0);
	volume_memory_get_stats(rig->volume, &stats);
	blockdev_stats_get(rig->blockdev, &front);
	assert_int_equal(stats.largest_bytes, ENTRY_MAX_BYTES);
	assert_true(front.requests > 0 && front.copies > 0 && front.errors == 0);
	close(fd);
	free(bytes);
	free(back);
	assert_int_equal(rig_detach(rig, DETACH_CLEAN), 0);
}

static void discard_and_write_zeroes_become_trim_and_zero(void **state)
{
	struct rig *rig = *state;
	uint8_t *bytes = random_buffer(MIB);
	uint64_t range[2] = { 4096, MIB / 2 }, zero[2] = { 8 * MIB, 65536 };
	struct volume_memory_stats stats;
	int fd = open_device(rig);

	assert_int_equal(pwrite(fd, bytes, MIB, 0), MIB);
	assert_int_equal(pwrite(fd, bytes, MIB, 8 * MIB), MIB);
	assert_int_equal(ioctl(fd, BLKDISCARD, range), 0);
	assert_int_equal(ioctl(fd, BLKZEROOUT, zero), 0);
	volume_memory_get_stats(rig->volume, &stats);
	assert_int_equal(stats.trims, 1);
	assert_int_equal(stats.zeroes, 1);
	memset(bytes + 4096, 0, MIB / 2);
	assert_memory_equal(volume_memory_bytes(rig->volume), bytes, MIB);
	close(fd);
	free(bytes);
	assert_int_equal(rig_detach(rig, DETACH_CLEAN), 0);
}

static void errors_of_the_volume_reach_the_application(void **state)
{
	struct rig *rig = *state;
	uint8_t *bytes = random_buffer(4096);
	int fd = open_device(rig);

	volume_memory_fail(rig->volume, -EIO);
	assert_int_equal(pwrite(fd, bytes, 4096, 0), -1);
	assert_int_equal(errno, EIO);
	volume_memory_fail(rig->volume, -ENOSPC);
	assert_int_equal(pwrite(fd, bytes, 4096, 0), -1);
	assert_true(errno == ENOSPC || errno == EIO);
	volume_memory_fail(rig->volume, 0);
	assert_int_equal(pwrite(fd, bytes, 4096, 0), 4096);
	close(fd);
	free(bytes);
	assert_int_equal(rig_detach(rig, DETACH_CLEAN), 0);
}

static void a_device_in_use_is_not_detached_and_the_holder_is_named(void **state)
{
	struct rig *rig = *state;
	char me[32];
	int fd = open_device(rig);

	assert_int_equal(rig_detach(rig, DETACH_CLEAN), -EBUSY);
	(void)snprintf(me, sizeof(me), "process %d (", getpid());
	assert_non_null(strstr(rig->error.text, me));
	/* And it works on. */
	assert_int_equal(lseek(fd, 0, SEEK_END), RIG_VOLUME_BYTES);
	close(fd);
	assert_int_equal(rig_detach(rig, DETACH_CLEAN), 0);
}

/*
 * A write that waits for a quorum that never comes: in a child, since it can't be killed until the device is.
 * The child inherits the FUSE descriptor as well: closing ours alone would not end the connection.
 */
static pid_t start_writer(struct rig *rig)
{
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		int fd = open(blockdev_path(rig->blockdev), O_RDWR | O_DIRECT);
		void *bytes = NULL;

		if (fd < 0 || posix_memalign(&bytes, 4096, 4096) != 0)
			_exit(1);
		memset(bytes, 1, 4096);
		_exit(pwrite(fd, bytes, 4096, 0) < 0 && errno == EIO ? 42 : 2);
	}
	return pid;
}

static void detach_by_force_ends_io_that_waits_for_a_quorum(void **state)
{
	struct rig *rig = *state;
	struct volume_memory_stats stats;
	int status = 0;
	pid_t pid;

	volume_memory_hold(rig->volume, true);
	pid = start_writer(rig);
	assert_true(pid > 0);
	do {
		rig_turn(rig);
		volume_memory_get_stats(rig->volume, &stats);
	} while (stats.in_flight == 0);
	assert_int_equal(rig_detach(rig, DETACH_FORCE), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 42);
	/* The volume ends its requests when it is detached; only then the front lets go of its buffers. */
	volume_memory_fail(rig->volume, -EIO);
}

static void detach_by_force_may_overtake_a_clean_one(void **state)
{
	struct rig *rig = *state;
	int fd = open_device(rig);
	struct rig first = { 0 };

	blockdev_detach(rig->blockdev, DETACH_CLEAN, 0, rig_end, &first);
	assert_int_equal(rig_detach(rig, DETACH_FORCE), 0);
	assert_true(first.ended);
	assert_int_equal(first.rc, -ECANCELED);
	close(fd);
}

static void tiny_buffer_pool_slows_but_loses_nothing(void **state)
{
	struct rig *rig = malloc(sizeof(*rig));
	pid_t pids[4];

	(void)state;
	/* The landing takes one of two MiB. */
	rig_init(rig, NULL, 64 * MIB, 3 * MIB);
	assert_int_equal(rig_attach(rig), 0);
	volume_memory_delay(rig->volume, NS_PER_MS / 4);
	for (int i = 0; i < 4; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			int fd = open(blockdev_path(rig->blockdev), O_RDWR | O_DIRECT);
			uint8_t *bytes = aligned_alloc(4096, MIB), *back = aligned_alloc(4096, MIB);

			memset(bytes, 'a' + i, MIB);
			for (int round = 0; round < 8; round++) {
				off_t offset = (off_t)(i * 16 + round) * MIB;

				if (pwrite(fd, bytes, MIB, offset) != MIB ||
					pread(fd, back, MIB, offset) != MIB || memcmp(bytes, back, MIB) != 0)
					_exit(1);
			}
			_exit(0);
		}
	}
	for (int i = 0; i < 4; i++) {
		int status = -1;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(rig_detach(rig, DETACH_CLEAN), 0);
	rig_done(rig, false);
	free(rig);
}

static void a_snapshots_device_is_read_only_under_its_two_names(void **state)
{
	struct rig *rig = *state;
	struct blockdev_spec spec = { .name = "v@monday", .volume = rig->volume };
	struct volume_memory_stats stats;
	char link[ATTACH_PATH_MAX];
	int fd, read_only = 0;
	char block[4096];

	assert_int_equal(rig_detach(rig, DETACH_CLEAN), 0);
	volume_memory_read_only(rig->volume, true);
	rig->ended = false;
	assert_int_equal(blockdev_attach(rig->attach, &spec, &rig->blockdev, rig_end, rig, &rig->error), 0);
	assert_int_equal(rig_wait(rig, 10), 0);
	(void)snprintf(link, sizeof(link), "%s/v@monday", rig->link_dir);
	assert_string_equal(blockdev_link(rig->blockdev), link);
	fd = open(link, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, BLKROGET, &read_only), 0);
	assert_int_equal(read_only, 1);
	assert_int_equal(pread(fd, block, sizeof(block), 0), sizeof(block));
	close(fd);
	fd = open(link, O_RDWR | O_CLOEXEC);
	assert_true(fd < 0 || write(fd, block, sizeof(block)) < 0);
	if (fd >= 0)
		close(fd);
	volume_memory_get_stats(rig->volume, &stats);
	assert_int_equal(stats.writes, 0);
	assert_int_equal(rig_detach(rig, DETACH_CLEAN), 0);
	volume_memory_read_only(rig->volume, false);
}

static void attach_refuses_names_that_leave_the_directory(void **state)
{
	struct rig *rig = *state;
	struct blockdev_spec spec = { .name = "../v1", .volume = rig->volume };
	struct blockdev *blockdev;

	assert_int_equal(blockdev_attach(rig->attach, &spec, &blockdev, rig_end, rig, &rig->error), -EINVAL);
	assert_int_equal(rig_detach(rig, DETACH_CLEAN), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define DEVICE_TEST(name) cmocka_unit_test_setup_teardown(name, device_setup, device_teardown)
		DEVICE_TEST(device_has_the_volumes_size_and_blocks_of_4096_bytes),
		DEVICE_TEST(written_bytes_reach_the_volume_and_are_read_back),
		DEVICE_TEST(discard_and_write_zeroes_become_trim_and_zero),
		DEVICE_TEST(errors_of_the_volume_reach_the_application),
		DEVICE_TEST(a_device_in_use_is_not_detached_and_the_holder_is_named),
		DEVICE_TEST(detach_by_force_ends_io_that_waits_for_a_quorum),
		DEVICE_TEST(detach_by_force_may_overtake_a_clean_one),
		DEVICE_TEST(attach_refuses_names_that_leave_the_directory),
		DEVICE_TEST(a_snapshots_device_is_read_only_under_its_two_names),
		cmocka_unit_test(tiny_buffer_pool_slows_but_loses_nothing),
	};
	const char *why_not = rig_why_not();

	if (why_not) {
		(void)printf("skipped: %s\n", why_not);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
