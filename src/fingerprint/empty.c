/* May this file or device be taken? Only if it is empty, unsigned and nobody's. */
#include "fingerprint/empty.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fingerprint/signature.h"

int device_check_unused(const char *path, struct error *error)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return error_set(error, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return error_set(error, -ENOTSUP, "%s is neither a block device nor a file", path);
	return use_check(path, error);
}

int device_check_empty(const char *path, struct error *error)
{
	struct device_signature signature = { .several = false };
	struct device_facts facts;
	int fd, rc = device_check_unused(path, error);

	if (rc == 0)
		rc = device_facts_get(path, &facts, error);
	if (rc != 0)
		return rc;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set(error, -errno, "%s can't be opened: %s", path, strerror(errno));
	if (facts.size_bytes > 0)
		rc = device_signature_read(fd, path, &signature, error);
	if (rc == 0)
		rc = device_signature_words(&signature, path, error);
	if (rc == 0)
		rc = zeroes_check(fd, path, facts.size_bytes, error);
	close(fd);
	return rc;
}
