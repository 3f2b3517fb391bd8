#include "base/size.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char units[] = "KMGTPE";

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* 10, 20, 30 or 40 for K, M, G, T with or without "iB"; 0 where it is none of them. */
static unsigned suffix_bits(const char *suffix)
{
	const char *unit = suffix[0] ? strchr("KMGT", suffix[0] & ~0x20) : NULL;

	if (!unit || *unit == '\0')
		return 0;
	if (suffix[1] != '\0' && strcasecmp(suffix + 1, "iB") != 0)
		return 0;
	return 10 * (unsigned)(unit - "KMGT" + 1);
}

int size_parse(const char *text, uint64_t *ret_bytes, struct error *error)
{
	uint64_t number = 0;
	const char *at = text;
	unsigned bits;

	if (!is_digit(*at))
		return error_set(error, -EINVAL,
			"size '%.64s' is not a number with a unit, such as 10G or 512M", text);
	for (; is_digit(*at); at++) {
		if (__builtin_mul_overflow(number, 10u, &number) ||
			__builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
			return error_set(error, -EINVAL, "size '%.64s' is too large", text);
	}
	if (*at == '\0')
		return error_set(error, -EINVAL,
			"size '%.64s' has no unit: it could be %.64s bytes or %.64s GiB; write %.64sG for "
			"GiB",
			text, text, text, text);
	if (*at == '.' || *at == ',')
		return error_set(error, -EINVAL,
			"size '%.64s' is not a whole number; use the next smaller unit, such as 1536M", text);
	bits = suffix_bits(at);
	if (!bits)
		return error_set(error, -EINVAL,
			"size '%.64s' has the unit '%.64s'; known are K, M, G, T (or KiB, MiB, GiB, TiB)",
			text, at);
	if (number > UINT64_MAX >> bits)
		return error_set(error, -EINVAL, "size '%.64s' is too large", text);
	*ret_bytes = number << bits;
	return 0;
}

char *size_format(uint64_t bytes, char text[static SIZE_TEXT_LEN + 1])
{
	unsigned unit = 0;
	uint64_t whole, tenths;

	if (bytes < 1024) {
		snprintf(text, SIZE_TEXT_LEN + 1, "%u B", (unsigned)bytes);
		return text;
	}
	while (unit + 1 < sizeof(units) - 1 && bytes >> 10 * (unit + 2))
		unit++;
	whole = bytes >> 10 * (unit + 1);
	/* From ten more bits, which are enough for one digit; rounded to the nearest. */
	tenths = ((bytes >> 10 * unit & 1023) * 10 + 512) / 1024;
	if (tenths == 10) {
		whole++;
		tenths = 0;
	}
	if (whole == 1024 && unit + 1 < sizeof(units) - 1) {
		whole = 1;
		unit++;
	}
	if (tenths)
		snprintf(text, SIZE_TEXT_LEN + 1, "%u.%u %ciB", (unsigned)whole, (unsigned)tenths,
			units[unit]);
	else
		snprintf(text, SIZE_TEXT_LEN + 1, "%u %ciB", (unsigned)whole, units[unit]);
	return text;
}

int count_parse(const char *text, uint64_t *ret_count)
{
	size_t len = strlen(text);

	if (len < 1 || len > 9 || strspn(text, "0123456789") != len)
		return -EINVAL;
	*ret_count = strtoull(text, NULL, 10);
	return 0;
}
