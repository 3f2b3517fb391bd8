/* Classes as text, field by field: what a value may be, and how it is written. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/class_text.h"
#include "catalog/selector.h"

#define ERROR_AFTER_MS  30000u
#define ERROR_MAX_MS    3600000u
#define REBUILD_MIN_MS  1000u
#define REBUILD_MAX_MS  (UINT64_C(30) * 86400000)
#define TRIM_MIN_MS     60000u
#define TRIM_MAX_MS     (UINT64_C(30) * 86400000)
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static int field_bad(const char *key, const char *value, const char *const *known, size_t count,
	const char *what, struct error *error)
{
	const char *nearest = name_nearest(value, known, count);

	if (nearest)
		return error_set(
			error, -EINVAL, "%s = %.64s: did you mean \"%s\"? %s", key, value, nearest, what);
	return error_set(error, -EINVAL, "%s = %.64s: %s", key, value, what);
}

/* ---- one field: from text ---- */

static int description_set(struct catalog_class *class, const char *value, struct error *error)
{
	if (strlen(value) > CATALOG_REASON_MAX_LEN)
		return error_set(
			error, -EINVAL, "description: at most %u characters", CATALOG_REASON_MAX_LEN);
	(void)snprintf(class->description, sizeof(class->description), "%s", value);
	return 0;
}

static int replicas_set(struct catalog_class *class, const char *value, struct error *error)
{
	if (value[0] < '1' || value[0] > (char)('0' + GROUP_MAX_VOTERS) || value[1] != 0)
		return error_set(error, -EINVAL, "replicas = %.64s: write a number from 1 to %u", value,
			GROUP_MAX_VOTERS);
	class->replicas = (unsigned)(value[0] - '0');
	return 0;
}

static int tier_of(const char *word, size_t len, enum tier *ret_tier)
{
	for (enum tier tier = TIER_LOW; tier <= TIER_HIGH; tier++) {
		const char *name = tier_name(tier);

		if (strlen(name) == len && memcmp(name, word, len) == 0) {
			*ret_tier = tier;
			return 0;
		}
	}
	return -EINVAL;
}

int class_tier_parse(const char *value, unsigned *ret_tiers)
{
	bool least = value[0] == '>' && value[1] == '=';
	const char *at = least ? value + 2 : value;
	unsigned tiers = 0;
	enum tier tier;

	if (strcmp(value, "any") == 0) {
		*ret_tiers = CLASS_TIERS_ANY;
		return 0;
	}
	if (least && strchr(value, ','))
		return -EINVAL;
	for (;;) {
		size_t len = strcspn(at, ",");

		if (tier_of(at, len, &tier) != 0)
			return -EINVAL;
		tiers |= CLASS_TIER(tier);
		if (at[len] == 0)
			break;
		at += len + 1;
		at += strspn(at, " \t");
	}
	for (; least && tier < TIER_HIGH; tier++)
		tiers |= CLASS_TIER(tier + 1);
	*ret_tiers = tiers;
	return 0;
}

/* "any", ">=medium", "high", "high,low" */
static int tier_set(struct catalog_class *class, const char *value, struct error *error)
{
	static const char *const known[] = { "any", "high", "medium", "low", ">=medium", ">=low", ">=high" };

	if (class_tier_parse(value, &class->tiers) == 0)
		return 0;
	return field_bad("tier", value, known, COUNT_OF(known),
		"there are any, high, medium, low, >=medium, or a list as high,medium", error);
}

static int spread_set(struct catalog_class *class, const char *value, struct error *error)
{
	static const char *const known[] = { "zone", "zone-preferred", "rack", "host" };

	for (unsigned i = 0; i < COUNT_OF(known); i++) {
		if (strcmp(value, known[i]) == 0) {
			class->spread = CLASS_SPREAD_ZONE + i;
			return 0;
		}
	}
	return field_bad("spread", value, known, COUNT_OF(known),
		"there are zone (distinct zones, or refused), zone-preferred, rack and host", error);
}

static int group_rule_set(struct catalog_class *class, const char *value, struct error *error)
{
	static const char *const known[] = { "none", "apart", "together" };

	for (unsigned i = 0; i < COUNT_OF(known); i++) {
		if (strcmp(value, known[i]) == 0) {
			class->group_rule = (enum class_group_rule)i;
			return 0;
		}
	}
	return field_bad("group_rule", value, known, COUNT_OF(known),
		"there are none, apart (volumes of one group share no node) and together", error);
}

static int selector_set(struct catalog_class *class, const char *value, struct error *error)
{
	struct selector selector;

	if (strlen(value) > CLASS_SELECTOR_LEN)
		return error_set(error, -EINVAL, "selector: at most %u characters", CLASS_SELECTOR_LEN);
	(void)snprintf(
		class->selector, sizeof(class->selector), "%s", strcmp(value, "any") == 0 ? "" : value);
	return selector_parse(class->selector, &selector, error);
}

static int size_set(struct catalog_class *class, const char *value, struct error *error)
{
	struct error why;
	uint64_t bytes;

	if (size_parse(value, &bytes, &why) != 0)
		return error_set(error, -EINVAL, "size: %s", why.text);
	bytes = (bytes + GRAIN_BYTES - 1) / GRAIN_BYTES * GRAIN_BYTES;
	if (bytes < VOLUME_MIN_BYTES || bytes > VOLUME_MAX_BYTES)
		return error_set(error, -EINVAL, "size = %.64s: a volume has 32 MiB to 64 TiB", value);
	class->size_bytes = bytes;
	return 0;
}

static int fs_set(struct catalog_class *class, const char *value, struct error *error)
{
	static const char *const known[] = { "ext4", "xfs" };

	if (strcmp(value, known[0]) != 0 && strcmp(value, known[1]) != 0)
		return field_bad("fs", value, known, COUNT_OF(known), "there are ext4 and xfs", error);
	(void)snprintf(class->fs, sizeof(class->fs), "%s", value);
	return 0;
}

static int reads_set(struct catalog_class *class, const char *value, struct error *error)
{
	static const char *const known[] = { "lease", "quorum" };

	if (strcmp(value, known[0]) != 0 && strcmp(value, known[1]) != 0)
		return field_bad("reads", value, known, COUNT_OF(known), "there are lease and quorum", error);
	class->reads_quorum = strcmp(value, known[1]) == 0;
	return 0;
}

uint64_t class_duration_of(const char *text)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
	uint64_t number = 0;

	for (; isdigit((unsigned char)*text) && number < 1000000000; text++)
		number = number * 10 + (uint64_t)(*text - '0');
	for (unsigned i = 0; i < COUNT_OF(units); i++)
		if (strcmp(text, units[i].unit) == 0)
			return number * units[i].ms;
	return 0;
}

/* "queue", "error", "error 10s", "error 1500ms" */
static int no_quorum_set(struct catalog_class *class, const char *value, struct error *error)
{
	static const char *const known[] = { "queue", "error" };
	uint64_t ms = 0;

	if (strcmp(value, "queue") == 0) {
		class->error_after_ms = 0;
		return 0;
	}
	if (strcmp(value, "error") == 0)
		ms = ERROR_AFTER_MS;
	else if (strncmp(value, "error ", 6) == 0)
		ms = class_duration_of(value + 6 + strspn(value + 6, " \t"));
	if (ms == 0 || ms > ERROR_MAX_MS)
		return field_bad("on_no_quorum", value, known, COUNT_OF(known),
			"there are queue, error (after 30 s) and error TIME, as in `error 10s`; up to an "
			"hour",
			error);
	class->error_after_ms = (uint32_t)ms;
	return 0;
}

static int rebuild_set(struct catalog_class *class, const char *value, struct error *error)
{
	uint64_t ms = class_duration_of(value);

	if (strcmp(value, "default") != 0 && (ms < REBUILD_MIN_MS || ms > REBUILD_MAX_MS))
		return error_set(error, -EINVAL,
			"rebuild_after = %.64s: write `default` (the nodes' configuration) or a time from 1s "
			"to 30d, as "
			"in 10m",
			value);
	class->rebuild_after_ms = ms;
	return 0;
}

static int snapshots_set(struct catalog_class *class, const char *value, struct error *error)
{
	return schedule_parse(value, &class->snapshots, error);
}

static int trim_set(struct catalog_class *class, const char *value, struct error *error)
{
	static const struct {
		const char *word;
		uint32_t trim_s;
	} words[] = { { "daily", 0 }, { "never", CLASS_TRIM_NEVER }, { "weekly", 7 * 86400 } };
	uint64_t ms = class_duration_of(value);

	for (unsigned i = 0; i < COUNT_OF(words); i++)
		if (strcmp(value, words[i].word) == 0) {
			class->trim_s = words[i].trim_s;
			return 0;
		}
	if (ms < TRIM_MIN_MS || ms > TRIM_MAX_MS || ms % 1000 != 0)
		return error_set(error, -EINVAL,
			"trim = %.64s: write daily, weekly, never or a time from 1m to 30d, as in 12h",
			value);
	class->trim_s = ms == 86400000 ? 0 : (uint32_t)(ms / 1000);
	return 0;
}

static int iops_set(struct catalog_class *class, const char *value, struct error *error)
{
	class->limit_iops = 0;
	if (strcmp(value, "none") == 0)
		return 0;
	if (count_parse(value, &class->limit_iops) != 0 || class->limit_iops == 0)
		return error_set(error, -EINVAL,
			"iops_limit = %.64s: write `none` or a number of requests a second", value);
	return 0;
}

static int bandwidth_set(struct catalog_class *class, const char *value, struct error *error)
{
	class->limit_bytes_per_s = 0;
	if (strcmp(value, "none") == 0)
		return 0;
	if (size_parse(value, &class->limit_bytes_per_s, NULL) < 0 || class->limit_bytes_per_s == 0)
		return error_set(error, -EINVAL,
			"bandwidth_limit = %.64s: write `none` or a size a second, as in 100M", value);
	return 0;
}

/* Words and numbers, no more: what they mean is looked at where the class is written (attach/attach.h). */
static int options_set(
	const char *key, const char *value, char to[static CLASS_OPTIONS_LEN + 1], struct error *error)
{
	const char *text = strcmp(value, "none") == 0 ? "" : value;

	if (strlen(text) > CLASS_OPTIONS_LEN ||
		strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_=,") != strlen(text))
		return error_set(error, -EINVAL,
			"%s = %.64s: write `none` or options as in commit=30,nosuid, at most %u characters",
			key, value, CLASS_OPTIONS_LEN);
	(void)snprintf(to, CLASS_OPTIONS_LEN + 1, "%s", text);
	return 0;
}

static int mkfs_options_set(struct catalog_class *class, const char *value, struct error *error)
{
	return options_set("mkfs_options", value, class->mkfs_options, error);
}

static int mount_options_set(struct catalog_class *class, const char *value, struct error *error)
{
	return options_set("mount_options", value, class->mount_options, error);
}

/* One is what every class has that says nothing: written as if it said so. */
static int shards_set(struct catalog_class *class, const char *value, struct error *error)
{
	if (shards_parse(value, &class->shards) != 0)
		return error_set(error, -EINVAL, "shards = %.64s: write a number from 1 to %u, or `auto`",
			value, VOLUME_MAX_SHARDS);
	if (class->shards == 1)
		class->shards = 0;
	return 0;
}

static int thick_set(struct catalog_class *class, const char *value, struct error *error)
{
	class->thick = strcmp(value, "yes") == 0;
	if (!class->thick && strcmp(value, "no") != 0)
		return error_set(error, -EINVAL, "thick = %.64s: write yes or no", value);
	return 0;
}

static int version_set(struct catalog_class *class, const char *value, struct error *error)
{
	char *end;

	errno = 0;
	class->number = isdigit((unsigned char)value[0]) ? strtoull(value, &end, 10) : 0;
	if (class->number == 0 || errno != 0 || *end != 0)
		return error_set(error, -EINVAL,
			"version = %.64s: the number that `quoin class show` has told", value);
	return 0;
}

/* In the order of the text. */
static const struct field {
	const char *key;
	int (*set)(struct catalog_class *class, const char *value, struct error *error);
} fields[] = {
	{ "description", description_set },
	{ "replicas", replicas_set },
	{ "tier", tier_set },
	{ "spread", spread_set },
	{ "group_rule", group_rule_set },
	{ "selector", selector_set },
	{ "size", size_set },
	{ "fs", fs_set },
	{ "mkfs_options", mkfs_options_set },
	{ "mount_options", mount_options_set },
	{ "reads", reads_set },
	{ "on_no_quorum", no_quorum_set },
	{ "rebuild_after", rebuild_set },
	{ "snapshots", snapshots_set },
	{ "trim", trim_set },
	{ "iops_limit", iops_set },
	{ "bandwidth_limit", bandwidth_set },
	{ "shards", shards_set },
	{ "thick", thick_set },
	{ "version", version_set },
};

int class_field_find(const char *key, unsigned *ret_index, struct error *error)
{
	const char *keys[COUNT_OF(fields)];
	const char *nearest;

	for (unsigned i = 0; i < COUNT_OF(fields); i++) {
		keys[i] = fields[i].key;
		if (strcmp(key, keys[i]) == 0) {
			*ret_index = i;
			return 0;
		}
	}
	/* To come: named, so that nobody believes that it is obeyed. */
	if (strcmp(key, "profile") == 0)
		return error_set(
			error, -EINVAL, "%s can't be set yet: there is one block profile; leave it out", key);
	nearest = name_nearest(key, keys, COUNT_OF(fields));
	return error_set(error, -EINVAL,
		"unknown key \"%.64s\"%s%s%s; there are description, replicas, tier, spread, group_rule, "
		"selector, "
		"size, fs, mkfs_options, mount_options, reads, on_no_quorum, rebuild_after, snapshots, trim, "
		"iops_limit, "
		"bandwidth_limit, shards, thick and version",
		key, nearest ? ": did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
}

int class_field_put(struct catalog_class *class, unsigned index, const char *value, struct error *error)
{
	ASSERT(index < COUNT_OF(fields));
	return fields[index].set(class, value, error);
}

int class_field_set(struct catalog_class *class, const char *key, const char *value, struct error *error)
{
	unsigned index = 0;
	int rc = class_field_find(key, &index, error);

	return rc ? rc : class_field_put(class, index, value, error);
}
