/* The last writes of an attached volume, with the time of each step. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "volumes/manager.h"

#define TRACE_DEADLINE_MS 5000u

struct trace_job {
	void (*fn)(void *arg, int rc, const struct error *error, const struct write_trace *traces,
		unsigned count);
	void *arg;
	char name[NAME_MAX_LEN + 1];
	struct volume *handle;
	unsigned count;
	struct write_trace traces[WRITE_TRACES];
};

static void trace_run(struct dataplane_call *call)
{
	struct trace_job *job = op_of_call(call)->state;

	job->count = volume_traces(job->handle, job->traces);
	dataplane_call_finish(call, 0);
}

static void trace_told(struct op *op, int rc)
{
	struct trace_job *job = op->state;

	if (!op->answered) {
		op->answered = true;
		job->fn(job->arg, rc, &op->error, job->traces, job->count);
	}
	op_end(op, rc);
}

static void trace_begin(struct op *op)
{
	struct trace_job *job = op->state;
	struct attachment *attachment = attachment_find(op->volumes, job->name);

	if (!attachment || attachment->phase != ATTACHMENT_UP || !attachment->handle) {
		trace_told(op, error_set(&op->error, -ENOENT, "volume %s isn't attached on this node (%s)",
				       job->name, op->volumes->config.node));
		return;
	}
	job->handle = attachment->handle;
	op_call(op, attachment->thread, trace_run, trace_told);
}

/* Late or refused. */
static void trace_ended(void *arg, int rc, const struct error *error)
{
	struct op *op = arg;
	struct trace_job *job = op->state;

	job->fn(job->arg, rc, error, job->traces, 0);
}

void volumes_trace(struct volumes *volumes, const char *name,
	void (*fn)(void *arg, int rc, const struct error *error, const struct write_trace *traces,
		unsigned count),
	void *arg)
{
	/* Of no name: it waits behind no operation on the volume. */
	struct op *op = op_make(volumes, "trace", "", TRACE_DEADLINE_MS, trace_begin, trace_ended, NULL);
	struct trace_job *job = op ? calloc(1, sizeof(*job)) : NULL;
	struct error why;
	int rc;

	if (!job) {
		free(op);
		error_set(&why, -ENOMEM, "no memory");
		fn(arg, -ENOMEM, &why, NULL, 0);
		return;
	}
	job->fn = fn;
	job->arg = arg;
	op->state = job;
	op->arg = op;
	rc = name_check("volume name", name, &op->error);
	if (rc)
		op_refuse(op, rc);
	else
		memcpy(job->name, name, strlen(name) + 1);
	op_submit(op);
}
