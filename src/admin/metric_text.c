/* The Prometheus text format. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/metric_text.h"

#define TEXT_FIRST_BYTES 1024u

static bool text_room(struct metric_text *text, size_t more)
{
	size_t capacity = text->capacity ? text->capacity : TEXT_FIRST_BYTES;
	char *data;

	if (text->failed)
		return false;
	while (capacity - text->len_bytes < more)
		capacity *= 2;
	if (capacity == text->capacity)
		return true;
	data = realloc(text->data, capacity);
	if (!data) {
		text->failed = true;
		return false;
	}
	text->data = data;
	text->capacity = capacity;
	return true;
}

void metric_append(struct metric_text *text, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	ASSERT(len >= 0);
	if (!text_room(text, (size_t)len + 1))
		return;
	va_start(args, format);
	(void)vsnprintf(text->data + text->len_bytes, (size_t)len + 1, format, args);
	va_end(args);
	text->len_bytes += (size_t)len;
}

static void value_escape(struct metric_text *text, const char *value)
{
	for (const char *at = value; *at; at++) {
		if (*at == '\\')
			metric_append(text, "\\\\");
		else if (*at == '"')
			metric_append(text, "\\\"");
		else if (*at == '\n')
			metric_append(text, "\\n");
		else
			metric_append(text, "%c", *at);
	}
}

/* The name and labels of one sample; `le` is a histogram's, NULL for others. */
static void sample_begin(
	struct metric_family *family, const char *suffix, const struct metric_labels *labels, const char *le)
{
	struct metric_text *text = &family->samples;
	const char *separator = "{";

	metric_append(text, "%s%s", family->name, suffix);
	for (unsigned i = 0; i + 1 < labels->count; i += 2) {
		metric_append(text, "%s%s=\"", separator, labels->pairs[i]);
		value_escape(text, labels->pairs[i + 1]);
		metric_append(text, "\"");
		separator = ",";
	}
	if (le) {
		metric_append(text, "%sle=\"%s\"", separator, le);
		separator = ",";
	}
	metric_append(text, *separator == ',' ? "} " : " ");
}

void metric_integer(struct metric_family *family, const struct metric_labels *labels, uint64_t value)
{
	sample_begin(family, "", labels, NULL);
	metric_append(&family->samples, "%" PRIu64 "\n", value);
}

void metric_histogram(struct metric_family *family, const struct metric_labels *labels,
	const struct metric_histogram *histogram)
{
	uint64_t total = 0;

	ASSERT(histogram->count > 0 && histogram->count < 40);
	for (unsigned i = 0; i < histogram->count; i++) {
		char le[32] = "+Inf";

		if (i + 1 < histogram->count)
			snprintf(le, sizeof(le), "%.6f", (double)(histogram->first_bound_us << i) / 1e6);
		total += histogram->buckets[i];
		sample_begin(family, "_bucket", labels, le);
		metric_append(&family->samples, "%" PRIu64 "\n", total);
	}
	sample_begin(family, "_sum", labels, NULL);
	metric_append(&family->samples, "%.9f\n", (double)histogram->sum_ns / 1e9);
	/* The count is the buckets' own, so that it always equals the last of them. */
	sample_begin(family, "_count", labels, NULL);
	metric_append(&family->samples, "%" PRIu64 "\n", total);
}

char *metric_page(struct metric_family *families, size_t count, size_t *ret_len_bytes)
{
	struct metric_text page = { 0 };

	for (size_t i = 0; i < count; i++) {
		struct metric_family *family = &families[i];

		if (family->samples.failed)
			page.failed = true;
		if (family->samples.len_bytes > 0) {
			metric_append(&page, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help,
				family->name, family->type);
			metric_append(&page, "%s", family->samples.data);
		}
		free(family->samples.data);
		family->samples = (struct metric_text){ 0 };
	}
	if (page.failed) {
		free(page.data);
		return NULL;
	}
	*ret_len_bytes = page.len_bytes;
	return page.data;
}
