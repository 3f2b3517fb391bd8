/*
 * A grain in a map (MAP_ANSWER): what a replica's level holds of it, and of which version. Both ends of a
 * map, and a coordinator that compares the maps of several replicas, read it.
 *
 *   record (96)         0 index u32  4 epoch.restart u32  8 epoch.number u64  16 seq u64  24 present u16
 *                       26 zero u16  28 flags u32: 1 lost  32 16 x CRC-32C
 */
#ifndef QUOIN_REPLICATION_MAP_RECORD_H
#define QUOIN_REPLICATION_MAP_RECORD_H

#include "replication/message.h"

struct map_record {
	uint32_t index;
	struct epoch epoch; /* of the newest entry in it: with seq the version */
	uint64_t seq;
	uint16_t present, zero;
	bool lost;                  /* its checksums are lost, and agree with nothing: it is to be repaired */
	uint32_t crc[GRAIN_BLOCKS]; /* of present blocks; else 0 */
};

void map_record_encode(uint8_t bytes[static MAP_RECORD_BYTES], const struct map_record *record);
void map_record_decode(const uint8_t bytes[static MAP_RECORD_BYTES], struct map_record *ret_record);
uint32_t map_record_index(const uint8_t bytes[static MAP_RECORD_BYTES]);
bool map_record_is_of_version(const struct map_record *record, struct epoch epoch, uint64_t seq);
/* Present, zero and all checksums; whatever the versions. */
bool map_record_same_content(const struct map_record *a, const struct map_record *b);

#endif
