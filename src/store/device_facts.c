#include "store/device_facts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/*
 * One line of /sys/dev/block/MAJOR:MINOR/queue/NAME, of the whole disk where it is a partition. False: not
 * known.
 */
static bool queue_attribute(dev_t device, const char *name, char *text, size_t text_bytes)
{
	static const char *const patterns[] = { "/sys/dev/block/%u:%u/queue/%s",
		"/sys/dev/block/%u:%u/../queue/%s" };
	char path[256];

	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		FILE *file;
		bool read;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		(void)snprintf(path, sizeof(path), patterns[i], major(device), minor(device), name);
#pragma GCC diagnostic pop
		file = fopen(path, "re");
		if (!file)
			continue;
		read = fgets(text, (int)text_bytes, file);
		(void)fclose(file);
		if (read)
			text[strcspn(text, "\n")] = '\0';
		return read;
	}
	return false;
}

static int check_alignment(int fd, const char *path, struct error *error)
{
	struct statx st;

	/* Where the kernel doesn't say, the first read will. */
	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) < 0 || !(st.stx_mask & STATX_DIOALIGN))
		return 0;
	if (st.stx_dio_offset_align == 0)
		return error_set(error, -EINVAL, "%s: its filesystem has no direct I/O (O_DIRECT)", path);
	if (st.stx_dio_offset_align > BLOCK_BYTES || st.stx_dio_mem_align > BLOCK_BYTES)
		return error_set(error, -EINVAL,
			"%s wants direct I/O aligned to %u bytes (memory: %u), Quoin's blocks are %u", path,
			st.stx_dio_offset_align, st.stx_dio_mem_align, BLOCK_BYTES);
	return 0;
}

int device_facts_read(int fd, const char *path, struct device *device, struct error *error)
{
	struct stat st;
	uint64_t size_bytes;
	char text[32];
	dev_t disk;

	if (fstat(fd, &st) < 0)
		return error_set(error, -errno, "%s: %s", path, strerror(errno));
	if (S_ISREG(st.st_mode)) {
		size_bytes = (uint64_t)st.st_size;
		disk = st.st_dev;
	} else if (S_ISBLK(st.st_mode)) {
		if (ioctl(fd, BLKGETSIZE64, &size_bytes) < 0)
			return error_set(error, -errno, "%s: size: %s", path, strerror(errno));
		disk = st.st_rdev;
	} else {
		return error_set(error, -ENOTBLK, "%s is neither a block device nor a regular file", path);
	}
	device->is_file = S_ISREG(st.st_mode);
	device->size_bytes = size_bytes / BLOCK_BYTES * BLOCK_BYTES;
	device->rotational = queue_attribute(disk, "rotational", text, sizeof(text)) && text[0] == '1';
	/* A file's metadata needs the flush in any case. */
	device->write_through = !device->is_file &&
				queue_attribute(disk, "write_cache", text, sizeof(text)) &&
				strcmp(text, "write through") == 0;
	return check_alignment(fd, path, error);
}

/* The process of a line of /proc/locks that is an flock on this inode; 0: not such a line. */
static unsigned long lock_line_process(const char *line, const struct stat *st)
{
	unsigned long process;
	unsigned lock_major, lock_minor;
	uint64_t inode;

	if (sscanf(line, "%*u: FLOCK %*s %*s %lu %x:%x:%" SCNu64, &process, &lock_major, &lock_minor,
		    &inode) != 4)
		return 0;
	return lock_major == major(st->st_dev) && lock_minor == minor(st->st_dev) && inode == st->st_ino
		       ? process
		       : 0;
}

char *device_lock_holder(int fd, char *text, size_t text_bytes)
{
	FILE *locks = fopen("/proc/locks", "re");
	unsigned long process = 0;
	struct stat st;
	char line[256], path[64], name[64] = "";

	(void)snprintf(text, text_bytes, "another process");
	if (!locks)
		return text;
	if (fstat(fd, &st) == 0)
		while (process == 0 && fgets(line, sizeof(line), locks))
			process = lock_line_process(line, &st);
	(void)fclose(locks);
	if (process == 0)
		return text;
	(void)snprintf(path, sizeof(path), "/proc/%lu/comm", process);
	locks = fopen(path, "re");
	if (locks && fgets(name, sizeof(name), locks))
		name[strcspn(name, "\n")] = '\0';
	if (locks)
		(void)fclose(locks);
	(void)snprintf(text, text_bytes, "%s (process %lu)", name[0] ? name : "another process", process);
	return text;
}
