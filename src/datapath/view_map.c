/*
 * Which blocks of a snapshot there are: as bytes of a READ_ANSWER, made by a replica out of its map, and read
 * by fronts (docs/protocol.md, "Reading snapshots").
 */
#include "datapath/private.h"
#include "store/changes.h"

#include <string.h>

_Static_assert(SNAPSHOT_MAP_MAX_GRAINS *(uint64_t)GRAIN_BYTES == VOLUME_MAP_MAX_BYTES, "one limit");
_Static_assert(SNAPSHOT_MAP_MAX_GRAINS *SNAPSHOT_MAP_RECORD_BYTES <= ENTRY_MAX_BYTES, "it fits a payload");

int view_map_fill(const struct pool_replica *store, struct uuid snapshot, struct uuid older,
	uint64_t offset_bytes, uint64_t length_bytes, struct buf *into)
{
	uint64_t from = offset_bytes / GRAIN_BYTES, left = length_bytes / GRAIN_BYTES;
	struct grain_change changes[64];
	struct writer w;
	uint32_t count;

	into->len_bytes = volume_map_bytes(length_bytes);
	ASSERT(into->cap_bytes >= into->len_bytes);
	memset(into->data, 0, into->len_bytes);
	w = writer_init(into->data, into->len_bytes);
	for (; left > 0; from += count, left -= count) {
		int rc;

		count = left < 64 ? (uint32_t)left : 64;
		rc = pool_replica_snapshot_changes(store, snapshot, older, from, count, changes);
		if (rc != 0)
			return rc;
		for (uint32_t i = 0; i < count; i++) {
			write_u16(&w, changes[i].present);
			write_u16(&w, changes[i].zero);
		}
	}
	ASSERT(!w.failed);
	return 0;
}
