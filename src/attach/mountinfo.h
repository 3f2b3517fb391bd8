/* What is mounted, from /proc/PID/mountinfo, and who uses it. Reading these files does not touch the
 * filesystems. */
#ifndef QUOIN_ATTACH_MOUNTINFO_H
#define QUOIN_ATTACH_MOUNTINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "attach/attach.h"

struct mount_entry {
	unsigned id;
	dev_t dev;                   /* st_dev of what is mounted */
	char point[ATTACH_PATH_MAX]; /* unescaped */
	char type[32];
	char source[ATTACH_PATH_MAX];
};

/* Parses one line. False: it is none, or longer than fits. */
bool mount_entry_parse(const char *line, struct mount_entry *ret_entry);

/*
 * Calls fn for each line of `path` ("/proc/self/mountinfo"), in the order of mounting; fn returns false to
 * stop. -errno.
 */
int mounts_each(
	const char *path, bool (*fn)(void *arg, const struct mount_entry *entry), void *arg) MUST_CHECK;

struct mount_search {
	const char *path;
	bool found;
	dev_t dev;
	char source[ATTACH_PATH_MAX];
};
/* What is mounted last (visible) at path. */
void mount_search_run(struct mount_search *search);

/* Whether `path` is below `dir` ("/a/b/c" below "/a/b"). */
bool path_is_below(const char *path, const char *dir);

#define HOLDER_TEXT_MAX 256
/*
 * Names who holds filesystem or block device `dev`: a mount of it here ("mounted at /x"), or in a process's
 * own mount namespace ("mounted in the namespace of process 12 (postgres)"), or a process with a file or
 * directory open there
 * ("process 12 (postgres)"). Reads /proc of every process, for at most about a second. False: nobody found;
 * `text` is empty.
 */
bool holder_find(dev_t dev, char text[static HOLDER_TEXT_MAX]);

#endif
