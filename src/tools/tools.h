/*
 * tools: `quoin-pool`, which looks into a pool that no agent has open. It reads with the codecs of
 * store/ondisk.h and shares no other code with the store: what the store believes of its own disk is checked
 * by somebody else.
 *
 *   image_load: superblocks -> ring (image_ring.c, image_records.c) -> directory and slots (image_table.c) ->
 * logs (image_log.c) image_verify_data: grains against the checksums of their slots (image_data.c)
 *
 * Nothing is ever written. Thread rule: one thread, all calls block. Error rule: 0 or -errno; what is wrong
 * with the pool is no error but a finding.
 */
#ifndef QUOIN_TOOLS_H
#define QUOIN_TOOLS_H

#include "base/base.h"
#include "store/ondisk.h"

/* Where the bytes come from: a file or device, or a simulated disk. */
struct image_source {
	/* Multiples of 4096, inside of size_bytes, into aligned memory. 0 or -errno. */
	int (*read)(void *arg, uint64_t offset_bytes, void *to, uint64_t length_bytes);
	void *arg;
	uint64_t size_bytes;
};

/* A note is worth a line (a crash explains it, the next open mends it); damage has lost something. */
enum severity { SEVERITY_NOTE, SEVERITY_DAMAGE };

#define FINDING_TEXT_MAX 240
#define FINDINGS_MAX     1000u

struct finding {
	enum severity severity;
	const char *area;      /* "superblock", "journal", "table", "directory", "replica", "grain" */
	uint64_t offset_bytes; /* on the device; UINT64_MAX: nowhere in particular */
	struct uuid replica;   /* none: the pool's */
	char text[FINDING_TEXT_MAX];
};

/* An entry that the ring holds for a replica. */
struct image_entry {
	struct epoch epoch;
	uint64_t seq;
	enum entry_op op;
	uint64_t offset_bytes, length_bytes;
	uint64_t batch;
	uint32_t payload_block; /* of the ring */
	uint32_t header_block;  /* of its batch */
	bool redirected;        /* its payload stands in grains, and is not looked at */
	uint64_t rotten;        /* a bit for each block of its payload that does not match */
};

struct image_replica {
	struct directory_record record; /* the newest: from the ring, else from the table */
	bool in_table;                  /* nothing newer stands in the ring */
	uint64_t commit_seq;
	struct image_entry *entries; /* by seq, without a gap, once loaded */
	uint32_t entry_count, entry_max;
	struct position last;
	uint64_t found_count, found_sum; /* of its slots */
	uint64_t block_count;            /* present */
	uint64_t *seen;                  /* a bit an index */
	bool damaged, page_lost;
	uint64_t rotten_seq; /* an entry that is rotten, above what is applied */
};

struct image_batch {
	uint64_t number, open_count, tail, durable;
	uint32_t tail_block;
};

/* Images of slots that the ring has and the table perhaps not yet; open addressing. */
struct image_slot {
	bool used;
	uint32_t phys;
	struct slot slot;
};

struct image {
	const struct image_source *source;
	int superblock_rc[2];
	struct superblock superblocks[2];
	struct superblock sb; /* the newer one */
	struct geometry g;
	/* ring */
	struct image_batch *batches; /* by block of the ring; number 0: no header there */
	uint64_t tail, claim, end;   /* batches tail .. end - 1 were taken */
	uint32_t tail_block, leftovers, torn_batches;
	uint64_t directory_sum;
	bool sum_known;
	bool *orphans; /* by place in the directory: entries came without a record */
	uint8_t *window;
	uint8_t *grain; /* one, being compared */
	uint32_t window_block, window_count;
	struct image_slot *slots;
	uint32_t slot_count, slot_mask;
	/* table */
	struct image_replica **dir;
	struct image_replica **by_layer; /* sorted */
	uint32_t replica_count;
	uint64_t pages_bad;    /* copies that are neither valid nor empty */
	uint64_t pages_empty;  /* pages that were never written */
	uint64_t stale_slots;  /* of replicas that are gone: free */
	uint64_t mapped_count; /* grains of replicas that are there */
	/* data */
	uint64_t blocks_checked, blocks_rotten;
	bool data_checked;
	/* what is wrong */
	struct finding *findings;
	uint32_t finding_count; /* kept; at most FINDINGS_MAX */
	uint64_t notes, damages;
};

/*
 * Reads all metadata. -EILSEQ: no valid superblock, -EPROTO: a newer version, -ENOMEM, with words; an error
 * of the device is a finding wherever the rest can still be looked at. The source must outlive the image;
 * image_done() in every case.
 */
int image_load(struct image *image, const struct image_source *source, struct error *error) MUST_CHECK;
void image_done(struct image *image);
/* Reads every mapped grain and compares its blocks. `progress` may be NULL. */
int image_verify_data(
	struct image *image, void (*progress)(void *arg, uint64_t done, uint64_t all), void *arg) MUST_CHECK;

/* Calls fn for each slot of the table that is in use, as of the ring's head. A negative result ends it. */
typedef int (*image_slot_fn)(struct image *image, uint32_t phys, const struct slot *slot, void *arg);
int image_slots(struct image *image, image_slot_fn fn, void *arg) MUST_CHECK;
/* Calls fn for each batch from the tail on; records may be read. */
typedef int (*image_batch_fn)(struct image *image, const struct batch_header *h, struct reader records,
	uint32_t block, const uint8_t *payload, void *arg);
int image_batches(struct image *image, image_batch_fn fn, void *arg) MUST_CHECK;

/* ---- for the files of this room ---- */
void finding_add(struct image *image, enum severity severity, const char *area, uint64_t offset_bytes,
	const struct image_replica *replica, const char *format, ...) __attribute__((format(printf, 6, 7)));
/* Reads as much as can be read; blocks that can't be are zeroed, and a finding says so. */
void image_read(
	struct image *image, const char *area, uint64_t offset_bytes, uint8_t *to, uint64_t length_bytes);
int image_ring_load(struct image *image) MUST_CHECK;
void image_names_damaged(struct image *image, const struct batch_name *names, unsigned count);
bool image_payload_is_intact(const struct record *record, const uint8_t *payload);
/* Whether the grains that it redirects to, which exist, have the content that it says: image_data.c. */
bool image_redirect_is_intact(struct image *image, const struct record *record);
/* An image_batch_fn: takes what the batch says into the image. */
int image_batch_take(struct image *image, const struct batch_header *h, struct reader records, uint32_t block,
	const uint8_t *payload, void *arg) MUST_CHECK;
int image_directory_load(struct image *image) MUST_CHECK;
int image_slots_load(struct image *image) MUST_CHECK;
void image_logs_settle(struct image *image);
struct image_replica *image_replica_new(
	struct image *image, const struct directory_record *record) MUST_CHECK;
void image_replica_free(struct image_replica *replica);
int image_layers_sort(struct image *image) MUST_CHECK;
struct image_replica *image_replica_of_layer(const struct image *image, uint64_t layer);
int image_slot_set(struct image *image, uint32_t phys, const struct slot *slot) MUST_CHECK;
const struct slot *image_slot_find(const struct image *image, uint32_t phys);
/* log: image_log.c */
int image_entry_add(
	struct image *image, struct image_replica *replica, const struct image_entry *entry) MUST_CHECK;
void image_entries_cut(struct image_replica *replica, uint64_t seq);

/* ---- report.c, dump.c: print to stdout ---- */
enum dump_part { DUMP_SUPERBLOCKS, DUMP_REPLICAS, DUMP_JOURNAL, DUMP_GRAINS, DUMP_PARTS };
void report_text(const struct image *image, const char *path);
int report_json(const struct image *image, const char *path) MUST_CHECK;
int dump_part(struct image *image, enum dump_part part, bool json) MUST_CHECK;
const char *replica_state_word(const struct replica_state *state);

#endif
