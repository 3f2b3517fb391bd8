#include "base/bytes.h"

#include <string.h>

size_t reader_left(const struct reader *r)
{
	return r->failed ? 0 : (size_t)(r->end - r->at);
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

size_t writer_left(const struct writer *w)
{
	return w->failed ? 0 : (size_t)(w->end - w->at);
}

void write_u8(struct writer *w, uint8_t v)
{
	uint8_t *p = writer_take(w, 1);

	if (p)
		*p = v;
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
