#include "base/names.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"

#define NEAREST_MAX_DISTANCE 3u

static bool is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

int name_check(const char *what, const char *name, struct error *error)
{
	size_t len = strnlen(name, NAME_MAX_LEN + 1);

	if (len == 0)
		return error_set(error, -EINVAL, "%s is empty", what);
	if (len > NAME_MAX_LEN)
		return error_set(error, -EINVAL, "%s is longer than %u characters", what, NAME_MAX_LEN);
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if (is_alphanumeric(c) || (i > 0 && (c == '_' || c == '.' || c == '-')))
			continue;
		if (c >= ' ' && c <= '~')
			return error_set(error, -EINVAL, "%s '%s': character %zu, '%c', is not allowed; %s",
				what, name, i + 1, c,
				i == 0 ? "the first one is a letter or a digit"
				       : "letters, digits, '_', '.' and '-' are");
		return error_set(error, -EINVAL,
			"%s: character %zu (byte 0x%02x) is not allowed; letters, digits, '_', '.' and '-' "
			"are",
			what, i + 1, (unsigned)(unsigned char)c);
	}
	return 0;
}

int snapshot_name_split(const char *text, char ret_volume[static NAME_MAX_LEN + 1],
	char ret_snapshot[static NAME_MAX_LEN + 1], struct error *error)
{
	const char *at = strchr(text, '@');
	size_t len = at ? (size_t)(at - text) : 0;
	char volume[NAME_MAX_LEN + 1];
	int rc;

	if (len == 0 || !at[1])
		return error_set(error, -EINVAL, "\"%s\" is no snapshot: VOLUME@NAME is wanted", text);
	if (len > NAME_MAX_LEN)
		return error_set(
			error, -EINVAL, "the volume's name is longer than %u characters", NAME_MAX_LEN);
	memcpy(volume, text, len);
	volume[len] = '\0';
	rc = name_check("volume name", volume, error);
	if (rc == 0)
		rc = name_check("snapshot name", at + 1, error);
	if (rc != 0)
		return rc;
	memcpy(ret_volume, volume, len + 1);
	memcpy(ret_snapshot, at + 1, strlen(at + 1) + 1);
	return 0;
}

int device_name_check(const char *name, struct error *error)
{
	char volume[NAME_MAX_LEN + 1], snapshot[NAME_MAX_LEN + 1];

	return strchr(name, '@') ? snapshot_name_split(name, volume, snapshot, error)
				 : name_check("volume name", name, error);
}

#define DEVICE_FILE_HASH_LEN 17u /* '~' and 64 bits */

char *device_file_name(const char *name, char ret_file[static DEVICE_FILE_MAX_LEN + 1])
{
	const size_t keep = DEVICE_FILE_MAX_LEN - DEVICE_FILE_HASH_LEN;
	size_t len = strlen(name);
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	if (len <= DEVICE_FILE_MAX_LEN) {
		memcpy(ret_file, name, len + 1);
		return ret_file;
	}
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)name[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
	memcpy(ret_file, name, keep);
	(void)snprintf(ret_file + keep, DEVICE_FILE_HASH_LEN + 1, "~%016llx", (unsigned long long)hash);
	return ret_file;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Levenshtein's: insertions, deletions and changes of one character; upper and lower case are one. */
static uint32_t edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	uint32_t row[NAME_MAX_LEN + 1]; /* distances from a[0 .. i) to each b[0 .. j) */

	ASSERT(a_len <= NAME_MAX_LEN);
	ASSERT(b_len <= NAME_MAX_LEN);
	for (uint32_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (uint32_t i = 1; i <= a_len; i++) {
		uint32_t diagonal = row[0];

		row[0] = i;
		for (uint32_t j = 1; j <= b_len; j++) {
			uint32_t best = diagonal + (lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1);

			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[b_len];
}

/* Half of the longer word: "hihg" is near "high", "name" is not near "size". */
static uint32_t near_max(size_t a_len, size_t b_len)
{
	size_t longer = a_len > b_len ? a_len : b_len;
	size_t most = longer / 2;

	return most < NEAREST_MAX_DISTANCE ? (uint32_t)most : NEAREST_MAX_DISTANCE;
}

const char *name_nearest(const char *word, const char *const *candidates, size_t count)
{
	size_t word_len = strnlen(word, NAME_MAX_LEN + 1);
	uint32_t best = NEAREST_MAX_DISTANCE + 1;
	const char *nearest = NULL;

	if (word_len > NAME_MAX_LEN)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		size_t len = strnlen(candidates[i], NAME_MAX_LEN + 1);
		uint32_t distance;

		if (len > NAME_MAX_LEN)
			continue;
		distance = edit_distance(word, word_len, candidates[i], len);
		if (distance < best && distance <= near_max(word_len, len)) {
			best = distance;
			nearest = candidates[i];
		}
	}
	return nearest;
}
