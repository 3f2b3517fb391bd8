/* Options of a new volume from text: strict, an unknown key or value is an error that names the nearest valid
 * one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "volumes/volumes.h"

const char *const volume_option_names[VOLUME_OPTIONS_COUNT] = { "size", "class", "replicas", "fs" };

static const char *const filesystems[] = { "ext4", "xfs" };
#define FILESYSTEM_COUNT (sizeof(filesystems) / sizeof(filesystems[0]))

static int size_set(struct volume_options *options, const char *value, struct error *error)
{
	char limit[SIZE_TEXT_LEN + 1];
	uint64_t bytes;
	int rc = size_parse(value, &bytes, error);

	if (rc < 0)
		return rc;
	if (bytes < VOLUME_MIN_BYTES) {
		return error_set(error, -EINVAL, "option size=%.64s: a volume is at least %s", value,
			size_format(VOLUME_MIN_BYTES, limit));
	}
	if (bytes > VOLUME_MAX_BYTES) {
		return error_set(error, -EINVAL, "option size=%.64s: a volume is at most %s", value,
			size_format(VOLUME_MAX_BYTES, limit));
	}
	options->size_bytes = (bytes + GRAIN_BYTES - 1) / GRAIN_BYTES * GRAIN_BYTES;
	return 0;
}

static int class_set(struct volume_options *options, const char *value, struct error *error)
{
	int rc = name_check("option class", value, error);

	if (rc == 0)
		snprintf(options->class_name, sizeof(options->class_name), "%s", value);
	return rc;
}

static int replicas_set(struct volume_options *options, const char *value, struct error *error)
{
	if (value[0] < '1' || value[0] > (char)('0' + GROUP_MAX_VOTERS) || value[1] != '\0') {
		return error_set(error, -EINVAL, "option replicas=%.64s: write a number from 1 to %u", value,
			GROUP_MAX_VOTERS);
	}
	options->replicas = (uint32_t)(value[0] - '0');
	return 0;
}

static int fs_set(struct volume_options *options, const char *value, struct error *error)
{
	const char *nearest;

	for (size_t i = 0; i < FILESYSTEM_COUNT; i++) {
		if (strcmp(value, filesystems[i]) == 0) {
			snprintf(options->fs, sizeof(options->fs), "%s", value);
			return 0;
		}
	}
	nearest = name_nearest(value, filesystems, FILESYSTEM_COUNT);
	if (nearest) {
		return error_set(error, -EINVAL,
			"option fs=%.64s: did you mean fs=%s? There are ext4 and xfs", value, nearest);
	}
	return error_set(error, -EINVAL, "option fs=%.64s: there are ext4 and xfs", value);
}

int volume_options_set(
	struct volume_options *options, const char *key, const char *value, struct error *error)
{
	/* In the order of volume_option_names. */
	static int (*const setters[VOLUME_OPTIONS_COUNT])(struct volume_options * options, const char *value,
		struct error *error) = { size_set, class_set, replicas_set, fs_set };
	const char *nearest;

	for (unsigned i = 0; i < VOLUME_OPTIONS_COUNT; i++) {
		if (strcmp(key, volume_option_names[i]) == 0)
			return setters[i](options, value, error);
	}
	nearest = name_nearest(key, volume_option_names, VOLUME_OPTIONS_COUNT);
	if (nearest) {
		return error_set(error, -EINVAL,
			"unknown option \"%.64s\": did you mean \"%s\"? There are size, class, replicas and "
			"fs",
			key, nearest);
	}
	return error_set(
		error, -EINVAL, "unknown option \"%.64s\": there are size, class, replicas and fs", key);
}
