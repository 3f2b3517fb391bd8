#include "base/bytes.h"

#include <string.h>

struct reader reader_init(const void *bytes, size_t len_bytes)
{
	const uint8_t *at = bytes;

	return (struct reader){ .at = at, .end = len_bytes ? at + len_bytes : at };
}

size_t reader_left(const struct reader *r)
{
	return r->failed ? 0 : (size_t)(r->end - r->at);
}

/* The next len_bytes, or NULL (and failed from now on) where they are not all there. */
static const uint8_t *reader_take(struct reader *r, size_t len_bytes)
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

uint8_t read_u8(struct reader *r)
{
	const uint8_t *p = reader_take(r, 1);

	return p ? p[0] : 0;
}

uint16_t read_u16(struct reader *r)
{
	const uint8_t *p = reader_take(r, 2);

	return p ? (uint16_t)(p[0] | p[1] << 8) : 0;
}

static uint32_t load_u32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint32_t read_u32(struct reader *r)
{
	const uint8_t *p = reader_take(r, 4);

	return p ? load_u32(p) : 0;
}

uint64_t read_u64(struct reader *r)
{
	const uint8_t *p = reader_take(r, 8);

	return p ? load_u32(p) | (uint64_t)load_u32(p + 4) << 32 : 0;
}

struct uuid read_uuid(struct reader *r)
{
	struct uuid v;

	read_bytes(r, v.byte, sizeof(v.byte));
	return v;
}

void read_bytes(struct reader *r, void *to, size_t len_bytes)
{
	const uint8_t *p = reader_take(r, len_bytes);

	if (len_bytes == 0)
		return;
	if (p)
		memcpy(to, p, len_bytes);
	else
		memset(to, 0, len_bytes);
}

bool read_zeroes(struct reader *r, size_t len_bytes)
{
	const uint8_t *p = reader_take(r, len_bytes);

	if (r->failed)
		return false;
	for (size_t i = 0; i < len_bytes; i++) {
		if (p[i])
			return false;
	}
	return true;
}

struct writer writer_init(void *bytes, size_t len_bytes)
{
	uint8_t *at = bytes;

	return (struct writer){ .at = at, .end = len_bytes ? at + len_bytes : at };
}

size_t writer_left(const struct writer *w)
{
	return w->failed ? 0 : (size_t)(w->end - w->at);
}

static uint8_t *writer_take(struct writer *w, size_t len_bytes)
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

void write_u8(struct writer *w, uint8_t v)
{
	uint8_t *p = writer_take(w, 1);

	if (p)
		p[0] = v;
}

/* The low `count` bytes of v, least significant first. */
static void write_le(struct writer *w, uint64_t v, unsigned count)
{
	uint8_t *p = writer_take(w, count);

	if (!p)
		return;
	for (unsigned i = 0; i < count; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

void write_u16(struct writer *w, uint16_t v)
{
	write_le(w, v, 2);
}

void write_u32(struct writer *w, uint32_t v)
{
	write_le(w, v, 4);
}

void write_u64(struct writer *w, uint64_t v)
{
	write_le(w, v, 8);
}

void write_uuid(struct writer *w, struct uuid v)
{
	write_bytes(w, v.byte, sizeof(v.byte));
}

void write_bytes(struct writer *w, const void *from, size_t len_bytes)
{
	uint8_t *p = writer_take(w, len_bytes);

	if (p && len_bytes)
		memcpy(p, from, len_bytes);
}

void write_zeroes(struct writer *w, size_t len_bytes)
{
	uint8_t *p = writer_take(w, len_bytes);

	if (p && len_bytes)
		memset(p, 0, len_bytes);
}
