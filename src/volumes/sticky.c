/* quoin volume set-sticky: whether a volume may be removed. */
#include "catalog/policy.h"
#include "volumes/manager.h"

#define STICKY_DEADLINE_MS 30000u

static void sticky_told(void *arg, int rc, const struct error *error)
{
	struct op *op = arg;

	if (rc)
		op->error = *error;
	else
		manager_event(op->volumes, "sticky-set", op->name, "%s",
			op->options.sticky ? "it is not removed before this is cleared"
					   : "it may be removed");
	op_end(op, rc);
}

static void sticky_begin(struct op *op)
{
	const struct catalog_volume *volume;
	int rc = catalog_volume_find(op->volumes->catalog, op->name, &volume, &op->error);

	if (rc)
		op_end(op, rc);
	else
		catalog_volume_sticky_set(op->volumes->catalog, volume->volume, op->options.sticky,
			op_left_ms(op), sticky_told, op);
}

void volumes_set_sticky(struct volumes *volumes, const char *name, bool sticky, volumes_done_fn fn, void *arg)
{
	struct op *op = op_make(volumes, "set sticky", name, STICKY_DEADLINE_MS, sticky_begin, fn, arg);

	if (!op_accept(op, fn, arg, name))
		return;
	op->options.sticky = sticky;
	op_submit(op);
}
