/* A file with direct I/O, and the ring. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "floor.h"

#define FILL_BYTES (1u << 20)

void ring_open(struct io_uring *ring)
{
	int rc = io_uring_queue_init(2048, ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);

	if (rc < 0) {
		errno = -rc;
		fail("io_uring");
	}
}

struct io_uring_sqe *ring_sqe(struct io_uring *ring, enum tag tag, unsigned index)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	if (!sqe) {
		errno = ENOBUFS;
		fail("submission queue");
	}
	io_uring_sqe_set_data64(sqe, tagged(tag, index));
	return sqe;
}

/* Written blocks, not holes: what is measured is the write, not the file system's allocation. */
static void disk_fill(int fd, const char *path)
{
	char *zeroes = aligned_alloc(4096, FILL_BYTES);

	if (!zeroes)
		fail(path);
	memset(zeroes, 1, FILL_BYTES);
	for (uint64_t at = 0; at < options.size_bytes; at += FILL_BYTES)
		if (pwrite(fd, zeroes, FILL_BYTES, (off_t)at) != (ssize_t)FILL_BYTES)
			fail(path);
	if (fsync(fd) < 0)
		fail(path);
	free(zeroes);
}

void disk_open(struct disk *disk, struct io_uring *ring, unsigned index)
{
	int flags =
		O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC | (options.durable == DURABLE_DSYNC ? O_DSYNC : 0);
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/floor.%u", options.dir, index);
	*disk = (struct disk){ .ring = ring, .fd = open(path, flags, 0600) };
	if (disk->fd < 0)
		fail(path);
	if (lseek(disk->fd, 0, SEEK_END) < (off_t)options.size_bytes)
		disk_fill(disk->fd, path);
}

void disk_write(struct disk *disk, unsigned slot, const void *data, uint64_t offset_bytes)
{
	io_uring_prep_write(ring_sqe(disk->ring, TAG_WRITE, slot), disk->fd, data,
		(unsigned)options.block_bytes, offset_bytes);
}

static void disk_begin_flush(struct disk *disk)
{
	if (disk->flushing || disk->written_count == 0)
		return;
	memcpy(disk->covered, disk->written, disk->written_count * sizeof(disk->written[0]));
	disk->covered_count = disk->written_count;
	disk->written_count = 0;
	disk->flushing = true;
	io_uring_prep_fsync(ring_sqe(disk->ring, TAG_FLUSH, 0), disk->fd, IORING_FSYNC_DATASYNC);
}

unsigned disk_complete(
	struct disk *disk, enum tag tag, unsigned index, int result, unsigned slots[static MAX_DEPTH + 1])
{
	unsigned count = 0;

	if (result < 0 || (tag == TAG_WRITE && (size_t)result != options.block_bytes)) {
		errno = result < 0 ? -result : EIO;
		fail("disk");
	}
	if (tag == TAG_WRITE && options.durable != DURABLE_FLUSH) {
		slots[count++] = index;
		return count;
	}
	if (tag == TAG_WRITE) {
		disk->written[disk->written_count++] = index;
	} else {
		memcpy(slots, disk->covered, disk->covered_count * sizeof(slots[0]));
		count = disk->covered_count;
		disk->flushing = false;
	}
	disk_begin_flush(disk);
	return count;
}
