/* Whether a filesystem is smaller than its device, from its superblock. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "attach/fs_private.h"

/* The first 4 KiB: ext4's superblock begins at 1024, with little-endian numbers; xfs's at 0, big-endian. */
#define LOOK_BYTES    4096
#define EXT4_OFFSET   1024
#define EXT4_MAGIC    0xef53
#define EXT4_IS_64BIT 0x80u
#define XFS_MAGIC     0x58465342u

static uint64_t big_endian(const uint8_t *bytes, unsigned count)
{
	uint64_t number = 0;

	for (unsigned i = 0; i < count; i++)
		number = number << 8 | bytes[i];
	return number;
}

static uint64_t little_endian(const uint8_t *bytes, unsigned count)
{
	uint64_t number = 0;

	while (count > 0)
		number = number << 8 | bytes[--count];
	return number;
}

/* 0: neither of them. */
static uint64_t superblock_size(const uint8_t bytes[static LOOK_BYTES])
{
	const uint8_t *ext4 = bytes + EXT4_OFFSET;
	uint64_t blocks;

	if (big_endian(bytes, 4) == XFS_MAGIC)
		return big_endian(bytes + 8, 8) * big_endian(bytes + 4, 4);
	if (little_endian(ext4 + 0x38, 2) != EXT4_MAGIC || little_endian(ext4 + 0x18, 4) > 6)
		return 0;
	blocks = little_endian(ext4 + 0x4, 4);
	if (little_endian(ext4 + 0x60, 4) & EXT4_IS_64BIT)
		blocks |= little_endian(ext4 + 0x150, 4) << 32;
	return blocks << (10 + little_endian(ext4 + 0x18, 4));
}

int fs_work_size(struct job *job, struct error *error)
{
	struct fs_op *op = container_of(job, struct fs_op, job);
	uint8_t bytes[LOOK_BYTES];
	uint64_t device_bytes, fs_bytes;
	ssize_t got = -1;
	int fd = open(op->device, O_RDONLY | O_CLOEXEC), rc = 0;

	if (fd < 0)
		return error_set(error, -errno, "%s: %s", op->device, strerror(errno));
	if (ioctl(fd, BLKGETSIZE64, &device_bytes) == 0)
		got = pread(fd, bytes, sizeof(bytes), 0);
	if (got < 0)
		rc = error_set(error, -errno, "%s: %s", op->device, strerror(errno));
	else if (got != sizeof(bytes))
		rc = error_set(error, -EIO, "%s: only %zd bytes can be read of it", op->device, got);
	close(fd);
	if (rc < 0)
		return rc;
	fs_bytes = superblock_size(bytes);
	op->small = fs_bytes != 0 && fs_bytes < device_bytes;
	return 0;
}
