/*
 * A device that is slow on purpose: each operation waits before it goes on to the device below. For
 * rehearsals: one slow replica must be invisible.
 */
#include <errno.h>
#include <stdlib.h>

#include "loop/loop.h"
#include "store/device_wrap.h"

enum delayed_kind { DELAYED_READ, DELAYED_WRITE, DELAYED_FLUSH, DELAYED_DISCARD };

/* Lives in device_io.priv while the operation waits; the device below has the place after that. */
struct __attribute__((may_alias)) delayed {
	struct list node;
	uint64_t at_ns;
	const struct iovec *iov;
	uint64_t offset_bytes;
	uint64_t length_bytes;
	uint32_t iov_count;
	enum delayed_kind kind;
};

struct delay_device {
	struct device device;
	struct device *below;
	struct loop *loop;
	struct device_delay_options options;
	struct random random;
	struct list waiting; /* by at_ns */
	struct loop_timer timer;
};

static void delayed_go(struct delay_device *d, struct delayed *delayed)
{
	struct device_io *io = container_of(delayed, struct device_io, priv);
	struct delayed copy = *delayed;

	switch (copy.kind) {
	case DELAYED_READ:
		d->below->ops->read(d->below, io, copy.iov, copy.iov_count, copy.offset_bytes);
		break;
	case DELAYED_WRITE:
		d->below->ops->write(d->below, io, copy.iov, copy.iov_count, copy.offset_bytes);
		break;
	case DELAYED_FLUSH:
		d->below->ops->flush(d->below, io);
		break;
	case DELAYED_DISCARD:
		d->below->ops->discard(d->below, io, copy.offset_bytes, copy.length_bytes);
		break;
	}
}

static void delay_over(void *arg)
{
	struct delay_device *d = arg;
	struct list *node;

	while ((node = list_first(&d->waiting))) {
		struct delayed *delayed = list_entry(node, struct delayed, node);

		if (delayed->at_ns > loop_now_ns(d->loop)) {
			loop_timer_set(d->loop, &d->timer, delayed->at_ns);
			return;
		}
		list_remove(node);
		delayed_go(d, delayed);
	}
}

static void delay_wait(
	struct device *device, struct device_io *io, const struct delayed *what, uint64_t delay_ns)
{
	struct delay_device *d = container_of(device, struct delay_device, device);
	struct delayed *delayed = (struct delayed *)(void *)io->priv;
	struct list *before = d->waiting.prev;

	_Static_assert(sizeof(struct delayed) <= sizeof(((struct device_io *)NULL)->priv), "it must fit");
	*delayed = *what;
	delayed->at_ns = loop_now_ns(d->loop) + delay_ns;
	if (d->options.jitter_ns > 0)
		delayed->at_ns += random_below(&d->random, d->options.jitter_ns + 1);
	while (before != &d->waiting && list_entry(before, struct delayed, node)->at_ns > delayed->at_ns)
		before = before->prev;
	list_insert_between(&delayed->node, before, before->next);
	loop_timer_set(d->loop, &d->timer, list_entry(d->waiting.next, struct delayed, node)->at_ns);
}

static void delay_read(struct device *device, struct device_io *io, const struct iovec *iov,
	unsigned iov_count, uint64_t offset_bytes)
{
	struct delayed what = {
		.kind = DELAYED_READ, .iov = iov, .iov_count = iov_count, .offset_bytes = offset_bytes
	};

	delay_wait(device, io, &what, container_of(device, struct delay_device, device)->options.read_ns);
}

static void delay_write(struct device *device, struct device_io *io, const struct iovec *iov,
	unsigned iov_count, uint64_t offset_bytes)
{
	struct delayed what = {
		.kind = DELAYED_WRITE, .iov = iov, .iov_count = iov_count, .offset_bytes = offset_bytes
	};

	delay_wait(device, io, &what, container_of(device, struct delay_device, device)->options.write_ns);
}

static void delay_flush(struct device *device, struct device_io *io)
{
	struct delayed what = { .kind = DELAYED_FLUSH };

	delay_wait(device, io, &what, container_of(device, struct delay_device, device)->options.flush_ns);
}

static void delay_discard(
	struct device *device, struct device_io *io, uint64_t offset_bytes, uint64_t length_bytes)
{
	struct delayed what = {
		.kind = DELAYED_DISCARD, .offset_bytes = offset_bytes, .length_bytes = length_bytes
	};

	delay_wait(device, io, &what, container_of(device, struct delay_device, device)->options.write_ns);
}

static void delay_close(struct device *device)
{
	struct delay_device *d = container_of(device, struct delay_device, device);

	ASSERT(list_is_empty(&d->waiting));
	loop_timer_cancel(d->loop, &d->timer);
	d->below->ops->close(d->below);
	free(d);
}

static const struct device_ops delay_ops = {
	.read = delay_read,
	.write = delay_write,
	.flush = delay_flush,
	.discard = delay_discard,
	.close = delay_close,
};

int device_delay_new(struct loop *loop, struct device *below, const struct device_delay_options *options,
	struct device **ret_device)
{
	struct delay_device *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->device = *below;
	d->device.ops = &delay_ops;
	d->below = below;
	d->loop = loop;
	d->options = *options;
	random_init(&d->random, options->seed);
	list_init(&d->waiting);
	loop_timer_init(&d->timer, delay_over, d);
	*ret_device = &d->device;
	return 0;
}
