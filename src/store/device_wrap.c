/* The words that choose wrappers. */
#include "store/device_wrap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WRAP_MAX      4u
#define WORD_MAX_LEN  127u
#define DELAY_MAX_NS  (600 * NS_PER_S)
#define NUMBER_DIGITS 15u

/* The digits at the start of `text`, and what follows them. */
static int parse_number(const char *text, uint64_t *ret_number, const char **ret_rest)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t number = 0;

	if (digits == 0 || digits > NUMBER_DIGITS)
		return -EINVAL;
	for (size_t i = 0; i < digits; i++)
		number = number * 10 + (uint64_t)(text[i] - '0');
	*ret_number = number;
	*ret_rest = text + digits;
	return 0;
}

static int parse_count(const char *text, uint64_t *ret_count)
{
	const char *rest;
	int rc = parse_number(text, ret_count, &rest);

	return rc == 0 && *rest != '\0' ? -EINVAL : rc;
}

static int parse_duration(const char *text, uint64_t *ret_ns)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = { { "us", NS_PER_US }, { "ms", NS_PER_MS }, { "s", NS_PER_S } };
	const char *rest;
	uint64_t number;

	if (parse_number(text, &number, &rest) < 0)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(rest, units[i].name) != 0)
			continue;
		if (number > DELAY_MAX_NS / units[i].ns)
			return -EINVAL;
		*ret_ns = number * units[i].ns;
		return 0;
	}
	return -EINVAL;
}

static int parse_kinds(char *text, unsigned *ret_kinds)
{
	unsigned kinds = 0;
	char *kind;

	while ((kind = strsep(&text, "+"))) {
		if (strcmp(kind, "read") == 0)
			kinds |= DEVICE_ERROR_READ;
		else if (strcmp(kind, "write") == 0)
			kinds |= DEVICE_ERROR_WRITE;
		else if (strcmp(kind, "flush") == 0)
			kinds |= DEVICE_ERROR_FLUSH;
		else
			return -EINVAL;
	}
	*ret_kinds = kinds;
	return 0;
}

static int delay_option(struct device_delay_options *options, const char *key, char *value)
{
	if (strcmp(key, "read") == 0)
		return parse_duration(value, &options->read_ns);
	if (strcmp(key, "write") == 0)
		return parse_duration(value, &options->write_ns);
	if (strcmp(key, "flush") == 0)
		return parse_duration(value, &options->flush_ns);
	if (strcmp(key, "jitter") == 0)
		return parse_duration(value, &options->jitter_ns);
	return -EINVAL;
}

static int error_option(struct device_error_options *options, const char *key, char *value)
{
	if (strcmp(key, "on") == 0)
		return parse_kinds(value, &options->kinds);
	if (strcmp(key, "after") == 0)
		return parse_count(value, &options->after);
	if (strcmp(key, "count") == 0)
		return parse_count(value, &options->count);
	return -EINVAL;
}

/* One parsed word; `is_delay` says which half counts. */
struct wrapper {
	bool is_delay;
	struct device_delay_options delay;
	struct device_error_options error;
};

/* "delay:write=5ms,flush=5ms", cut up in place. */
static int parse_wrapper(char *word, struct wrapper *ret_wrapper)
{
	struct wrapper w = { .delay.seed = 1,
		.error = { .kinds = DEVICE_ERROR_READ | DEVICE_ERROR_WRITE | DEVICE_ERROR_FLUSH,
			.error = EIO } };
	char *name = strsep(&word, ":");
	char *option;

	w.is_delay = strcmp(name, "delay") == 0;
	if ((!w.is_delay && strcmp(name, "error") != 0) || !word)
		return -EINVAL;
	while ((option = strsep(&word, ","))) {
		char *key = strsep(&option, "=");

		if (!option || (w.is_delay ? delay_option(&w.delay, key, option)
					   : error_option(&w.error, key, option)) < 0)
			return -EINVAL;
	}
	*ret_wrapper = w;
	return 0;
}

/*
 * The next word of *text, copied; 0 where there is none, 1 where there is one, -EINVAL when it is too long.
 */
static int next_word(const char **text, char word[static WORD_MAX_LEN + 1])
{
	size_t bytes;

	*text += strspn(*text, " ");
	bytes = strcspn(*text, " ");
	if (bytes == 0)
		return 0;
	if (bytes > WORD_MAX_LEN)
		return -EINVAL;
	memcpy(word, *text, bytes);
	word[bytes] = '\0';
	*text += bytes;
	return 1;
}

static int wrap_one(struct loop *loop, const struct wrapper *w, struct device **device)
{
	return w->is_delay ? device_delay_new(loop, *device, &w->delay, device)
			   : device_error_new(loop, *device, &w->error, device);
}

/* Parses the words. Returns the count. */
static int parse_wrappers(const char *text, struct wrapper wrappers[static WRAP_MAX], struct error *error)
{
	char word[WORD_MAX_LEN + 1];
	const char *at = text;
	int count = 0, rc;

	while ((rc = next_word(&at, word)) != 0) {
		if (rc < 0 || count == (int)WRAP_MAX || parse_wrapper(word, &wrappers[count]) < 0)
			return error_set(error, -EINVAL,
				"is not understood: \"%s\"; wanted is, up to %u times, "
				"delay:read=,write=,flush=,jitter= (1ms) or "
				"error:on=read+write+flush,after=,count=",
				text, WRAP_MAX);
		count++;
	}
	return count;
}

int device_wrap_check(const char *text, struct error *error)
{
	struct wrapper wrappers[WRAP_MAX];
	int rc = parse_wrappers(text, wrappers, error);

	return rc < 0 ? rc : 0;
}

int device_wrap(struct loop *loop, const char *text, struct device **device, struct error *error)
{
	struct wrapper wrappers[WRAP_MAX];
	int count = parse_wrappers(text, wrappers, error);

	if (count < 0)
		return count;
	while (count > 0) {
		int rc = wrap_one(loop, &wrappers[--count], device);

		if (rc < 0)
			return error_set(error, rc, "no memory for device faults");
	}
	return 0;
}
