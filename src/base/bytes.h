/*
 * Little-endian loads and stores, and cursors over bytes with checked bounds. Everything that crosses a
 * disk or a wire goes through these: never a struct cast over bytes.
 */
#ifndef QUOIN_BASE_BYTES_H
#define QUOIN_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

struct reader reader_init(const void *bytes, size_t len_bytes);
uint8_t read_u8(struct reader *r);
uint16_t read_u16(struct reader *r);
uint32_t read_u32(struct reader *r);
uint64_t read_u64(struct reader *r);
struct uuid read_uuid(struct reader *r);
/* Copies len_bytes out; zeroes `to` where the bytes run out. */
void read_bytes(struct reader *r, void *to, size_t len_bytes);
/* Skips len_bytes and tells whether all of them were zero (reserved fields are zero, and checked). */
bool read_zeroes(struct reader *r, size_t len_bytes);
size_t reader_left(const struct reader *r);

struct writer writer_init(void *bytes, size_t len_bytes);
void write_u8(struct writer *w, uint8_t v);
void write_u16(struct writer *w, uint16_t v);
void write_u32(struct writer *w, uint32_t v);
void write_u64(struct writer *w, uint64_t v);
void write_uuid(struct writer *w, struct uuid v);
void write_bytes(struct writer *w, const void *from, size_t len_bytes);
void write_zeroes(struct writer *w, size_t len_bytes);
size_t writer_left(const struct writer *w);

#endif
