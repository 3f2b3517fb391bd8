/* Filesystems on a real device of a volume in memory. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cmocka.h>

#include "rig.h"

static int fs_setup(void **state)
{
	struct rig *rig = malloc(sizeof(*rig));

	rig_init(rig, NULL, RIG_VOLUME_BYTES, UINT64_C(64) << 20);
	*state = rig;
	return rig_attach(rig);
}

static int fs_teardown(void **state)
{
	struct rig *rig = *state;

	rig_done(rig, false);
	free(rig);
	return 0;
}

static void write_file(struct rig *rig, const char *name, size_t len_bytes)
{
	char path[ATTACH_PATH_MAX], full[ATTACH_PATH_MAX + 64];
	uint8_t *bytes = malloc(len_bytes);
	int fd;

	memset(bytes, 0x5a, len_bytes);
	(void)snprintf(full, sizeof(full), "%s/%s", fs_mountpoint(rig->attach, "v1", path), name);
	fd = open(full, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len_bytes), len_bytes);
	assert_int_equal(fsync(fd), 0);
	close(fd);
	free(bytes);
}

/* Blocks that are there, and not written. */
static void reserve_file(struct rig *rig, const char *name, off_t len_bytes)
{
	char path[ATTACH_PATH_MAX], full[ATTACH_PATH_MAX + 64];
	int fd;

	(void)snprintf(full, sizeof(full), "%s/%s", fs_mountpoint(rig->attach, "v1", path), name);
	fd = open(full, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(posix_fallocate(fd, 0, len_bytes), 0);
	close(fd);
}

/* And makes that known to the filesystem below: a trim gives back only what a commit has freed. */
static void delete_file(struct rig *rig, const char *name)
{
	char path[ATTACH_PATH_MAX];
	int fd = open(fs_mountpoint(rig->attach, "v1", path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(unlinkat(fd, name, 0), 0);
	assert_int_equal(syncfs(fd), 0);
	close(fd);
}

static bool file_exists(struct rig *rig, const char *name)
{
	char path[ATTACH_PATH_MAX], full[ATTACH_PATH_MAX + 64];

	(void)snprintf(full, sizeof(full), "%s/%s", fs_mountpoint(rig->attach, "v1", path), name);
	return access(full, F_OK) == 0;
}

static void life_of_a_filesystem(struct rig *rig, const char *type)
{
	struct volume_memory_stats before, after;
	char device[64] = { 0 };

	assert_int_equal(rig_make_and_mount(rig, type), 0);
	assert_true(fs_is_mounted(rig->attach, "v1", device));
	assert_string_equal(device, blockdev_path(rig->blockdev));
	assert_false(file_exists(rig, "lost+found"));
	/* Again: it is there. */
	assert_int_equal(rig_make_and_mount(rig, type), 0);
	write_file(rig, "kept", 3 << 20);
	write_file(rig, "deleted", 16 << 20);
	assert_int_equal(rig_detach(rig, DETACH_CLEAN), -EBUSY);
	assert_non_null(strstr(rig->error.text, "mounted"));
	assert_int_equal(rig_unmount(rig, false), 0);
	assert_false(fs_is_mounted(rig->attach, "v1", NULL));
	assert_int_equal(rig_detach(rig, DETACH_CLEAN), 0);

	/* Attached again, what was written is there, and what is deleted is given back. */
	assert_int_equal(rig_attach(rig), 0);
	assert_int_equal(rig_make_and_mount(rig, type), 0);
	assert_true(file_exists(rig, "kept"));
	delete_file(rig, "deleted");
	volume_memory_get_stats(rig->volume, &before);
	rig->ended = false;
	fs_trim(rig->attach, "v1", 0, UINT64_MAX, 0, rig_end, rig);
	assert_int_equal(rig_wait(rig, 30), 0);
	volume_memory_get_stats(rig->volume, &after);
	assert_true(after.trims > before.trims);
	assert_int_equal(rig_unmount(rig, false), 0);
	/* Not mounted any more: a success. */
	assert_int_equal(rig_unmount(rig, false), 0);
	assert_int_equal(rig_detach(rig, DETACH_CLEAN), 0);
}

static void ext4_is_made_mounted_trimmed_and_found_again(void **state)
{
	life_of_a_filesystem(*state, "ext4");
}

static void xfs_is_made_mounted_trimmed_and_found_again(void **state)
{
	life_of_a_filesystem(*state, "xfs");
}

static int fs_grow_wait(struct rig *rig, const char *type)
{
	struct fs_spec spec = { .device = blockdev_path(rig->blockdev), .type = type };

	rig->ended = false;
	fs_grow(rig->attach, &spec, "v1", rig_end, rig);
	return rig_wait(rig, 30);
}

static uint64_t fs_size_bytes(struct rig *rig)
{
	char path[ATTACH_PATH_MAX];
	struct statvfs st;

	assert_int_equal(statvfs(fs_mountpoint(rig->attach, "v1", path), &st), 0);
	return (uint64_t)st.f_blocks * st.f_frsize;
}

static uint64_t device_size_bytes(struct rig *rig)
{
	int fd = open(blockdev_path(rig->blockdev), O_RDONLY | O_CLOEXEC);
	uint64_t bytes;

	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, BLKGETSIZE64, &bytes), 0);
	close(fd);
	return bytes;
}

/* The kernel lets only CAP_SYS_RESOURCE grow an ext4 that is mounted: without it the device alone grows, in
 * words. */
static bool may_grow(struct rig *rig, const char *type)
{
	if (strcmp(type, "xfs") == 0 || prctl(PR_CAPBSET_READ, CAP_SYS_RESOURCE, 0, 0, 0) == 1)
		return true;
	assert_int_equal(fs_grow_wait(rig, type), -EIO);
	assert_non_null(strstr(rig->error.text, "growing the filesystem failed"));
	(void)printf("without CAP_SYS_RESOURCE: growing ext4 is shown to fail, and nothing else\n");
	return false;
}

static void growth_of_a_filesystem(struct rig *rig, const char *type)
{
	bool may;

	struct stat before, after;
	char link[PATH_MAX];

	assert_int_equal(rig_make_and_mount(rig, type), 0);
	write_file(rig, "kept", 1 << 20);
	assert_int_equal(fs_grow_wait(rig, type), 0); /* nothing to do */
	assert_true(fs_size_bytes(rig) < RIG_VOLUME_BYTES);
	/* While it is mounted. */
	assert_int_equal(stat(blockdev_path(rig->blockdev), &before), 0);
	(void)snprintf(link, sizeof(link), "%s", blockdev_path(rig->blockdev));
	volume_memory_grow(rig->volume, 2 * RIG_VOLUME_BYTES);
	rig->ended = false;
	blockdev_grow(rig->blockdev, rig_end, rig);
	assert_int_equal(rig_wait(rig, 30), 0);
	assert_string_equal(blockdev_path(rig->blockdev), link);
	assert_int_equal(stat(blockdev_path(rig->blockdev), &after), 0);
	assert_int_equal(before.st_rdev, after.st_rdev);
	assert_int_equal(device_size_bytes(rig), 2 * RIG_VOLUME_BYTES);
	assert_true(fs_size_bytes(rig) < RIG_VOLUME_BYTES);
	may = may_grow(rig, type);
	if (may) {
		assert_int_equal(fs_grow_wait(rig, type), 0);
		assert_true(fs_size_bytes(rig) > 2 * RIG_VOLUME_BYTES * 9 / 10);
		assert_int_equal(fs_grow_wait(rig, type), 0);
		reserve_file(rig, "larger than it was", 430 << 20);
	}
	assert_int_equal(rig_unmount(rig, false), 0);
	assert_int_equal(rig_detach(rig, DETACH_CLEAN), 0);
	/* While it is attached nowhere. */
	volume_memory_grow(rig->volume, 3 * RIG_VOLUME_BYTES);
	assert_int_equal(rig_attach(rig), 0);
	assert_int_equal(device_size_bytes(rig), 3 * RIG_VOLUME_BYTES);
	assert_int_equal(rig_make_and_mount(rig, type), 0);
	if (may) {
		assert_int_equal(fs_grow_wait(rig, type), 0);
		assert_true(fs_size_bytes(rig) > 3 * RIG_VOLUME_BYTES * 9 / 10);
	}
	assert_true(file_exists(rig, "kept"));
	assert_int_equal(rig_unmount(rig, false), 0);
	assert_int_equal(rig_detach(rig, DETACH_CLEAN), 0);
}

static void ext4_grows_with_its_device(void **state)
{
	growth_of_a_filesystem(*state, "ext4");
}

static void xfs_grows_with_its_device(void **state)
{
	growth_of_a_filesystem(*state, "xfs");
}

static void an_existing_filesystem_is_never_overwritten(void **state)
{
	struct rig *rig = *state;
	struct fs_spec ext4 = { .device = blockdev_path(rig->blockdev), .type = "ext4" };
	struct fs_spec xfs = { .device = blockdev_path(rig->blockdev), .type = "xfs" };
	struct volume_memory_stats before, after;

	rig->ended = false;
	fs_make(rig->attach, &ext4, rig_end, rig);
	assert_int_equal(rig_wait(rig, 30), 0);
	volume_memory_get_stats(rig->volume, &before);
	rig->ended = false;
	fs_make(rig->attach, &ext4, rig_end, rig);
	assert_int_equal(rig_wait(rig, 30), -EEXIST);
	assert_int_equal(rig_make_and_mount(rig, "xfs"), -EEXIST);
	assert_non_null(strstr(rig->error.text, "ext4"));
	rig->ended = false;
	fs_make(rig->attach, &xfs, rig_end, rig);
	assert_int_equal(rig_wait(rig, 30), -EEXIST);
	volume_memory_get_stats(rig->volume, &after);
	assert_int_equal(before.writes, after.writes);
	/* The directory that the mount was to use goes as well. */
	assert_int_equal(rig_unmount(rig, false), 0);
	assert_int_equal(rig_detach(rig, DETACH_CLEAN), 0);
}

static void an_unknown_filesystem_is_refused(void **state)
{
	struct rig *rig = *state;
	struct fs_spec spec = { .device = blockdev_path(rig->blockdev), .type = "ntfs" };

	rig->ended = false;
	fs_make(rig->attach, &spec, rig_end, rig);
	assert_int_equal(rig_wait(rig, 30), -EINVAL);
	assert_non_null(strstr(rig->error.text, "ext4 and xfs"));
	assert_int_equal(rig_detach(rig, DETACH_CLEAN), 0);
}

static void a_filesystem_in_use_is_not_unmounted_but_lazily(void **state)
{
	struct rig *rig = *state;
	char path[ATTACH_PATH_MAX], me[32];
	int fd;

	assert_int_equal(rig_make_and_mount(rig, "ext4"), 0);
	fd = open(fs_mountpoint(rig->attach, "v1", path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(rig_unmount(rig, false), -EBUSY);
	(void)snprintf(me, sizeof(me), "process %d (", getpid());
	assert_non_null(strstr(rig->error.text, me));
	assert_int_equal(rig_unmount(rig, true), 0);
	assert_int_equal(rig_detach(rig, DETACH_CLEAN), -EBUSY);
	close(fd);
	assert_int_equal(rig_detach(rig, DETACH_CLEAN), 0);
}

static void a_damaged_journal_is_replayed_before_the_mount(void **state)
{
	struct rig *rig = *state;
	char path[ATTACH_PATH_MAX];
	int fd;

	/* The device is torn away under a mounted filesystem: its journal is not empty then. */
	assert_int_equal(rig_make_and_mount(rig, "ext4"), 0);
	write_file(rig, "kept", 1 << 20);
	fd = open(fs_mountpoint(rig->attach, "v1", path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(rig_detach(rig, DETACH_FORCE), 0);
	assert_false(fs_is_mounted(rig->attach, "v1", NULL));
	close(fd);
	assert_int_equal(rig_attach(rig), 0);
	assert_int_equal(rig_make_and_mount(rig, "ext4"), 0);
	assert_true(file_exists(rig, "kept"));
	assert_int_equal(rig_unmount(rig, false), 0);
	assert_int_equal(rig_detach(rig, DETACH_CLEAN), 0);
}

static void without_a_quorum_a_mount_ends_at_its_deadline(void **state)
{
	struct rig *rig = *state;
	struct fs_spec spec = { .device = blockdev_path(rig->blockdev), .type = "ext4", .deadline_ms = 700 };
	uint64_t began_ns = clock_now_ns(clock_system());

	volume_memory_hold(rig->volume, true);
	rig->ended = false;
	fs_make_and_mount(rig->attach, &spec, "v1", rig_end, rig);
	assert_int_equal(rig_wait(rig, 10), -ETIMEDOUT);
	assert_true(clock_now_ns(clock_system()) - began_ns < 3 * NS_PER_S);
	assert_non_null(strstr(rig->error.text, "took"));
	/* By force it goes all the same, and frees what waited. */
	assert_int_equal(rig_detach(rig, DETACH_FORCE), 0);
	volume_memory_hold(rig->volume, false);
	assert_int_equal(rig_unmount(rig, true), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define FS_TEST(name) cmocka_unit_test_setup_teardown(name, fs_setup, fs_teardown)
		FS_TEST(ext4_is_made_mounted_trimmed_and_found_again),
		FS_TEST(xfs_is_made_mounted_trimmed_and_found_again),
		FS_TEST(ext4_grows_with_its_device),
		FS_TEST(xfs_grows_with_its_device),
		FS_TEST(an_existing_filesystem_is_never_overwritten),
		FS_TEST(an_unknown_filesystem_is_refused),
		FS_TEST(a_filesystem_in_use_is_not_unmounted_but_lazily),
		FS_TEST(a_damaged_journal_is_replayed_before_the_mount),
		FS_TEST(without_a_quorum_a_mount_ends_at_its_deadline),
	};
	const char *why_not = rig_why_not();

	if (why_not) {
		(void)printf("skipped: %s\n", why_not);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
