#include "volumes/topology.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define FILE_MAX_BYTES   (1u << 20)
#define DOCKER_TIMEOUT_S 1
#define DMI_PREFIX       "quoin."

const struct topology_sources topology_sources_system = {
	.docker_socket = "/run/docker.sock",
	.cloud_path = "/run/cloud-init/instance-data.json",
	.dmi_dir = "/sys/firmware/dmi/entries",
};

/* ---- parts ---- */

/* The first source that tells a valid name is the one that counts. */
static void part_set(struct topology_part *part, const char *name, enum catalog_source from)
{
	if (part->from != CATALOG_SOURCE_NONE || !name || !name[0] || name_check("place", name, NULL) != 0)
		return;
	snprintf(part->name, sizeof(part->name), "%s", name);
	part->from = from;
}

static struct topology_part *part_named(struct topology *topology, const char *name)
{
	return strcmp(name, "region") == 0 ? &topology->region
	       : strcmp(name, "zone") == 0 ? &topology->zone
	       : strcmp(name, "rack") == 0 ? &topology->rack
	       : strcmp(name, "host") == 0 ? &topology->host
					   : NULL;
}

/* A label of the configuration wins over Docker's of the same name; too long or too many are left out. */
static void label_add(struct topology *topology, const char *name, size_t name_len, const char *value)
{
	struct catalog_label *label = &topology->labels[topology->label_count];

	if (name_len == 0 || name_len > CATALOG_LABEL_MAX_LEN || strlen(value) > CATALOG_LABEL_MAX_LEN ||
		topology->label_count == CATALOG_MAX_LABELS)
		return;
	for (unsigned i = 0; i < topology->label_count; i++)
		if (strlen(topology->labels[i].name) == name_len &&
			memcmp(topology->labels[i].name, name, name_len) == 0)
			return;
	memcpy(label->name, name, name_len);
	label->name[name_len] = '\0';
	snprintf(label->value, sizeof(label->value), "%s", value);
	topology->label_count++;
}

/* "NAME=VALUE"; `zone`, `quoin.zone` and Kubernetes' word for it are places, all others free labels. */
static void pair_take(struct topology *topology, const char *pair, enum catalog_source from)
{
	static const char *const prefixes[] = { "", DMI_PREFIX, "topology.kubernetes.io/" };
	const char *equals = strchr(pair, '=');
	size_t len = equals ? (size_t)(equals - pair) : 0;
	char name[16];

	if (!equals)
		return;
	for (unsigned i = 0; i < 3; i++) {
		size_t skip = strlen(prefixes[i]);
		struct topology_part *part;

		if (len <= skip || len - skip >= sizeof(name) || strncmp(pair, prefixes[i], skip) != 0)
			continue;
		memcpy(name, pair + skip, len - skip);
		name[len - skip] = '\0';
		part = part_named(topology, name);
		if (part) {
			part_set(part, equals + 1, from);
			return;
		}
	}
	if (from != CATALOG_SOURCE_DMI)
		label_add(topology, pair, len, equals + 1);
}

/* ---- what others wrote ---- */

void topology_from_docker(struct topology *topology, const char *json, size_t len_bytes)
{
	json_t *root = json_loadb(json, len_bytes, 0, NULL), *label;
	size_t index;

	json_array_foreach(json_object_get(root, "Labels"), index, label)
	{
		if (json_is_string(label))
			pair_take(topology, json_string_value(label), CATALOG_SOURCE_DOCKER);
	}
	topology->docker_asked |= root != NULL;
	json_decref(root);
}

void topology_from_cloud(struct topology *topology, const char *json, size_t len_bytes)
{
	json_t *root = json_loadb(json, len_bytes, 0, NULL);
	const json_t *v1 = json_object_get(root, "v1");

	part_set(&topology->region, json_string_value(json_object_get(v1, "region")), CATALOG_SOURCE_CLOUD);
	part_set(&topology->zone, json_string_value(json_object_get(v1, "availability_zone")),
		CATALOG_SOURCE_CLOUD);
	json_decref(root);
}

/* A header with its own length, then strings that end with a zero byte each, and an empty one behind them. */
void topology_from_dmi(struct topology *topology, const uint8_t *bytes, size_t len_bytes)
{
	size_t at = len_bytes > 4 && bytes[0] == 11 ? bytes[1] : len_bytes;

	while (at < len_bytes && bytes[at] != '\0') {
		const char *text = (const char *)bytes + at;
		size_t len = strnlen(text, len_bytes - at);
		char pair[NAME_MAX_LEN + 32];

		if (len < sizeof(pair) && len < len_bytes - at &&
			strncmp(text, DMI_PREFIX, strlen(DMI_PREFIX)) == 0)
			pair_take(topology, memcpy(pair, text, len + 1), CATALOG_SOURCE_DMI);
		at += len + 1;
	}
}

/* ---- where it is read ---- */

/* All of it, or nothing; free it. */
static char *fd_read_all(int fd, size_t *ret_len)
{
	char *text = malloc(FILE_MAX_BYTES);
	size_t len = 0;
	ssize_t n = 1;

	while (text && n > 0 && len < FILE_MAX_BYTES) {
		n = read(fd, text + len, FILE_MAX_BYTES - len);
		len += n > 0 ? (size_t)n : 0;
	}
	if (n != 0) {
		free(text);
		return NULL;
	}
	*ret_len = len;
	return text;
}

static char *file_read_all(const char *path, size_t *ret_len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = fd >= 0 ? fd_read_all(fd, ret_len) : NULL;

	if (fd >= 0)
		close(fd);
	return text;
}

/* HTTP/1.0: the answer ends with the connection. */
static void docker_ask(struct topology *topology, const char *socket_path)
{
	static const char question[] = "GET /info HTTP/1.0\r\nHost: docker\r\n\r\n";
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval timeout = { .tv_sec = DOCKER_TIMEOUT_S };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char *text = NULL, *body;
	size_t len = 0;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	if (fd < 0)
		return;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
		send(fd, question, sizeof(question) - 1, MSG_NOSIGNAL) == sizeof(question) - 1)
		text = fd_read_all(fd, &len);
	close(fd);
	body = text ? memmem(text, len, "\r\n\r\n", 4) : NULL;
	if (body)
		topology_from_docker(topology, body + 4, len - (size_t)(body + 4 - text));
	free(text);
}

static void dmi_read(struct topology *topology, const char *dir_path)
{
	DIR *dir = opendir(dir_path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) != NULL) {
		char path[512], *bytes;
		size_t len;

		if (strncmp(entry->d_name, "11-", 3) != 0)
			continue;
		snprintf(path, sizeof(path), "%.200s/%.200s/raw", dir_path, entry->d_name);
		bytes = file_read_all(path, &len);
		if (bytes)
			topology_from_dmi(topology, (const uint8_t *)bytes, len);
		free(bytes);
	}
	if (dir)
		closedir(dir);
}

static void config_take(struct topology *topology, const struct volumes_config *config)
{
	char labels[sizeof(config->labels)], *rest = labels, *pair;

	part_set(&topology->region, config->region, CATALOG_SOURCE_CONFIG);
	part_set(&topology->zone, config->zone, CATALOG_SOURCE_CONFIG);
	part_set(&topology->rack, config->rack, CATALOG_SOURCE_CONFIG);
	part_set(&topology->host, config->host, CATALOG_SOURCE_CONFIG);
	memcpy(labels, config->labels, sizeof(labels));
	while ((pair = strsep(&rest, ", ")) != NULL) {
		const char *equals = strchr(pair, '=');

		if (equals)
			label_add(topology, pair, (size_t)(equals - pair), equals + 1);
	}
}

void topology_find(const struct volumes_config *config, const struct topology_sources *sources,
	struct topology *ret_topology)
{
	size_t len;
	char *text;

	*ret_topology = (struct topology){ .label_count = 0 };
	config_take(ret_topology, config);
	docker_ask(ret_topology, sources->docker_socket);
	text = file_read_all(sources->cloud_path, &len);
	if (text)
		topology_from_cloud(ret_topology, text, len);
	free(text);
	dmi_read(ret_topology, sources->dmi_dir);
	part_set(&ret_topology->host, config->node, CATALOG_SOURCE_HOSTNAME);
}

/* ---- into the record ---- */

static void part_record(
	const struct topology_part *part, char to[static NAME_MAX_LEN + 1], enum catalog_source *from)
{
	snprintf(to, NAME_MAX_LEN + 1, "%s",
		part->from == CATALOG_SOURCE_NONE ? TOPOLOGY_UNKNOWN : part->name);
	*from = part->from;
}

void topology_record(const struct topology *topology, struct catalog_node *record)
{
	part_record(&topology->region, record->region, &record->region_from);
	part_record(&topology->zone, record->zone, &record->zone_from);
	part_record(&topology->rack, record->rack, &record->rack_from);
	part_record(&topology->host, record->host, &record->host_from);
	record->labels = topology->labels;
	record->label_count = topology->label_count;
}

static void part_keep(struct topology_part *part, const char *name, enum catalog_source from)
{
	if (from != CATALOG_SOURCE_DOCKER || part->from == CATALOG_SOURCE_CONFIG)
		return;
	part->from = CATALOG_SOURCE_NONE;
	part_set(part, name, from);
}

void topology_keep(struct topology *topology, const struct catalog_node *known)
{
	if (topology->docker_asked)
		return;
	part_keep(&topology->region, known->region, known->region_from);
	part_keep(&topology->zone, known->zone, known->zone_from);
	part_keep(&topology->rack, known->rack, known->rack_from);
	part_keep(&topology->host, known->host, known->host_from);
	for (unsigned i = 0; i < known->label_count; i++)
		label_add(topology, known->labels[i].name, strlen(known->labels[i].name),
			known->labels[i].value);
}
