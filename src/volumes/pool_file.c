#include "volumes/pool_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fingerprint/fingerprint.h"
#include "store/store.h"

static int file_make(const char *path, uint64_t size_bytes, struct error *error)
{
	char text[SIZE_TEXT_LEN + 1];
	int fd, rc = 0;

	if (!size_bytes)
		return error_set(
			error, -ENOENT, "%s doesn't exist; to have a sparse file made, say size = ...", path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set(error, -errno, "can't make the pool's file %s: %s", path, strerror(errno));
	if (ftruncate(fd, (off_t)size_bytes) || fsync(fd))
		rc = error_set(error, -errno, "can't make the pool's file %s with %s: %s", path,
			size_format(size_bytes, text), strerror(errno));
	close(fd);
	if (rc)
		unlink(path);
	return rc;
}

static int size_of(int fd, const struct stat *st, uint64_t *ret_bytes)
{
	if (S_ISREG(st->st_mode)) {
		*ret_bytes = (uint64_t)st->st_size;
		return 0;
	}
	return ioctl(fd, BLKGETSIZE64, ret_bytes) ? -errno : 0;
}

int pool_file_prepare(const char *path, uint64_t size_bytes, struct error *error)
{
	char text[SIZE_TEXT_LEN + 1], least[SIZE_TEXT_LEN + 1];
	struct stat st;
	uint64_t bytes = 0;
	int fd, rc;

	if (stat(path, &st)) {
		if (errno == ENOENT)
			return file_make(path, size_bytes, error);
		return error_set(error, -errno, "can't look at %s: %s", path, strerror(errno));
	}
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return error_set(error, -EINVAL, "%s is neither a file nor a block device", path);
	/* On a block device O_EXCL fails where a filesystem on it is mounted, or another claims it. */
	fd = open(path, O_RDWR | O_CLOEXEC | (S_ISBLK(st.st_mode) ? O_EXCL : 0));
	if (fd < 0)
		return error_set(error, -errno, "can't open %s: %s", path,
			errno == EBUSY ? "it is mounted, or in use by another" : strerror(errno));
	rc = size_of(fd, &st, &bytes);
	close(fd);
	if (rc)
		return error_set(error, rc, "can't read the size of %s: %s", path, strerror(-rc));
	if (bytes < POOL_MIN_BYTES)
		return error_set(error, -EINVAL, "%s has %s: a pool needs at least %s", path,
			size_format(bytes, text), size_format(POOL_MIN_BYTES, least));
	return 0;
}

int pool_file_is_blank(const char *path, struct error *error)
{
	return device_check_empty(path, error);
}

int pool_file_superblock(const char *path, struct superblock *ret_sb)
{
	uint8_t *block = aligned_alloc(BLOCK_BYTES, BLOCK_BYTES);
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = -EILSEQ;
	off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;

	for (unsigned copy = 0; block && rc != 0 && copy < 2 && size >= (off_t)POOL_MIN_BYTES; copy++) {
		uint64_t at = geometry_superblock_offset((uint64_t)size, copy);

		if (pread(fd, block, BLOCK_BYTES, (off_t)at) == BLOCK_BYTES)
			rc = superblock_decode(block, at, ret_sb);
	}
	if (fd >= 0)
		close(fd);
	free(block);
	return rc;
}

/* ---- a pool that was removed ---- */

#define REMOVED_TEXT "a pool of Quoin was here, and was removed: "

int pool_file_remove(const char *path, struct uuid pool, struct error *error)
{
	char name[UUID_TEXT_LEN + 1], *block = calloc(1, BLOCK_BYTES);
	int fd = block ? open(path, O_WRONLY | O_CLOEXEC) : -1;
	off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
	int rc = fd >= 0 ? 0 : block ? -errno : -ENOMEM;

	if (block)
		snprintf(block, BLOCK_BYTES, "%s%s\n", REMOVED_TEXT, uuid_format(pool, name));
	for (unsigned copy = 0; rc == 0 && copy < 2; copy++)
		if (pwrite(fd, block, BLOCK_BYTES, (off_t)geometry_superblock_offset((uint64_t)size, copy)) !=
			BLOCK_BYTES)
			rc = -EIO;
	if (rc == 0 && fsync(fd) != 0)
		rc = -errno;
	if (rc)
		error_set(error, rc, "the pool is forgotten, but the superblocks of %s can't be cleared: %s",
			path, strerror(-rc));
	if (fd >= 0)
		close(fd);
	free(block);
	return rc;
}

bool pool_file_is_removed(const char *path, struct uuid *ret_pool)
{
	char text[sizeof(REMOVED_TEXT) + UUID_TEXT_LEN + 1] = "";
	const size_t len = sizeof(REMOVED_TEXT) - 1 + UUID_TEXT_LEN;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool found = fd >= 0 && pread(fd, text, len, 0) == (ssize_t)len &&
		     !memcmp(text, REMOVED_TEXT, sizeof(REMOVED_TEXT) - 1) &&
		     !uuid_parse(text + sizeof(REMOVED_TEXT) - 1, ret_pool);

	if (fd >= 0)
		close(fd);
	return found;
}

/* ---- what is destroyed ---- */

#define END_BYTES (UINT64_C(1) << 20) /* GPT, LVM, RAID, filesystems and pools begin, or end, within that */

static int zeroes_write(int fd, uint64_t at, uint64_t len_bytes)
{
	static const uint8_t zeroes[65536];

	while (len_bytes > 0) {
		size_t part = len_bytes < sizeof(zeroes) ? (size_t)len_bytes : sizeof(zeroes);
		ssize_t done = pwrite(fd, zeroes, part, (off_t)at);

		if (done <= 0)
			return done < 0 ? -errno : -EIO;
		at += (uint64_t)done;
		len_bytes -= (uint64_t)done;
	}
	return 0;
}

/* A hint: a disk that knows no discard keeps its bytes. */
static void room_give_back(int fd, const struct stat *st, uint64_t bytes)
{
	uint64_t range[2] = { 0, bytes };

	if (S_ISREG(st->st_mode))
		(void)!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes);
	else
		(void)!ioctl(fd, BLKDISCARD, range);
}

int pool_file_clear(const char *path, struct error *error)
{
	struct stat st;
	uint64_t bytes = 0, end;
	int rc = device_check_unused(path, error), fd;

	if (rc)
		return rc;
	if (stat(path, &st))
		return error_set(error, -errno, "can't look at %s: %s", path, strerror(errno));
	fd = open(path, O_RDWR | O_CLOEXEC | (S_ISBLK(st.st_mode) ? O_EXCL : 0));
	if (fd < 0)
		return error_set(error, -errno, "can't open %s: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		close(fd);
		return error_set(error, -EBUSY, "%s is in use: an agent has it open as its pool", path);
	}
	rc = size_of(fd, &st, &bytes);
	end = bytes < END_BYTES ? bytes : END_BYTES;
	if (!rc)
		rc = zeroes_write(fd, 0, end);
	if (!rc)
		rc = zeroes_write(fd, bytes - end, end);
	if (!rc && fsync(fd))
		rc = -errno;
	if (!rc)
		room_give_back(fd, &st, bytes);
	close(fd);
	return rc ? error_set(error, rc, "can't clear %s: %s", path, strerror(-rc)) : 0;
}
