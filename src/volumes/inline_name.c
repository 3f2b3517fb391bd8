/*
 * A volume's name with its options in it, for those who can write no others:
 * "size=10G,class=postgres,name=db". A plain name has no '=', so one is never taken for the other. A part
 * without '=' goes on with the value before it, as in "nodes=a,b,name=db".
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "volumes/volumes.h"

bool volume_name_is_inline(const char *text)
{
	return strchr(text, '=') != NULL;
}

static int name_take(const char *value, char name[static NAME_MAX_LEN + 1], struct error *error)
{
	int rc;

	if (name[0])
		return error_set(error, -EINVAL, "name= stands there twice: a volume has one");
	rc = name_check("volume name", value, error);
	if (rc == 0)
		snprintf(name, NAME_MAX_LEN + 1, "%s", value);
	return rc;
}

/* The length of the first KEY=VALUE of a text. */
static size_t pair_len(const char *text)
{
	size_t len = strcspn(text, ",");

	while (text[len]) {
		size_t part = strcspn(text + len + 1, ",");

		if (memchr(text + len + 1, '=', part) || part == 0)
			break;
		len += 1 + part;
	}
	return len;
}

static int pairs_parse(const char *text, char name[static NAME_MAX_LEN + 1], struct volume_options *options,
	struct error *error)
{
	char pair[VOLUME_INLINE_MAX_LEN + 1];

	for (;;) {
		size_t len = pair_len(text);
		char *value;
		int rc;

		memcpy(pair, text, len);
		pair[len] = 0;
		value = strchr(pair, '=');
		if (!value)
			return error_set(error, -EINVAL,
				"volume name: \"%.64s\" is not KEY=VALUE, as in size=10G,name=db", pair);
		*value++ = 0;
		rc = strcmp(pair, "name") == 0 ? name_take(value, name, error)
					       : volume_options_set(options, pair, value, error);
		if (rc < 0)
			return rc;
		if (!text[len])
			return 0;
		text += len + 1;
	}
}

int volume_name_parse(const char *text, char ret_name[static NAME_MAX_LEN + 1],
	struct volume_options *ret_options, struct error *error)
{
	struct volume_options options = { 0 };
	char name[NAME_MAX_LEN + 1] = "";
	int rc;

	if (!volume_name_is_inline(text))
		rc = name_take(text, name, error);
	else if (strnlen(text, VOLUME_INLINE_MAX_LEN + 1) > VOLUME_INLINE_MAX_LEN)
		rc = error_set(error, -EINVAL, "volume name: longer than %u characters with its options",
			VOLUME_INLINE_MAX_LEN);
	else
		rc = pairs_parse(text, name, &options, error);
	if (rc == 0 && !name[0])
		rc = error_set(error, -EINVAL,
			"a volume name with options needs the name among them: %.128s,name=NAME", text);
	if (rc < 0)
		return rc;
	memcpy(ret_name, name, sizeof(name));
	*ret_options = options;
	return 0;
}
