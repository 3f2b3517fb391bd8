/* The keys that quoind.conf knows, as a table, and how a value's text becomes a field. */
#ifndef QUOIN_VOLUMES_CONFIG_KEYS_H
#define QUOIN_VOLUMES_CONFIG_KEYS_H

#include "volumes/config.h"

enum config_section {
	CONFIG_NODE,
	CONFIG_CLUSTER,
	CONFIG_POOL,
	CONFIG_DOCKER,
	CONFIG_ADMIN,
	CONFIG_METRICS,
	CONFIG_SECTIONS
};

enum config_type {
	CONFIG_NAME,    /* char[NAME_MAX_LEN + 1] */
	CONFIG_LABELS,  /* char[CONFIG_LABELS_MAX]: NAME=VALUE, separated by commas */
	CONFIG_PATH,    /* char[CONFIG_PATH_MAX], absolute */
	CONFIG_SOCKET,  /* char[CONFIG_SOCKET_MAX], absolute */
	CONFIG_ADDRESS, /* struct net_address */
	CONFIG_ADDRESS_OR_NONE,
	CONFIG_SIZE,     /* uint64_t, bytes */
	CONFIG_COUNT,    /* uint64_t */
	CONFIG_DURATION, /* uint64_t, milliseconds */
	CONFIG_PERCENTS, /* struct space_warnings: ascending, separated by commas; or none */
	CONFIG_BOOL,     /* bool */
	CONFIG_TIER,     /* char[8] */
	CONFIG_FAULTS,   /* char[DEVICE_FAULTS_MAX] */
	CONFIG_KVDB,     /* char[CONFIG_PATH_MAX]: what follows sqlite: */
};

struct config_key {
	enum config_section section;
	const char *name;
	enum config_type type;
	size_t offset;     /* in struct volumes_config, or struct pool_config */
	uint64_t min, max; /* of a size, count or duration */
};

#define CONFIG_MAX_KEYS 64u
extern const struct config_key config_keys[];
extern const unsigned config_key_count;
extern const char *const config_section_names[CONFIG_SECTIONS];

/* NULL where the section has no such key. */
const struct config_key *config_key_find(enum config_section section, const char *name);
/* Sets the field in `base`. -EINVAL with words about the value alone: the caller adds file, line and key. */
int config_value_set(
	const struct config_key *key, const char *value, void *base, struct error *error) MUST_CHECK;
/* "127.0.0.1:7420" or "[::1]:7420", with a port of 1 to 65535. */
int config_address_check(const char *text, struct error *error) MUST_CHECK;
bool config_address_is_wildcard(const struct net_address *address);

#endif
