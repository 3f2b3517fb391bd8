/*
 * The keys: /quoin/CLUSTER/KIND/NAME; at/, group/ and clone/ have a UUID behind the name. Nobody else knows
 * them.
 */
#include "catalog/catalog_private.h"

#include <stdio.h>
#include <string.h>

static const char *const kind_texts[RECORD_KINDS] = {
	[RECORD_CLUSTER] = "cluster",
	[RECORD_NODE] = "node",
	[RECORD_LIVE] = "live",
	[RECORD_POOL] = "pool",
	[RECORD_RESERVATION] = "reserved",
	[RECORD_VOLUME] = "volume",
	[RECORD_NAME] = "name",
	[RECORD_CLASS] = "class",
	[RECORD_AT] = "at",
	[RECORD_GROUP] = "group",
	[RECORD_CLONE] = "clone",
};

const char *key_kind_text(enum record_kind kind)
{
	return kind_texts[kind];
}

char *key_format(const struct catalog *catalog, enum record_kind kind, const char *name,
	char key[static KEY_MAX_LEN + 1])
{
	int len = snprintf(key, KEY_MAX_LEN + 1, "%s%s/%s", catalog->prefix, kind_texts[kind], name);

	ASSERT(len > 0 && (size_t)len <= KEY_MAX_LEN);
	return key;
}

char *key_format_uuid(const struct catalog *catalog, enum record_kind kind, struct uuid uuid,
	char key[static KEY_MAX_LEN + 1])
{
	char text[UUID_TEXT_LEN + 1];

	return key_format(catalog, kind, uuid_format(uuid, text), key);
}

char *key_prefix(const struct catalog *catalog, enum record_kind kind, const char *name,
	char prefix[static KEY_MAX_LEN + 1])
{
	int len = snprintf(prefix, KEY_MAX_LEN + 1, "%s%s/%s%s", catalog->prefix, kind_texts[kind],
		name ? name : "", name ? "/" : "");

	ASSERT(len > 0 && (size_t)len <= KEY_MAX_LEN);
	return prefix;
}

bool key_parse(
	const struct catalog *catalog, const char *key, enum record_kind *ret_kind, const char **ret_name)
{
	size_t prefix_len = strlen(catalog->prefix);

	if (strncmp(key, catalog->prefix, prefix_len) != 0)
		return false;
	key += prefix_len;
	for (enum record_kind kind = RECORD_CLUSTER; kind < RECORD_KINDS; kind++) {
		size_t len = strlen(kind_texts[kind]);

		if (strncmp(key, kind_texts[kind], len) != 0 || key[len] != '/' || key[len + 1] == 0)
			continue;
		*ret_kind = kind;
		*ret_name = key + len + 1;
		return true;
	}
	return false;
}
