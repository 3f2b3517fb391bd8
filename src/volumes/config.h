/*
 * What quoind.conf says. The format is INI (docs/configuration.md lists the keys): every unknown section or
 * key, bad value and duplicate is an error that names file and line, what is wrong, and the nearest valid
 * word.
 *
 * Thread rule: any thread; nothing is kept. Error rule: 0 or -errno with words.
 */
#ifndef QUOIN_VOLUMES_CONFIG_H
#define QUOIN_VOLUMES_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"
#include "net/net.h"
#include "store/device.h"

#define CONFIG_CLUSTER_NAME "quoin" /* one cluster a kvdb: the prefix of its records */

#define CONFIG_MAX_BYTES   (256u * 1024) /* a file larger than that is no configuration */
#define CONFIG_MAX_THREADS 16u
#define CONFIG_MAX_POOLS   64u
#define CONFIG_PATH_MAX    256u
#define CONFIG_LABELS_MAX  1024u
#define CONFIG_SOCKET_MAX  108u /* sockaddr_un's, with the final zero byte */

struct pool_config {
	char name[NAME_MAX_LEN + 1];
	char path[CONFIG_PATH_MAX];
	uint64_t size_bytes;            /* of a file that is made if it doesn't exist; 0: it must exist */
	char tier[8];                   /* auto, high, medium, low */
	char faults[DEVICE_FAULTS_MAX]; /* it is slow or failing on purpose; empty: it isn't */
	unsigned line;                  /* of its section, for later words */
};

#define SPACE_WARNINGS_MAX 8u
/* At these percentages of a pool's room in use it is warned, in ascending order. */
struct space_warnings {
	unsigned count;
	unsigned percents[SPACE_WARNINGS_MAX];
};

struct volumes_config {
	/* [node] */
	char node[NAME_MAX_LEN + 1];
	char region[NAME_MAX_LEN + 1], zone[NAME_MAX_LEN + 1], rack[NAME_MAX_LEN + 1], host[NAME_MAX_LEN + 1];
	char labels[CONFIG_LABELS_MAX]; /* "disk=fast, owner=db"; places that are empty are looked for */
	char state_dir[CONFIG_PATH_MAX];
	struct net_address listen;
	struct net_address address; /* what other nodes connect to; `listen` unless given */
	uint64_t threads;           /* of the data plane; 0: by cores and pools */
	uint64_t buffer_bytes;      /* data buffers of the data plane */
	uint64_t snapshot_cache_bytes;
	uint64_t measure_every_ms; /* so often the pools are measured again, when they are idle */
	uint64_t scrub_every_ms;   /* in so long all of each pool is read and verified; 0: when asked for */
	uint64_t scrub_bytes_per_s;
	struct space_warnings space_warnings;
	/* [cluster] */
	char kvdb_path[CONFIG_PATH_MAX]; /* of the SQLite file */
	char key_path[CONFIG_PATH_MAX];
	uint64_t node_lease_ms, group_lease_ms;
	uint64_t resync_bytes_per_s;    /* of all volumes attached here together */
	uint64_t rebuild_after_ms;      /* a replica that stays away so long is replaced */
	uint64_t steward_after_ms;      /* a volume that is detached so long is looked after where needed */
	bool rebalance;                 /* pools are made even by themselves */
	uint64_t rebalance_bytes_per_s; /* so much is asked to move, at most */
	uint64_t drop_after_ms;         /* of two replicas one that stays away so long is dropped */
	/* [pool NAME] */
	unsigned pool_count;
	struct pool_config pools[CONFIG_MAX_POOLS];
	/* [docker] */
	bool docker_enabled;
	char docker_socket[CONFIG_SOCKET_MAX];
	/* [admin] */
	char admin_socket[CONFIG_SOCKET_MAX];
	/* [metrics]; empty: none */
	struct net_address metrics_listen;
};

/* Parses text of len_bytes (zero bytes inside are an error). `file` is for the words only. -EINVAL. */
int config_parse(const char *text, size_t len_bytes, const char *file, struct volumes_config *ret_config,
	struct error *error) MUST_CHECK;
/* Of the data plane: [node] threads; else one for each four cores, at most one a pool, at most 8, at least 1.
 */
unsigned config_threads(const struct volumes_config *config, unsigned cores);
/* Reads and parses the file. -errno of open and read; -EFBIG; -EINVAL. */
int config_load(const char *path, struct volumes_config *ret_config, struct error *error) MUST_CHECK;

/* Makes the directories that the key's file and the kvdb's are to lie in. */
int config_dirs_make(const struct volumes_config *config, struct error *error) MUST_CHECK;

/* The cluster key: 64 hex digits and a newline, mode 0600 or stricter, else -EPERM. */
int config_key_load(const char *path, uint8_t ret_key[static NET_KEY_BYTES], struct error *error) MUST_CHECK;
/* Makes a key from the system's randomness, mode 0600. -EEXIST where the file exists: it is never replaced.
 */
int config_key_make(const char *path, struct error *error) MUST_CHECK;

#endif
