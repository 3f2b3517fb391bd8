/* Detaching: what is in flight ends, then the session releases its leases, then the volume is forgotten. */
#include "datapath/private.h"

#include <errno.h>

void volume_detach(struct volume *volume, pool_done_fn fn, void *arg)
{
	ASSERT(!volume->detaching);
	volume->detaching = true;
	volume->detach_fn = fn;
	volume->detach_arg = arg;
	volume->detach_deadline_ns = datapath_now_ns(volume->datapath) + DETACH_WAIT_MS * NS_PER_MS;
	volume_mark(volume);
}

static void fail_waiting(struct volume *volume)
{
	struct list *node;

	while ((node = list_pop_front(&volume->waiting)) != NULL)
		request_finish(volume, list_entry(node, struct request, node), -EIO);
	volume_limits_admitted(volume);
}

/* True when the volume can be freed. Called at the end of each run. */
bool volume_detach_step(struct volume *volume)
{
	uint64_t at_ns = datapath_now_ns(volume->datapath);

	if (!volume->detaching)
		return false;
	if (volume->in_flight > 0) {
		if (at_ns < volume->detach_deadline_ns || volume->released)
			return false;
		/* Without a quorum they would wait for ever; a write among them may still commit, once. */
		volume->released = true;
		volume->detach_deadline_ns = UINT64_MAX;
		fail_waiting(volume);
		coordinator_end(volume->coordinator, -EIO, at_ns);
		volume_mark(volume);
		return false;
	}
	if (!volume->released) {
		volume->released = true;
		volume->detach_deadline_ns = UINT64_MAX;
		coordinator_release(volume->coordinator, at_ns);
		volume_mark(volume);
		return false; /* one more run sends it */
	}
	return true;
}
