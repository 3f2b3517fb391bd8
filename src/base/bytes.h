/*
 * Little-endian loads and stores, and cursors over bytes with checked bounds. Everything that crosses a
 * disk or a wire goes through these: never a struct cast over bytes.
 */
#ifndef QUOIN_BASE_BYTES_H
#define QUOIN_BASE_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/uuid.h"

/* A reader: once it would run past `end` it is `failed`, and all further reads give zero. */
struct reader {
	const uint8_t *at;
	const uint8_t *end;
	bool failed;
};

/* A writer: once it would run past `end` it is `failed`, and writes nothing more. */
struct writer {
	uint8_t *at;
	uint8_t *end;
	bool failed;
};

/* ---- inline, since the data path is made of them ---- */

static inline struct reader reader_init(const void *bytes, size_t len_bytes)
{
	const uint8_t *at = bytes;

	return (struct reader){ .at = at, .end = len_bytes ? at + len_bytes : at };
}

/* The next len_bytes, or NULL (and failed from now on) where they are not all there. */
static inline const uint8_t *reader_take(struct reader *r, size_t len_bytes)
{
	const uint8_t *at = r->at;

	if (r->failed || len_bytes > (size_t)(r->end - r->at)) {
		r->failed = true;
		return NULL;
	}
	if (len_bytes)
		r->at += len_bytes;
	return at;
}

static inline uint8_t read_u8(struct reader *r)
{
	const uint8_t *p = reader_take(r, 1);

	return p ? p[0] : 0;
}

static inline uint16_t read_u16(struct reader *r)
{
	uint16_t le = 0;
	const uint8_t *p = reader_take(r, sizeof(le));

	if (p)
		memcpy(&le, p, sizeof(le));
	return le16toh(le);
}

static inline uint32_t read_u32(struct reader *r)
{
	uint32_t le = 0;
	const uint8_t *p = reader_take(r, sizeof(le));

	if (p)
		memcpy(&le, p, sizeof(le));
	return le32toh(le);
}

static inline uint64_t read_u64(struct reader *r)
{
	uint64_t le = 0;
	const uint8_t *p = reader_take(r, sizeof(le));

	if (p)
		memcpy(&le, p, sizeof(le));
	return le64toh(le);
}

static inline struct writer writer_init(void *bytes, size_t len_bytes)
{
	uint8_t *at = bytes;

	return (struct writer){ .at = at, .end = len_bytes ? at + len_bytes : at };
}

static inline uint8_t *writer_take(struct writer *w, size_t len_bytes)
{
	uint8_t *at = w->at;

	if (w->failed || len_bytes > (size_t)(w->end - w->at)) {
		w->failed = true;
		return NULL;
	}
	if (len_bytes)
		w->at += len_bytes;
	return at;
}

static inline void write_u16(struct writer *w, uint16_t v)
{
	uint16_t le = htole16(v);
	uint8_t *p = writer_take(w, sizeof(le));

	if (p)
		memcpy(p, &le, sizeof(le));
}

static inline void write_u32(struct writer *w, uint32_t v)
{
	uint32_t le = htole32(v);
	uint8_t *p = writer_take(w, sizeof(le));

	if (p)
		memcpy(p, &le, sizeof(le));
}

static inline void write_u64(struct writer *w, uint64_t v)
{
	uint64_t le = htole64(v);
	uint8_t *p = writer_take(w, sizeof(le));

	if (p)
		memcpy(p, &le, sizeof(le));
}

/* Where all of a record's fields are known to fit: the value to `p`. Returns what is behind it. */
static inline uint8_t *store_u16(uint8_t *p, uint16_t v)
{
	uint16_t le = htole16(v);

	memcpy(p, &le, sizeof(le));
	return p + sizeof(le);
}

static inline uint8_t *store_u32(uint8_t *p, uint32_t v)
{
	uint32_t le = htole32(v);

	memcpy(p, &le, sizeof(le));
	return p + sizeof(le);
}

static inline uint8_t *store_u64(uint8_t *p, uint64_t v)
{
	uint64_t le = htole64(v);

	memcpy(p, &le, sizeof(le));
	return p + sizeof(le);
}

/* ---- */

struct uuid read_uuid(struct reader *r);
/* Copies len_bytes out; zeroes `to` where the bytes run out. */
void read_bytes(struct reader *r, void *to, size_t len_bytes);
/* Skips len_bytes and tells whether all of them were zero (reserved fields are zero, and checked). */
bool read_zeroes(struct reader *r, size_t len_bytes);
size_t reader_left(const struct reader *r);

void write_u8(struct writer *w, uint8_t v);
void write_uuid(struct writer *w, struct uuid v);
void write_bytes(struct writer *w, const void *from, size_t len_bytes);
void write_zeroes(struct writer *w, size_t len_bytes);
size_t writer_left(const struct writer *w);

#endif
