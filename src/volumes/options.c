/* Options of a new volume from text: strict, an unknown key or value is an error that names the nearest valid
 * one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "volumes/clone.h"
#include "volumes/placing.h"

int clone_from_parse(const char *from, char ret_volume[static NAME_MAX_LEN + 1],
	char ret_snapshot[static NAME_MAX_LEN + 1], struct error *error)
{
	size_t len = strcspn(from, "@");
	int rc;

	snprintf(ret_volume, NAME_MAX_LEN + 1, "%.*s", (int)(len < NAME_MAX_LEN ? len : NAME_MAX_LEN), from);
	snprintf(ret_snapshot, NAME_MAX_LEN + 1, "%s", from[len] ? from + len + 1 : "");
	rc = len > NAME_MAX_LEN ? error_set(error, -EINVAL, "option from: a volume's name is too long")
				: name_check("option from: volume name", ret_volume, error);
	if (rc == 0 && from[len])
		rc = name_check("option from: snapshot name", from + len + 1, error);
	return rc;
}

const char *const volume_option_names[VOLUME_OPTIONS_COUNT] = { "size", "class", "replicas", "fs", "tier",
	"group", "nodes", "zones", "racks", "selector", "sticky", "near", "from", "shards", "thick" };

/* As users of Portworx know them. */
static const struct {
	const char *name, *ours;
} aliases[] = { { "repl", "replicas" }, { "io_priority", "tier" }, { "aggregation_level", "shards" } };

/* Theirs too, without a counterpart here: never taken silently. */
static const struct {
	const char *name, *instead;
} not_offered[] = {
	{ "io_profile", "data is committed by a quorum in any case" },
	{ "snap_schedule", "a class has the schedule: `quoin class set CLASS snapshots=\"hourly keep 24\"`" },
	{ "label", "labels belong to nodes; `selector` chooses by them" },
	{ "shared", "a volume is attached on one node at a time" },
	{ "sharedv4", "a volume is attached on one node at a time" },
	{ "secure", "volumes are not encrypted" },
	{ "nodiscard", "space that is discarded is given back in any case" },
};

static const char *const filesystems[] = { "ext4", "xfs" };
#define PLACES_LEN       sizeof(((struct volume_options *)0)->nodes)
#define FILESYSTEM_COUNT (sizeof(filesystems) / sizeof(filesystems[0]))

static int size_set(struct volume_options *options, const char *key, const char *value, struct error *error)
{
	char limit[SIZE_TEXT_LEN + 1];
	uint64_t bytes;
	int rc = size_parse(value, &bytes, error);

	(void)key;
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

static int class_set(struct volume_options *options, const char *key, const char *value, struct error *error)
{
	int rc = name_check("option class", value, error);

	(void)key;
	if (rc == 0)
		snprintf(options->class_name, sizeof(options->class_name), "%s", value);
	return rc;
}

static int replicas_set(
	struct volume_options *options, const char *key, const char *value, struct error *error)
{
	if (value[0] < '1' || value[0] > (char)('0' + GROUP_MAX_VOTERS) || value[1] != '\0') {
		return error_set(error, -EINVAL, "option %s=%.64s: write a number from 1 to %u", key, value,
			GROUP_MAX_VOTERS);
	}
	options->replicas = (uint32_t)(value[0] - '0');
	return 0;
}

static int fs_set(struct volume_options *options, const char *key, const char *value, struct error *error)
{
	const char *nearest;

	(void)key;
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

int tier_refuse(const char *key, const char *value, struct error *error)
{
	return error_set(
		error, -EINVAL, "option %s=%.64s: write high, >=medium, any or high,low", key, value);
}

static int tier_set(struct volume_options *options, const char *key, const char *value, struct error *error)
{
	if (!value[0] || strlen(value) >= sizeof(options->tier))
		return tier_refuse(key, value, error);
	snprintf(options->tier, sizeof(options->tier), "%s", value);
	return 0;
}

static int group_set(struct volume_options *options, const char *key, const char *value, struct error *error)
{
	int rc = name_check("option group", value, error);

	(void)key;
	if (rc == 0)
		snprintf(options->group, sizeof(options->group), "%s", value);
	return rc;
}

/* "a,b" to "FIELD=a|b". */
static int places_set(char to[static PLACES_LEN], const char *key, const char *field, const char *value,
	struct error *error)
{
	char text[PLACES_LEN], what[32], name[NAME_MAX_LEN + 1];
	size_t len = (size_t)snprintf(text, sizeof(text), "%s=", field);

	snprintf(what, sizeof(what), "option %s", key);
	for (const char *at = value;; at++) {
		size_t count = strcspn(at, ",");
		int rc;

		if (len + count + 2 > sizeof(text))
			return error_set(error, -EINVAL, "option %s: more than %zu characters", key,
				sizeof(text) - strlen(field) - 3);
		snprintf(name, sizeof(name), "%.*s", (int)count, at);
		rc = name_check(what, name, error);
		if (rc < 0)
			return rc;
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", at == value ? "" : "|", name);
		at += count;
		if (!*at)
			break;
	}
	memcpy(to, text, sizeof(text));
	return 0;
}

static int nodes_set(struct volume_options *options, const char *key, const char *value, struct error *error)
{
	return places_set(options->nodes, key, "node", value, error);
}

static int zones_set(struct volume_options *options, const char *key, const char *value, struct error *error)
{
	return places_set(options->zones, key, "zone", value, error);
}

static int racks_set(struct volume_options *options, const char *key, const char *value, struct error *error)
{
	return places_set(options->racks, key, "rack", value, error);
}

/* What it says is looked at where the volume is placed. */
static int selector_set(
	struct volume_options *options, const char *key, const char *value, struct error *error)
{
	(void)key;
	if (!value[0] || strlen(value) >= sizeof(options->selector))
		return error_set(error, -EINVAL, "option selector: from 1 to %zu characters, as in zone=a|b",
			sizeof(options->selector) - 1);
	snprintf(options->selector, sizeof(options->selector), "%s", value);
	return 0;
}

static int sticky_set(struct volume_options *options, const char *key, const char *value, struct error *error)
{
	bool yes = !strcmp(value, "yes") || !strcmp(value, "true");

	(void)key;
	if (!yes && strcmp(value, "no") != 0 && strcmp(value, "false") != 0)
		return error_set(error, -EINVAL, "option sticky=%.64s: write yes or no", value);
	options->sticky_given = true;
	options->sticky = yes;
	return 0;
}

/* Whether there is such a node is looked at where the volume is placed. */
static int near_set(struct volume_options *options, const char *key, const char *value, struct error *error)
{
	int rc = name_check("option near", value, error);

	(void)key;
	if (rc == 0)
		snprintf(options->near, sizeof(options->near), "%s", value);
	return rc;
}

/* Whether there is such a volume and snapshot is looked at where the clone is made. */
static int from_set(struct volume_options *options, const char *key, const char *value, struct error *error)
{
	char volume[NAME_MAX_LEN + 1], snapshot[NAME_MAX_LEN + 1];
	int rc;

	(void)key;
	if (strlen(value) >= sizeof(options->from))
		return error_set(error, -EINVAL, "option from: write VOLUME or VOLUME@SNAPSHOT");
	rc = clone_from_parse(value, volume, snapshot, error);
	if (rc == 0)
		snprintf(options->from, sizeof(options->from), "%s", value);
	return rc;
}

static int shards_set(struct volume_options *options, const char *key, const char *value, struct error *error)
{
	if (shards_parse(value, &options->shards) == 0)
		return 0;
	return error_set(error, -EINVAL, "option %s=%.64s: write a number from 1 to %u, or auto", key, value,
		CATALOG_MAX_SHARDS);
}

static int thick_set(struct volume_options *options, const char *key, const char *value, struct error *error)
{
	bool yes = !strcmp(value, "yes") || !strcmp(value, "true");

	(void)key;
	if (!yes && strcmp(value, "no") != 0 && strcmp(value, "false") != 0)
		return error_set(error, -EINVAL, "option thick=%.64s: write yes or no", value);
	options->thick_given = true;
	options->thick = yes;
	return 0;
}

/* "size, class … and thick" */
static void names_list(char *to, size_t size)
{
	size_t len = 0;

	for (unsigned i = 0; i < VOLUME_OPTIONS_COUNT; i++)
		len += (size_t)snprintf(to + len, size - len, "%s%s",
			i == 0                          ? ""
			: i == VOLUME_OPTIONS_COUNT - 1 ? " and "
							: ", ",
			volume_option_names[i]);
}

static int unknown(const char *key, struct error *error)
{
	const char *nearest = name_nearest(key, volume_option_names, VOLUME_OPTIONS_COUNT);
	char names[192];

	for (size_t i = 0; i < sizeof(not_offered) / sizeof(not_offered[0]); i++)
		if (strcmp(key, not_offered[i].name) == 0)
			return error_set(
				error, -EINVAL, "option %s is not offered: %s", key, not_offered[i].instead);
	names_list(names, sizeof(names));
	if (nearest)
		return error_set(error, -EINVAL,
			"unknown option \"%.64s\": did you mean \"%s\"? There are %s", key, nearest, names);
	return error_set(error, -EINVAL, "unknown option \"%.64s\": there are %s", key, names);
}

int volume_options_set(
	struct volume_options *options, const char *key, const char *value, struct error *error)
{
	/* In the order of volume_option_names. */
	static int (*const setters[VOLUME_OPTIONS_COUNT])(struct volume_options * options, const char *key,
		const char *value, struct error *error) = { size_set, class_set, replicas_set, fs_set,
		tier_set, group_set, nodes_set, zones_set, racks_set, selector_set, sticky_set, near_set,
		from_set, shards_set, thick_set };

	const char *name = key; /* as its user knows it */
	int rc;

	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (strcmp(key, aliases[i].name) == 0)
			key = aliases[i].ours;
	for (unsigned i = 0; i < VOLUME_OPTIONS_COUNT; i++) {
		if (strcmp(key, volume_option_names[i]) != 0)
			continue;
		if (options->given & 1u << i)
			return error_set(error, -EINVAL, "option %s is given twice", name);
		rc = setters[i](options, name, value, error);
		if (rc == 0)
			options->given |= 1u << i;
		return rc;
	}
	return unknown(key, error);
}
