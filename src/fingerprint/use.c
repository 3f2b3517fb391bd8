/* Who uses a device, a partition of it, or a file. */
#include "fingerprint/signature.h"

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

#include "fingerprint/sysfs.h"

bool use_mounted(dev_t device, char where[static USE_TEXT_MAX])
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
		snprintf(where, USE_TEXT_MAX, "%s", line + at);
		found = true;
	}
	if (file)
		fclose(file);
	return found;
}

bool use_held(dev_t device, char holder[static USE_TEXT_MAX])
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
		snprintf(holder, USE_TEXT_MAX, "%s", entry->d_name);
		found = true;
	}
	if (dir)
		closedir(dir);
	return found;
}

bool use_looped(const char *path, char loop[static USE_TEXT_MAX])
{
	char resolved[PATH_MAX], folder[64], backing[PATH_MAX];

	if (!realpath(path, resolved))
		return false;
	for (unsigned i = 0; i < 256; i++) {
		snprintf(folder, sizeof(folder), "/sys/block/loop%u/loop", i);
		if (strcmp(sysfs_text(folder, "backing_file", backing, sizeof(backing)), resolved) == 0) {
			snprintf(loop, USE_TEXT_MAX, "/dev/loop%u", i);
			return true;
		}
	}
	return false;
}

/* Whether the mount that this path lies on is FUSE's; asks nobody, since its server may be dead. */
static bool path_is_on_fuse(const char *path)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[4096], at[PATH_MAX], type[64];
	size_t longest = 0;
	bool fuse = false;

	while (file && fgets(line, sizeof(line), file)) {
		const char *dash = strstr(line, " - ");
		size_t len;

		if (!dash || sscanf(line, "%*d %*d %*s %*s %4095s", at) != 1 ||
			sscanf(dash, " - %63s", type) != 1)
			continue;
		len = strlen(at);
		if (strncmp(path, at, len) != 0 || (path[len] != '/' && path[len] != '\0' && len > 1) ||
			len < longest)
			continue;
		longest = len;
		fuse = strncmp(type, "fuse", 4) == 0;
	}
	if (file)
		fclose(file);
	return fuse;
}

bool use_is_volume(dev_t device, char to[static USE_TEXT_MAX])
{
	char folder[PATH_MAX], loop[PATH_MAX + 8], backing[PATH_MAX];

	if (sysfs_block(device, folder, sizeof(folder)) != 0)
		return false;
	sysfs_whole_disk(folder);
	snprintf(loop, sizeof(loop), "%s/loop", folder);
	sysfs_text(loop, "backing_file", backing, sizeof(backing));
	if (!backing[0] || !path_is_on_fuse(backing))
		return false;
	snprintf(to, USE_TEXT_MAX, "%.*s", (int)USE_TEXT_MAX - 1, backing);
	return true;
}

int device_use_check(const char *path, const char *whole, dev_t device, struct error *error)
{
	char who[USE_TEXT_MAX];
	const char *part = strcmp(path, whole) == 0 ? "" : path;
	const char *its = part[0] ? "its partition " : "it";

	if (use_mounted(device, who))
		return error_set(error, -EBUSY, "%s is in use: %s%s is mounted at %s", whole, its, part, who);
	if (use_held(device, who))
		return error_set(error, -EBUSY, "%s is in use: %s%s is a part of %s", whole, its, part, who);
	if (use_is_volume(device, who))
		return error_set(error, -EBUSY,
			"%s is in use: it is the device of a volume (%s), or something like it", whole, who);
	return 0;
}

/* The partitions of a disk: folders in its own, each with a file `partition`. */
static int partitions_use_check(const char *path, dev_t device, struct error *error)
{
	char folder[PATH_MAX], text[64];
	struct dirent *entry;
	int rc = 0;
	DIR *dir;

	if (sysfs_block(device, folder, sizeof(folder)) != 0)
		return 0;
	dir = opendir(folder);
	while (dir && rc == 0 && (entry = readdir(dir)) != NULL) {
		char part[PATH_MAX + NAME_MAX + 2], name[NAME_MAX + 8];
		unsigned part_major, part_minor;

		snprintf(part, sizeof(part), "%s/%s", folder, entry->d_name);
		if (entry->d_name[0] == '.' || !*sysfs_text(part, "partition", text, sizeof(text)) ||
			sscanf(sysfs_text(part, "dev", text, sizeof(text)), "%u:%u", &part_major,
				&part_minor) != 2)
			continue;
		snprintf(name, sizeof(name), "/dev/%s", entry->d_name);
		rc = device_use_check(name, path, makedev(part_major, part_minor), error);
	}
	if (dir)
		closedir(dir);
	return rc;
}

int use_check(const char *path, struct error *error)
{
	char who[USE_TEXT_MAX];
	struct stat st;
	int fd, rc;

	if (stat(path, &st) != 0)
		return error_set(error, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISBLK(st.st_mode)) {
		if (use_looped(path, who))
			return error_set(error, -EBUSY, "%s is in use: %s stands on it", path, who);
		return 0;
	}
	rc = device_use_check(path, path, st.st_rdev, error);
	if (rc == 0)
		rc = partitions_use_check(path, st.st_rdev, error);
	if (rc != 0)
		return rc;
	/* The kernel knows of every other exclusive user: swap, a filesystem of another namespace. */
	fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
	if (fd < 0 && errno == EBUSY)
		return error_set(error, -EBUSY, "%s is in use: something else has it open exclusively", path);
	if (fd >= 0)
		close(fd);
	return 0;
}
