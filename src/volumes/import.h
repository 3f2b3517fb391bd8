/*
 * What an import tells of a volume around its content (catalog/import.h). A part of the volumes' interface:
 * its rules of threads and errors hold (volumes/volumes.h).
 *
 *   a new volume:  volumes_create() with options.import -> volumes_serve_nbd(), written -> end -> detached
 *   an increment:  volumes_serve_nbd() -> begin, written -> end -> detached
 */
#ifndef QUOIN_VOLUMES_IMPORT_H
#define QUOIN_VOLUMES_IMPORT_H

#include "volumes/volumes.h"

/*
 * By who has it as an NBD export of this node, before anything is written onto the snapshot `base`: from now
 * on it is nobody else's. -ENOENT; -EBUSY: it isn't exported here, or it is another import's.
 */
void volumes_import_begin(struct volumes *volumes, const char *name, struct uuid import, const char *base,
	volumes_done_fn fn, void *arg);
/* All of it is there, flushed: the volume is like others. -ENOENT; -EBUSY: it is another import's. */
void volumes_import_end(
	struct volumes *volumes, const char *name, struct uuid import, volumes_done_fn fn, void *arg);

#endif
