/* The context of a node's attached devices, and what concerns the whole process. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attach/attach_private.h"
#include "attach/fuse_serve.h"
#include "attach/mountinfo.h"

static int attach_dir_make(const char *dir, mode_t mode, struct error *error)
{
	struct stat st;

	if (mkdir(dir, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return error_set(error, -errno, "%s: %s", dir, strerror(errno));
	if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode))
		return error_set(error, -ENOTDIR, "%s is not a directory", dir);
	return 0;
}

static int attach_dirs_make(struct attach *attach, const struct attach_config *config, struct error *error)
{
	const char *link_dir = config->link_dir ? config->link_dir : "/dev/quoin";
	char real[PATH_MAX];
	int rc;

	if (config->state_dir[0] != '/' || link_dir[0] != '/')
		return error_set(error, -EINVAL, "%s is not an absolute path",
			config->state_dir[0] != '/' ? config->state_dir : link_dir);
	rc = attach_dir_make(config->state_dir, 0700, error);
	if (rc < 0)
		return rc;
	/* As the kernel will name it: leftovers are recognised by that. */
	if (!realpath(config->state_dir, real))
		return error_set(error, -errno, "%s: %s", config->state_dir, strerror(errno));
	if (strlen(real) + sizeof("/dev") > ATTACH_DIR_BYTES || strlen(link_dir) >= ATTACH_DIR_BYTES)
		return error_set(error, -ENAMETOOLONG,
			"%.64s...: the path is too long (%d characters are possible)", config->state_dir,
			ATTACH_DIR_BYTES - 8);
	(void)snprintf(attach->state_dir, ATTACH_DIR_BYTES, "%s", real);
	(void)snprintf(attach->dev_dir, ATTACH_DIR_BYTES, "%s/dev", real);
	(void)snprintf(attach->mnt_dir, ATTACH_DIR_BYTES, "%s/mnt", real);
	(void)snprintf(attach->link_dir, ATTACH_DIR_BYTES, "%s", link_dir);
	rc = attach_dir_make(attach->dev_dir, 0700, error);
	if (rc == 0)
		rc = attach_dir_make(attach->mnt_dir, 0711, error);
	if (rc == 0)
		rc = attach_dir_make(attach->link_dir, 0755, error);
	return rc;
}

static bool loops_begin(struct attach *attach, const struct attach_config *config)
{
	ASSERT(config->loop_count > 0 && config->loop_count <= ATTACH_MAX_LOOPS);
	for (unsigned i = 0; i < config->loop_count; i++) {
		attach->loops[i].loop = config->loops[i];
		attach->loops[i].landing = landing_new();
		if (!attach->loops[i].landing)
			return false;
		attach->loop_count = i + 1;
	}
	return true;
}

static void loops_end(struct attach *attach)
{
	for (unsigned i = 0; i < attach->loop_count; i++)
		landing_put(attach->loops[i].landing);
}

int attach_new(const struct attach_config *config, struct attach **ret_attach, struct error *error)
{
	struct attach *attach = calloc(1, sizeof(*attach));
	int rc;

	if (!attach)
		return error_set(error, -ENOMEM, "no memory");
	attach->uv = config->uv;
	rc = attach_dirs_make(attach, config, error);
	if (rc < 0)
		goto free_attach;
	if (!loops_begin(attach, config)) {
		rc = error_set(error, -ENOMEM, "no memory");
		goto put_landings;
	}
	rc = answers_new(attach->uv, &attach->answers);
	if (rc < 0) {
		(void)error_set(error, rc, "no eventfd: %s", strerror(-rc));
		goto put_landings;
	}
	*ret_attach = attach;
	return 0;
put_landings:
	loops_end(attach);
free_attach:
	free(attach);
	return rc;
}

static void attach_freed(void *arg)
{
	struct attach *attach = arg;
	void (*freed)(void *arg) = attach->freed;
	void *freed_arg = attach->freed_arg;

	free(attach);
	freed(freed_arg);
}

int attach_free(struct attach *attach, void (*fn)(void *arg), void *arg)
{
	if (attach->busy > 0)
		return -EBUSY;
	attach->freed = fn;
	attach->freed_arg = arg;
	loops_end(attach);
	answers_free(attach->answers, attach_freed, attach);
	return 0;
}

void attach_protect_process(bool *ret_locked, bool *ret_io_flusher, struct error *ret_words)
{
	int lock_error = mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0 ? 0 : errno;
	int flusher_error = prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) == 0 ? 0 : errno;

	*ret_locked = lock_error == 0;
	*ret_io_flusher = flusher_error == 0;
	snprintf(ret_words->text, sizeof(ret_words->text), "memory %s%s%s; I/O flusher: %s%s%s",
		lock_error ? "not locked (" : "locked", lock_error ? strerror(lock_error) : "",
		lock_error ? ", needs CAP_IPC_LOCK)" : "", flusher_error ? "no (" : "yes",
		flusher_error ? strerror(flusher_error) : "",
		flusher_error ? ", needs CAP_SYS_RESOURCE)" : "");
}

static int attach_node_usable(const char *path, const char *module, struct error *error)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return error_set(error, -ENOTSUP,
			"%s: %s; volumes can't be attached here (modprobe %s, and run as root)", path,
			strerror(errno), module);
	close(fd);
	return 0;
}

/*
 * In a chroot, whose "/" is no mount, the kernel still names mounts and a loop device's file from the
 * machine's root: what a killed agent left could not be told from another's.
 */
static int attach_root_usable(struct error *error)
{
	struct mount_search search = { .path = "/" };

	mount_search_run(&search);
	if (search.found)
		return 0;
	return error_set(error, -ENOTSUP,
		"volumes can't be attached from inside a chroot: run the agent outside of it");
}

int attach_supported(struct error *error)
{
	int rc = attach_root_usable(error);

	if (rc == 0)
		rc = attach_node_usable("/dev/fuse", "fuse", error);
	return rc < 0 ? rc : attach_node_usable("/dev/loop-control", "loop", error);
}
