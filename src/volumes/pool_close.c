/*
 * Closing pools: all at once, so that one whose device does not answer holds up none of the others. What such
 * a device still has of a pool is left to it, see store/close.c.
 */
#include <errno.h>
#include <string.h>

#include "volumes/manager.h"

static void close_told(void *arg, int rc)
{
	struct dataplane_call *call = arg;

	if (rc == -ETIMEDOUT)
		dataplane_leave(call->dataplane);
	dataplane_call_finish(call, rc);
}

void pool_close_run(struct dataplane_call *call, struct pool *pool)
{
	datapath_pool_remove(dataplane_datapath(call->dataplane), pool);
	pool_close(pool, close_told, call);
}

static void close_run(struct dataplane_call *call)
{
	pool_close_run(call, container_of(call, struct local_pool, close_call)->closing);
}

static void close_done(struct dataplane_call *call)
{
	struct local_pool *pool = container_of(call, struct local_pool, close_call);
	struct op *op = pool->close_op;

	pool->closing = NULL;
	if (call->rc == -ETIMEDOUT)
		log_error("pool %s: %s does not answer, and isn't waited for; this process may not end "
			  "before the kernel gives the device up",
			pool->config.name, pool->config.path);
	else if (call->rc)
		log_error("pool %s wasn't closed well: %s", pool->config.name, strerror(-call->rc));
	if (--op->pools_closing == 0)
		op->then(op, 0);
}

void pools_close(struct op *op, void (*then)(struct op *op, int rc))
{
	op->then = then;
	op->pools_closing = 1; /* this loop */
	list_for_each (node, &op->volumes->pools) {
		struct local_pool *pool = list_entry(node, struct local_pool, node);

		if (!pool->pool)
			continue;
		if (pool->phase == LOCAL_POOL_OPEN)
			pool_scrub_keep(op->volumes, pool);
		pool->closing = pool->pool;
		pool->pool = NULL;
		pool->phase = LOCAL_POOL_FAILED;
		pool->close_op = op;
		pool->close_call = (struct dataplane_call){ .run = close_run, .done = close_done };
		op->pools_closing++;
		dataplane_call(op->volumes->dataplanes[pool->thread], &pool->close_call);
	}
	if (--op->pools_closing == 0)
		then(op, 0);
}
