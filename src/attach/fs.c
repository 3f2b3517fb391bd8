/*
 * Filesystems: one operation is a short list of steps, each a worker's job or a child process.
 *
 *   fs_make            PROBE MAKE
 *   fs_mount                      CHECK MOUNT TIDY
 *   fs_make_and_mount  PROBE MAKE CHECK MOUNT TIDY     (MAKE is left out where PROBE finds the filesystem)
 *   fs_unmount, fs_trim                            WORK
 *   fs_grow            SIZE GROW                   (GROW is left out where SIZE finds no more room)
 *
 * At the deadline a child is killed, and the caller is told; a worker that waits inside the kernel goes on
 * alone and the operation's memory goes when it comes back.
 */
#include "attach/fs_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FS_DEADLINE_MS 60000u
/* For a killed child to be gone. */
#define FS_KILL_MS 200u

static void fs_op_next(struct fs_op *op);

char *fs_mountpoint(const struct attach *attach, const char *name, char path[static ATTACH_PATH_MAX])
{
	(void)snprintf(path, ATTACH_PATH_MAX, "%s/%s", attach->mnt_dir, name);
	return path;
}

static void fs_op_tell(struct fs_op *op, int rc, const struct error *error)
{
	attach_done_fn done = op->done;

	op->done = NULL;
	if (done)
		done(op->done_arg, rc, error);
}

static void fs_op_closed(uv_handle_t *handle)
{
	struct fs_op *op = handle->data;

	op->attach->busy--;
	fs_op_tell(op, op->rc, &op->error);
	free(op);
}

/* The end, for the caller. While a worker or child still runs, the operation itself goes on until that is
 * back. */
static void fs_op_finish(struct fs_op *op, int rc, const struct error *error)
{
	op->step = FS_STEP_END;
	(void)uv_timer_stop(&op->timer);
	if (op->running) {
		fs_op_tell(op, rc, error);
		return;
	}
	op->rc = rc;
	if (rc < 0)
		op->error = *error;
	uv_close((uv_handle_t *)&op->timer, fs_op_closed);
}

static void fs_op_timed_out(uv_timer_t *timer)
{
	struct fs_op *op = timer->data;
	struct error error;

	(void)error_set(&error, -ETIMEDOUT, "%s: %s took longer than %u ms", op->what,
		fs_step_words(op->step), op->deadline_ms);
	fs_op_finish(op, -ETIMEDOUT, &error);
}

/*
 * What a child has until the deadline, at least a little: a moment less than the operation, so that its words
 * are the ones that are told.
 */
static uint64_t fs_op_left_ms(const struct fs_op *op)
{
	uint64_t until_ms = uv_now(op->attach->uv) + FS_KILL_MS;

	return until_ms < op->until_ms ? op->until_ms - until_ms : 1;
}

static void fs_op_job_done(struct job *job)
{
	struct fs_op *op = container_of(job, struct fs_op, job);

	op->running = false;
	if (op->step == FS_STEP_END || job->rc < 0) {
		fs_op_finish(op, job->rc, &job->error);
		return;
	}
	fs_op_next(op);
}

static void fs_op_job(struct fs_op *op, int (*work)(struct job *, struct error *))
{
	int rc;

	op->running = true;
	op->job.work = work;
	op->job.done = fs_op_job_done;
	op->job.keep_fd = -1;
	rc = job_start(op->attach->answers, &op->job);
	if (rc < 0) {
		op->job.rc =
			error_set(&op->job.error, rc, "%s: no thread for it: %s", op->what, strerror(-rc));
		answers_post(op->attach->answers, &op->job.answer);
	}
}

static void fs_op_child_done(struct child *child)
{
	struct fs_op *op = container_of(child, struct fs_op, child);
	struct error error;
	int rc;

	op->running = false;
	if (op->step == FS_STEP_END) {
		fs_op_finish(op, 0, NULL);
		return;
	}
	rc = fs_step_child_result(op, child, &error);
	if (rc < 0)
		fs_op_finish(op, rc, &error);
	else
		fs_op_next(op);
}

static void fs_op_child(struct fs_op *op, const char *const *argv)
{
	op->running = true;
	op->child.done = fs_op_child_done;
	child_start(op->attach->uv, &op->child, argv, fs_op_left_ms(op));
}

static bool fs_op_is_ext4(const struct fs_op *op)
{
	return strcmp(op->type, "ext4") == 0;
}

static void fs_op_run_make(struct fs_op *op)
{
	/*
	 * No discards: the volume is empty. No reserve for root, nothing written now that can be written
	 * later (the journal's and the inode tables' zeroes are there already: a new volume reads as zeroes).
	 */
	static const char ext4_options[] = "nodiscard,lazy_itable_init=1,lazy_journal_init=1";
	static const char *const ext4[] = { "mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", "-E",
		ext4_options, NULL };
	static const char *const xfs[] = { "mkfs.xfs", "-q", "-K", "-s", "size=4096", NULL };
	const char *argv[sizeof(ext4) / sizeof(ext4[0]) + FS_MAKE_ARGUMENTS + 1];
	const char *const *own = fs_op_is_ext4(op) ? ext4 : xfs;
	size_t count = 0;

	while (*own)
		argv[count++] = *own++;
	for (unsigned i = 0; i < op->make_arguments.count; i++)
		argv[count++] = op->make_arguments.arguments[i];
	argv[count++] = op->device;
	argv[count] = NULL;
	fs_op_child(op, argv);
}

static void fs_op_run_check(struct fs_op *op)
{
	const char *argv[] = { "e2fsck", "-p", op->device, NULL };

	fs_op_child(op, argv);
}

static void fs_op_run_mount(struct fs_op *op)
{
	/* -i: no mount helpers. Discards are sent by fs_trim(), not with each deletion. */
	const char *argv[] = { "mount", "-i", "-t", op->type, "-o", op->options, op->device, op->path, NULL };

	fs_op_child(op, argv);
}

/* Both by the kernel, while it is mounted. */
static void fs_op_run_grow(struct fs_op *op)
{
	const char *ext4[] = { "resize2fs", op->device, NULL };
	const char *xfs[] = { "xfs_growfs", "-d", op->path, NULL };

	fs_op_child(op, fs_op_is_ext4(op) ? ext4 : xfs);
}

static void fs_op_next(struct fs_op *op)
{
	op->step = fs_step_after(op);
	switch (op->step) {
	case FS_STEP_PROBE:
		fs_op_job(op, fs_work_probe);
		break;
	case FS_STEP_MAKE:
		fs_op_run_make(op);
		break;
	case FS_STEP_CHECK:
		fs_op_run_check(op);
		break;
	case FS_STEP_MOUNT:
		fs_op_run_mount(op);
		break;
	case FS_STEP_TIDY:
		fs_op_job(op, fs_work_tidy);
		break;
	case FS_STEP_UNMOUNT:
		fs_op_job(op, fs_work_unmount);
		break;
	case FS_STEP_TRIM:
		fs_op_job(op, fs_work_trim);
		break;
	case FS_STEP_SIZE:
		fs_op_job(op, fs_work_size);
		break;
	case FS_STEP_GROW:
		fs_op_run_grow(op);
		break;
	case FS_STEP_BEGIN:
	case FS_STEP_END:
		fs_op_finish(op, 0, NULL);
		break;
	}
}

static void fs_op_begin_later(struct answer *answer)
{
	struct fs_op *op = container_of(answer, struct fs_op, begin);

	op->running = false;
	if (op->step == FS_STEP_END || op->job.rc < 0)
		fs_op_finish(op, op->job.rc, &op->job.error);
	else
		fs_op_next(op);
}

/*
 * An operation that begins in the next turn of the loop; one that is refused ends there, with job.rc and its
 * words.
 */
static struct fs_op *fs_op_new(struct attach *attach, uint32_t deadline_ms, attach_done_fn done, void *arg)
{
	struct fs_op *op = calloc(1, sizeof(*op));
	int rc;

	/* A few kilobytes: where these can't be had the process is past saving. */
	ASSERT(op);
	op->attach = attach;
	op->done = done;
	op->done_arg = arg;
	op->deadline_ms = deadline_ms ? deadline_ms : FS_DEADLINE_MS;
	rc = uv_timer_init(attach->uv, &op->timer);
	ASSERT(rc == 0);
	op->timer.data = op;
	op->until_ms = uv_now(attach->uv) + op->deadline_ms;
	rc = uv_timer_start(&op->timer, fs_op_timed_out, op->deadline_ms, 0);
	ASSERT(rc == 0);
	attach->busy++;
	op->running = true;
	op->begin.fn = fs_op_begin_later;
	answers_post(attach->answers, &op->begin);
	return op;
}

static void fs_op_set_spec(struct fs_op *op, const struct fs_spec *spec)
{
	(void)snprintf(op->device, sizeof(op->device), "%s", spec->device);
	(void)snprintf(op->what, sizeof(op->what), "%s", spec->device);
	(void)snprintf(op->type, sizeof(op->type), "%s", spec->type);
	/* Any volume may be a copy of one that is mounted here too: a clone, an import, what a user has
	 * copied. */
	(void)snprintf(op->options, sizeof(op->options), "noatime,nodiscard%s%s%s",
		strcmp(spec->type, "xfs") == 0 ? ",nouuid" : "", spec->options && spec->options[0] ? "," : "",
		spec->options ? spec->options : "");
	if (strcmp(spec->type, "ext4") != 0 && strcmp(spec->type, "xfs") != 0)
		op->job.rc = error_set(&op->job.error, -EINVAL,
			"filesystem %s: not known here; ext4 and xfs are", spec->type);
	else if (fs_options_check(
			 FS_MOUNT_OPTIONS, spec->type, spec->options ? spec->options : "", &op->job.error) ||
		 fs_make_arguments_get(spec->type, spec->make_options ? spec->make_options : "",
			 &op->make_arguments, &op->job.error))
		op->job.rc = -EINVAL;
}

/* Where it is to be mounted, and whether it is. */
static void fs_op_set_path(struct fs_op *op, const char *name)
{
	struct mount_search search = { .path = op->path };
	struct stat st;

	(void)fs_mountpoint(op->attach, name, op->path);
	if (name_check("volume name", name, &op->job.error) < 0) {
		op->job.rc = -EINVAL;
		return;
	}
	mount_search_run(&search);
	if (search.found && stat(op->device, &st) == 0 && st.st_rdev == search.dev)
		op->mounted = true;
	else if (search.found)
		op->job.rc = error_set(
			&op->job.error, -EBUSY, "%s: %s is mounted there already", op->path, search.source);
	else if (mkdir(op->path, 0755) != 0 && errno != EEXIST)
		op->job.rc = error_set(&op->job.error, -errno, "%s: %s", op->path, strerror(errno));
}

void fs_make(struct attach *attach, const struct fs_spec *spec, attach_done_fn done, void *arg)
{
	struct fs_op *op = fs_op_new(attach, spec->deadline_ms, done, arg);

	op->make = op->must_make = true;
	fs_op_set_spec(op, spec);
}

void fs_mount(
	struct attach *attach, const struct fs_spec *spec, const char *name, attach_done_fn done, void *arg)
{
	struct fs_op *op = fs_op_new(attach, spec->deadline_ms, done, arg);

	op->mount = true;
	fs_op_set_spec(op, spec);
	fs_op_set_path(op, name);
}

void fs_make_and_mount(
	struct attach *attach, const struct fs_spec *spec, const char *name, attach_done_fn done, void *arg)
{
	struct fs_op *op = fs_op_new(attach, spec->deadline_ms, done, arg);

	op->make = op->mount = true;
	fs_op_set_spec(op, spec);
	fs_op_set_path(op, name);
}

void fs_unmount(struct attach *attach, const char *name, bool lazy, uint32_t deadline_ms, attach_done_fn done,
	void *arg)
{
	struct fs_op *op = fs_op_new(attach, deadline_ms, done, arg);

	op->unmount = true;
	op->lazy = lazy;
	(void)fs_mountpoint(attach, name, op->path);
	(void)snprintf(op->what, sizeof(op->what), "volume %.*s", (int)NAME_MAX_LEN, name);
}

void fs_trim(struct attach *attach, const char *name, uint64_t offset_bytes, uint64_t length_bytes,
	uint32_t deadline_ms, attach_done_fn done, void *arg)
{
	struct fs_op *op = fs_op_new(attach, deadline_ms, done, arg);

	op->trim = true;
	op->trim_offset_bytes = offset_bytes;
	op->trim_length_bytes = length_bytes;
	(void)fs_mountpoint(attach, name, op->path);
	(void)snprintf(op->what, sizeof(op->what), "volume %.*s", (int)NAME_MAX_LEN, name);
}

void fs_grow(
	struct attach *attach, const struct fs_spec *spec, const char *name, attach_done_fn done, void *arg)
{
	struct fs_op *op = fs_op_new(attach, spec->deadline_ms, done, arg);

	op->grow = true;
	fs_op_set_spec(op, spec);
	(void)fs_mountpoint(attach, name, op->path);
}
