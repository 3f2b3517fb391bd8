/* --init-cluster: the key's file and the cluster's record. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "agent/agent.h"
#include "catalog/catalog.h"

#define INIT_TIMEOUT_MS 20000u

struct init {
	const struct volumes_config *config;
	struct catalog *catalog;
	uint8_t key[NET_KEY_BYTES];
	int code;
};

static void closed(void *arg)
{
	(void)arg;
}

static void told(void *arg, int rc, const struct error *error)
{
	struct init *init = arg;
	const struct catalog_cluster *cluster = catalog_cluster(init->catalog);
	char text[UUID_TEXT_LEN + 1];

	if (rc && rc != -EEXIST) {
		fprintf(stderr, "quoind: can't make the cluster: %s\n", error->text);
	} else {
		init->code = EXIT_SUCCESS;
		printf("%s cluster %s in %s\n", rc ? "there was already" : "made",
			cluster ? uuid_format(cluster->cluster, text) : "", init->config->kvdb_path);
	}
	catalog_close(init->catalog, false, closed, init);
}

static void opened(void *user)
{
	struct init *init = user;

	catalog_cluster_init(init->catalog, init->key, INIT_TIMEOUT_MS, told, init);
}

static void changed(void *user, const struct catalog_change *changes, unsigned count)
{
	(void)user;
	(void)changes;
	(void)count;
}

static void trouble(void *user, int rc, const struct error *error)
{
	struct init *init = user;

	if (!rc)
		return;
	fprintf(stderr, "quoind: %s\n", error->text);
	if (rc == -EAGAIN)
		exit(EXIT_FAILURE); /* the file can't be opened: nobody will mend it meanwhile */
	(void)init;
}

static int key_ready(struct init *init, struct error *error)
{
	int rc = config_key_make(init->config->key_path, error);

	if (!rc)
		printf("made the cluster's key %s: every node needs the same\n", init->config->key_path);
	else if (rc != -EEXIST)
		return rc;
	return config_key_load(init->config->key_path, init->key, error);
}

int agent_init_cluster(const struct volumes_config *config)
{
	struct init init = { .config = config, .code = EXIT_FAILURE };
	struct kvdb_sqlite_options options = { .path = config->kvdb_path };
	struct catalog_options catalog = { .cluster = CONFIG_CLUSTER_NAME,
		.opened = opened,
		.changed = changed,
		.trouble = trouble,
		.user = &init };
	struct kvdb *kvdb;
	struct error error;
	uv_loop_t loop;

	log_init(LOG_LEVEL_WARNING, config->node);
	if (uv_loop_init(&loop))
		return EXIT_FAILURE;
	if (config_dirs_make(config, &error) || key_ready(&init, &error) ||
		kvdb_sqlite_open(&loop, &options, &kvdb, &error) ||
		catalog_open(kvdb, &catalog, &init.catalog, &error)) {
		fprintf(stderr, "quoind: can't make the cluster: %s\n", error.text);
		return EXIT_FAILURE;
	}
	uv_run(&loop, UV_RUN_DEFAULT);
	explicit_bzero(init.key, sizeof(init.key));
	return init.code;
}
