/* The records of nodes and pools. */
#include "catalog/record_codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Of one node, on the stack while its record is packed. */
struct node_labels {
	Quoin__Catalog__Label messages[CATALOG_MAX_LABELS];
	Quoin__Catalog__Label *pointers[CATALOG_MAX_LABELS];
};

const char *catalog_pool_state_name(enum catalog_pool_state state)
{
	switch (state) {
	case CATALOG_POOL_OK:
		return "ok";
	case CATALOG_POOL_OPENING:
		return "opening";
	case CATALOG_POOL_FAILED:
		break;
	}
	return "failed";
}

const char *catalog_source_name(enum catalog_source source)
{
	static const char *const names[] = { "none", "config", "docker", "cloud", "dmi", "hostname" };

	ASSERT(source <= CATALOG_SOURCE_LAST);
	return names[source];
}

static int source_in(uint32_t number, enum catalog_source *to, struct error *error)
{
	if (number > CATALOG_SOURCE_LAST)
		return error_set(error, -EBADMSG, "its topology comes from source %u", number);
	*to = (enum catalog_source)number;
	return 0;
}

static int node_labels_in(const Quoin__Catalog__Node *message, struct catalog_node *to, struct error *error)
{
	struct catalog_label *labels;
	int rc = 0;

	if (message->n_labels > CATALOG_MAX_LABELS)
		return error_set(error, -EBADMSG, "it has %zu labels, at most %u are possible",
			message->n_labels, CATALOG_MAX_LABELS);
	if (message->n_labels == 0)
		return 0;
	labels = calloc(message->n_labels, sizeof(*labels));
	if (!labels)
		return error_set(error, -ENOMEM, "out of memory");
	to->labels = labels;
	for (size_t i = 0; i < message->n_labels && rc == 0; i++) {
		to->label_count++;
		rc = text_in("label", message->labels[i]->name, labels[i].name, CATALOG_LABEL_MAX_LEN, error);
		if (rc == 0)
			rc = text_in("label's value", message->labels[i]->value, labels[i].value,
				CATALOG_LABEL_MAX_LEN, error);
	}
	return rc;
}

int node_in(const Quoin__Catalog__Node *message, struct catalog_node *to, struct error *error)
{
	int rc = uuid_in("node", message->node, &to->node, error);

	if (rc == 0)
		rc = name_in("node name", message->name, to->name, error);
	if (rc == 0)
		rc = name_or_none_in("region", message->region, to->region, error);
	if (rc == 0)
		rc = name_or_none_in("zone", message->zone, to->zone, error);
	if (rc == 0)
		rc = name_or_none_in("rack", message->rack, to->rack, error);
	if (rc == 0)
		rc = name_or_none_in("host", message->host, to->host, error);
	if (rc == 0)
		rc = text_in("address", message->address, to->address, CATALOG_ADDRESS_MAX_LEN, error);
	if (rc == 0)
		rc = source_in(message->region_from, &to->region_from, error);
	if (rc == 0)
		rc = source_in(message->zone_from, &to->zone_from, error);
	if (rc == 0)
		rc = source_in(message->rack_from, &to->rack_from, error);
	if (rc == 0)
		rc = source_in(message->host_from, &to->host_from, error);
	if (rc == 0)
		rc = node_labels_in(message, to, error);
	to->registered_ns = message->registered_ns;
	to->cores = message->cores;
	to->memory_bytes = message->memory_bytes;
	to->link_mbit_s = message->link_mbit_s;
	return rc;
}

static void node_out(const struct catalog_node *record, struct node_labels *labels, Quoin__Catalog__Node *to)
{
	quoin__catalog__node__init(to);
	to->version = RECORD_VERSION;
	to->node = uuid_out(&record->node);
	to->name = (char *)(uintptr_t)record->name;
	to->region = (char *)(uintptr_t)record->region;
	to->zone = (char *)(uintptr_t)record->zone;
	to->rack = (char *)(uintptr_t)record->rack;
	to->host = (char *)(uintptr_t)record->host;
	to->address = (char *)(uintptr_t)record->address;
	to->registered_ns = record->registered_ns;
	to->region_from = record->region_from;
	to->zone_from = record->zone_from;
	to->rack_from = record->rack_from;
	to->host_from = record->host_from;
	to->cores = record->cores;
	to->memory_bytes = record->memory_bytes;
	to->link_mbit_s = record->link_mbit_s;
	for (unsigned i = 0; i < record->label_count; i++) {
		quoin__catalog__label__init(&labels->messages[i]);
		labels->messages[i].name = (char *)(uintptr_t)record->labels[i].name;
		labels->messages[i].value = (char *)(uintptr_t)record->labels[i].value;
		labels->pointers[i] = &labels->messages[i];
	}
	to->n_labels = record->label_count;
	to->labels = labels->pointers;
}

int node_pack(const struct catalog_node *record, struct record_bytes *ret_bytes)
{
	struct node_labels labels;
	Quoin__Catalog__Node message;

	if (record->label_count > CATALOG_MAX_LABELS)
		return -EINVAL;
	node_out(record, &labels, &message);
	return message_pack(&message.base, ret_bytes);
}

int pool_in(const Quoin__Catalog__Pool *message, struct catalog_pool *to, struct error *error)
{
	char node[NAME_MAX_LEN + 1], path[CATALOG_PATH_MAX_LEN + 1];
	int rc = uuid_in("pool", message->pool, &to->pool, error);

	if (rc == 0)
		rc = name_in("pool name", message->name, to->name, error);
	if (rc == 0)
		rc = name_in("node name", message->node, node, error);
	if (rc == 0)
		rc = text_in("path", message->path, path, CATALOG_PATH_MAX_LEN, error);
	if (rc == 0)
		rc = text_in("reason of the tier", message->tier_reason, to->tier_reason,
			CATALOG_REASON_MAX_LEN, error);
	if (rc == 0)
		rc = text_in("reason of the state", message->state_reason, to->state_reason,
			CATALOG_REASON_MAX_LEN, error);
	if (rc == 0 && message->tier > TIER_HIGH)
		rc = error_set(error, -EBADMSG, "its tier is %u", message->tier);
	if (rc == 0 && message->load_percent > 100)
		rc = error_set(error, -EBADMSG, "its load is %u %%", message->load_percent);
	if (rc == 0 && message->state > CATALOG_POOL_FAILED)
		rc = error_set(error, -EBADMSG, "its state is %u", message->state);
	if (rc != 0)
		return rc;
	to->node = text_intern(node);
	to->path = text_intern(path);
	to->tier = (enum tier)message->tier;
	to->state = (enum catalog_pool_state)message->state;
	to->size_bytes = message->size_bytes;
	to->used_bytes = message->used_bytes;
	to->registered_ns = message->registered_ns;
	to->replica_limit = message->replica_limit;
	to->load_percent = message->load_percent;
	to->thick_limit_bytes = message->thick_limit_bytes;
	return 0;
}

void pool_out(const struct catalog_pool *record, Quoin__Catalog__Pool *to)
{
	quoin__catalog__pool__init(to);
	to->version = RECORD_VERSION;
	to->pool = uuid_out(&record->pool);
	to->name = (char *)(uintptr_t)record->name;
	to->node = (char *)(uintptr_t)record->node;
	to->path = (char *)(uintptr_t)record->path;
	to->tier = (uint32_t)record->tier;
	to->tier_reason = (char *)(uintptr_t)record->tier_reason;
	to->state = (uint32_t)record->state;
	to->state_reason = (char *)(uintptr_t)record->state_reason;
	to->size_bytes = record->size_bytes;
	to->used_bytes = record->used_bytes;
	to->registered_ns = record->registered_ns;
	to->replica_limit = record->replica_limit;
	to->load_percent = record->load_percent;
	to->thick_limit_bytes = record->thick_limit_bytes;
}
