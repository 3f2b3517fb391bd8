/* A snapshot's view begins, and follows the volume's members. What it asks, and of whom: view.c. */
#include "datapath/private.h"

#include <errno.h>
#include <string.h>

int volume_view(struct datapath *dp, const struct volume_spec *spec, struct volume **ret_volume)
{
	struct volume *volume;
	int rc = 0;

	ASSERT(!uuid_is_none(spec->snapshot));
	if (!dp->snapshot_cache)
		dp->snapshot_cache = snapshot_cache_new(dp->config.snapshot_cache_bytes);
	/* Its session tells its answers from those of others that look at the same replicas. */
	volume = dp->snapshot_cache ? volume_new(dp, spec, &dp->views, view_tick) : NULL;
	if (!volume)
		return -ENOMEM;
	ASSERT(spec->voter_count >= 1);
	volume->state = VOLUME_SERVING;
	volume->read_only = true;
	volume->cache_key = spec->snapshot;
	for (unsigned i = 0; rc == 0 && i < spec->voter_count; i++)
		rc = voter_bind(volume, i);
	if (rc != 0) {
		volume_free(volume);
		return rc;
	}
	*ret_volume = volume;
	return 0;
}

/* A local read goes on, whoever its replica is by now: its answer is as good as any. */
static void forget_asked(struct volume *volume)
{
	list_for_each (node, &volume->asking) {
		struct op *op = list_entry(node, struct op, node);

		op->generation++; /* its answer finds nobody */
		op->tried = op->gone = 0;
		op->voter = op->reading ? 0 : -1;
	}
}

int volume_view_members(struct volume *volume, const struct volume_voter *voters, unsigned voter_count)
{
	int rc = 0;

	ASSERT(volume->read_only && !volume->stripe);
	ASSERT(voter_count > 0 && voter_count <= GROUP_MAX_VOTERS);
	if (volume->detaching)
		return 0;
	forget_asked(volume);
	for (unsigned i = 0; i < volume->spec.voter_count; i++)
		voter_unbind(&volume->voters[i]);
	memcpy(volume->spec.voters, voters, voter_count * sizeof(*voters));
	memset(volume->avoid_until_ns, 0, sizeof(volume->avoid_until_ns));
	volume->spec.voter_count = voter_count;
	for (unsigned i = 0; rc == 0 && i < voter_count; i++)
		rc = voter_bind(volume, i);
	list_for_each_safe (node, &volume->asking) {
		struct op *op = list_entry(node, struct op, node);

		if (!op->reading)
			view_ask(volume, op);
	}
	return rc;
}
