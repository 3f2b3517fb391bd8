/* Who holds a filesystem or block device: for words in errors. Looks, and touches nothing that could block.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "attach/mountinfo.h"

#define HOLDER_SEARCH_NS NS_PER_S

struct holder_search {
	dev_t dev;
	bool found;
	char point[ATTACH_PATH_MAX];
};

static bool holder_mount_matches(void *arg, const struct mount_entry *entry)
{
	struct holder_search *search = arg;

	if (entry->dev != search->dev)
		return true;
	search->found = true;
	memcpy(search->point, entry->point, sizeof(search->point));
	return false;
}

static void holder_process_name(const char *pid, char name[static 32])
{
	char path[64];
	FILE *file;

	(void)snprintf(name, 32, "?");
	(void)snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fgets(name, 32, file))
		name[strcspn(name, "\n")] = 0;
	(void)fclose(file);
}

/*
 * Whether a link of /proc/PID leads to `dev`. fstatat() of the link looks at the open file, with no path
 * walked; AT_STATX_DONT_SYNC keeps a network or FUSE filesystem from being asked.
 */
static bool holder_link_matches(int dir_fd, const char *name, dev_t dev)
{
	struct statx st;
	dev_t on, node;

	if (statx(dir_fd, name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &st) != 0)
		return false;
	on = makedev(st.stx_dev_major, st.stx_dev_minor);
	node = makedev(st.stx_rdev_major, st.stx_rdev_minor);
	return on == dev || (S_ISBLK(st.stx_mode) && node == dev);
}

static bool holder_process_matches(const char *pid, dev_t dev)
{
	static const char *const links[] = { "cwd", "root", "exe" };
	char path[64];
	struct dirent *entry;
	bool found = false;
	int proc_fd;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%.20s", pid);
	proc_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (proc_fd < 0)
		return false;
	for (size_t i = 0; i < 3 && !found; i++)
		found = holder_link_matches(proc_fd, links[i], dev);
	close(proc_fd);
	(void)snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	dir = found ? NULL : opendir(path);
	if (!dir)
		return found;
	while (!found && (entry = readdir(dir)))
		found = holder_link_matches(dirfd(dir), entry->d_name, dev);
	(void)closedir(dir);
	return found;
}

static bool holder_is_pid(const char *name)
{
	return *name >= '1' && *name <= '9';
}

bool holder_find(dev_t dev, char text[static HOLDER_TEXT_MAX])
{
	uint64_t until_ns = clock_now_ns(clock_system()) + HOLDER_SEARCH_NS;
	struct holder_search search = { .dev = dev };
	struct dirent *entry;
	char name[32];
	DIR *proc;

	text[0] = 0;
	proc = opendir("/proc");
	if (!proc)
		return false;
	while (text[0] == 0 && (entry = readdir(proc)) && clock_now_ns(clock_system()) < until_ns) {
		if (!holder_is_pid(entry->d_name) || !holder_process_matches(entry->d_name, dev))
			continue;
		holder_process_name(entry->d_name, name);
		(void)snprintf(text, HOLDER_TEXT_MAX, "process %.20s (%s)", entry->d_name, name);
	}
	if (text[0] == 0 && mounts_each("/proc/self/mountinfo", holder_mount_matches, &search) == 0 &&
		search.found)
		(void)snprintf(text, HOLDER_TEXT_MAX, "it is mounted at %.200s", search.point);
	rewinddir(proc);
	while (text[0] == 0 && (entry = readdir(proc)) && clock_now_ns(clock_system()) < until_ns) {
		char path[64];

		if (!holder_is_pid(entry->d_name))
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%.20s/mountinfo", entry->d_name);
		if (mounts_each(path, holder_mount_matches, &search) < 0 || !search.found)
			continue;
		holder_process_name(entry->d_name, name);
		(void)snprintf(text, HOLDER_TEXT_MAX, "it is mounted in the namespace of process %.20s (%s)",
			entry->d_name, name);
	}
	(void)closedir(proc);
	return text[0] != 0;
}
