/* Every limit of the data path and of parsers stands here, with its reason. */
#ifndef QUOIN_BASE_LIMITS_H
#define QUOIN_BASE_LIMITS_H

#include <stdint.h>

#define BLOCK_BYTES  4096u  /* logical block: the unit of checksums */
#define GRAIN_BYTES  65536u /* unit of allocation, mapping and resync */
#define GRAIN_BLOCKS 16u

/* One log entry's payload: keeps a batch header in one block and a group's share of a small ring useful. */
#define ENTRY_MAX_BYTES  (256u * 1024)
#define ENTRY_MAX_BLOCKS (ENTRY_MAX_BYTES / BLOCK_BYTES)

#define GROUP_MAX_VOTERS 5u
/* Shards of a striped volume: each is a group of its own, with a window and connections. */
#define VOLUME_MAX_SHARDS 64u
/* A stripe is as long at least: so a read or write, which is one entry at most, touches two shards at most.
 */
#define STRIPE_MIN_BYTES ENTRY_MAX_BYTES
/* A log's table of epochs: an epoch is one attach; older ones are folded once applied everywhere. */
#define EPOCHS_MAX 64u

/* What a coordinator keeps for a voter that lags; behind it the voter is resynced. */
#define WINDOW_MAX_BYTES   (UINT64_C(64) << 20)
#define WINDOW_MAX_ENTRIES 10000u

/* Requests of one volume in flight: FUSE's max_background is 256, and parts of large ones. */
#define VOLUME_MAX_REQUESTS 1024u

#define NAME_MAX_LEN     128u /* names of nodes, pools, volumes, classes */
#define VOLUME_MIN_BYTES (UINT64_C(32) << 20)
#define VOLUME_MAX_BYTES (UINT64_C(1) << 46) /* 64 TiB: grain indices stay below 2^31 */

/* What a device may take for one operation. A disk of a RAID gives a bad sector up after 7 s; a failover is
 * to be over after 15 s. Beyond it the pool has failed, and the other replicas go on without it. */
#define DEVICE_WAIT_MS 10000u
/* And so long for any one operation, whatever else it answers: a disk may try a bad sector for half a minute
 * by itself, and meanwhile others answer. */
#define DEVICE_LONGEST_WAIT_MS 60000u

#define FRAME_MAX_BODY_BYTES    65536u /* protobuf messages; checked before they are unpacked */
#define FRAME_MAX_PAYLOAD_BYTES ENTRY_MAX_BYTES

#define HTTP_MAX_BODY_BYTES (1u << 20)

#endif
