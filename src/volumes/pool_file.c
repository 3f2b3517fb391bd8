#include "volumes/pool_file.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/store.h"

#define BLANK_BYTES ((size_t)1 << 20) /* looked at, at either end */

static int file_make(const char *path, uint64_t size_bytes, struct error *error)
{
	char text[SIZE_TEXT_LEN + 1];
	int fd, rc = 0;

	if (!size_bytes)
		return error_set(error, -ENOENT, "%s doesn't exist; to have a sparse file made, say size = ...", path);
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
		return error_set(error, -EINVAL, "%s has %s: a pool needs at least %s", path, size_format(bytes, text),
			size_format(POOL_MIN_BYTES, least));
	return 0;
}

static int part_is_zero(int fd, uint64_t offset, size_t len, bool *ret_zero)
{
	uint8_t *bytes = malloc(len);
	ssize_t n;

	if (!bytes)
		return -ENOMEM;
	n = pread(fd, bytes, len, (off_t)offset);
	*ret_zero = n == (ssize_t)len && bytes[0] == 0 && !memcmp(bytes, bytes + 1, len - 1);
	free(bytes);
	return n < 0 ? -errno : 0;
}

static int signature_check(int fd, const char *path, struct error *error)
{
	blkid_probe probe = blkid_new_probe();
	const char *type = NULL;
	int rc = 0, found;

	if (!probe)
		return error_set(error, -ENOMEM, "no memory to look at %s", path);
	blkid_probe_enable_superblocks(probe, 1);
	blkid_probe_enable_partitions(probe, 1);
	found = blkid_probe_set_device(probe, fd, 0, 0) ? -1 : blkid_do_safeprobe(probe);
	if (found == 0 || found == -2) {
		if (blkid_probe_lookup_value(probe, "TYPE", &type, NULL) &&
			blkid_probe_lookup_value(probe, "PTTYPE", &type, NULL))
			type = "several signatures";
		rc = error_set(error, -EEXIST,
			"%s holds %s: it isn't taken. If nothing on it is needed any more: wipefs -a %s", path, type, path);
	} else if (found < 0) {
		rc = error_set(error, -EIO, "can't look for signatures on %s", path);
	}
	blkid_free_probe(probe);
	return rc;
}

int pool_file_is_blank(const char *path, struct error *error)
{
	bool first = false, last = false;
	struct stat st;
	uint64_t bytes;
	int fd, rc;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		rc = error_set(error, -errno, "can't look at %s: %s", path, strerror(errno));
		goto out;
	}
	rc = signature_check(fd, path, error);
	if (rc)
		goto out;
	rc = size_of(fd, &st, &bytes);
	if (!rc && bytes >= 2 * BLANK_BYTES)
		rc = part_is_zero(fd, 0, BLANK_BYTES, &first);
	if (!rc && first)
		rc = part_is_zero(fd, bytes - BLANK_BYTES, BLANK_BYTES, &last);
	if (rc)
		rc = error_set(error, rc, "can't read %s: %s", path, strerror(-rc));
	else if (!first || !last)
		rc = error_set(error, -EEXIST,
			"%s has no valid superblock, and isn't empty: it isn't taken, for it may be a damaged pool. "
			"`quoin-pool check %s` looks into it; only if nothing on it is needed: blkdiscard, or a new file",
			path, path);
out:
	if (fd >= 0)
		close(fd);
	return rc;
}
