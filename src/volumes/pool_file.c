#include "volumes/pool_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
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
