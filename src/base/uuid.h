/* 128-bit identities of pools, replicas, groups, volumes, sessions and attachments. All zero means "none". */
#ifndef QUOIN_BASE_UUID_H
#define QUOIN_BASE_UUID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"

#define UUID_TEXT_LEN 36 /* without the final zero byte */

struct uuid {
	uint8_t byte[16];
};

struct random;

/* A version 4 (random) UUID, RFC 4122. */
struct uuid uuid_random(struct random *random);
bool uuid_is_none(struct uuid a);
bool uuid_equal(struct uuid a, struct uuid b);
int uuid_compare(struct uuid a, struct uuid b);
bool uuid_is_among(const struct uuid *uuids, unsigned count, struct uuid a);
/* 64 well-mixed bits for hash tables. */
uint64_t uuid_hash(struct uuid a);
/* Lower-case text of UUID_TEXT_LEN characters and a zero byte. Returns `text`. */
char *uuid_format(struct uuid a, char text[static UUID_TEXT_LEN + 1]);
/* -EINVAL unless `text` is exactly one UUID in text form. */
int uuid_parse(const char *text, struct uuid *ret_uuid) MUST_CHECK;

#endif
