/* May this file or device be taken? Only if it is empty, unsigned and nobody's. */
#include "fingerprint/empty.h"

#include <blkid/blkid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fingerprint/fingerprint.h"
#include "fingerprint/sysfs.h"

/* Where it is mounted, from /proc/self/mountinfo; false if nowhere. */
static bool is_mounted(dev_t device, char *where, size_t where_bytes)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[4096];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file)) {
		unsigned dev_major, dev_minor;
		int at = 0;

		if (sscanf(line, "%*d %*d %u:%u %*s %n", &dev_major, &dev_minor, &at) != 2 || at == 0)
			continue;
		if (makedev(dev_major, dev_minor) != device)
			continue;
		line[at + (int)strcspn(line + at, " ")] = '\0';
		snprintf(where, where_bytes, "%s", line + at);
		found = true;
	}
	if (file)
		fclose(file);
	return found;
}

/* Who holds it (LVM, RAID, LUKS): the first name in /sys/.../holders. */
static bool is_held(dev_t device, char *holder, size_t holder_bytes)
{
	char folder[PATH_MAX], path[PATH_MAX + 16];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	if (sysfs_block(device, folder, sizeof(folder)) != 0)
		return false;
	snprintf(path, sizeof(path), "%s/holders", folder);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(holder, holder_bytes, "%s", entry->d_name);
		found = true;
	}
	if (dir)
		closedir(dir);
	return found;
}

/* The loop device that stands on this file. */
static bool is_looped(const char *path, char *loop, size_t loop_bytes)
{
	char resolved[PATH_MAX], folder[64], backing[PATH_MAX];

	if (!realpath(path, resolved))
		return false;
	for (unsigned i = 0; i < 256; i++) {
		snprintf(folder, sizeof(folder), "/sys/block/loop%u/loop", i);
		if (strcmp(sysfs_text(folder, "backing_file", backing, sizeof(backing)), resolved) == 0) {
			snprintf(loop, loop_bytes, "/dev/loop%u", i);
			return true;
		}
	}
	return false;
}

static int busy_check(const char *path, const struct stat *st, struct error *error)
{
	char who[PATH_MAX];
	int fd;

	if (S_ISREG(st->st_mode)) {
		if (is_looped(path, who, sizeof(who)))
			return error_set(error, -EBUSY, "%s is in use: %s stands on it", path, who);
		return 0;
	}
	if (is_mounted(st->st_rdev, who, sizeof(who)))
		return error_set(error, -EBUSY, "%s is in use: it is mounted at %s", path, who);
	if (is_held(st->st_rdev, who, sizeof(who)))
		return error_set(error, -EBUSY, "%s is in use: it is a part of %s", path, who);
	/* The kernel knows of every other exclusive user: swap, a filesystem of another namespace. */
	fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
	if (fd < 0 && errno == EBUSY)
		return error_set(error, -EBUSY, "%s is in use: something else has it open exclusively", path);
	if (fd >= 0)
		close(fd);
	return 0;
}

static const char *probe_value(blkid_probe probe, const char *name)
{
	const char *value = NULL;

	return blkid_probe_lookup_value(probe, name, &value, NULL) == 0 ? value : NULL;
}

static int signature_words(blkid_probe probe, const char *path, struct error *error)
{
	const char *type = probe_value(probe, "TYPE");
	const char *table = probe_value(probe, "PTTYPE");
	const char *label = probe_value(probe, "LABEL");
	const char *usage = probe_value(probe, "USAGE");

	if (!type && table)
		return error_set(error, -EEXIST, "%s has a partition table (%s)", path, table);
	if (!type)
		return error_set(error, -EEXIST, "%s has a signature of another system", path);
	return error_set(error, -EEXIST, "%s has %s %s%s%s%s", path,
		usage && strcmp(usage, "filesystem") == 0 ? "a filesystem:" : "a signature:", type,
		label ? " (label " : "", label ? label : "", label ? ")" : "");
}

static int signature_check(int fd, const char *path, struct error *error)
{
	blkid_probe probe = blkid_new_probe();
	int rc = 0;

	if (!probe || blkid_probe_set_device(probe, fd, 0, 0) != 0) {
		blkid_free_probe(probe);
		return error_set(error, -EIO, "%s can't be looked into for signatures", path);
	}
	blkid_probe_enable_superblocks(probe, 1);
	blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL | BLKID_SUBLKS_USAGE);
	blkid_probe_enable_partitions(probe, 1);
	switch (blkid_do_safeprobe(probe)) {
	case 0:
		rc = signature_words(probe, path, error);
		break;
	case 1:
		break;
	case -2:
		rc = error_set(error, -EEXIST, "%s has several signatures at once", path);
		break;
	default:
		rc = error_set(error, -EIO, "%s can't be read", path);
		break;
	}
	blkid_free_probe(probe);
	return rc;
}

int device_check_empty(const char *path, struct error *error)
{
	struct device_facts facts;
	struct stat st;
	int fd, rc;

	if (stat(path, &st) != 0)
		return error_set(error, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return error_set(error, -ENOTSUP, "%s is neither a block device nor a file", path);
	rc = device_facts_get(path, &facts, error);
	if (rc == 0)
		rc = busy_check(path, &st, error);
	if (rc != 0)
		return rc;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set(error, -errno, "%s can't be opened: %s", path, strerror(errno));
	rc = facts.size_bytes > 0 ? signature_check(fd, path, error) : 0;
	if (rc == 0)
		rc = zeroes_check(fd, path, facts.size_bytes, error);
	close(fd);
	return rc;
}
