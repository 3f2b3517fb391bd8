/* The data plane's part of an attachment: open, what ends it, close. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "volumes/manager.h"
#include "volumes/sessions.h"

/* ---- on the data plane's thread ---- */

static void call_end(struct dataplane_call **pending, int rc)
{
	struct dataplane_call *call = *pending;

	*pending = NULL;
	if (call)
		dataplane_call_finish(call, rc);
}

static void volume_ready(void *user, struct volume *volume)
{
	struct attachment *attachment = user;

	(void)volume;
	call_end(&attachment->open_pending, 0);
}

static void volume_changed(void *user, struct volume *volume, enum volume_state state)
{
	/* The data plane tells it as an event, and each snapshot shows it. */
	(void)user;
	(void)volume;
	(void)state;
}

static void volume_ended(
	void *user, struct volume *volume, bool outdated, struct epoch promised, const char *why)
{
	struct attachment *attachment = user;

	(void)volume;
	if (attachment->has_ended)
		return;
	attachment->has_ended = true;
	attachment->outdated = outdated;
	attachment->promised = promised;
	snprintf(attachment->why, sizeof(attachment->why), "%s", why);
	if (attachment->open_pending)
		call_end(&attachment->open_pending, -ESTALE);
	else
		call_end(&attachment->ended_pending, -ESTALE);
}

static void open_run(struct dataplane_call *call)
{
	struct attachment *attachment = op_of_call(call)->attachment;
	struct volume_events events = { volume_ready, volume_changed, volume_ended, volume_record_asked,
		attachment };
	struct volume_spec *specs = volume_shards_specs(&attachment->shards, &attachment->spec);
	int rc = -ENOMEM;

	attachment->has_ended = attachment->outdated = false;
	for (unsigned s = 0; s < attachment->shards.count; s++)
		attachment->of_shard[s].has_record = false;
	attachment->open_pending = call;
	if (specs)
		rc = volume_attach_striped(dataplane_datapath(call->dataplane), specs,
			attachment->shards.count, attachment->shards.stripe_bytes, &events,
			&attachment->opened);
	free(specs);
	if (rc)
		call_end(&attachment->open_pending, rc);
}

static void ended_run(struct dataplane_call *call)
{
	struct attachment *attachment = container_of(call, struct attachment, ended_call);

	attachment->ended_pending = call;
	if (attachment->has_ended)
		call_end(&attachment->ended_pending, -ESTALE);
}

static void cancel_run(struct dataplane_call *call)
{
	struct attachment *attachment = container_of(call, struct attachment, cancel_call);

	call_end(&attachment->open_pending, -ETIMEDOUT);
	dataplane_call_finish(call, 0);
}

static void close_told(void *arg, int rc)
{
	dataplane_call_finish(arg, rc);
}

static void close_run(struct dataplane_call *call)
{
	struct attachment *attachment = op_of_call(call)->attachment;

	call_end(&attachment->ended_pending, -ECANCELED);
	membership_end(attachment);
	volume_detach(attachment->opened, close_told, call);
}

/* ---- on the control thread ---- */

void attachment_call(struct attachment *attachment, struct dataplane_call *call)
{
	dataplane_call(attachment->volumes->dataplanes[attachment->thread], call);
}

static void fence_told(struct attachment *attachment, const char *why)
{
	if (!attachment->ended && !attachment->steward)
		manager_event(attachment->volumes, "volume-fenced", attachment->spec.name,
			"its I/O gets EIO from now on, and its mount is taken down: %s", why);
	attachment->ended = true;
}

void attachment_fence(struct op *op, struct attachment *attachment, op_step_fn then)
{
	fence_told(attachment, op->why_undone.text);
	op->force = true;
	/* Another's by now; or, if it is ours still, the next plan brings it up again. */
	op->keep_record = true;
	attachment_take_down(op, then);
}

static void fence_begin(struct op *op)
{
	op->force = op->keep_record = true;
	attachment_take_down(op, op_end);
}

bool attachment_serves(const struct attachment *attachment)
{
	const struct volume_stats *stats =
		snapshot_stats_find(&attachment->volumes->snapshot, attachment->spec.volume);

	return stats && stats->state == VOLUME_SERVING && !attachment->ended && !attachment->steward;
}

static void ended_done(struct dataplane_call *call)
{
	struct attachment *attachment = container_of(call, struct attachment, ended_call);
	struct volumes *volumes = attachment->volumes;
	struct op *op;

	if (call->rc != -ESTALE)
		return;
	fence_told(attachment, attachment->why);
	op = op_make(volumes, "take down", attachment->spec.name, OP_FOREVER_MS, fence_begin, NULL, NULL);
	if (!op)
		return;          /* the next plan sees it */
	op->before_ready = true; /* one that was resumed */
	op_submit(op);
}

static void cancel_done(struct dataplane_call *call)
{
	(void)call;
}

void attachment_open_cancel(struct attachment *attachment)
{
	if (attachment->cancelled)
		return;
	attachment->cancelled = true;
	attachment->cancel_call = (struct dataplane_call){ .run = cancel_run, .done = cancel_done };
	attachment_call(attachment, &attachment->cancel_call);
}

/* A new one each time; the one before is named as dead where that is certain. */
static void session_begin(struct volumes *volumes, struct volume_spec *spec)
{
	struct error error;

	do
		spec->session = random_u64(&volumes->random);
	while (spec->session == 0);
	if (sessions_begin(volumes->sessions, spec->volume, spec->session, &spec->dead_session, &error))
		manager_event(volumes, "state-not-written", spec->name, "%s", error.text);
}

static void open_expired(struct op *op)
{
	attachment_open_cancel(op->attachment);
}

static void open_done(struct op *op, int rc)
{
	struct attachment *attachment = op->attachment;

	op->expired = NULL;
	op->waits_for = NULL;
	attachment->handle = attachment->opened;
	if (rc == 0) {
		attachment->ended_call = (struct dataplane_call){ .run = ended_run, .done = ended_done };
		attachment_call(attachment, &attachment->ended_call);
	} else if (rc == -ESTALE) {
		error_set(&op->error, rc, "can't attach volume %s: %s", op->name, attachment->why);
	} else if (rc == -ETIMEDOUT && !op->answered) {
		error_set(&op->error, rc,
			"can't attach volume %s: no quorum of its replicas answered in time", op->name);
	}
	op->told_then(op, rc);
}

void attachment_open(struct op *op, void (*then)(struct op *op, int rc))
{
	/* A device belongs to one session. A second one could bring what waits in it onto another's data. */
	ASSERT(!op->attachment->blockdev && !op->attachment->ended);
	op->told_then = then;
	op->waits_for = "a quorum of the volume's replicas";
	op->expired = open_expired;
	op->attachment->opened = NULL;
	session_begin(op->volumes, &op->attachment->spec);
	op->attachment->thread =
		threads_of_volume(op->volumes, op->attachment->spec.volume, &op->attachment->shards);
	op_call(op, op->attachment->thread, open_run, open_done);
	membership_begin(op->attachment); /* behind it: a replica may have to be dropped for it to open */
	if (op_expired(op))
		attachment_open_cancel(op->attachment);
}

static void close_done(struct op *op, int rc)
{
	if (!rc)
		sessions_end(op->volumes->sessions, op->attachment->spec.volume);
	op->attachment->handle = NULL;
	op->attachment->opened = NULL;
	op->attachment->closing = false;
	op->attachment->sessions++; /* what it has asked for comes too late */
	op->told_then(op, rc);
}

void attachment_close(struct op *op, void (*then)(struct op *op, int rc))
{
	op->told_then = then;
	op->attachment->closing = op->attachment->handle != NULL;
	if (op->attachment->handle)
		op_call(op, op->attachment->thread, close_run, close_done);
	else
		then(op, 0);
}
