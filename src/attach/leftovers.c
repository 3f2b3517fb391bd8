/*
 * What a killed agent left behind, found by the state directory in mountinfo and sysfs, taken down in an
 * order in which nothing can hang:
 *
 *   1 FUSE mounts below STATE/dev: their connections are aborted, so that I/O to them fails instead of
 * waiting 2 filesystems on loop devices whose file lies below STATE/dev: unmounted, lazily where in use 3
 * those loop devices: detached, at the latest with their last user (a container's own mount namespace) 4 the
 * FUSE mounts: unmounted; directories removed 5 links in LINK_DIR that lead to no volume of anyone
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "attach/attach_private.h"
#include "attach/fuse_mount.h"
#include "attach/fuse_serve.h"
#include "attach/loop_device.h"
#include "attach/mountinfo.h"

#define CLEAN_DEADLINE_MS 20000u
/* Of one kind; an agent has as many devices as volumes attached. More are cleaned, but not all told. */
#define CLEAN_MAX_WORDS   1024
#define CLEAN_WORDS_BYTES 320
#define CLEAN_MAX_POINTS  4096

struct clean_point {
	dev_t dev;
	char path[ATTACH_PATH_MAX];
};

struct clean {
	struct attach *attach;
	struct job job;
	uv_timer_t timer;
	void (*found)(void *arg, const char *words);
	attach_done_fn done;
	void *arg;
	/* the worker's */
	unsigned word_count;
	char (*words)[CLEAN_WORDS_BYTES];
	int rc;
	struct error error;
	const char *below; /* while collecting: mount points below this, */
	dev_t dev;         /* or, NULL, of this device */
	unsigned point_count;
	struct clean_point *points;
};

static void clean_say(struct clean *clean, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void clean_say(struct clean *clean, const char *format, ...)
{
	va_list args;

	if (clean->word_count == CLEAN_MAX_WORDS)
		return;
	va_start(args, format);
	(void)vsnprintf(clean->words[clean->word_count++], CLEAN_WORDS_BYTES, format, args);
	va_end(args);
}

/* The first failure is the one that is told; the rest is tried all the same. */
static void clean_failed(struct clean *clean, const struct error *error)
{
	if (clean->rc == 0)
		clean->error = *error;
	clean->rc = -EBUSY;
}

static bool clean_collect(void *arg, const struct mount_entry *entry)
{
	struct clean *clean = arg;
	bool matches = clean->below ? strcmp(entry->type, FUSE_MOUNT_TYPE) == 0 &&
					      path_is_below(entry->point, clean->below)
				    : entry->dev == clean->dev;

	if (matches) {
		clean->points[clean->point_count].dev = entry->dev;
		memcpy(clean->points[clean->point_count++].path, entry->point, ATTACH_PATH_MAX);
	}
	return clean->point_count < CLEAN_MAX_POINTS;
}

/* FUSE mounts below a directory, or (NULL) all mounts of a device, in the order of mounting. */
static void clean_find(struct clean *clean, const char *below, dev_t dev)
{
	clean->below = below;
	clean->dev = dev;
	clean->point_count = 0;
	if (mounts_each("/proc/self/mountinfo", clean_collect, clean) < 0)
		clean->point_count = 0;
}

static void clean_abort_fuse(struct clean *clean)
{
	clean_find(clean, clean->attach->dev_dir, 0);
	for (unsigned i = 0; i < clean->point_count; i++)
		(void)fuse_abort(
			clean->points[i]
				.dev); /* no fusectl: it was aborted when the agent died, all but surely */
}

static void clean_unmount_all(struct clean *clean, const char *loop_path, dev_t dev)
{
	clean_find(clean, NULL, dev);
	for (unsigned i = clean->point_count; i > 0; i--) {
		const char *path = clean->points[i - 1].path;
		bool lazy = false;

		if (umount2(path, UMOUNT_NOFOLLOW) != 0) {
			lazy = true;
			(void)umount2(path, UMOUNT_NOFOLLOW | MNT_DETACH);
		}
		clean_say(clean, "filesystem of %s at %.200s: unmounted%s", loop_path, path,
			lazy ? "; it was in use, and goes with its last user" : "");
		if (path_is_below(path, clean->attach->mnt_dir))
			(void)rmdir(path);
	}
}

static void clean_loop(struct clean *clean, const char *name)
{
	char loop_path[LOOP_PATH_MAX], file[ATTACH_PATH_MAX], holder[HOLDER_TEXT_MAX] = { 0 };
	struct error error;
	struct stat st;

	(void)snprintf(loop_path, sizeof(loop_path), "/dev/%.40s", name);
	if (!loop_device_backing(loop_path, file, sizeof(file)) ||
		!path_is_below(file, clean->attach->dev_dir) || stat(loop_path, &st) != 0)
		return;
	clean_unmount_all(clean, loop_path, st.st_rdev);
	if (loop_device_detach_force(loop_path, &error) < 0) {
		clean_failed(clean, &error);
		return;
	}
	if (loop_device_backing(loop_path, file, sizeof(file)) && holder_find(st.st_rdev, holder))
		clean_say(clean, "loop device %s: detached, but still held: %.200s", loop_path, holder);
	else
		clean_say(clean, "loop device %s of %.200s: detached", loop_path, file);
}

static void clean_loops(struct clean *clean)
{
	DIR *dir = opendir("/sys/block");
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (strncmp(entry->d_name, "loop", 4) == 0)
			clean_loop(clean, entry->d_name);
	(void)closedir(dir);
}

static void clean_unmount_fuse(struct clean *clean)
{
	struct error error;

	clean_find(clean, clean->attach->dev_dir, 0);
	for (unsigned i = clean->point_count; i > 0; i--) {
		const char *path = clean->points[i - 1].path;

		if (fuse_unmount(path, &error) < 0)
			clean_failed(clean, &error);
		else
			clean_say(clean, "FUSE mount %.250s: unmounted", path);
	}
}

/* Empty directories below `parent` whose mounts are gone. rmdir() refuses all others. */
static void clean_directories(const char *parent)
{
	DIR *dir = opendir(parent);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			(void)unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
	(void)closedir(dir);
}

/*
 * Whether LINK_DIR/NAME leads to a loop device of a volume of that name, whichever agent's: its file is
 * SOME_STATE/dev/NAME/volume.
 */
static bool clean_link_is_alive(const char *target, const char *name)
{
	char file[ATTACH_PATH_MAX], tail[DEVICE_FILE_MAX_LEN + 32];
	size_t file_length, tail_length;

	if (strncmp(target, "/dev/loop", 9) != 0 || !loop_device_backing(target, file, sizeof(file)))
		return false;
	(void)snprintf(tail, sizeof(tail), "/dev/%.*s/%s", (int)DEVICE_FILE_MAX_LEN, name, FUSE_SERVE_FILE);
	file_length = strlen(file);
	tail_length = strlen(tail);
	return file_length > tail_length && strcmp(file + file_length - tail_length, tail) == 0;
}

static void clean_links(struct clean *clean)
{
	DIR *dir = opendir(clean->attach->link_dir);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		char target[LOOP_PATH_MAX] = { 0 };

		if (entry->d_name[0] == '.' ||
			readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1) < 0 ||
			clean_link_is_alive(target, entry->d_name))
			continue;
		if (unlinkat(dirfd(dir), entry->d_name, 0) == 0)
			clean_say(clean, "link %s/%.100s to %s: removed", clean->attach->link_dir,
				entry->d_name, target);
	}
	(void)closedir(dir);
}

static int clean_work(struct job *job, struct error *error)
{
	struct clean *clean = container_of(job, struct clean, job);

	clean_abort_fuse(clean);
	clean_loops(clean);
	clean_unmount_fuse(clean);
	clean_directories(clean->attach->dev_dir);
	clean_directories(clean->attach->mnt_dir);
	clean_links(clean);
	if (clean->rc < 0)
		*error = clean->error;
	return clean->rc;
}

static void clean_closed(uv_handle_t *handle)
{
	struct clean *clean = handle->data;
	attach_done_fn done = clean->done;

	clean->attach->busy--;
	for (unsigned i = 0; done && i < clean->word_count; i++)
		clean->found(clean->arg, clean->words[i]);
	if (done)
		done(clean->arg, clean->job.rc, &clean->job.error);
	free(clean->words);
	free(clean->points);
	free(clean);
}

static void clean_job_done(struct job *job)
{
	struct clean *clean = container_of(job, struct clean, job);

	uv_close((uv_handle_t *)&clean->timer, clean_closed);
}

/* The worker hangs in the kernel: told, and left to itself. */
static void clean_timed_out(uv_timer_t *timer)
{
	struct clean *clean = timer->data;
	attach_done_fn done = clean->done;
	struct error error;

	clean->done = NULL;
	(void)error_set(&error, -ETIMEDOUT,
		"%s: what a killed agent left behind could not be removed within %u s (the kernel hangs on)",
		clean->attach->state_dir, CLEAN_DEADLINE_MS / 1000);
	if (done)
		done(clean->arg, -ETIMEDOUT, &error);
}

void attach_clean_leftovers(
	struct attach *attach, void (*found)(void *arg, const char *words), attach_done_fn done, void *arg)
{
	struct clean *clean = calloc(1, sizeof(*clean));
	int rc;

	ASSERT(clean); /* at start, a few kilobytes */
	clean->attach = attach;
	clean->found = found;
	clean->done = done;
	clean->arg = arg;
	clean->words = calloc(CLEAN_MAX_WORDS, CLEAN_WORDS_BYTES);
	clean->points = calloc(CLEAN_MAX_POINTS, sizeof(*clean->points));
	ASSERT(clean->words && clean->points);
	rc = uv_timer_init(attach->uv, &clean->timer);
	ASSERT(rc == 0);
	clean->timer.data = clean;
	rc = uv_timer_start(&clean->timer, clean_timed_out, CLEAN_DEADLINE_MS, 0);
	ASSERT(rc == 0);
	attach->busy++;
	clean->job.work = clean_work;
	clean->job.done = clean_job_done;
	clean->job.keep_fd = -1;
	rc = job_start(attach->answers, &clean->job);
	if (rc < 0) {
		clean->job.rc = error_set(&clean->job.error, rc, "no thread to clean up: %s", strerror(-rc));
		answers_post(attach->answers, &clean->job.answer);
	}
}
