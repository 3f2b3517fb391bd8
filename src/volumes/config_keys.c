#include "volumes/config_keys.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "volumes/pool_space.h"

#define NODE_KEY(key, field, kind)                                                                           \
	{                                                                                                    \
		CONFIG_NODE, key, kind, offsetof(struct volumes_config, field), 0, 0                         \
	}
#define CLUSTER_KEY(key, field, kind)                                                                        \
	{                                                                                                    \
		CONFIG_CLUSTER, key, kind, offsetof(struct volumes_config, field), 0, 0                      \
	}

const struct config_key config_keys[] = {
	NODE_KEY("name", node, CONFIG_NAME),
	NODE_KEY("region", region, CONFIG_NAME),
	NODE_KEY("zone", zone, CONFIG_NAME),
	NODE_KEY("rack", rack, CONFIG_NAME),
	NODE_KEY("host", host, CONFIG_NAME),
	NODE_KEY("labels", labels, CONFIG_LABELS),
	NODE_KEY("state_dir", state_dir, CONFIG_PATH),
	NODE_KEY("listen", listen, CONFIG_ADDRESS),
	NODE_KEY("address", address, CONFIG_ADDRESS),
	{ CONFIG_NODE, "threads", CONFIG_COUNT, offsetof(struct volumes_config, threads), 1,
		CONFIG_MAX_THREADS },
	{ CONFIG_NODE, "buffer_memory", CONFIG_SIZE, offsetof(struct volumes_config, buffer_bytes),
		UINT64_C(64) << 20, UINT64_C(64) << 30 },
	{ CONFIG_NODE, "snapshot_cache", CONFIG_SIZE, offsetof(struct volumes_config, snapshot_cache_bytes),
		UINT64_C(1) << 20, UINT64_C(64) << 30 },
	{ CONFIG_NODE, "measure_every", CONFIG_DURATION, offsetof(struct volumes_config, measure_every_ms),
		1000, UINT64_C(366) * 24 * 3600 * 1000 },
	{ CONFIG_NODE, "scrub_every", CONFIG_DURATION, offsetof(struct volumes_config, scrub_every_ms), 0,
		UINT64_C(366) * 24 * 3600 * 1000 },
	{ CONFIG_NODE, "scrub_rate", CONFIG_SIZE, offsetof(struct volumes_config, scrub_bytes_per_s),
		UINT64_C(1) << 20, UINT64_C(1) << 40 },
	{ CONFIG_NODE, "space_warnings", CONFIG_PERCENTS, offsetof(struct volumes_config, space_warnings), 1,
		POOL_FULL_PERCENT - 1 },
	CLUSTER_KEY("kvdb", kvdb_path, CONFIG_KVDB),
	CLUSTER_KEY("key", key_path, CONFIG_PATH),
	{ CONFIG_CLUSTER, "node_lease", CONFIG_DURATION, offsetof(struct volumes_config, node_lease_ms), 1000,
		600000 },
	{ CONFIG_CLUSTER, "group_lease", CONFIG_DURATION, offsetof(struct volumes_config, group_lease_ms),
		500, 60000 },
	{ CONFIG_CLUSTER, "resync_rate", CONFIG_SIZE, offsetof(struct volumes_config, resync_bytes_per_s),
		UINT64_C(1) << 20, UINT64_C(1) << 40 },
	{ CONFIG_CLUSTER, "rebuild_after", CONFIG_DURATION, offsetof(struct volumes_config, rebuild_after_ms),
		1000, UINT64_C(30) * 24 * 3600 * 1000 },
	{ CONFIG_CLUSTER, "steward_after", CONFIG_DURATION, offsetof(struct volumes_config, steward_after_ms),
		1000, UINT64_C(30) * 24 * 3600 * 1000 },
	{ CONFIG_CLUSTER, "drop_after", CONFIG_DURATION, offsetof(struct volumes_config, drop_after_ms), 1000,
		UINT64_C(30) * 24 * 3600 * 1000 },
	{ CONFIG_CLUSTER, "rebalance", CONFIG_BOOL, offsetof(struct volumes_config, rebalance), 0, 0 },
	{ CONFIG_CLUSTER, "rebalance_rate", CONFIG_SIZE,
		offsetof(struct volumes_config, rebalance_bytes_per_s), UINT64_C(1) << 20,
		UINT64_C(1) << 40 },
	{ CONFIG_POOL, "path", CONFIG_PATH, offsetof(struct pool_config, path), 0, 0 },
	{ CONFIG_POOL, "size", CONFIG_SIZE, offsetof(struct pool_config, size_bytes), UINT64_C(1) << 30,
		UINT64_C(1) << 50 },
	{ CONFIG_POOL, "faults", CONFIG_FAULTS, offsetof(struct pool_config, faults), 0, 0 },
	{ CONFIG_POOL, "tier", CONFIG_TIER, offsetof(struct pool_config, tier), 0, 0 },
	{ CONFIG_DOCKER, "enabled", CONFIG_BOOL, offsetof(struct volumes_config, docker_enabled), 0, 0 },
	{ CONFIG_DOCKER, "socket", CONFIG_SOCKET, offsetof(struct volumes_config, docker_socket), 0, 0 },
	{ CONFIG_ADMIN, "socket", CONFIG_SOCKET, offsetof(struct volumes_config, admin_socket), 0, 0 },
	{ CONFIG_METRICS, "listen", CONFIG_ADDRESS_OR_NONE, offsetof(struct volumes_config, metrics_listen),
		0, 0 },
};
const unsigned config_key_count = sizeof(config_keys) / sizeof(config_keys[0]);
_Static_assert(sizeof(config_keys) / sizeof(config_keys[0]) <= CONFIG_MAX_KEYS, "a bit for each key");

const char *const config_section_names[CONFIG_SECTIONS] = { "node", "cluster", "pool", "docker", "admin",
	"metrics" };

const struct config_key *config_key_find(enum config_section section, const char *name)
{
	for (unsigned i = 0; i < config_key_count; i++)
		if (config_keys[i].section == section && !strcmp(config_keys[i].name, name))
			return &config_keys[i];
	return NULL;
}

static int text_set(char *to, size_t to_bytes, const char *value, struct error *error)
{
	if (strlen(value) >= to_bytes)
		return error_set(error, -EINVAL, "is longer than %zu characters", to_bytes - 1);
	memcpy(to, value, strlen(value) + 1);
	return 0;
}

static int path_set(char *to, size_t to_bytes, const char *value, struct error *error)
{
	if (value[0] != '/')
		return error_set(error, -EINVAL, "is not an absolute path: \"%s\"", value);
	return text_set(to, to_bytes, value, error);
}

int config_address_check(const char *text, struct error *error)
{
	char host[NET_ADDRESS_MAX];
	struct in6_addr bytes;
	const char *colon = strrchr(text, ':');
	size_t host_len = colon ? (size_t)(colon - text) : 0;
	char *end;
	long port;
	bool bracketed;

	if (!colon || host_len == 0 || host_len >= sizeof(host) || strlen(text) >= NET_ADDRESS_MAX)
		return error_set(error, -EINVAL, "is not ADDRESS:PORT: \"%s\"", text);
	memcpy(host, text, host_len);
	host[host_len] = '\0';
	port = strtol(colon + 1, &end, 10);
	if (colon[1] < '0' || colon[1] > '9' || *end || port < 1 || port > 65535)
		return error_set(
			error, -EINVAL, "has no port of 1 to 65535 after its last colon: \"%s\"", text);
	bracketed = host_len > 2 && host[0] == '[' && host[host_len - 1] == ']';
	if (bracketed) {
		memmove(host, host + 1, host_len - 2);
		host[host_len - 2] = '\0';
	}
	if (inet_pton(bracketed ? AF_INET6 : AF_INET, host, &bytes) != 1)
		return error_set(error, -EINVAL,
			"is not a numeric address such as 127.0.0.1:7420 or [::1]:7420: \"%s\"", text);
	return 0;
}

bool config_address_is_wildcard(const struct net_address *address)
{
	return !strncmp(address->text, "0.0.0.0:", 8) || !strncmp(address->text, "[::]:", 5);
}

static int labels_set(char *to, const char *value, struct error *error)
{
	char copy[CONFIG_LABELS_MAX], *rest = copy, *pair;
	int rc = text_set(copy, sizeof(copy), value, error);

	while (!rc && (pair = strsep(&rest, ",")) != NULL) {
		pair += strspn(pair, " ");
		if (strcspn(pair, "=") == 0 || !strchr(pair, '=') || strchr(pair, ' '))
			rc = error_set(error, -EINVAL,
				"is not NAME=VALUE, NAME=VALUE ..., without spaces in them: \"%s\"", value);
	}
	return rc ? rc : text_set(to, CONFIG_LABELS_MAX, value, error);
}

static int duration_parse(const char *text, uint64_t *ret_ms, struct error *error)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
	char *end;
	unsigned long number;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (text[0] >= '0' && text[0] <= '9' && errno == 0 && number <= 1000000000)
		for (unsigned i = 0; i < 5; i++)
			if (!strcmp(end, units[i].unit)) {
				*ret_ms = number * units[i].ms;
				return 0;
			}
	return error_set(error, -EINVAL, "is not a duration such as 500ms, 6s, 2m or 24h: \"%s\"", text);
}

static int bool_parse(const char *text, bool *ret_value, struct error *error)
{
	if (!strcmp(text, "yes") || !strcmp(text, "true") || !strcmp(text, "on"))
		*ret_value = true;
	else if (!strcmp(text, "no") || !strcmp(text, "false") || !strcmp(text, "off"))
		*ret_value = false;
	else
		return error_set(error, -EINVAL, "is neither yes nor no: \"%s\"", text);
	return 0;
}

static int tier_set(char to[8], const char *value, struct error *error)
{
	static const char *const tiers[] = { "auto", "high", "medium", "low" };
	const char *near = name_nearest(value, tiers, 4);

	for (unsigned i = 0; i < 4; i++)
		if (!strcmp(value, tiers[i]))
			return text_set(to, 8, value, error);
	return error_set(error, -EINVAL, "is none of auto, high, medium, low: \"%s\"%s%s%s", value,
		near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static int kvdb_set(char *to, const char *value, struct error *error)
{
	if (strncmp(value, "sqlite:", 7) != 0)
		return error_set(
			error, -EINVAL, "is not sqlite:PATH: \"%s\" (no other kind of kvdb is known)", value);
	return path_set(to, CONFIG_PATH_MAX, value + 7, error);
}

static int number_set(const struct config_key *key, const char *value, uint64_t *to, struct error *error)
{
	uint64_t number = 0;
	int rc;

	if (key->type == CONFIG_SIZE)
		rc = size_parse(value, &number, error);
	else if (key->type == CONFIG_COUNT)
		rc = count_parse(value, &number) ? error_set(error, -EINVAL, "is not a number: \"%s\"", value)
						 : 0;
	else
		rc = duration_parse(value, &number, error);
	if (rc)
		return rc;
	if (number < key->min || number > key->max) {
		char low[SIZE_TEXT_LEN + 1], high[SIZE_TEXT_LEN + 1];

		if (key->type == CONFIG_SIZE)
			return error_set(error, -EINVAL, "is not between %s and %s: %s",
				size_format(key->min, low), size_format(key->max, high), value);
		return error_set(error, -EINVAL, "is not between %llu and %llu%s: %s",
			(unsigned long long)key->min, (unsigned long long)key->max,
			key->type == CONFIG_COUNT ? "" : " ms", value);
	}
	*to = number;
	return 0;
}

/* "80 %, 90%, 95", ascending; "none". */
static int percents_set(
	const struct config_key *key, const char *value, struct space_warnings *to, struct error *error)
{
	struct space_warnings warnings = { 0 };
	const char *at = value;

	if (!strcmp(value, "none")) {
		*to = warnings;
		return 0;
	}
	for (;;) {
		unsigned long percent;
		char *end;

		at += strspn(at, " \t");
		percent = *at >= '0' && *at <= '9' ? strtoul(at, &end, 10) : ULONG_MAX;
		if (percent < key->min || percent > key->max)
			return error_set(error, -EINVAL,
				"wants percentages of %llu to %llu, or none: \"%.64s\"",
				(unsigned long long)key->min, (unsigned long long)key->max, value);
		if (warnings.count == SPACE_WARNINGS_MAX)
			return error_set(error, -EINVAL, "has more than %u levels", SPACE_WARNINGS_MAX);
		if (warnings.count > 0 && percent <= warnings.percents[warnings.count - 1])
			return error_set(error, -EINVAL, "has levels that don't ascend: \"%.64s\"", value);
		warnings.percents[warnings.count++] = (unsigned)percent;
		at = end + strspn(end, " \t");
		at += *at == '%';
		at += strspn(at, " \t");
		if (!*at) {
			*to = warnings;
			return 0;
		}
		if (*at++ != ',')
			return error_set(error, -EINVAL, "is no list of percentages: \"%.64s\"", value);
	}
}

static int address_set(struct net_address *to, const char *value, struct error *error)
{
	int rc = config_address_check(value, error);

	return rc ? rc : text_set(to->text, sizeof(to->text), value, error);
}

int config_value_set(const struct config_key *key, const char *value, void *base, struct error *error)
{
	void *field = (char *)base + key->offset;

	if (!value[0])
		return error_set(error, -EINVAL, "has no value");
	switch (key->type) {
	case CONFIG_NAME: {
		int rc = name_check(key->name, value, error);
		return rc ? rc : text_set(field, NAME_MAX_LEN + 1, value, error);
	}
	case CONFIG_LABELS:
		return labels_set(field, value, error);
	case CONFIG_PATH:
		return path_set(field, CONFIG_PATH_MAX, value, error);
	case CONFIG_SOCKET:
		return path_set(field, CONFIG_SOCKET_MAX, value, error);
	case CONFIG_ADDRESS_OR_NONE:
		if (!strcmp(value, "none")) {
			*(struct net_address *)field = (struct net_address){ "" };
			return 0;
		}
		return address_set(field, value, error);
	case CONFIG_ADDRESS:
		return address_set(field, value, error);
	case CONFIG_SIZE:
	case CONFIG_COUNT:
	case CONFIG_DURATION:
		return number_set(key, value, field, error);
	case CONFIG_PERCENTS:
		return percents_set(key, value, field, error);
	case CONFIG_BOOL:
		return bool_parse(value, field, error);
	case CONFIG_TIER:
		return tier_set(field, value, error);
	case CONFIG_FAULTS: {
		int rc = device_wrap_check(value, error);
		return rc ? rc : text_set(field, DEVICE_FAULTS_MAX, value, error);
	}
	case CONFIG_KVDB:
		return kvdb_set(field, value, error);
	}
	return -EINVAL;
}
