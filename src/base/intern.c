#include "base/intern.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

/* Open addressing; the capacity is a power of two, and at least half of it is free. */
static struct {
	char **slots;
	size_t count, capacity;
} texts;

static char **slot_of(const char *text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
	size_t at;

	for (const char *c = text; *c; c++)
		hash = (hash ^ (uint8_t)*c) * UINT64_C(0x100000001b3);
	at = (size_t)(hash ^ hash >> 29) & (texts.capacity - 1);
	while (texts.slots[at] && strcmp(texts.slots[at], text) != 0)
		at = (at + 1) & (texts.capacity - 1);
	return &texts.slots[at];
}

static void grow(void)
{
	char **old = texts.slots;
	size_t old_capacity = texts.capacity;

	texts.capacity = old_capacity ? 2 * old_capacity : 64;
	texts.slots = calloc(texts.capacity, sizeof(*texts.slots));
	/* The control plane can't go on without its records' names: see the catalog's view. */
	ASSERT(texts.slots);
	for (size_t i = 0; i < old_capacity; i++)
		if (old[i])
			*slot_of(old[i]) = old[i];
	free(old);
}

const char *text_intern(const char *text)
{
	char **slot;

	if (2 * (texts.count + 1) > texts.capacity)
		grow();
	slot = slot_of(text);
	if (!*slot) {
		*slot = strdup(text);
		ASSERT(*slot);
		texts.count++;
	}
	return *slot;
}
