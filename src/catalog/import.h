/*
 * A volume whose content comes from an import carries that import's UUID until it has ended well: meanwhile
 * it is nothing whole, and nobody else uses it. A part of the catalog: its rules of threads and errors hold
 * (catalog/catalog.h).
 *
 *   catalog_volume_create() of a record with `import` ----+
 *                                                         +--> unfinished --end--> (none)
 *   (none) --begin: an increment, attached by the import--+        |
 *     ^                                                            |
 *     +-------------- rolled back to one of its snapshots ---------+   or it is deleted
 *
 * While it is unfinished, catalog_volume_attach() is refused but to the import, stewards and who works on its
 * snapshots alone, and catalog_snapshot_begin() but for the copy (import_of) with which the import ends.
 */
#ifndef QUOIN_CATALOG_IMPORT_H
#define QUOIN_CATALOG_IMPORT_H

#include "catalog/catalog.h"

bool catalog_import_is_unfinished(const struct catalog_volume *volume);
/* 0 where it is whole, or `import`, which may be none, fills it; else -EBUSY, with what to do about it. */
int catalog_import_refuse(
	const struct catalog_volume *volume, struct uuid import, struct error *error) MUST_CHECK;
/*
 * By the holder, before it writes what goes onto `base`, a snapshot of the volume: done when it is durable.
 * Success where it reads so already. -ESTALE: this attachment doesn't hold it; -EBUSY: another import's;
 * -ENOENT.
 */
void catalog_import_begin(struct catalog *catalog, struct uuid volume, struct uuid attachment,
	struct uuid import, struct uuid base, uint32_t timeout_ms, catalog_done_fn fn, void *arg);
/*
 * It has ended: the volume is whole. `import` none: whichever it was, for the volume was rolled back. Success
 * where there is none (any more). -EBUSY: another's; -ENOENT.
 */
void catalog_import_end(struct catalog *catalog, struct uuid volume, struct uuid import, uint32_t timeout_ms,
	catalog_done_fn fn, void *arg);

#endif
