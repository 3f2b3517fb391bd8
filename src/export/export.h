/*
 * export: the file that `quoin volume export` writes and `quoin volume import` reads, as machines over bytes.
 * docs/export.md is the format. No files, no sockets, no memory of its own.
 *
 *   HEADER, then records in ascending order, none overlapping:  DATA head, payload | ZERO head | ... | END
 * head, totals
 *
 * Thread rule: none; a reader or writer is used by one at a time. Offsets and lengths are bytes of the
 * volume, whole blocks; `at_bytes` are bytes of the file.
 */
#ifndef QUOIN_EXPORT_H
#define QUOIN_EXPORT_H

#include "base/base.h"

#define EXPORT_VERSION        1u
#define EXPORT_HEADER_BYTES   1024u
#define EXPORT_RECORD_BYTES   32u
#define EXPORT_TOTALS_BYTES   32u
#define EXPORT_END_BYTES      (EXPORT_RECORD_BYTES + EXPORT_TOTALS_BYTES)
#define EXPORT_DATA_MAX_BYTES (1u << 20) /* a payload's: what one NBD request may have */
#define EXPORT_FS_MAX_LEN     16u

struct export_header {
	uint64_t size_bytes; /* of the volume at the snapshot */
	uint64_t created_ns; /* since 1970 */
	struct uuid volume, snapshot;
	struct uuid since; /* none: the whole volume; else what has changed since that older snapshot */
	char fs[EXPORT_FS_MAX_LEN + 1];
	char volume_name[NAME_MAX_LEN + 1];
	char snapshot_name[NAME_MAX_LEN + 1]; /* "": made for the export, and gone by now */
	char since_name[NAME_MAX_LEN + 1];    /* "" without `since` */
};

struct export_totals {
	uint64_t records; /* without the end's */
	uint64_t data_bytes, zero_bytes;
};

/* ---- writing: each call fills in what goes into the file next ---- */

struct export_writer {
	struct export_totals totals;
	uint64_t size_bytes, next_offset;
	/* Over the header and all heads, without their own checksums: with them it would be the same for all.
	 */
	uint32_t crc;
};

void export_begin(struct export_writer *writer, const struct export_header *header,
	uint8_t ret_bytes[static EXPORT_HEADER_BYTES]);
/* The head; the payload of length_bytes (1 block .. EXPORT_DATA_MAX_BYTES) goes behind it as it is. */
void export_data(struct export_writer *writer, uint64_t offset_bytes, const uint8_t *payload,
	uint32_t length_bytes, uint8_t ret_bytes[static EXPORT_RECORD_BYTES]);
void export_zero(struct export_writer *writer, uint64_t offset_bytes, uint64_t length_bytes,
	uint8_t ret_bytes[static EXPORT_RECORD_BYTES]);
void export_end(struct export_writer *writer, uint8_t ret_bytes[static EXPORT_END_BYTES]);

/* ---- reading ---- */

enum export_event {
	EXPORT_MORE,   /* all bytes are used, and more must come */
	EXPORT_HEADER, /* reader->header */
	EXPORT_DATA,   /* reader->offset_bytes and length_bytes; the content is in reader->payload */
	EXPORT_ZERO,   /* the same, but zeroes */
	EXPORT_END     /* whole and sound; reader->totals */
};

enum export_part { EXPORT_IN_HEADER, EXPORT_IN_HEAD, EXPORT_IN_PAYLOAD, EXPORT_IN_TOTALS, EXPORT_AT_END };

struct export_reader {
	uint8_t *payload; /* the caller's, of EXPORT_DATA_MAX_BYTES; another may be set after each event */
	struct export_header header;
	uint64_t offset_bytes, length_bytes;
	struct export_totals totals;
	uint64_t at_bytes; /* of the file, used so far */
	/* Private from here on. */
	enum export_part part;
	uint64_t part_at_bytes; /* where it began in the file */
	uint32_t filled_bytes;  /* of the part */
	uint32_t payload_crc, crc;
	uint64_t next_offset;
	uint8_t bytes[EXPORT_HEADER_BYTES]; /* a part that isn't a payload */
};

void export_reader_init(struct export_reader *reader, uint8_t *payload);
/*
 * Takes some of the bytes, until there is an event; ret_used_bytes says how many. -EINVAL: no export;
 * -EPROTONOSUPPORT: a version that isn't known here; -EBADMSG: damaged; words with the byte of the file. The
 * reader is of no use after an error.
 */
int export_read(struct export_reader *reader, const uint8_t *bytes, size_t len_bytes, size_t *ret_used_bytes,
	enum export_event *ret_event, struct error *error) MUST_CHECK;
/* No more bytes will come. -EBADMSG: the end is missing. */
int export_read_end(const struct export_reader *reader, struct error *error) MUST_CHECK;

#endif
