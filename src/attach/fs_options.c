/*
 * What may be said of how a filesystem is made and mounted: a closed table, each with its bounds. What isn't
 * in it is refused, so no text of a user's reaches mkfs or mount but as one of these words or a number.
 */
#include "attach/fs_options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "attach/attach.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define RULES_MAX       16u

struct rule {
	enum fs_options_kind kind;
	const char *fs; /* NULL: both */
	const char *name;
	const char *words;           /* "a|b": one of these; NULL with most 0: the name alone */
	uint64_t least, most;        /* else a number */
	const char *flag, *argument; /* of mkfs: "-J", "size=%s" as before and after */
	const char *after;
};

static const struct rule rules[] = {
	{ FS_MAKE_OPTIONS, "ext4", "inode_ratio", NULL, 4096, 67108864, "-i", "", "" },
	{ FS_MAKE_OPTIONS, "ext4", "inode_size", "256|512|1024", 0, 0, "-I", "", "" },
	{ FS_MAKE_OPTIONS, "ext4", "journal_size", NULL, 4, 1024, "-J", "size=", "" },
	{ FS_MAKE_OPTIONS, "xfs", "inode_size", "512|1024|2048", 0, 0, "-i", "size=", "" },
	{ FS_MAKE_OPTIONS, "xfs", "log_size", NULL, 64, 2032, "-l", "size=", "m" },
	{ FS_MAKE_OPTIONS, "xfs", "reflink", "0|1", 0, 0, "-m", "reflink=", "" },
	{ FS_MOUNT_OPTIONS, NULL, "lazytime", NULL, 0, 0, NULL, NULL, NULL },
	{ FS_MOUNT_OPTIONS, NULL, "nosuid", NULL, 0, 0, NULL, NULL, NULL },
	{ FS_MOUNT_OPTIONS, NULL, "nodev", NULL, 0, 0, NULL, NULL, NULL },
	{ FS_MOUNT_OPTIONS, NULL, "noexec", NULL, 0, 0, NULL, NULL, NULL },
	{ FS_MOUNT_OPTIONS, "ext4", "data", "ordered|writeback|journal", 0, 0, NULL, NULL, NULL },
	{ FS_MOUNT_OPTIONS, "ext4", "commit", NULL, 1, 300, NULL, NULL, NULL },
	{ FS_MOUNT_OPTIONS, "xfs", "largeio", NULL, 0, 0, NULL, NULL, NULL },
	{ FS_MOUNT_OPTIONS, "xfs", "swalloc", NULL, 0, 0, NULL, NULL, NULL },
	{ FS_MOUNT_OPTIONS, "xfs", "logbsize", "32k|64k|128k|256k", 0, 0, NULL, NULL, NULL },
};
_Static_assert(COUNT_OF(rules) <= 32, "a bit for each");

static bool is_about(const struct rule *rule, enum fs_options_kind kind, const char *fs)
{
	return rule->kind == kind && (!rule->fs || strcmp(rule->fs, fs) == 0);
}

static const struct rule *rule_find(enum fs_options_kind kind, const char *fs, const char *name)
{
	for (size_t i = 0; i < COUNT_OF(rules); i++)
		if (is_about(&rules[i], kind, fs) && strcmp(rules[i].name, name) == 0)
			return &rules[i];
	return NULL;
}

static int unknown(enum fs_options_kind kind, const char *fs, const char *name, struct error *error)
{
	const char *names[RULES_MAX], *nearest;
	char list[160] = "";
	size_t count = 0, len = 0;

	for (size_t i = 0; i < COUNT_OF(rules); i++)
		if (is_about(&rules[i], kind, fs) && count < RULES_MAX)
			names[count++] = rules[i].name;
	for (size_t i = 0; i < count && len < sizeof(list); i++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", i ? ", " : "", names[i]);
	nearest = name_nearest(name, names, count);
	return error_set(error, -EINVAL, "%s \"%.40s\" for %s%s%s%s: there are %s",
		kind == FS_MAKE_OPTIONS ? "mkfs_options: no option" : "mount_options: no option", name, fs,
		nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "", list);
}

static bool is_among(const char *words, const char *value)
{
	size_t len = strlen(value);

	if (strchr(value, '|'))
		return false;
	for (const char *at = words; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
		if (len > 0 && strncmp(at, value, len) == 0 && (at[len] == '|' || at[len] == 0))
			return true;
	return false;
}

static int value_check(const struct rule *rule, const char *value, struct error *error)
{
	uint64_t number = 0;

	if (rule->words && !(value && is_among(rule->words, value)))
		return error_set(error, -EINVAL, "option %s=%.40s: it is one of %s", rule->name,
			value ? value : "", rule->words);
	if (rule->most > 0 &&
		(!value || count_parse(value, &number) != 0 || number < rule->least || number > rule->most))
		return error_set(error, -EINVAL, "option %s=%.40s: it is a number from %llu to %llu",
			rule->name, value ? value : "", (unsigned long long)rule->least,
			(unsigned long long)rule->most);
	if (!rule->words && rule->most == 0 && value)
		return error_set(error, -EINVAL, "option %s takes no value", rule->name);
	return 0;
}

/* Calls fn, if there is one, for each option in order. */
static int options_walk(enum fs_options_kind kind, const char *fs, const char *text,
	void (*fn)(void *arg, const struct rule *rule, const char *value), void *arg, struct error *error)
{
	char copy[FS_OPTIONS_LEN + 1], *at = copy, *name;
	uint32_t seen = 0;
	int rc = 0;

	if (strlen(text) > FS_OPTIONS_LEN)
		return error_set(error, -EINVAL, "options: at most %u characters", FS_OPTIONS_LEN);
	memcpy(copy, text, strlen(text) + 1);
	while (rc == 0 && text[0] && (name = strsep(&at, ","))) {
		char *value = strchr(name, '=');
		const struct rule *rule;

		if (value)
			*value++ = 0;
		rule = rule_find(kind, fs, name);
		rc = rule ? value_check(rule, value, error) : unknown(kind, fs, name, error);
		if (rc == 0 && (seen & 1u << (rule - rules)))
			rc = error_set(error, -EINVAL, "option %s is given twice", name);
		if (rc == 0) {
			seen |= 1u << (rule - rules);
			if (fn)
				fn(arg, rule, value);
		}
	}
	return rc;
}

int fs_options_check(enum fs_options_kind kind, const char *fs, const char *text, struct error *error)
{
	return options_walk(kind, fs, text, NULL, NULL, error);
}

static void argument_add(void *arg, const struct rule *rule, const char *value)
{
	struct fs_make_arguments *to = arg;
	char *text = to->texts[to->count / 2];

	ASSERT(to->count + 2 <= FS_MAKE_ARGUMENTS);
	(void)snprintf(text, sizeof(to->texts[0]), "%s%s%s", rule->argument, value, rule->after);
	to->arguments[to->count++] = rule->flag;
	to->arguments[to->count++] = text;
}

int fs_make_arguments_get(
	const char *fs, const char *text, struct fs_make_arguments *ret_arguments, struct error *error)
{
	ret_arguments->count = 0;
	return options_walk(FS_MAKE_OPTIONS, fs, text, argument_add, ret_arguments, error);
}
