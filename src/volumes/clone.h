/*
 * Clones: a volume that begins with the content of another one's snapshot, on the pools where that is
 * (docs/snapshots.md). The record is made by create.c, each replica by its node (replica_make.c).
 *
 * Thread rule: the control thread.
 */
#ifndef QUOIN_VOLUMES_CLONE_H
#define QUOIN_VOLUMES_CLONE_H

#include "catalog/catalog.h"
#include "volumes/volumes.h"

struct op;

/* "VOLUME" or "VOLUME@SNAPSHOT" (else *ret_snapshot is ""). -EINVAL with words. */
int clone_from_parse(const char *from, char ret_volume[static NAME_MAX_LEN + 1],
	char ret_snapshot[static NAME_MAX_LEN + 1], struct error *error) MUST_CHECK;

/*
 * What the record of a clone says (options->from with a snapshot): all that is its origin's, and a replica
 * beside each of its. ret_volume->shards has room for CATALOG_MAX_SHARDS, all zeroes. -ENOENT: no such volume
 * or snapshot; -EBUSY: that isn't ready; -EINVAL: an option that can't be.
 */
int clone_draft(struct volumes *volumes, const char *name, const struct volume_options *options,
	struct catalog_volume *ret_volume, struct error *error) MUST_CHECK;
/*
 * Takes a snapshot of the origin where options->from names none, and names it there, before `then`: at once
 * where there is nothing to do. The words of what failed are op->error.
 */
void clone_snapshot_take(struct op *op, void (*then)(struct op *op, int rc));
/* Whether an existing volume is what options->from asks for. */
bool clone_is_of(struct volumes *volumes, const struct catalog_volume *volume, const char *from);

#endif
