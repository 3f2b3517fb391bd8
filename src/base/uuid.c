#include "base/uuid.h"

#include <errno.h>
#include <string.h>

#include "base/random.h"

static const char hex_digits[] = "0123456789abcdef";

struct uuid uuid_random(struct random *random)
{
	struct uuid v;

	random_bytes(random, v.byte, sizeof(v.byte));
	v.byte[6] = (uint8_t)((v.byte[6] & 0x0f) | 0x40); /* version 4 */
	v.byte[8] = (uint8_t)((v.byte[8] & 0x3f) | 0x80); /* RFC 4122's variant */
	return v;
}

bool uuid_is_none(struct uuid a)
{
	return uuid_equal(a, (struct uuid){ 0 });
}

bool uuid_equal(struct uuid a, struct uuid b)
{
	return uuid_compare(a, b) == 0;
}

int uuid_compare(struct uuid a, struct uuid b)
{
	return memcmp(a.byte, b.byte, sizeof(a.byte));
}

bool uuid_is_among(const struct uuid *uuids, unsigned count, struct uuid a)
{
	for (unsigned i = 0; i < count; i++)
		if (uuid_equal(uuids[i], a))
			return true;
	return false;
}

uint64_t uuid_hash(struct uuid a)
{
	uint64_t low, high;

	memcpy(&low, a.byte, sizeof(low));
	memcpy(&high, a.byte + sizeof(low), sizeof(high));
	low = (low ^ high * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xbf58476d1ce4e5b9);
	low = (low ^ low >> 32) * UINT64_C(0x94d049bb133111eb);
	return low ^ low >> 29;
}

/* A dash stands before the bytes 4, 6, 8 and 10. */
static bool dash_before(unsigned byte)
{
	return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

char *uuid_format(struct uuid a, char text[static UUID_TEXT_LEN + 1])
{
	char *at = text;

	for (unsigned i = 0; i < sizeof(a.byte); i++) {
		if (dash_before(i))
			*at++ = '-';
		*at++ = hex_digits[a.byte[i] >> 4];
		*at++ = hex_digits[a.byte[i] & 15];
	}
	*at = '\0';
	ASSERT(at == text + UUID_TEXT_LEN);
	return text;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int uuid_parse(const char *text, struct uuid *ret_uuid)
{
	struct uuid v;
	const char *at = text;

	for (unsigned i = 0; i < sizeof(v.byte); i++) {
		int high, low;

		if (dash_before(i) && *at++ != '-')
			return -EINVAL;
		high = hex_value(at[0]);
		if (high < 0)
			return -EINVAL;
		low = hex_value(at[1]);
		if (low < 0)
			return -EINVAL;
		v.byte[i] = (uint8_t)(high << 4 | low);
		at += 2;
	}
	if (*at != '\0')
		return -EINVAL;
	*ret_uuid = v;
	return 0;
}
