/* fs.c runs operations; fs_steps.c is what each step does and what comes after it. */
#ifndef QUOIN_ATTACH_FS_PRIVATE_H
#define QUOIN_ATTACH_FS_PRIVATE_H

#include "attach/fs_options.h"
#include "attach/attach_private.h"
#include "attach/child.h"
#include "attach/mountinfo.h"

enum fs_step {
	FS_STEP_BEGIN,
	FS_STEP_PROBE,
	FS_STEP_MAKE,
	FS_STEP_CHECK,
	FS_STEP_MOUNT,
	FS_STEP_TIDY,
	FS_STEP_UNMOUNT,
	FS_STEP_TRIM,
	FS_STEP_SIZE,
	FS_STEP_GROW,
	FS_STEP_END,
};

struct fs_op {
	struct attach *attach;
	attach_done_fn done; /* NULL: told */
	void *done_arg;
	uv_timer_t timer;
	uint32_t deadline_ms;
	uint64_t until_ms; /* by uv_now() */
	struct answer begin;
	enum fs_step step;
	bool running; /* a job or a child is under way */
	struct job job;
	struct child child;
	int rc; /* the operation's, once it has ended */
	struct error error;
	/* what is asked */
	bool make, must_make, mount, unmount, lazy, trim, grow;
	uint64_t trim_offset_bytes, trim_length_bytes;
	/* what is known */
	bool mounted; /* already */
	bool made;    /* already */
	bool small;   /* its device has more room */
	char device[ATTACH_PATH_MAX];
	char what[ATTACH_PATH_MAX]; /* the device or volume, for words */
	char type[16];
	char options[256];
	struct fs_make_arguments make_arguments;
	char path[ATTACH_PATH_MAX];
};

enum fs_step fs_step_after(const struct fs_op *op);
/* "making the filesystem" ... */
const char *fs_step_words(enum fs_step step);
/* 0, or the operation's error. */
int fs_step_child_result(const struct fs_op *op, const struct child *child, struct error *error) MUST_CHECK;

/* Jobs, on a worker. */
int fs_work_probe(struct job *job, struct error *error);
int fs_work_tidy(struct job *job, struct error *error);
int fs_work_unmount(struct job *job, struct error *error);
int fs_work_trim(struct job *job, struct error *error);
int fs_work_size(struct job *job, struct error *error);

#endif
