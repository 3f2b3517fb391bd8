#include "volumes/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mutant.h"

static int fail(struct error *error, const char *verb, const char *path)
{
	return error_set(error, -errno, "can't %s %s: %s", verb, path, strerror(errno));
}

static int read_all(int fd, char *text, size_t max_bytes, size_t *ret_len)
{
	size_t len = 0;

	while (len < max_bytes) {
		ssize_t n = read(fd, text + len, max_bytes - len);

		if (n == 0)
			break;
		if (n > 0)
			len += (size_t)n;
		else if (errno != EINTR)
			return -errno;
	}
	*ret_len = len;
	return 0;
}

int state_file_read(const char *path, char **ret_text, size_t *ret_len_bytes, struct error *error)
{
	char *text = NULL;
	size_t len = 0;
	int fd, rc;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(error, "read", path);
	text = malloc(STATE_FILE_MAX_BYTES + 2);
	if (!text) {
		rc = error_set(error, -ENOMEM, "no memory to read %s", path);
		goto out;
	}
	rc = read_all(fd, text, STATE_FILE_MAX_BYTES + 1, &len);
	if (rc) {
		error_set(error, rc, "can't read %s: %s", path, strerror(-rc));
		goto out;
	}
	if (len > STATE_FILE_MAX_BYTES) {
		rc = error_set(error, -EFBIG, "%s is larger than %u bytes", path, STATE_FILE_MAX_BYTES);
		goto out;
	}
	text[len] = '\0';
	*ret_text = text;
	*ret_len_bytes = len;
	text = NULL;
out:
	free(text);
	close(fd);
	return rc;
}

static int write_all(int fd, const char *text, size_t len, bool flush)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		text += n;
		len -= (size_t)n;
	}
	return flush && fsync(fd) ? -errno : 0;
}

static int parent_sync(const char *path, struct error *error)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;
	int fd, rc = 0;

	ASSERT(slash && len < sizeof(dir) - 1);
	memcpy(dir, len ? path : "/", len ? len : 1);
	dir[len ? len : 1] = '\0';
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail(error, "open", dir);
	if (fsync(fd))
		rc = fail(error, "flush", dir);
	close(fd);
	return rc;
}

static int file_replace(const char *path, const char *text, size_t len_bytes, bool flush, struct error *error)
{
	char aside[PATH_MAX];
	int fd, rc;

	if (snprintf(aside, sizeof(aside), "%s%s", path, MUTANT(state_in_place) ? "" : ".new") >=
		(int)sizeof(aside))
		return error_set(error, -ENAMETOOLONG, "the path %s is too long", path);
	fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(error, "write", aside);
	rc = write_all(fd, text, len_bytes, flush);
	if (close(fd) && !rc)
		rc = -errno;
	if (rc) {
		unlink(aside);
		return error_set(error, rc, "can't write %s: %s", aside, strerror(-rc));
	}
	if (rename(aside, path))
		return fail(error, "replace", path);
	return flush ? parent_sync(path, error) : 0;
}

int state_file_write(const char *path, const char *text, size_t len_bytes, struct error *error)
{
	return file_replace(path, text, len_bytes, true, error);
}

int state_file_write_for_boot(const char *path, const char *text, size_t len_bytes, struct error *error)
{
	return file_replace(path, text, len_bytes, false, error);
}

int state_boot_id(char ret_text[static UUID_TEXT_LEN + 1], struct error *error)
{
	static const char path[] = "/proc/sys/kernel/random/boot_id";
	char text[UUID_TEXT_LEN + 2];
	size_t len = 0;
	struct uuid id;
	int fd, rc;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(error, "read", path);
	rc = read_all(fd, text, UUID_TEXT_LEN, &len);
	close(fd);
	text[len] = '\0';
	if (rc || uuid_parse(text, &id))
		return error_set(error, rc ? rc : -EINVAL, "%s doesn't hold a UUID", path);
	uuid_format(id, ret_text);
	return 0;
}

int state_dir_make(const char *path, struct error *error)
{
	char part[PATH_MAX];
	size_t len = strlen(path);

	if (len >= sizeof(part) || path[0] != '/')
		return error_set(error, -EINVAL, "not a path to make: %s", path);
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0755) && errno != EEXIST)
			return fail(error, "make the directory", part);
	}
	return 0;
}
