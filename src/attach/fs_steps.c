#include "attach/fs_private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "attach/signature.h"

/* A process that just ends, or udev: busy for moments. */
#define UNMOUNT_TRIES    6
#define UNMOUNT_RETRY_US 50000

/* e2fsck(8): 1 is "errors corrected"; with -p also 2, "and the system should be rebooted", for a root
 * filesystem. */
#define E2FSCK_CORRECTED 1

enum fs_step fs_step_after(const struct fs_op *op)
{
	switch (op->step) {
	case FS_STEP_BEGIN:
		if (op->unmount)
			return FS_STEP_UNMOUNT;
		if (op->trim)
			return FS_STEP_TRIM;
		if (op->grow)
			return FS_STEP_SIZE;
		if (op->mounted)
			return FS_STEP_END;
		if (op->make)
			return FS_STEP_PROBE;
		break;
	case FS_STEP_PROBE:
		if (!op->made)
			return FS_STEP_MAKE;
		break;
	case FS_STEP_MAKE:
		break;
	case FS_STEP_CHECK:
		return FS_STEP_MOUNT;
	case FS_STEP_SIZE:
		return op->small ? FS_STEP_GROW : FS_STEP_END;
	case FS_STEP_MOUNT:
		return FS_STEP_TIDY;
	case FS_STEP_TIDY:
	case FS_STEP_UNMOUNT:
	case FS_STEP_TRIM:
	case FS_STEP_GROW:
	case FS_STEP_END:
		return FS_STEP_END;
	}
	if (!op->mount)
		return FS_STEP_END;
	return strcmp(op->type, "ext4") == 0 ? FS_STEP_CHECK : FS_STEP_MOUNT;
}

const char *fs_step_words(enum fs_step step)
{
	switch (step) {
	case FS_STEP_PROBE:
		return "looking for a filesystem";
	case FS_STEP_MAKE:
		return "making the filesystem";
	case FS_STEP_CHECK:
		return "checking the filesystem";
	case FS_STEP_MOUNT:
	case FS_STEP_TIDY:
		return "mounting";
	case FS_STEP_UNMOUNT:
		return "unmounting";
	case FS_STEP_TRIM:
		return "trimming";
	case FS_STEP_SIZE:
	case FS_STEP_GROW:
		return "growing the filesystem";
	case FS_STEP_BEGIN:
	case FS_STEP_END:
		break;
	}
	return "this";
}

int fs_step_child_result(const struct fs_op *op, const struct child *child, struct error *error)
{
	const char *doing = fs_step_words(op->step);

	if (child->rc == -ETIMEDOUT)
		return error_set(error, -ETIMEDOUT, "%s: %s took too long%s%s", op->what, doing,
			child->output[0] ? ": " : "", child->output);
	if (child->rc < 0)
		return error_set(error, child->rc, "%s: %s: %s", op->what, doing, child->output);
	if (child->exit_code == 0 || (op->step == FS_STEP_CHECK && child->exit_code == E2FSCK_CORRECTED))
		return 0;
	return error_set(error, op->step == FS_STEP_CHECK ? -EUCLEAN : -EIO,
		"%s: %s failed (exit code %d): %s", op->what, doing, child->exit_code,
		child->output[0] ? child->output : "no words");
}

int fs_work_probe(struct job *job, struct error *error)
{
	struct fs_op *op = container_of(job, struct fs_op, job);
	struct signature found;
	int rc = signature_read(op->device, &found, error);

	if (rc < 0)
		return rc;
	if (found.type[0] == 0)
		return 0;
	if (!op->must_make && strcmp(found.type, op->type) == 0) {
		op->made = true;
		return 0;
	}
	return error_set(error, -EEXIST, "%s has %s already%s%s (UUID %s); nothing was written", op->device,
		found.type, found.label[0] ? ", label " : "", found.label,
		found.uuid[0] ? found.uuid : "none");
}

/*
 * An empty lost+found keeps Docker from copying an image's files into a new volume. e2fsck makes a new one
 * when it needs one; one that holds something stays.
 */
int fs_work_tidy(struct job *job, struct error *error)
{
	struct fs_op *op = container_of(job, struct fs_op, job);
	char path[ATTACH_PATH_MAX + 16];

	(void)error;
	(void)snprintf(path, sizeof(path), "%s/lost+found", op->path);
	if (strcmp(op->type, "ext4") == 0)
		(void)rmdir(path);
	return 0;
}

bool fs_is_mounted(const struct attach *attach, const char *name, char device[64])
{
	char path[ATTACH_PATH_MAX];
	struct mount_search search = { .path = fs_mountpoint(attach, name, path) };

	mount_search_run(&search);
	if (search.found && device)
		(void)snprintf(device, 64, "%.63s", search.source);
	return search.found;
}

int fs_work_unmount(struct job *job, struct error *error)
{
	struct fs_op *op = container_of(job, struct fs_op, job);
	struct mount_search search = { .path = op->path };
	char holder[HOLDER_TEXT_MAX];
	int rc = 0;

	mount_search_run(&search);
	if (search.found) {
		for (int i = 0; i < UNMOUNT_TRIES; i++) {
			rc = umount2(op->path, UMOUNT_NOFOLLOW | (op->lazy ? MNT_DETACH : 0)) == 0 ? 0
												   : -errno;
			if (rc != -EBUSY)
				break;
			usleep(UNMOUNT_RETRY_US);
		}
		if (rc == -EBUSY)
			return error_set(error, rc, "%s is in use at %s: %s", op->what, op->path,
				holder_find(search.dev, holder) ? holder : "the kernel does not say by whom");
		if (rc < 0)
			return error_set(error, rc, "%s can't be unmounted from %s: %s", op->what, op->path,
				strerror(-rc));
	}
	if (rmdir(op->path) != 0 && errno != ENOENT && !op->lazy)
		return error_set(error, -errno, "%s: can't be removed: %s", op->path, strerror(errno));
	return 0;
}

int fs_work_trim(struct job *job, struct error *error)
{
	struct fs_op *op = container_of(job, struct fs_op, job);
	struct mount_search search = { .path = op->path };
	struct fstrim_range range = { .start = op->trim_offset_bytes, .len = op->trim_length_bytes };
	int fd, rc;

	mount_search_run(&search);
	if (!search.found)
		return error_set(error, -ENOENT, "%s is not mounted here", op->what);
	fd = open(op->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set(error, -errno, "%s: %s", op->path, strerror(errno));
	/* EINVAL: the filesystem ends before the range begins. */
	rc = ioctl(fd, FITRIM, &range) == 0 || errno == EINVAL ? 0 : -errno;
	close(fd);
	return rc < 0 ? error_set(error, rc, "%s can't be trimmed: %s", op->what, strerror(-rc)) : 0;
}
