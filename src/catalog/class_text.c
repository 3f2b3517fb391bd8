/*
 * Classes as text: sections [class NAME] with `key = value` lines; docs/classes.md shows them all. Lines that
 * begin with # are kept with the class: they say why it is as it is.
 */
#include "catalog/class_text.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_LEN 500u
#define SIZE_DEFAULT (UINT64_C(10) << 30)

void class_init(struct catalog_class *class)
{
	*class = (struct catalog_class){
		.tiers = CLASS_TIERS_ANY,
		.replicas = 3,
		.spread = CLASS_SPREAD_ZONE,
		.size_bytes = SIZE_DEFAULT,
		.fs = "ext4",
	};
}

/* ---- sections ---- */

struct parse {
	const char *at, *end;
	unsigned line;
	bool in_class;
	unsigned seen; /* one bit for each field */
	struct catalog_class class;
	int (*fn)(void *arg, const struct catalog_class *class, struct error *error);
	void *arg;
	struct error *error;
};

static int parse_fail(struct parse *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int parse_fail(struct parse *p, const char *format, ...)
{
	char words[ERROR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	return error_set(p->error, -EINVAL, "line %u: %s", p->line, words);
}

static int class_end(struct parse *p)
{
	size_t len = strlen(p->class.comment);
	struct error why;

	if (!p->in_class)
		return 0;
	/* Empty lines at the end of a comment are none, as at its beginning. */
	while (len > 0 && p->class.comment[len - 1] == '\n')
		p->class.comment[--len] = 0;
	p->in_class = false;
	if (p->fn(p->arg, &p->class, &why) != 0)
		return error_set(p->error, -EINVAL, "class %.64s: %s", p->class.name, why.text);
	return 0;
}

/* "[class NAME]" */
static int section_begin(struct parse *p, char *line)
{
	size_t len = strlen(line);
	struct error why;
	char *name = line + 6;
	int rc = class_end(p);

	if (rc != 0)
		return rc;
	if (line[len - 1] != ']' || strncmp(line, "[class", 6) != 0 || (*name != ' ' && *name != '\t'))
		return parse_fail(p, "\"%.64s\": a class begins with [class NAME]", line);
	line[len - 1] = 0;
	name += strspn(name, " \t");
	if (name_check("class name", name, &why) != 0)
		return parse_fail(p, "%s", why.text);
	class_init(&p->class);
	(void)snprintf(p->class.name, sizeof(p->class.name), "%s", name);
	p->in_class = true;
	p->seen = 0;
	return 0;
}

static int comment_add(struct parse *p, const char *text)
{
	size_t len = strlen(p->class.comment);

	text += *text == ' ';
	if (!p->in_class)
		return 0; /* about the file, not about a class */
	if (len + strlen(text) + 2 > sizeof(p->class.comment))
		return parse_fail(p, "the comments of class %.64s have more than %u characters",
			p->class.name, CATALOG_COMMENT_MAX_LEN);
	(void)snprintf(p->class.comment + len, sizeof(p->class.comment) - len, "%s%s", len ? "\n" : "", text);
	return 0;
}

static void blanks_cut(char *text)
{
	size_t len = strlen(text);

	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t' || text[len - 1] == '\r'))
		text[--len] = 0;
}

static int key_value(struct parse *p, char *line)
{
	char *value = strchr(line, '=');
	unsigned index = 0;
	struct error why;

	if (!value)
		return parse_fail(p, "\"%.64s\": write key = value", line);
	if (!p->in_class)
		return parse_fail(p, "\"%.64s\" stands before any [class NAME]", line);
	*value++ = 0;
	value += strspn(value, " \t");
	blanks_cut(line);
	if (class_field_find(line, &index, &why) != 0)
		return parse_fail(p, "%s", why.text);
	if ((p->seen & 1u << index) != 0)
		return parse_fail(p, "%s is given twice", line);
	p->seen |= 1u << index;
	if (class_field_put(&p->class, index, value, &why) != 0)
		return parse_fail(p, "%s", why.text);
	return 0;
}

/* The next line without the blanks around it. False: there is none. */
static bool line_next(struct parse *p, char line[static LINE_MAX_LEN + 1], int *ret_rc)
{
	const char *end;
	size_t len;

	*ret_rc = 0;
	if (p->at == p->end)
		return false;
	p->line++;
	end = memchr(p->at, '\n', (size_t)(p->end - p->at));
	len = (size_t)((end ? end : p->end) - p->at);
	if (len > LINE_MAX_LEN) {
		*ret_rc = parse_fail(p, "longer than %u characters", LINE_MAX_LEN);
		return true;
	}
	for (size_t i = 0; i < len && *ret_rc == 0; i++)
		if (iscntrl((unsigned char)p->at[i]) && p->at[i] != '\t' && p->at[i] != '\r')
			*ret_rc = parse_fail(p, "a control character: this is not a text file");
	while (len > 0 && (*p->at == ' ' || *p->at == '\t')) {
		p->at++;
		len--;
	}
	memcpy(line, p->at, len);
	line[len] = 0;
	blanks_cut(line);
	p->at = end ? end + 1 : p->end;
	return true;
}

int class_text_parse(const char *text, size_t len,
	int (*fn)(void *arg, const struct catalog_class *class, struct error *error), void *arg,
	struct error *error)
{
	struct parse p = { .at = text, .end = text + len, .fn = fn, .arg = arg, .error = error };
	char line[LINE_MAX_LEN + 1];
	int rc;

	while (line_next(&p, line, &rc)) {
		if (rc == 0 && line[0] == '[')
			rc = section_begin(&p, line);
		else if (rc == 0 && line[0] == '#')
			rc = comment_add(&p, line + 1);
		else if (rc == 0 && line[0] != 0)
			rc = key_value(&p, line);
		if (rc != 0)
			return rc;
	}
	return class_end(&p);
}

/* ---- to text ---- */

void class_tier_format(unsigned tiers, char text[static CLASS_WORDS_LEN + 1])
{
	size_t len = 0;

	if (tiers == CLASS_TIERS_ANY || tiers == (CLASS_TIER(TIER_HIGH) | CLASS_TIER(TIER_MEDIUM))) {
		(void)snprintf(
			text, CLASS_WORDS_LEN + 1, "%s", tiers == CLASS_TIERS_ANY ? "any" : ">=medium");
		return;
	}
	for (enum tier tier = TIER_HIGH; tier >= TIER_LOW; tier--)
		if ((tiers & CLASS_TIER(tier)) != 0)
			len += (size_t)snprintf(text + len, CLASS_WORDS_LEN + 1 - len, "%s%s", len ? "," : "",
				tier_name(tier));
}

static void duration_format(const char *lead, uint64_t ms, char text[static CLASS_WORDS_LEN + 1])
{
	const char *unit = ms % 60000 == 0 ? "m" : ms % 1000 == 0 ? "s" : "ms";
	uint64_t number = ms % 60000 == 0 ? ms / 60000 : ms % 1000 == 0 ? ms / 1000 : ms;

	(void)snprintf(text, CLASS_WORDS_LEN + 1, "%s%llu%s", lead, (unsigned long long)number, unit);
}

void class_no_quorum_format(uint32_t error_after_ms, char text[static CLASS_WORDS_LEN + 1])
{
	if (error_after_ms == 0)
		(void)snprintf(text, CLASS_WORDS_LEN + 1, "queue");
	else
		duration_format("error ", error_after_ms, text);
}

void class_trim_format(uint32_t trim_s, char text[static CLASS_WORDS_LEN + 1])
{
	if (trim_s == 0 || trim_s == CLASS_TRIM_NEVER)
		(void)snprintf(text, CLASS_WORDS_LEN + 1, "%s", trim_s ? "never" : "daily");
	else
		duration_format("", trim_s * UINT64_C(1000), text);
}

void class_rebuild_format(uint64_t rebuild_after_ms, char text[static CLASS_WORDS_LEN + 1])
{
	if (rebuild_after_ms == 0)
		(void)snprintf(text, CLASS_WORDS_LEN + 1, "default");
	else
		duration_format("", rebuild_after_ms, text);
}

/* In the greatest unit that it is a whole number of; all sizes are whole KiB. */
static void size_write(uint64_t bytes, char text[static CLASS_WORDS_LEN + 1])
{
	static const char units[] = "KMGT";
	unsigned unit = 0;

	bytes >>= 10;
	while (bytes % 1024 == 0 && units[unit + 1]) {
		bytes >>= 10;
		unit++;
	}
	(void)snprintf(text, CLASS_WORDS_LEN + 1, "%llu%c", (unsigned long long)bytes, units[unit]);
}

static void text_put(char *text, size_t *len, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void text_put(char *text, size_t *len, const char *format, ...)
{
	va_list args;
	int written;

	va_start(args, format);
	written = vsnprintf(text + *len, CLASS_TEXT_MAX_LEN + 1 - *len, format, args);
	va_end(args);
	/* The sum of all fields' bounds is below it. */
	ASSERT(written >= 0 && *len + (size_t)written <= CLASS_TEXT_MAX_LEN);
	*len += (size_t)written;
}

void class_text_format(const struct catalog_class *class, char text[static CLASS_TEXT_MAX_LEN + 1])
{
	char words[CLASS_WORDS_LEN + 1], schedule[SCHEDULE_TEXT_LEN + 1];
	const char *line = class->comment;
	size_t len = 0;

	text_put(text, &len, "[class %s]\n", class->name);
	while (*line) {
		size_t end = strcspn(line, "\n");

		text_put(text, &len, "# %.*s\n", (int)end, line);
		line += end + (line[end] == '\n');
	}
	class_tier_format(class->tiers, words);
	text_put(text, &len, "description = %s\nreplicas = %u\ntier = %s\nspread = %s\ngroup_rule = %s\n",
		class->description, class->replicas, words, class_spread_name(class->spread),
		class_group_rule_name(class->group_rule));
	size_write(class->size_bytes, words);
	text_put(text, &len, "selector = %s\nsize = %s\nfs = %s\nreads = %s\n",
		class->selector[0] ? class->selector : "any", words, class->fs,
		class->reads_quorum ? "quorum" : "lease");
	if (class->mkfs_options[0])
		text_put(text, &len, "mkfs_options = %s\n", class->mkfs_options);
	if (class->mount_options[0])
		text_put(text, &len, "mount_options = %s\n", class->mount_options);
	class_no_quorum_format(class->error_after_ms, words);
	text_put(text, &len, "on_no_quorum = %s\n", words);
	class_rebuild_format(class->rebuild_after_ms, words);
	text_put(text, &len, "rebuild_after = %s\n", words);
	if (class->snapshots.count > 0) {
		schedule_format(&class->snapshots, schedule);
		text_put(text, &len, "snapshots = %s\n", schedule);
	}
	if (class->trim_s != 0) {
		class_trim_format(class->trim_s, words);
		text_put(text, &len, "trim = %s\n", words);
	}
	if (class->limit_iops != 0)
		text_put(text, &len, "iops_limit = %llu\n", (unsigned long long)class->limit_iops);
	if (class->limit_bytes_per_s != 0) {
		size_write(class->limit_bytes_per_s, words);
		text_put(text, &len, "bandwidth_limit = %s\n", words);
	}
	if (class->shards == SHARDS_AUTO)
		text_put(text, &len, "shards = auto\n");
	else if (class->shards > 1)
		text_put(text, &len, "shards = %u\n", class->shards);
	if (class->thick)
		text_put(text, &len, "thick = yes\n");
	if (class->number != 0)
		text_put(text, &len, "version = %llu\n", (unsigned long long)class->number);
}
