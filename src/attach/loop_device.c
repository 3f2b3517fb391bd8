#include "attach/loop_device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "attach/mountinfo.h"

/* Another process may take the free device that we were told of: as many tries as processes may race. */
#define LOOP_ATTACH_TRIES 64
#define LOOP_MAJOR        7
/* udev and its like look into new devices; that is over in moments. */
#define LOOP_BUSY_NS (500 * NS_PER_MS)
#define LOOP_GONE_NS (5 * NS_PER_S)
#define LOOP_POLL_US 10000
/* More mounts of one device in one namespace than anyone makes. */
#define LOOP_MAX_MOUNTS 64

/* Where /dev isn't a devtmpfs (containers, chroots) the node may be missing. */
static int loop_node_open(long number, char path[static LOOP_PATH_MAX])
{
	int fd;

	(void)snprintf(path, LOOP_PATH_MAX, "/dev/loop%ld", number);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT &&
		mknod(path, S_IFBLK | 0660, makedev(LOOP_MAJOR, (unsigned)number)) == 0)
		fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static void loop_queue_set(const char *loop_path, const char *attribute, const char *value)
{
	char path[128];
	int fd;

	(void)snprintf(
		path, sizeof(path), "/sys/block/%.20s/queue/%s", strrchr(loop_path, '/') + 1, attribute);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)!write(fd, value, strlen(value));
	close(fd);
}

/* One try. -EBUSY: somebody else was quicker. */
static int loop_device_try(
	int control_fd, int file_fd, uint32_t flags, const char *file_path, char path[static LOOP_PATH_MAX])
{
	struct loop_config config = { .fd = (uint32_t)file_fd, .block_size = BLOCK_BYTES };
	long number = ioctl(control_fd, LOOP_CTL_GET_FREE);
	int fd, rc;

	if (number < 0)
		return -errno;
	fd = loop_node_open(number, path);
	if (fd < 0)
		return fd;
	config.info.lo_flags = LO_FLAGS_DIRECT_IO | flags;
	(void)snprintf(
		(char *)config.info.lo_file_name, sizeof(config.info.lo_file_name), "%.63s", file_path);
	rc = ioctl(fd, LOOP_CONFIGURE, &config) == 0 ? 0 : -errno;
	close(fd);
	return rc;
}

int loop_device_attach(
	const char *file_path, bool read_only, char ret_path[static LOOP_PATH_MAX], struct error *error)
{
	uint32_t flags = read_only ? LO_FLAGS_READ_ONLY : 0;
	char path[LOOP_PATH_MAX];
	int control_fd, file_fd, rc = -EBUSY;

	file_fd = open(file_path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (file_fd < 0)
		return error_set(error, -errno, "%s: %s", file_path, strerror(errno));
	control_fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control_fd < 0) {
		rc = error_set(error, -errno, "/dev/loop-control: %s (is the kernel module `loop` loaded?)",
			strerror(errno));
		close(file_fd);
		return rc;
	}
	for (int i = 0; i < LOOP_ATTACH_TRIES && rc == -EBUSY; i++)
		rc = loop_device_try(control_fd, file_fd, flags, file_path, path);
	close(control_fd);
	close(file_fd);
	if (rc < 0)
		return error_set(error, rc, "no loop device for %s: %s", file_path, strerror(-rc));
	/*
	 * What an answered write is: durable already, so flushes need not come down to us (loop would send
	 * them one by one, from the thread that does the rest). And it is no spinning disk. Both are only
	 * faster, never needed.
	 */
	loop_queue_set(path, "write_cache", "write through");
	loop_queue_set(path, "rotational", "0");
	memcpy(ret_path, path, LOOP_PATH_MAX);
	return 0;
}

int loop_device_grow(const char *loop_path, const char *file_path, struct error *error)
{
	struct stat st;
	int fd, rc = 0;

	/* The kernel takes the size that it knows of the file: it asks for that here. */
	if (stat(file_path, &st) < 0)
		return error_set(error, -errno, "%s: %s", file_path, strerror(errno));
	/* Only to be read: udev need not look into it again. */
	fd = open(loop_path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set(error, -errno, "%s: %s", loop_path, strerror(errno));
	if (ioctl(fd, LOOP_SET_CAPACITY, 0) < 0)
		rc = error_set(
			error, -errno, "%s: its new size could not be set: %s", loop_path, strerror(errno));
	close(fd);
	return rc;
}

bool loop_device_backing(const char *loop_path, char *ret_file, size_t capacity_bytes)
{
	const char *name = strrchr(loop_path, '/');
	char path[128];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/sys/block/%.20s/loop/backing_file", name ? name + 1 : loop_path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, ret_file, capacity_bytes - 1);
	close(fd);
	if (n < 0)
		return false; /* went away meanwhile */
	ret_file[n] = 0;
	ret_file[strcspn(ret_file, "\n")] = 0;
	return true;
}

static bool loop_device_is_free(const char *loop_path)
{
	char file[8];

	return !loop_device_backing(loop_path, file, sizeof(file));
}

static bool loop_device_wait_free(const char *loop_path, uint64_t wait_ns)
{
	uint64_t until_ns = clock_now_ns(clock_system()) + wait_ns;

	while (!loop_device_is_free(loop_path)) {
		if (clock_now_ns(clock_system()) >= until_ns)
			return false;
		usleep(LOOP_POLL_US);
	}
	return true;
}

/*
 * Opened for ourselves alone: 0 or more; -EBUSY names a user. A mount, in whatever namespace, shows by
 * O_EXCL; one that merely has it open only in /proc.
 */
static int loop_device_open_alone(const char *loop_path, struct error *error)
{
	uint64_t until_ns = clock_now_ns(clock_system()) + LOOP_BUSY_NS;
	char holder[HOLDER_TEXT_MAX];
	struct stat st;

	if (stat(loop_path, &st) != 0)
		return error_set(error, -errno, "%s: %s", loop_path, strerror(errno));
	for (;;) {
		bool found = holder_find(st.st_rdev, holder);
		int fd = -EBUSY;

		if (!found) {
			fd = open(loop_path, O_RDONLY | O_EXCL | O_CLOEXEC);
			if (fd >= 0)
				return fd;
			fd = -errno;
		}
		if (fd != -EBUSY)
			return error_set(error, fd, "%s: %s", loop_path, strerror(-fd));
		if (clock_now_ns(clock_system()) >= until_ns)
			return error_set(error, -EBUSY, "%s is in use: %s", loop_path,
				found ? holder
				      : "another mount namespace, or a device on top of it, holds it");
		usleep(LOOP_POLL_US * 5);
	}
}

int loop_device_detach(const char *loop_path, struct error *error)
{
	char holder[HOLDER_TEXT_MAX];
	struct stat st;
	int fd, rc;

	if (loop_device_is_free(loop_path))
		return 0;
	fd = loop_device_open_alone(loop_path, error);
	if (fd < 0)
		return fd;
	rc = ioctl(fd, LOOP_CLR_FD) == 0 ? 0 : -errno;
	close(fd);
	if (rc < 0 && rc != -ENXIO)
		return error_set(error, rc, "%s: can't be detached: %s", loop_path, strerror(-rc));
	if (loop_device_wait_free(loop_path, LOOP_GONE_NS))
		return 0;
	if (stat(loop_path, &st) != 0 || !holder_find(st.st_rdev, holder))
		(void)snprintf(holder, sizeof(holder), "somebody");
	return error_set(error, -ETIMEDOUT, "%s is detached, but %s still has it open", loop_path, holder);
}

struct loop_mounts {
	dev_t dev;
	unsigned count;
	char (*points)[ATTACH_PATH_MAX];
};

static bool loop_mount_collect(void *arg, const struct mount_entry *entry)
{
	struct loop_mounts *mounts = arg;

	if (entry->dev == mounts->dev)
		memcpy(mounts->points[mounts->count++], entry->point, ATTACH_PATH_MAX);
	return mounts->count < LOOP_MAX_MOUNTS;
}

/* Out of sight, newest first; gone when the last user is. */
static void loop_device_unmount_lazily(dev_t dev)
{
	struct loop_mounts mounts = { .dev = dev };

	mounts.points = calloc(LOOP_MAX_MOUNTS, ATTACH_PATH_MAX);
	if (!mounts.points)
		return;
	(void)!mounts_each("/proc/self/mountinfo", loop_mount_collect, &mounts);
	while (mounts.count > 0)
		(void)umount2(mounts.points[--mounts.count], MNT_DETACH | UMOUNT_NOFOLLOW);
	free(mounts.points);
}

int loop_device_detach_force(const char *loop_path, struct error *error)
{
	struct stat st;
	int fd, rc;

	if (loop_device_is_free(loop_path))
		return 0;
	if (stat(loop_path, &st) == 0)
		loop_device_unmount_lazily(st.st_rdev);
	fd = open(loop_path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set(error, -errno, "%s: %s", loop_path, strerror(errno));
	rc = ioctl(fd, LOOP_CLR_FD) == 0 ? 0 : -errno;
	close(fd);
	if (rc < 0 && rc != -ENXIO)
		return error_set(error, rc, "%s: can't be detached: %s", loop_path, strerror(-rc));
	(void)loop_device_wait_free(
		loop_path, NS_PER_S); /* still open somewhere: it goes with the last close */
	return 0;
}

int device_link_make(const char *link, const char *loop_path, struct error *error)
{
	char temporary[ATTACH_PATH_MAX + 16];

	(void)snprintf(temporary, sizeof(temporary), "%s~new", link);
	(void)unlink(temporary);
	if (symlink(loop_path, temporary) != 0 || rename(temporary, link) != 0)
		return error_set(error, -errno, "%s: can't be made a link to %s: %s", link, loop_path,
			strerror(errno));
	return 0;
}

void device_link_remove(const char *link, const char *loop_path)
{
	char target[LOOP_PATH_MAX] = { 0 };

	if (readlink(link, target, sizeof(target) - 1) > 0 && strcmp(target, loop_path) == 0)
		(void)unlink(link);
}
