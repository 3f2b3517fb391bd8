#include "sim/history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEVER UINT64_MAX

/* A write of a number of blocks. */
struct write {
	uint64_t began, ended; /* NEVER: not acknowledged */
	uint32_t first, count;
	bool trim;
};

/* What one read saw of one block. */
struct sight {
	uint32_t value; /* number of the write; 0: zeroes */
	uint64_t began, ended;
};

struct block {
	struct sight *sights;
	uint32_t count, capacity;
	uint32_t *writes;
	uint32_t write_count, write_capacity;
};

struct history {
	uint64_t stamp, salt;
	uint32_t block_count;
	struct block *blocks;
	struct write *writes; /* from 1 */
	uint32_t write_count, write_capacity;
	uint64_t reads;
};

/* The operations on one value, seen as one. */
struct zone {
	uint32_t value;
	uint64_t first_end, last_begin;
};

static void *grown(void *array, uint32_t *capacity, size_t size)
{
	*capacity = *capacity ? *capacity * 2 : 16;
	array = realloc(array, *capacity * size);
	ASSERT(array);
	return array;
}

struct history *history_new(uint32_t block_count, uint64_t salt)
{
	struct history *h = calloc(1, sizeof(*h));

	ASSERT(h);
	h->block_count = block_count;
	h->salt = salt;
	h->blocks = calloc(block_count, sizeof(*h->blocks));
	ASSERT(h->blocks);
	h->stamp = 1;
	return h;
}

void history_free(struct history *h)
{
	if (!h)
		return;
	for (uint32_t i = 0; i < h->block_count; i++) {
		free(h->blocks[i].sights);
		free(h->blocks[i].writes);
	}
	free(h->blocks);
	free(h->writes);
	free(h);
}

uint64_t history_stamp(struct history *h)
{
	return h->stamp++;
}

uint64_t history_reads(const struct history *h)
{
	return h->reads;
}

uint64_t history_writes(const struct history *h)
{
	return h->write_count;
}

uint32_t history_write(struct history *h, uint32_t first, uint32_t count, bool trim)
{
	uint32_t number = ++h->write_count;

	ASSERT(first + count <= h->block_count);
	while (number >= h->write_capacity)
		h->writes = grown(h->writes, &h->write_capacity, sizeof(*h->writes));
	h->writes[number] = (struct write){ history_stamp(h), NEVER, first, count, trim };
	for (uint32_t i = first; i < first + count; i++) {
		struct block *b = &h->blocks[i];

		if (b->write_count == b->write_capacity)
			b->writes = grown(b->writes, &b->write_capacity, sizeof(*b->writes));
		b->writes[b->write_count++] = number;
	}
	return number;
}

void history_acknowledged(struct history *h, uint32_t write)
{
	ASSERT(write >= 1 && write <= h->write_count);
	h->writes[write].ended = history_stamp(h);
}

/* ---- content: number and block, then words that depend on both ---- */

void history_fill(const struct history *h, uint32_t write, uint32_t block, uint8_t *data)
{
	uint64_t word = (uint64_t)write << 32 | block;

	for (size_t at = 0; at < BLOCK_BYTES; at += sizeof(word)) {
		memcpy(data + at, &word, sizeof(word));
		word = (word ^ h->salt) * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	}
}

/* The number of the write whose content this is; false when it is nobody's. */
static bool content_of(const struct history *h, uint32_t block, const uint8_t *data, uint32_t *ret_value)
{
	uint8_t expected[BLOCK_BYTES];
	uint64_t word;
	uint32_t value;

	memcpy(&word, data, sizeof(word));
	value = (uint32_t)(word >> 32);
	if (word == 0)
		memset(expected, 0, sizeof(expected));
	else if ((uint32_t)word != block || value > h->write_count)
		return false;
	else
		history_fill(h, value, block, expected);
	*ret_value = value;
	return memcmp(expected, data, BLOCK_BYTES) == 0;
}

bool history_read(struct history *h, uint64_t began, uint32_t first, uint32_t count, const uint8_t *data,
	char *text, size_t text_len)
{
	uint64_t ended = history_stamp(h);

	h->reads++;
	for (uint32_t i = 0; i < count; i++) {
		struct block *b = &h->blocks[first + i];
		struct sight sight = { 0, began, ended };

		if (!content_of(h, first + i, data + (size_t)i * BLOCK_BYTES, &sight.value)) {
			snprintf(text, text_len,
				"block %" PRIu32 ": a read returned bytes that nobody wrote there",
				first + i);
			return false;
		}
		if (b->count == b->capacity)
			b->sights = grown(b->sights, &b->capacity, sizeof(*b->sights));
		b->sights[b->count++] = sight;
	}
	return true;
}

/* ---- checker ---- */

static int by_value(const void *a, const void *b)
{
	const struct sight *x = a, *y = b;

	if (x->value != y->value)
		return x->value < y->value ? -1 : 1;
	return x->began < y->began ? -1 : x->began > y->began;
}

static int by_first_end(const void *a, const void *b)
{
	const struct zone *x = a, *y = b;

	return x->first_end < y->first_end ? -1 : x->first_end > y->first_end;
}

static const struct sight *sights_of(const struct block *b, uint32_t value, uint32_t *ret_count)
{
	uint32_t low = 0, high = b->count, end;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (b->sights[mid].value < value)
			low = mid + 1;
		else
			high = mid;
	}
	for (end = low; end < b->count && b->sights[end].value == value; end++)
		;
	*ret_count = end - low;
	return b->sights + low;
}

/* The zone of a value; false when a read returned it before it was written. */
static bool zone_of(const struct history *h, const struct block *b, uint32_t value, struct zone *zone)
{
	const struct write *w = &h->writes[value];
	uint32_t count;
	const struct sight *sights = sights_of(b, value, &count);

	*zone = (struct zone){ value, w->ended, w->began };
	for (uint32_t i = 0; i < count; i++) {
		if (sights[i].ended < w->began)
			return false;
		if (sights[i].ended < zone->first_end)
			zone->first_end = sights[i].ended;
		if (sights[i].began > zone->last_begin)
			zone->last_begin = sights[i].began;
	}
	return true;
}

/* Whether [from, to] lies within a time in which another value is certainly there. */
static const struct zone *zone_around(const struct zone *zones, uint32_t count, uint64_t from, uint64_t to)
{
	for (uint32_t i = 0; i < count && zones[i].first_end < from; i++)
		if (to < zones[i].last_begin)
			return &zones[i];
	return NULL;
}

static void say(
	char *text, size_t len, uint32_t block, const char *what, uint32_t value, const struct zone *other)
{
	snprintf(text, len,
		"block %" PRIu32 ": %s: write %" PRIu32 " against write %" PRIu32
		", which was there from %" PRIu64 " to %" PRIu64,
		block, what, value, other->value, other->first_end, other->last_begin);
}

/* A read of zeroes needs a trim (or the beginning) that nothing has certainly overwritten before the read. */
static bool zeroes_are_possible(const struct history *h, const struct block *b, const struct sight *read,
	const struct zone *all, uint32_t all_count)
{
	for (uint32_t t = 0; t <= b->write_count; t++) {
		const struct write *trim = t ? &h->writes[b->writes[t - 1]] : NULL;
		uint64_t ended = trim ? trim->ended : 0;
		bool overwritten = false;

		if (trim && (!trim->trim || trim->began > read->ended))
			continue;
		for (uint32_t i = 0; i < all_count && !overwritten; i++)
			overwritten = h->writes[all[i].value].began > ended && all[i].first_end < read->began;
		if (!overwritten)
			return true;
	}
	return false;
}

static bool block_check_zeroes(const struct history *h, uint32_t n, const struct zone *all,
	uint32_t all_count, const struct zone *forward, uint32_t forward_count, char *text, size_t len)
{
	const struct block *b = &h->blocks[n];
	const struct zone *other;

	for (uint32_t i = 0; i < b->count && b->sights[i].value == 0; i++) {
		other = zone_around(forward, forward_count, b->sights[i].began, b->sights[i].ended);
		if (other) {
			say(text, len, n, "zeroes were read while another value was there", 0, other);
			return false;
		}
		if (!zeroes_are_possible(h, b, &b->sights[i], all, all_count)) {
			snprintf(text, len,
				"block %" PRIu32 ": a read from %" PRIu64 " to %" PRIu64
				" returned zeroes, which had been overwritten",
				n, b->sights[i].began, b->sights[i].ended);
			return false;
		}
	}
	for (uint32_t i = 0; i < b->write_count; i++) {
		const struct write *w = &h->writes[b->writes[i]];

		if (!w->trim || w->ended == NEVER)
			continue;
		other = zone_around(forward, forward_count, w->began, w->ended);
		if (other) {
			say(text, len, n, "a trim took no effect", b->writes[i], other);
			return false;
		}
	}
	return true;
}

static bool block_check(
	const struct history *h, uint32_t n, struct zone *all, struct zone *forward, char *text, size_t len)
{
	struct block *b = &h->blocks[n];
	uint32_t all_count = 0, forward_count = 0;

	if (b->count > 1)
		qsort(b->sights, b->count, sizeof(*b->sights), by_value);
	for (uint32_t i = 0; i < b->write_count; i++) {
		struct zone *zone = &all[all_count];

		if (h->writes[b->writes[i]].trim)
			continue;
		if (!zone_of(h, b, b->writes[i], zone)) {
			snprintf(text, len,
				"block %" PRIu32 ": write %" PRIu32 " was read before it was asked", n,
				b->writes[i]);
			return false;
		}
		all_count++;
		if (zone->first_end < zone->last_begin)
			forward[forward_count++] = *zone;
	}
	qsort(forward, forward_count, sizeof(*forward), by_first_end);
	for (uint32_t i = 1; i < forward_count; i++)
		if (forward[i].first_end < forward[i - 1].last_begin) {
			say(text, len, n, "two values at once, or one that came back", forward[i].value,
				&forward[i - 1]);
			return false;
		}
	for (uint32_t i = 0; i < all_count; i++) {
		const struct zone *other;

		if (all[i].first_end < all[i].last_begin || all[i].first_end == NEVER)
			continue;
		other = zone_around(forward, forward_count, all[i].last_begin, all[i].first_end);
		if (other) {
			say(text, len, n, "a write took effect and was undone, or was lost", all[i].value,
				other);
			return false;
		}
	}
	return block_check_zeroes(h, n, all, all_count, forward, forward_count, text, len);
}

bool history_cut(const struct history *h, uint32_t block, const uint8_t *data, struct history_cut *cut)
{
	const struct block *b = &h->blocks[block];
	const struct write *seen;
	uint32_t value;

	if (!content_of(h, block, data, &value))
		return false;
	if (value == 0)
		return true; /* of which trim, or none: it can't be told */
	seen = &h->writes[value];
	if (seen->began > cut->included) {
		cut->included = seen->began;
		cut->included_write = value;
	}
	for (uint32_t i = 0; i < b->write_count && seen->ended != NEVER; i++) {
		const struct write *later = &h->writes[b->writes[i]];

		if (later->began < seen->ended || later->ended >= cut->excluded)
			continue;
		cut->excluded = later->ended;
		cut->excluded_write = b->writes[i];
	}
	return true;
}

bool history_check(struct history *h, char *text, size_t text_len)
{
	struct zone *all = calloc(h->write_count + 1, sizeof(*all));
	struct zone *forward = calloc(h->write_count + 1, sizeof(*forward));
	bool ok = true;

	ASSERT(all && forward);
	for (uint32_t n = 0; n < h->block_count && ok; n++)
		ok = block_check(h, n, all, forward, text, text_len);
	free(all);
	free(forward);
	return ok;
}
