/*
 * Where this node stands: region, zone, rack and host, each from the first source that tells it: the
 * configuration; the labels of the Docker engine; the cloud's metadata as cloud-init left it, or what the
 * hypervisor put into DMI; for the host, the machine's own name. Free labels come from the configuration and
 * from Docker.
 *
 * Thread rule: any; topology_find() blocks for 2 s at most. Error rule: a source that isn't there tells
 * nothing.
 */
#ifndef QUOIN_VOLUMES_TOPOLOGY_H
#define QUOIN_VOLUMES_TOPOLOGY_H

#include "catalog/catalog.h"
#include "volumes/config.h"

#define TOPOLOGY_UNKNOWN "default" /* of a region, zone or rack that nobody tells */

struct topology_part {
	char name[NAME_MAX_LEN + 1];
	enum catalog_source from; /* CATALOG_SOURCE_NONE: nobody tells */
};

struct topology {
	struct topology_part region, zone, rack, host;
	unsigned label_count;
	struct catalog_label labels[CATALOG_MAX_LABELS];
	bool docker_asked; /* Docker's engine answered: what it doesn't tell now, it tells no more */
};

struct topology_sources {
	const char *docker_socket; /* of the engine */
	const char *cloud_path;    /* cloud-init's instance-data.json */
	const char *dmi_dir;       /* with entries 11-N/raw: OEM strings "quoin.zone=NAME" */
};
extern const struct topology_sources topology_sources_system;

void topology_find(const struct volumes_config *config, const struct topology_sources *sources,
	struct topology *ret_topology);

/* The parsers of what others wrote; each fills in what is still untold. */
void topology_from_docker(struct topology *topology, const char *json, size_t len_bytes);
void topology_from_cloud(struct topology *topology, const char *json, size_t len_bytes);
/* One DMI structure of type 11, raw. */
void topology_from_dmi(struct topology *topology, const uint8_t *bytes, size_t len_bytes);

/* Into the node's record; `labels` points into the topology. */
void topology_record(const struct topology *topology, struct catalog_node *record);
/* While Docker's engine doesn't answer, what it said last stands in the catalog, and goes on to hold. */
void topology_keep(struct topology *topology, const struct catalog_node *known);

struct volumes;
/* topology_watch.c: finds it at start, looks again every minute, and tells what has changed. */
void topology_begin(struct volumes *volumes);
/* The catalog's view is there: what Docker said before may be in it. */
void topology_settle(struct volumes *volumes);
void topology_tick(struct volumes *volumes);

#endif
