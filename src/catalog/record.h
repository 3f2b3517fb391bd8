/*
 * Records as bytes: a header, then a protobuf-c message. What is read here was written by others, and perhaps
 * damaged since: everything is checked, and what fails is one error with words.
 *
 *   0 magic "Qr"   2 kind u8   3 format u8 (1)   4 crc32c u32 (little-endian; of bytes 0..3 and the message)
 * 8 message
 */
#ifndef QUOIN_CATALOG_RECORD_H
#define QUOIN_CATALOG_RECORD_H

#include "catalog/catalog.h"

#define RECORD_HEADER_BYTES 8u
/* 64 shards of 8 replicas, with names of 128 characters, come to 90 KiB; labels to 32 KiB, 512 snapshots to
 * 94 KiB, 256 viewers to 43 KiB. */
#define RECORD_MAX_BYTES (288u * 1024)

enum record_kind {
	RECORD_CLUSTER = 1,
	RECORD_NODE,
	RECORD_LIVE,
	RECORD_POOL,
	RECORD_RESERVATION,
	RECORD_VOLUME,
	RECORD_NAME,
	RECORD_CLASS,
	/* Written with a volume's record, from it: copies.c. */
	RECORD_AT,    /* "NODE/UUID": the same bytes, for a node that the volume concerns */
	RECORD_GROUP, /* "GROUP/UUID": of a volume that belongs to a group, what placement asks of it */
	RECORD_CLONE, /* "ORIGIN/UUID": of a clone, what those ask who work on its origin */
	RECORD_KINDS, /* one more than the last */
};

/* In which form a kind is kept: the copies of volumes are volumes. */
static inline enum record_kind record_form(enum record_kind kind)
{
	return kind == RECORD_AT || kind == RECORD_GROUP || kind == RECORD_CLONE ? RECORD_VOLUME : kind;
}

#define KEY_CHECK_BYTES 32u

struct record_cluster {
	struct catalog_cluster cluster; /* first: what the view shows */
	uint8_t key_check[KEY_CHECK_BYTES];
};

struct record_live {
	struct uuid session;
	uint64_t since_ns;
};

struct record_reservation {
	uint64_t provisioned_bytes;
	uint64_t thick_bytes; /* of it */
	uint32_t replica_count;
	bool draining;
	struct uuid replaced_by; /* none: what drains goes anywhere */
};

struct record_name {
	struct uuid volume;
};

/* Bytes on the heap, for free(). */
struct record_bytes {
	uint8_t *bytes;
	size_t len_bytes;
};

/*
 * Encodes the C record of a kind: catalog_node, record_live, catalog_pool, record_reservation,
 * catalog_volume, record_name, catalog_class, record_cluster. -ENOMEM; -EINVAL above RECORD_MAX_BYTES.
 */
int record_encode(enum record_kind kind, const void *record, struct record_bytes *ret_bytes) MUST_CHECK;
/* Makes the C record, for record_free(). -EBADMSG with words; -ENOMEM. */
int catalog_record_decode(enum record_kind kind, const uint8_t *bytes, size_t len_bytes, void **ret_record,
	struct error *error) MUST_CHECK;
/* NULL is fine. */
void record_free(enum record_kind kind, void *record);

/* A deep copy. NULL: out of memory. */
struct catalog_volume *catalog_volume_copy(const struct catalog_volume *volume);
void catalog_volume_free(struct catalog_volume *volume);

#endif
