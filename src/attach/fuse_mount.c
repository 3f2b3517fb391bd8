#include "attach/fuse_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "attach/mountinfo.h"

#define FUSE_CONNECTIONS "/sys/fs/fuse/connections"
/* Mounts over one another at one place: bounded, were the kernel ever to go on saying yes. */
#define FUSE_MAX_STACK 16

int fuse_open(struct error *error)
{
	int fd = open("/dev/fuse", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return error_set(error, -errno, "/dev/fuse: %s (is the kernel module `fuse` loaded?)",
			strerror(errno));
	return fd;
}

static int fuse_dir_clear(const char *dir)
{
	for (int i = 0; i < FUSE_MAX_STACK; i++)
		if (umount2(dir, MNT_DETACH | UMOUNT_NOFOLLOW) != 0)
			return errno == EINVAL || errno == ENOENT ? 0 : -errno;
	return -EBUSY;
}

int fuse_mount(int fuse_fd, const char *dir, const char *name, dev_t *ret_dev, struct error *error)
{
	struct mount_search search = { .path = dir };
	char options[128];
	char source[NAME_MAX_LEN + 8];
	int rc;

	rc = fuse_dir_clear(dir);
	if (rc < 0)
		return error_set(
			error, rc, "%s: what is mounted there can't be unmounted: %s", dir, strerror(-rc));
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return error_set(error, -errno, "%s: %s", dir, strerror(errno));
	(void)snprintf(source, sizeof(source), "quoin:%s", name);
	(void)snprintf(options, sizeof(options),
		"fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions", fuse_fd);
	if (mount(source, dir, FUSE_MOUNT_TYPE, MS_NOSUID | MS_NODEV | MS_NOATIME, options) != 0) {
		rc = error_set(error, -errno, "%s: FUSE can't be mounted: %s", dir, strerror(errno));
		(void)rmdir(dir);
		return rc;
	}
	mount_search_run(&search);
	*ret_dev = search.found ? search.dev : 0;
	return 0;
}

int fuse_unmount(const char *dir, struct error *error)
{
	int rc = fuse_dir_clear(dir);

	if (rc < 0)
		return error_set(error, rc, "%s: can't be unmounted: %s", dir, strerror(-rc));
	if (rmdir(dir) != 0 && errno != ENOENT)
		return error_set(error, -errno, "%s: can't be removed: %s", dir, strerror(errno));
	return 0;
}

bool fuse_abort(dev_t dev)
{
	char path[128];
	bool done;
	int fd;

	/* Not everyone mounts it (containers don't); where it is there already, this fails and changes
	 * nothing. */
	if (access(FUSE_CONNECTIONS "/.", F_OK) == 0)
		(void)snprintf(path, sizeof(path), FUSE_CONNECTIONS "/%u/abort", (unsigned)minor(dev));
	else
		return false;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && mount("fusectl", FUSE_CONNECTIONS, "fusectl", 0, NULL) == 0)
		fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	done = write(fd, "1", 1) == 1;
	close(fd);
	return done;
}
