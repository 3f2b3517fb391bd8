/* The records of nodes and pools. */
#include "catalog/record_codec.h"

#include <errno.h>
#include <string.h>

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
	to->registered_ns = message->registered_ns;
	return rc;
}

void node_out(const struct catalog_node *record, Quoin__Catalog__Node *to)
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
}

int pool_in(const Quoin__Catalog__Pool *message, struct catalog_pool *to, struct error *error)
{
	int rc = uuid_in("pool", message->pool, &to->pool, error);

	if (rc == 0)
		rc = name_in("pool name", message->name, to->name, error);
	if (rc == 0)
		rc = name_in("node name", message->node, to->node, error);
	if (rc == 0)
		rc = text_in("path", message->path, to->path, CATALOG_PATH_MAX_LEN, error);
	if (rc == 0)
		rc = text_in("reason of the tier", message->tier_reason, to->tier_reason,
			CATALOG_REASON_MAX_LEN, error);
	if (rc == 0)
		rc = text_in("reason of the state", message->state_reason, to->state_reason,
			CATALOG_REASON_MAX_LEN, error);
	if (rc == 0 && message->tier > TIER_HIGH)
		rc = error_set(error, -EBADMSG, "its tier is %u", message->tier);
	if (rc == 0 && message->state > CATALOG_POOL_FAILED)
		rc = error_set(error, -EBADMSG, "its state is %u", message->state);
	if (rc != 0)
		return rc;
	to->tier = (enum tier)message->tier;
	to->state = (enum catalog_pool_state)message->state;
	to->size_bytes = message->size_bytes;
	to->used_bytes = message->used_bytes;
	to->registered_ns = message->registered_ns;
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
}
