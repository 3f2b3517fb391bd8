/*
 * A snapshot that is attached on this node: told in the catalog, read by the data plane from any complete
 * replica, shown as a block device or an NBD export that can only be read. It holds nothing of the volume: no
 * lease, no epoch; other nodes may attach it too, and the volume is used meanwhile. It ends with the agent.
 *
 *   (none) --look, recorded--> view --block device--> UP        and back in the reverse order
 *
 * Thread rule: the control thread.
 */
#ifndef QUOIN_VOLUMES_SNAPVIEW_H
#define QUOIN_VOLUMES_SNAPVIEW_H

#include "attach/attach.h"
#include "catalog/snapshots.h"
#include "datapath/dataplane.h"
#include "volumes/volume_shards.h"

struct op;
struct volumes;

struct snapview {
	struct list node; /* in volumes->snapviews */
	struct volumes *volumes;
	char name[SNAPSHOT_NAME_MAX_LEN + 1]; /* VOLUME@SNAPSHOT */
	struct uuid volume, snapshot;
	struct volume_spec spec; /* what all shards have in common */
	struct volume_shards shards;
	struct volume *handle;
	unsigned thread; /* of the data plane, where it is open */
	struct blockdev *blockdev;
	bool nbd, up;
	/* A change of the volume's members, on its way to the data plane. */
	struct dataplane_call members_call;
	struct volume_shards members;
	bool moving;
};

/* NULL: it isn't attached here. */
struct snapview *snapview_find(struct volumes *volumes, const char *name);
/* The members of volumes change: the views are told. */
void snapviews_plan(struct volumes *volumes);
/* stop.c: takes the one under op->name down, by force where it is in use. */
void snapview_stop(struct op *op, void (*then)(struct op *op, int rc));

#endif
