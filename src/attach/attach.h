/*
 * attach: a volume becomes a block device of this node, and its filesystem appears at a path.
 *
 * A *front* turns requests into volume_submit(): a FUSE file with a loop device on it, or an NBD export. ublk
 * would stand beside them as a further table of functions (attach/front.h, private).
 *
 *      blockdev_attach()                                  blockdev_detach()
 *   PREPARING -> STARTING -> EXPOSING -> ATTACHED -> WITHDRAWING -> STOPPING -> CLEANING -> gone
 *    worker      data plane   worker                  worker         data plane   worker
 *
 * Thread rule: the control thread (the one of the uv loop), unless a function says otherwise. Whatever may
 * block runs on a thread of its own that has given up its share of the process's file descriptors, or in a
 * child process: a process that dies while such a thread waits for I/O of its own volume must still let go
 * of the FUSE descriptor, which is what ends that I/O. The data plane's part runs on the volume's loop.
 * Error rule: rc is 0 or a negative errno; the words name the volume, the cause and what to do. Callbacks
 * run on the control thread, exactly once, never inside the call; words are valid during the callback.
 * Operations of one device come one after the other (but for DETACH_FORCE): an assertion says so.
 */
#ifndef QUOIN_ATTACH_H
#define QUOIN_ATTACH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"

struct uv_loop_s;
struct uring_loop;
struct volume;
struct attach;
struct blockdev;

typedef void (*attach_done_fn)(void *arg, int rc, const struct error *error);

#define ATTACH_PATH_MAX   1024
#define ATTACH_DEVICE_MAX UNIX_SOCKET_PATH_MAX

/* ---- life ---- */

#define ATTACH_MAX_LOOPS 16u

struct attach_config {
	struct uv_loop_s *uv;            /* the control thread's */
	struct uring_loop *const *loops; /* of the data plane's threads; copied */
	unsigned loop_count;             /* 1 to ATTACH_MAX_LOOPS */
	const char *state_dir;           /* absolute, this agent's alone: holds dev/VOLUME and mnt/VOLUME */
	const char *link_dir; /* device links; NULL: /dev/quoin. Shared by the agents of one machine */
};

/* Strings are copied. -errno with words. Makes the directories. */
int attach_new(
	const struct attach_config *config, struct attach **ret_attach, struct error *error) MUST_CHECK;
/*
 * All devices are detached, nothing is under way (-EBUSY otherwise, and nothing happens). The data plane's
 * loop still runs, its buffer pool still lives. Closes the uv handles: `fn` runs when that is done.
 */
int attach_free(struct attach *attach, void (*fn)(void *arg), void *arg) MUST_CHECK;

/*
 * Locks the process's memory, and marks it an I/O flusher, so that writeback can never wait for itself.
 * Both only where permitted: ret_words says what was and was not. Call before threads start; any thread.
 */
void attach_protect_process(bool *ret_locked, bool *ret_io_flusher, struct error *ret_words);
/* 0, or -ENOTSUP with words where this machine has no FUSE or no loop devices, or we may not use them. */
int attach_supported(struct error *error) MUST_CHECK;

/* ---- leftovers of a killed agent ---- */

/*
 * Finds what belongs to this state_dir (mounts, loop devices, dead FUSE mounts) and takes it down in order:
 * FUSE connection aborted, filesystems unmounted (lazily where in use), loop devices detached, FUSE
 * unmounted, stale links in link_dir removed. Call at start, before any blockdev_attach(), holding the
 * lock on state_dir. found() runs for each thing, on the control thread, before done(): "loop device
 * /dev/loop3 of volume v1: detached". done(): 0 also where nothing was found; -EBUSY, with words, where
 * something could not be removed. Deadline 20 s.
 */
void attach_clean_leftovers(
	struct attach *attach, void (*found)(void *arg, const char *words), attach_done_fn done, void *arg);

/* ---- block device ---- */

#define BLOCKDEV_DEADLINE_MS        20000u
#define BLOCKDEV_DETACH_DEADLINE_MS 20000u

struct blockdev_spec {
	const char *name;       /* the volume's or snapshot's ("VOLUME@SNAPSHOT"); copied */
	struct volume *volume;  /* serving; must live until done() of blockdev_detach() or of a failed
				   blockdev_attach() */
	unsigned loop;          /* the one on which the volume lives */
	const char *nbd_socket; /* not NULL: an NBD export there instead of a device of the kernel; copied */
	uint32_t deadline_ms;   /* 0: BLOCKDEV_DEADLINE_MS */
};

/*
 * The device appears, as /dev/loopN and LINK_DIR/NAME, or as an NBD server's socket; read-only where the
 * volume is. *ret_blockdev may be
 * used once done() has run with 0; after another rc everything is rolled back and the handle is gone. At its
 * deadline it is rolled back by force and ends with -ETIMEDOUT. Returns -errno only for want of memory or a
 * bad name (then done() does not run).
 */
int blockdev_attach(struct attach *attach, const struct blockdev_spec *spec, struct blockdev **ret_blockdev,
	attach_done_fn done, void *arg, struct error *error) MUST_CHECK;

/* "/dev/loop7", or the export's socket; lives as long as the device. */
const char *blockdev_path(const struct blockdev *blockdev);
/* "/dev/quoin/NAME", or the export's socket. */
const char *blockdev_link(const struct blockdev *blockdev);

/*
 * The volume is larger now (volume_grow() is done): the device shows it, whoever uses it. An export tells its
 * new size to who connects from now on. -errno with words: the device goes on as it was.
 */
void blockdev_grow(struct blockdev *blockdev, attach_done_fn done, void *arg);
/* It is not on its way up or down, nor half gone. */
bool blockdev_is_up(const struct blockdev *blockdev);

enum detach_mode {
	/*
	 * Only if nobody uses it: -EBUSY, with words that name a holder (process, mount, container's mount
	 * namespace; NBD clients), and the device goes on. -ETIMEDOUT: it is half gone; call again, with
	 * DETACH_FORCE if it must be. After both the handle lives on.
	 */
	DETACH_CLEAN,
	/*
	 * For a volume that is fenced or a device that must go now: requests of the kernel get EIO from
	 * here on, the filesystem is unmounted lazily in this namespace, whoever still holds it sees
	 * errors. Allowed also while an attach or a clean detach runs (whose done() gets -ECANCELED,
	 * first). -ETIMEDOUT: the kernel hangs on; it goes on in the background.
	 */
	DETACH_FORCE,
};

/*
 * The handle is gone when done() runs, but for the cases above. From then on volume_submit() is
 * never called again, but with DETACH_FORCE requests may still be in flight: detach the volume then, which
 * ends them; the front frees what they need by itself.
 */
void blockdev_detach(struct blockdev *blockdev, enum detach_mode mode, uint32_t deadline_ms,
	attach_done_fn done, void *arg);

/* Counters of the front; any thread (each is read alone, relaxed). */
struct blockdev_stats {
	uint64_t requests; /* of the kernel, reads and writes, before they are split */
	uint64_t wakeups;
	uint64_t copies; /* payloads that were copied once; larger ones are passed by reference */
	uint64_t stalls; /* times that draining waited for buffers or request objects */
	uint64_t errors; /* answered with an error */
};
void blockdev_stats_get(const struct blockdev *blockdev, struct blockdev_stats *ret_stats);

/* ---- filesystem, on a device of blockdev_attach() or any other ---- */

#define FS_OPTIONS_LEN 127u

enum fs_options_kind { FS_MAKE_OPTIONS, FS_MOUNT_OPTIONS };
/*
 * Options of a filesystem as a class says them, "inode_ratio=16384,journal_size=64"; "" is none. -EINVAL with
 * words: one that it doesn't have (with the nearest), a value beyond its bounds, one twice. docs/classes.md
 * names them all.
 */
int fs_options_check(
	enum fs_options_kind kind, const char *fs, const char *text, struct error *error) MUST_CHECK;

struct fs_spec {
	const char *device;       /* path */
	const char *type;         /* "ext4" or "xfs"; -EINVAL otherwise, naming the valid ones */
	const char *options;      /* mount options beside noatime,nodiscard; NULL: none */
	const char *make_options; /* beside our own; NULL: none. Both checked: -EINVAL */
	uint32_t deadline_ms;     /* 0: 60 s, a full check after an unclean end included */
};

/*
 * Makes the filesystem. -EEXIST, and nothing is written, where the device has any signature, naming it: of
 * the same type ("ext4, UUID ...: already made") or another.
 */
void fs_make(struct attach *attach, const struct fs_spec *spec, attach_done_fn done, void *arg);
/*
 * Mounts on state_dir/mnt/NAME; NAME is the volume's. Makes the directory, checks the filesystem (e2fsck
 * -p, which replays the journal; xfs does that in mount), mounts, and removes an empty lost+found: a new
 * volume looks empty. The path is fs_mountpoint()'s. Where this very device is mounted there already:
 * success.
 */
void fs_mount(
	struct attach *attach, const struct fs_spec *spec, const char *name, attach_done_fn done, void *arg);
/* fs_make() where the device has no signature, then fs_mount(): the usual way. */
void fs_make_and_mount(
	struct attach *attach, const struct fs_spec *spec, const char *name, attach_done_fn done, void *arg);
/*
 * -EBUSY, with words that name a process that uses it. `lazy`: out of sight at once, gone when the last
 * user is (before blockdev_detach(DETACH_FORCE) this is not needed). Removes the directory. Not mounted:
 * success.
 */
void fs_unmount(struct attach *attach, const char *name, bool lazy, uint32_t deadline_ms, attach_done_fn done,
	void *arg);
/*
 * Gives unused blocks of a part of the mounted filesystem back to the pools (FITRIM), also where that ends
 * before the part does. An unmount waits for it: parts should be a moment's work. -EOPNOTSUPP, -ENOENT: not
 * mounted.
 */
void fs_trim(struct attach *attach, const char *name, uint64_t offset_bytes, uint64_t length_bytes,
	uint32_t deadline_ms, attach_done_fn done, void *arg);

/*
 * A mounted filesystem that is smaller than its device takes all of it, while it is used; one that isn't:
 * success. -errno with words: it goes on as it was.
 */
void fs_grow(
	struct attach *attach, const struct fs_spec *spec, const char *name, attach_done_fn done, void *arg);

/* Where volume NAME is or would be mounted: state_dir/mnt/NAME. Returns `path`. */
char *fs_mountpoint(const struct attach *attach, const char *name, char path[static ATTACH_PATH_MAX]);
/*
 * Whether something is mounted there now, from /proc/self/mountinfo; the device's path into `device` if
 * not NULL. Does not block.
 */
bool fs_is_mounted(const struct attach *attach, const char *name, char device[64]);

#endif
