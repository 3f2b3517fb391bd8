/*
 * What stands on the disk: sizes, kinds and the codecs of superblock, table page, slot, directory record and
 * batch header. docs/on-disk-format.md is the same in words. Pure functions over memory: no I/O, never
 * trusting a byte.
 *
 *   | superblock | ring | table A | table B | grains ...                      | superblock |
 *   0            64 KiB                     64 KiB-aligned                     last 4 KiB
 *
 * A table's pages: grain_pages (one unit for each grain), dir_pages (a replica each), extra_pages (units that
 * have no grain). Grain units and extra units together are *places*, numbered through: 0 .. grain_count - 1,
 * then the extra ones. A place holds a slot, or a layer's record; a slot in an extra place has no blocks,
 * only zero marks.
 */
#ifndef QUOIN_STORE_ONDISK_H
#define QUOIN_STORE_ONDISK_H

#include "base/base.h"
#include "store/store.h"

#define ONDISK_VERSION 1u

#define UNIT_BYTES       128u /* slot, and the unit of a directory record */
#define PAGE_SLOTS       31u  /* and 128 bytes of header */
#define PAGE_HEAD_BYTES  128u
#define HEADER_MAX_NAMED 24u  /* replicas that one batch may name */
#define BATCH_MAX_BLOCKS 257u /* header and 1 MiB */

/* ---- where things are ---- */

struct geometry {
	uint64_t size_bytes;
	uint64_t salt; /* random for each format; part of every metadata checksum */
	uint64_t ring_offset_bytes;
	uint32_t ring_blocks;
	uint32_t grain_pages; /* table pages with grain slots, then ... */
	uint32_t dir_pages;   /* ... pages with one directory record each, then ... */
	uint32_t extra_pages; /* ... pages with places that have no grain; none in pools of before */
	uint32_t grain_count;
	uint64_t table_offset_bytes[2]; /* copies A and B */
	uint64_t grain_offset_bytes;
};

/* -EINVAL: too small. */
int geometry_make(
	uint64_t size_bytes, uint64_t journal_bytes, uint64_t salt, struct geometry *ret_geometry) MUST_CHECK;
/* Whether the areas are aligned, in order, and inside of size_bytes. */
bool geometry_is_valid(const struct geometry *g);
/* Pages of a table; places; the page of a place, and its unit there. */
uint32_t geometry_pages(const struct geometry *g);
uint32_t geometry_places(const struct geometry *g);
uint32_t geometry_place_page(const struct geometry *g, uint32_t place);
uint32_t geometry_place_unit(const struct geometry *g, uint32_t place);
uint64_t geometry_page_offset(const struct geometry *g, uint32_t page, unsigned copy);
uint64_t geometry_grain_offset(const struct geometry *g, uint32_t phys);
uint64_t geometry_ring_offset(const struct geometry *g, uint32_t block);
/* The two superblocks. */
uint64_t geometry_superblock_offset(uint64_t size_bytes, unsigned copy);

/* The checksum of a metadata block: salt, own position, and all bytes but the checksum's own. */
uint32_t block_sum(uint64_t salt, uint64_t offset_bytes, const uint8_t block[static BLOCK_BYTES]);

/* ---- superblock ---- */

struct superblock {
	uint64_t generation;
	struct uuid cluster, pool;
	struct geometry geometry;
	uint64_t open_count;
	uint64_t first; /* number of the first batch of this open; all before it are durable */
};

void superblock_encode(const struct superblock *sb, uint64_t offset_bytes, uint8_t block[static BLOCK_BYTES]);
/* -EILSEQ: not a superblock of this place; -EPROTO: of a newer version. */
int superblock_decode(
	const uint8_t block[static BLOCK_BYTES], uint64_t offset_bytes, struct superblock *ret_sb) MUST_CHECK;

/* ---- slots: what a layer has at an index; in the place of its grain, or in an extra place ---- */

struct slot {
	uint64_t layer; /* 0: free */
	uint64_t epoch_number;
	uint64_t seq;   /* of the last entry applied */
	uint32_t index; /* grain of the volume */
	uint32_t epoch_restart;
	uint16_t present;
	uint16_t zero; /* trimmed: the parent layer does not shine through */
	uint32_t crc[GRAIN_BLOCKS];
};

enum unit_kind { UNIT_NONE = 0, UNIT_SLOT = 1, UNIT_DIRECTORY = 2, UNIT_LAYER = 3 };

void slot_encode(const struct slot *slot, uint32_t phys, uint8_t unit[static UNIT_BYTES]);
int slot_decode(const uint8_t unit[static UNIT_BYTES], uint32_t *ret_phys, struct slot *ret_slot) MUST_CHECK;
/* Well-mixed; a layer's sum adds those of its slots. */
uint64_t slot_hash(const struct slot *slot, uint32_t phys);

/* ---- layers: a record for each frozen one; a writable one's figures stand in its replica's record ---- */

/*
 * A layer lives as long as something reaches it by `parent`: a replica, or a layer that is a snapshot of a
 * replica which has the same root. What is not reached is dead, and so are its slots; nobody need say so.
 */
struct layer_record {
	uint32_t place;
	uint64_t number;        /* never used again */
	uint64_t parent;        /* 0: none */
	uint64_t root;          /* of the replica that froze it */
	struct uuid snapshot;   /* its name in the log */
	struct position frozen; /* the entry that froze it */
	bool is_snapshot; /* false: removed; it is merged into its only child, or waits to have only one */
	uint64_t grain_count; /* slots, and ... */
	uint64_t grain_sum;   /* ... the sum of their hashes */
};

void layer_encode(const struct layer_record *record, uint8_t unit[static UNIT_BYTES]);
int layer_decode(const uint8_t unit[static UNIT_BYTES], struct layer_record *ret_record) MUST_CHECK;
uint64_t layer_hash(const struct layer_record *record);

/* ---- directory: one record for each replica ---- */

struct directory_record {
	uint32_t dir;    /* place in the directory */
	uint64_t layer;  /* the writable one's number, never used again; 0: the place is free */
	uint64_t parent; /* of that layer; 0: none */
	uint64_t root;   /* number of the first layer of this tree; a resync from nothing makes a new one */
	struct pool_replica_identity identity;
	struct replica_state state;
	struct position applied;
	uint64_t grain_count; /* of the layer: slots, and ... */
	uint64_t grain_sum;   /* ... the sum of their hashes */
	uint32_t row_count;
	struct epoch_start rows[EPOCHS_MAX]; /* first_seq <= applied.seq */
};

#define DIRECTORY_MAX_UNITS 13u
/* Returns the units used. */
unsigned directory_encode(
	const struct directory_record *record, uint8_t bytes[static DIRECTORY_MAX_UNITS * UNIT_BYTES]);
/* -EILSEQ. Sets the units used. */
int directory_decode(const uint8_t *bytes, unsigned unit_count, struct directory_record *ret_record,
	unsigned *ret_units) MUST_CHECK;
/* 0 for a free place. */
uint64_t directory_hash(const struct directory_record *record);

/* ---- table pages ---- */

/* Puts head and checksum around what stands behind PAGE_HEAD_BYTES. */
void page_seal(const struct geometry *g, uint32_t page, unsigned copy, uint64_t generation,
	uint8_t block[static BLOCK_BYTES]);
/* Whether this is a page of this place; sets its generation. */
bool page_check(const struct geometry *g, uint32_t page, unsigned copy,
	const uint8_t block[static BLOCK_BYTES], uint64_t *ret_generation);

/* ---- batches ---- */

/* A replica that a batch concerns: where its log stands after it, and what is known to be committed. */
struct batch_name {
	uint32_t dir;
	uint64_t seq; /* highest in the batch; 0: none */
	uint64_t commit_seq;
};

struct batch_header {
	uint64_t number;
	uint64_t open_count;
	uint32_t blocks;        /* with the header */
	uint32_t tail_block;    /* where the batch `tail` stands */
	uint64_t tail;          /* older batches are not needed any more */
	uint64_t durable;       /* known to be durable when this one was written */
	uint64_t directory_sum; /* of all directory records, after this batch */
	uint64_t layer_sum;     /* of the records of all frozen layers that live */
	unsigned name_count, former_count;
	struct batch_name names[HEADER_MAX_NAMED];
	struct batch_name former[HEADER_MAX_NAMED]; /* names of the batch before */
	unsigned record_count;
};

enum record_kind {
	RECORD_WRITE = 1,
	RECORD_REDIRECT = 2, /* a write of whole grains, which stand in fresh ones, not in the payload */
	RECORD_OP = 3,
	RECORD_TRUNCATE = 4,
	RECORD_IMAGES = 5,
};

#define REDIRECT_MAX_GRAINS (ENTRY_MAX_BYTES / GRAIN_BYTES)

struct record {
	enum record_kind kind;
	uint32_t dir;
	uint64_t seq;   /* TRUNCATE: what stays */
	uint32_t units; /* IMAGES: in the payload */
	uint32_t sum;   /* IMAGES: of the payload, padding included */
	/* WRITE, REDIRECT, OP */
	struct epoch epoch;
	enum entry_op op;
	uint64_t offset_bytes, length_bytes, request_id;
	uint32_t request_part;
	bool steward;
	struct uuid attachment;
	uint32_t crc[ENTRY_MAX_BLOCKS];
	uint32_t fresh[REDIRECT_MAX_GRAINS]; /* REDIRECT: the grain of the pool, for each of the write */
};

/* Builds the header block: begin, records, then seal (which knows names and sums). */
struct batch_writer {
	uint8_t *block;
	uint8_t records[BLOCK_BYTES];
	uint32_t record_bytes;
	unsigned record_count;
	uint32_t limit_bytes;
};

void batch_begin(struct batch_writer *w, uint8_t block[static BLOCK_BYTES], unsigned former_count);
/* False when it does not fit; nothing is changed then. */
bool batch_add(struct batch_writer *w, const struct record *record);
void batch_seal(struct batch_writer *w, const struct geometry *g, uint32_t ring_block,
	const struct batch_header *header);
/* The record of an entry. */
void record_of_entry(const struct entry *entry, uint32_t dir, struct record *ret_record);
/* Whether the record is an entry of a replica's log. */
bool record_is_entry(const struct record *record);
/* The entry of such a record; without its payload. */
void entry_of_record(const struct record *record, struct entry *entry);
/* Grains that a REDIRECT names; 0: another kind. */
uint32_t record_grains(const struct record *record);
/* Payload blocks that follow the header for this record. */
uint32_t record_payload_blocks(const struct record *record);

/* -EILSEQ: no header of this place. Sets the place of the records. */
int batch_decode(const struct geometry *g, uint32_t ring_block, const uint8_t block[static BLOCK_BYTES],
	struct batch_header *ret_header, struct reader *ret_records) MUST_CHECK;
/* The next record; -EILSEQ when it makes no sense. */
int record_decode(struct reader *records, struct record *ret_record) MUST_CHECK;

#endif
