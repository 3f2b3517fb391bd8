/* Selectors: text to terms, terms against a pool. */
#include "catalog/selector.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "catalog/catalog.h"

#define LABEL_PREFIX     "label."
#define LABEL_PREFIX_LEN (sizeof(LABEL_PREFIX) - 1)

static const char *const field_names[] = { "region", "zone", "rack", "host", "node", "pool", "label.NAME" };
#define FIELD_COUNT (sizeof(field_names) / sizeof(field_names[0]))

/* ---- from text ---- */

static int field_parse(char *name, struct selector *selector, struct selector_term *term, struct error *error)
{
	const char *nearest;

	for (size_t i = 0; i < SELECTOR_LABEL; i++) {
		if (strcmp(name, field_names[i]) == 0) {
			term->field = (enum selector_field)i;
			return 0;
		}
	}
	if (strncmp(name, LABEL_PREFIX, LABEL_PREFIX_LEN) == 0 && name[LABEL_PREFIX_LEN] != 0) {
		term->field = SELECTOR_LABEL;
		term->label = (uint16_t)(name + LABEL_PREFIX_LEN - selector->text);
		return 0;
	}
	nearest = name_nearest(name, field_names, FIELD_COUNT);
	return error_set(error, -EINVAL,
		"selector: \"%.64s\"%s%s%s there are region, zone, rack, host, node, pool and label.NAME",
		name, nearest ? ": did you mean \"" : " is no field:", nearest ? nearest : "",
		nearest ? "\"?" : "");
}

/* "zone=a|b" or "zone!=a", cut at its separators. */
static int term_parse(char *text, struct selector *selector, struct error *error)
{
	struct selector_term *term = &selector->terms[selector->term_count];
	char *equals = strchr(text, '=');
	char *value;

	if (!equals || equals == text)
		return error_set(
			error, -EINVAL, "selector: \"%.64s\": write FIELD=VALUE, as in zone=a|b", text);
	*term = (struct selector_term){ .value_count = 1, .excludes = equals[-1] == '!' };
	value = equals + 1;
	equals[term->excludes ? -1 : 0] = 0;
	term->value = (uint16_t)(value - selector->text);
	for (char *at = value;; at++) {
		bool ends = *at == 0 || *at == '|';

		if (ends && (at == value || at[-1] == 0))
			return error_set(error, -EINVAL, "selector: %.64s has an empty value", text);
		if (*at == 0)
			break;
		if (*at == '=' || *at == '!')
			return error_set(error, -EINVAL, "selector: %.64s has a value with '%c'", text, *at);
		if (*at == '|') {
			*at = 0;
			term->value_count++;
		}
	}
	selector->term_count++;
	return field_parse(text, selector, term, error);
}

int selector_parse(const char *text, struct selector *ret_selector, struct error *error)
{
	struct selector selector = { .term_count = 0 };
	size_t len = strlen(text);
	char *at = selector.text;

	if (len > SELECTOR_TEXT_LEN)
		return error_set(
			error, -EINVAL, "selector: longer than %u characters", (unsigned)SELECTOR_TEXT_LEN);
	memcpy(selector.text, text, len + 1);
	for (const char *c = text; *c; c++) {
		if (isspace((unsigned char)*c) || iscntrl((unsigned char)*c))
			return error_set(error, -EINVAL,
				"selector: a blank or control character at character %zu",
				(size_t)(c - text + 1));
	}
	while (len > 0) {
		char *end = strchr(at, ',');
		int rc;

		if (end)
			*end = 0;
		if (selector.term_count == SELECTOR_MAX_TERMS)
			return error_set(
				error, -EINVAL, "selector: more than %u terms", (unsigned)SELECTOR_MAX_TERMS);
		rc = term_parse(at, &selector, error);
		if (rc != 0)
			return rc;
		if (!end)
			break;
		at = end + 1;
	}
	*ret_selector = selector;
	return 0;
}

/* ---- against a pool ---- */

static const char *label_value(const struct selector_subject *subject, const char *name)
{
	for (unsigned i = 0; i < subject->label_count; i++) {
		if (strcmp(subject->labels[i].name, name) == 0)
			return subject->labels[i].value;
	}
	return NULL;
}

static const char *field_value(const struct selector *selector, const struct selector_term *term,
	const struct selector_subject *subject)
{
	switch (term->field) {
	case SELECTOR_REGION:
		return subject->region;
	case SELECTOR_ZONE:
		return subject->zone;
	case SELECTOR_RACK:
		return subject->rack;
	case SELECTOR_HOST:
		return subject->host;
	case SELECTOR_NODE:
		return subject->node;
	case SELECTOR_POOL:
		return subject->pool;
	default:
		return label_value(subject, selector->text + term->label);
	}
}

static bool term_holds(const struct selector *selector, const struct selector_term *term,
	const struct selector_subject *subject)
{
	const char *is = field_value(selector, term, subject);
	const char *value = selector->text + term->value;

	for (unsigned i = 0; is && i < term->value_count; i++, value += strlen(value) + 1) {
		if (strcmp(is, value) == 0)
			return !term->excludes;
	}
	return term->excludes;
}

bool selector_matches(const struct selector *selector, const struct selector_subject *subject)
{
	for (unsigned i = 0; i < selector->term_count; i++) {
		if (!term_holds(selector, &selector->terms[i], subject))
			return false;
	}
	return true;
}

const char *selector_failed(const struct selector *selector, const struct selector_subject *subject,
	char text[static SELECTOR_TEXT_LEN + 1])
{
	size_t len;

	text[0] = 0;
	for (unsigned i = 0; i < selector->term_count; i++) {
		const struct selector_term *term = &selector->terms[i];
		const char *value = selector->text + term->value;

		if (term_holds(selector, term, subject))
			continue;
		len = (size_t)snprintf(text, SELECTOR_TEXT_LEN + 1, "%s%s%s",
			term->field == SELECTOR_LABEL ? LABEL_PREFIX : field_names[term->field],
			term->field == SELECTOR_LABEL ? selector->text + term->label : "",
			term->excludes ? "!=" : "=");
		for (unsigned v = 0; v < term->value_count; v++, value += strlen(value) + 1)
			len += (size_t)snprintf(
				text + len, SELECTOR_TEXT_LEN + 1 - len, "%s%s", v ? "|" : "", value);
		break;
	}
	return text;
}
