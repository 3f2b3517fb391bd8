#include "volumes/in_use.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "volumes/holders.h"
#include "volumes/manager.h"

struct in_use_job {
	char device[64], mountpoint[ATTACH_PATH_MAX];
	struct holder holder;
};

/* On a thread of its own. */
static int holders_work(struct op *op)
{
	struct in_use_job *job = op->state;
	struct stat st;

	if (stat(job->device, &st))
		return 0; /* the device is gone, and so is whatever was mounted from it */
	return holders_find(st.st_rdev, job->mountpoint, &job->holder);
}

static void older_gone(struct op *op)
{
	struct error why;

	if (mounts_forget(op->volumes->mounts, op->name, true, &why))
		manager_event(op->volumes, "state-not-written", op->name, "%s", why.text);
	op->told_then(op, 0);
}

static void holders_told(struct op *op, int rc)
{
	struct in_use_job *job = op->state;
	struct holder holder = job->holder;

	free(job);
	op->state = NULL;
	if (rc || holder.pid) {
		rc = error_set(&op->error, -EBUSY,
			"volume %s is still mounted in the mount namespace of process %ld (%s)", op->name,
			(long)holder.pid, holder.comm);
		op->told_then(op, rc);
		return;
	}
	older_gone(op);
}

void in_use_check(struct op *op, void (*then)(struct op *op, int rc))
{
	struct mounts_count count = mounts_count(op->volumes->mounts, op->name);
	struct attachment *attachment = attachment_find(op->volumes, op->name);
	struct in_use_job *job;

	op->told_then = then;
	if (count.current) {
		then(op, error_set(&op->error, -EBUSY, "volume %s is in use on node %s: %u mount%s it",
				 op->name, op->volumes->config.node, count.current,
				 count.current == 1 ? " holds" : "s hold"));
		return;
	}
	if (!attachment || !attachment->blockdev || attachment->nbd || !count.older) {
		older_gone(op);
		return;
	}
	job = calloc(1, sizeof(*job));
	if (!job) {
		then(op, -ENOMEM);
		return;
	}
	free(op->state);
	op->state = job;
	snprintf(job->device, sizeof(job->device), "%s", blockdev_path(attachment->blockdev));
	fs_mountpoint(op->volumes->attach, op->name, job->mountpoint);
	op_work(op, holders_work, holders_told);
}
