/*
 * A device that fails on purpose: after so many operations of the kinds chosen, so many of them end with an
 * error and do nothing. For rehearsals: a pool that fails must take nothing else with it.
 */
#include <errno.h>
#include <stdlib.h>

#include "loop/loop.h"
#include "store/device_wrap.h"

/* Lives in device_io.priv until the callback has run. */
struct __attribute__((may_alias)) failed {
	struct list node;
};

struct error_device {
	struct device device;
	struct device *below;
	struct loop *loop;
	struct device_error_options options;
	uint64_t seen; /* operations of the kinds chosen */
	struct list failed;
	struct loop_task task;
};

static void error_tell(void *arg)
{
	struct error_device *e = arg;
	struct list *node;

	while ((node = list_pop_front(&e->failed))) {
		struct failed *failed = list_entry(node, struct failed, node);
		struct device_io *io = container_of(failed, struct device_io, priv);

		io->fn(io, -e->options.error);
	}
}

/* Whether this operation fails; if so, it is told from a task. */
static bool error_takes(struct error_device *e, struct device_io *io, enum device_error_kind kind)
{
	struct failed *failed = (struct failed *)(void *)io->priv;
	uint64_t number;

	if (!(e->options.kinds & kind))
		return false;
	number = e->seen++;
	if (number < e->options.after ||
		(e->options.count > 0 && number >= e->options.after + e->options.count))
		return false;
	list_push_back(&e->failed, &failed->node);
	loop_defer(e->loop, &e->task);
	return true;
}

static void error_read(struct device *device, struct device_io *io, const struct iovec *iov,
	unsigned iov_count, uint64_t offset_bytes)
{
	struct error_device *e = container_of(device, struct error_device, device);

	if (!error_takes(e, io, DEVICE_ERROR_READ))
		e->below->ops->read(e->below, io, iov, iov_count, offset_bytes);
}

static void error_write(struct device *device, struct device_io *io, const struct iovec *iov,
	unsigned iov_count, uint64_t offset_bytes)
{
	struct error_device *e = container_of(device, struct error_device, device);

	if (!error_takes(e, io, DEVICE_ERROR_WRITE))
		e->below->ops->write(e->below, io, iov, iov_count, offset_bytes);
}

static void error_flush(struct device *device, struct device_io *io)
{
	struct error_device *e = container_of(device, struct error_device, device);

	if (!error_takes(e, io, DEVICE_ERROR_FLUSH))
		e->below->ops->flush(e->below, io);
}

static void error_discard(
	struct device *device, struct device_io *io, uint64_t offset_bytes, uint64_t length_bytes)
{
	struct error_device *e = container_of(device, struct error_device, device);

	e->below->ops->discard(e->below, io, offset_bytes, length_bytes);
}

static void error_close(struct device *device)
{
	struct error_device *e = container_of(device, struct error_device, device);

	ASSERT(list_is_empty(&e->failed));
	loop_task_cancel(&e->task);
	e->below->ops->close(e->below);
	free(e);
}

static const struct device_ops error_ops = {
	.read = error_read,
	.write = error_write,
	.flush = error_flush,
	.discard = error_discard,
	.close = error_close,
};

int device_error_new(struct loop *loop, struct device *below, const struct device_error_options *options,
	struct device **ret_device)
{
	struct error_device *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	ASSERT(options->error > 0);
	e->device = *below;
	e->device.ops = &error_ops;
	e->below = below;
	e->loop = loop;
	e->options = *options;
	list_init(&e->failed);
	loop_task_init(&e->task, error_tell, e);
	*ret_device = &e->device;
	return 0;
}
