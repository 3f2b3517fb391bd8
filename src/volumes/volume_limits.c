/* quoin volume set-limits: into the record; the node where the volume is attached follows it. */
#include "volumes/volume_limits.h"

#include <stdlib.h>

#include "catalog/policy.h"
#include "volumes/manager.h"

#define LIMITS_DEADLINE_MS 30000u

/* ---- the wish ---- */

static void limits_told(void *arg, int rc, const struct error *error)
{
	struct op *op = arg;
	const struct volume_limits_wish *wish = op->state;

	if (rc)
		op->error = *error;
	else
		manager_event(op->volumes, "limits-set", op->name, "%llu requests, %llu bytes a second",
			(unsigned long long)wish->iops, (unsigned long long)wish->bytes_per_s);
	manager_kick(op->volumes);
	op_end(op, rc);
}

static void limits_begin(struct op *op)
{
	struct volume_limits_wish *wish = op->state;
	const struct catalog_volume *volume;
	int rc = wish ? catalog_volume_find(op->volumes->catalog, op->name, &volume, &op->error)
		      : error_set(&op->error, -ENOMEM, "out of memory");

	if (rc) {
		op_end(op, rc);
		return;
	}
	if (!wish->has_iops)
		wish->iops = volume->limit_iops;
	if (!wish->has_bytes_per_s)
		wish->bytes_per_s = volume->limit_bytes_per_s;
	catalog_volume_limits_set(op->volumes->catalog, volume->volume, wish->iops, wish->bytes_per_s,
		op_left_ms(op), limits_told, op);
}

void volumes_set_limits(struct volumes *volumes, const char *name, const struct volume_limits_wish *wish,
	volumes_done_fn fn, void *arg)
{
	struct op *op = op_make(volumes, "set limits", name, LIMITS_DEADLINE_MS, limits_begin, fn, arg);

	if (!op_accept(op, fn, arg, name))
		return;
	op->state = malloc(sizeof(*wish));
	if (op->state)
		*(struct volume_limits_wish *)op->state = *wish;
	op_submit(op);
}

/* ---- where it is attached ---- */

static void limits_run(struct dataplane_call *call)
{
	struct attachment *attachment = container_of(call, struct attachment, limits_call);

	volume_limits_set(attachment->opened, &attachment->limits);
	dataplane_call_finish(call, 0);
}

static void limits_done(struct dataplane_call *call)
{
	struct attachment *attachment = container_of(call, struct attachment, limits_call);

	attachment->spec.limits = attachment->limits;
	attachment->limiting = false;
}

void limits_follow(struct attachment *attachment, const struct catalog_volume *volume)
{
	/* Its record may say that it is held before it is open. */
	if (!attachment->handle || attachment->limiting ||
		(attachment->spec.limits.iops == volume->limit_iops &&
			attachment->spec.limits.bytes_per_s == volume->limit_bytes_per_s))
		return;
	attachment->limits = (struct volume_limits){ volume->limit_iops, volume->limit_bytes_per_s };
	attachment->limiting = true;
	attachment->limits_call = (struct dataplane_call){ .run = limits_run, .done = limits_done };
	attachment_call(attachment, &attachment->limits_call);
}
