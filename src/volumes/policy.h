/* What a volume is to be by its class and its user, and whether it is. Thread rule: the control thread. */
#ifndef QUOIN_VOLUMES_POLICY_H
#define QUOIN_VOLUMES_POLICY_H

#include "catalog/catalog.h"
#include "volumes/volumes.h"

void policy_fill(struct volumes *volumes, const struct catalog_volume *volume, struct policy_view *view);

/* What is to be done first about a volume that isn't as its class says. */
struct breach {
	char why[192];
	const char *move_from;    /* the node of a replica that is to move; NULL: none */
	unsigned shard;           /* its shard */
	unsigned replicas_before; /* move_from NULL: so many there are, */
	unsigned replicas;        /* and so many are to be next */
};

/* False: it is as its class says, or the class is gone. Only voters are looked at. */
bool breach_find(struct volumes *volumes, const struct catalog_volume *volume, struct breach *ret_breach);
/* move.c: as volumes_set_replicas(), towards what the class says: no wish of a user's is noted. */
void replicas_mend(
	struct volumes *volumes, const char *name, unsigned replicas, volumes_done_fn fn, void *arg);

#endif
