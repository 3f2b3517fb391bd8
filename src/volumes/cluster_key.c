/* The cluster key's file: 64 hex digits; and where it lies. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "volumes/config.h"
#include "volumes/state_file.h"

#define KEY_TEXT_LEN (2 * NET_KEY_BYTES)

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static int key_parse(const char *path, const char *text, size_t len, uint8_t key[static NET_KEY_BYTES],
	struct error *error)
{
	if (len && text[len - 1] == '\n')
		len--;
	if (len != KEY_TEXT_LEN)
		return error_set(error, -EINVAL,
			"the cluster key %s holds %zu characters instead of %d hex digits", path, len,
			KEY_TEXT_LEN);
	for (unsigned i = 0; i < NET_KEY_BYTES; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return error_set(
				error, -EINVAL, "the cluster key %s is not made of hex digits", path);
		key[i] = (uint8_t)(high * 16 + low);
	}
	return 0;
}

int config_key_load(const char *path, uint8_t ret_key[static NET_KEY_BYTES], struct error *error)
{
	char text[KEY_TEXT_LEN + 16];
	struct stat st;
	ssize_t n;
	int rc, fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set(error, -errno,
			"can't read the cluster key %s: %s; `quoind --init-cluster` makes one", path,
			strerror(errno));
	if (fstat(fd, &st)) {
		rc = error_set(error, -errno, "can't read the cluster key %s: %s", path, strerror(errno));
	} else if (st.st_mode & 077) {
		rc = error_set(error, -EPERM,
			"the cluster key %s may be read by others (mode %04o): chmod 0600 %s", path,
			st.st_mode & 07777u, path);
	} else {
		n = read(fd, text, sizeof(text));
		if (n < 0)
			rc = error_set(
				error, -errno, "can't read the cluster key %s: %s", path, strerror(errno));
		else
			rc = key_parse(path, text, (size_t)n, ret_key, error);
	}
	close(fd);
	explicit_bzero(text, sizeof(text));
	return rc;
}

int config_key_make(const char *path, struct error *error)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t key[NET_KEY_BYTES];
	char text[KEY_TEXT_LEN + 1];
	int fd, rc = 0;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set(error, -errno, "can't make the cluster key %s: %s", path, strerror(errno));
	if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key)) {
		rc = error_set(error, -EIO, "the system gave no random bytes");
	} else {
		for (unsigned i = 0; i < NET_KEY_BYTES; i++) {
			text[2 * i] = digits[key[i] >> 4];
			text[2 * i + 1] = digits[key[i] & 15];
		}
		text[KEY_TEXT_LEN] = '\n';
		if (write(fd, text, sizeof(text)) != (ssize_t)sizeof(text) || fsync(fd))
			rc = error_set(error, -EIO, "can't write the cluster key %s", path);
	}
	close(fd);
	if (rc)
		unlink(path);
	explicit_bzero(key, sizeof(key));
	explicit_bzero(text, sizeof(text));
	return rc;
}

static int parent_make(const char *path, struct error *error)
{
	char dir[CONFIG_PATH_MAX];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	ASSERT(slash);
	if (slash == dir)
		return 0;
	*slash = '\0';
	return state_dir_make(dir, error);
}

int config_dirs_make(const struct volumes_config *config, struct error *error)
{
	int rc = parent_make(config->key_path, error);

	return rc ? rc : parent_make(config->kvdb_path, error);
}
