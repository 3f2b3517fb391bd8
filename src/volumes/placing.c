/* From records to placement's request. */
#include "volumes/placing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/pin.h"
#include "catalog/shards.h"
#include "volumes/manager.h"

#define XFS_MIN_BYTES (UINT64_C(300) << 20)

int class_of_options(struct volumes *volumes, const struct volume_options *options,
	const struct catalog_class **ret_class, struct error *error)
{
	const char *name = options->class_name[0] ? options->class_name : "default";
	const struct catalog_class *class;
	char known[256] = "";
	size_t len = 0;

	if (!catalog_class_find(volumes->catalog, name, ret_class, NULL))
		return 0;
	for (size_t i = 0;
		(class = catalog_class_at(volumes->catalog, i)) && len + NAME_MAX_LEN < sizeof(known); i++)
		len += (size_t)snprintf(
			known + len, sizeof(known) - len, "%s%s", len ? ", " : "", class->name);
	return error_set(error, -EINVAL, "option class: there is no class \"%s\"; known are %s", name, known);
}

bool selector_of_options(const struct volume_options *options, char *to, size_t size)
{
	const char *const terms[] = { options->nodes, options->zones, options->racks, options->selector };
	size_t len = 0;

	to[0] = 0;
	for (unsigned i = 0; i < 4; i++)
		if (terms[i][0] && len < size)
			len += (size_t)snprintf(to + len, size - len, "%s%s", len ? "," : "", terms[i]);
	return len < size;
}

int volume_draft(const char *name, const struct volume_options *options, const struct catalog_class *class,
	struct catalog_volume *volume, struct error *error)
{
	snprintf(volume->name, sizeof(volume->name), "%s", name);
	snprintf(volume->class_name, sizeof(volume->class_name), "%s", class->name);
	snprintf(volume->fs, sizeof(volume->fs), "%s", options->fs[0] ? options->fs : class->fs);
	volume->size_bytes = options->size_bytes ? options->size_bytes : class->size_bytes;
	volume->reads_quorum = class->reads_quorum;
	volume->error_after_ms = class->error_after_ms;
	volume->limit_iops = class->limit_iops;
	volume->limit_bytes_per_s = class->limit_bytes_per_s;
	volume->class_revision = class->revision;
	volume->shard_count = 1;
	volume->replicas = options->replicas;
	volume->sticky = options->sticky;
	volume->import = options->import;
	volume->thick = options->thick_given ? options->thick : class->thick;
	snprintf(volume->group_name, sizeof(volume->group_name), "%s", options->group);
	if (options->tier[0] && class_tier_parse(options->tier, &volume->tiers) < 0)
		return tier_refuse("tier", options->tier, error);
	if (!selector_of_options(options, volume->selector, sizeof(volume->selector)))
		return error_set(error, -EINVAL,
			"options nodes, zones, racks and selector: longer than %u characters together",
			VOLUME_SELECTOR_LEN);
	if (!strcmp(volume->fs, "xfs") && volume->size_bytes < XFS_MIN_BYTES)
		return error_set(error, -EINVAL, "option size: xfs needs at least 300 MiB");
	return 0;
}

/* ---- what a volume wants ---- */

unsigned volume_replicas(const struct catalog_volume *volume, const struct catalog_class *class)
{
	return volume->replicas ? volume->replicas : class->replicas;
}

unsigned volume_tiers(const struct catalog_volume *volume, const struct catalog_class *class)
{
	return volume->tiers ? volume->tiers : class->tiers;
}

const struct catalog_class *class_of_fs(struct volumes *volumes, const struct catalog_volume *volume)
{
	const struct catalog_class *class;

	return !catalog_class_find(volumes->catalog, volume->class_name, &class, NULL) &&
			       strcmp(class->fs, volume->fs) == 0
		       ? class
		       : NULL;
}

void volume_selector(const struct catalog_volume *volume, const struct catalog_class *class,
	char text[static SELECTOR_TEXT_LEN + 1])
{
	_Static_assert(CLASS_SELECTOR_LEN + VOLUME_SELECTOR_LEN + 1 <= SELECTOR_TEXT_LEN, "both have room");
	snprintf(text, SELECTOR_TEXT_LEN + 1, "%s%s%s", class->selector,
		class->selector[0] && volume->selector[0] ? "," : "", volume->selector);
}

/* ---- its group ---- */

static int names_compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The nodes of the other volumes of its group, wherever they are. */
static int group_read(struct volumes *volumes, const struct catalog_volume *volume, struct placing *placing)
{
	const char *group = volume->group_name;
	const struct catalog_volume *other;
	size_t capacity = 0, count = 0;

	for (size_t i = 0; (other = catalog_group_at(volumes->catalog, group, i)); i++)
		capacity += CATALOG_MAX_REPLICAS * other->shard_count;
	placing->group_nodes = calloc(capacity + 1, sizeof(*placing->group_nodes));
	if (!placing->group_nodes)
		return -ENOMEM;
	for (size_t i = 0; (other = catalog_group_at(volumes->catalog, group, i)); i++) {
		if (uuid_equal(volume->volume, other->volume))
			continue;
		for (unsigned s = 0; s < other->shard_count; s++)
			for (unsigned r = 0; r < other->shards[s].replica_count; r++)
				if (!other->shards[s].replicas[r].retired)
					placing->group_nodes[count++] = other->shards[s].replicas[r].node;
	}
	ASSERT(count <= capacity);
	qsort(placing->group_nodes, count, sizeof(*placing->group_nodes), names_compare);
	placing->request.group_nodes = placing->group_nodes;
	placing->request.group_node_count = count;
	return 0;
}

int placing_rules_init(struct volumes *volumes, const struct catalog_class *class,
	const struct catalog_volume *volume, unsigned replicas, struct placing *ret_placing,
	struct error *error)
{
	struct placing *placing = ret_placing;
	char selector[SELECTOR_TEXT_LEN + 1];
	int rc;

	*placing = (struct placing){ .request = {
					     .volume = volume->volume,
					     .class_name = class->name,
					     .size_bytes = catalog_replica_bytes(volume),
					     .thick = volume->thick,
					     .replicas = replicas,
					     .tiers = volume_tiers(volume, class),
					     .spread = class->spread,
					     .beside = placing->beside,
				     } };
	volume_selector(volume, class, selector);
	rc = selector_parse(selector, &placing->selector, error);
	if (rc)
		return rc;
	placing->request.selector = &placing->selector;
	if (volume->group_name[0] && class->group_rule != CLASS_GROUP_NONE) {
		placing->request.group_rule = class->group_rule;
		rc = group_read(volumes, volume, placing);
	}
	return rc ? error_set(error, rc, "no memory to place volume %s", volume->name) : 0;
}

/* Words and choices go by what a thick one finds, where that is less. */
static void limits_of_thick(struct placing *placing)
{
	for (size_t i = 0; i < placing->pool_count; i++) {
		struct placement_pool *pool = &placing->pools[i];

		if (pool->limit_bytes > pool->provisioned_bytes &&
			pool->limit_bytes - pool->provisioned_bytes > pool->thick_room_bytes)
			pool->limit_bytes = pool->provisioned_bytes + pool->thick_room_bytes;
	}
}

int placing_init(struct volumes *volumes, const struct catalog_class *class,
	const struct catalog_volume *volume, const struct catalog_shard *shard, unsigned replicas,
	struct uuid leaving, struct placing *ret_placing, struct error *error)
{
	struct placing *placing = ret_placing;
	int rc = placing_rules_init(volumes, class, volume, replicas, placing, error);

	if (rc)
		return rc;
	if (shard)
		placing->request.beside_count =
			placement_beside_read(volumes->catalog, shard, leaving, placing->beside);
	rc = placement_pools_read(volumes->catalog, &placing->pools, &placing->pool_count);
	if (!rc && volume->thick)
		limits_of_thick(placing);
	return rc ? error_set(error, rc, "no memory to place volume %s", volume->name) : 0;
}

int placing_shard(struct placing *placing, unsigned shard, struct placement_result *ret_result,
	struct placement_explain *explains, struct error *error)
{
	struct placement_request request = placing->request;
	int rc;

	/* Between equals each shard has a favourite of its own. */
	request.volume.byte[sizeof(request.volume.byte) - 1] ^= (uint8_t)shard;
	rc = explains ? placement_explain(
				&request, placing->pools, placing->pool_count, ret_result, explains, error)
		      : placement_choose(&request, placing->pools, placing->pool_count, ret_result, error);
	for (unsigned i = 0; !rc && i < ret_result->count; i++) {
		struct placement_pool *pool = &placing->pools[ret_result->index[i]];

		pool->provisioned_bytes += request.size_bytes;
		pool->thick_room_bytes -= request.thick ? request.size_bytes : 0;
		pool->replica_count++;
	}
	return rc;
}

#define NEAR_PERCENT 1000u /* above all that fullness can be */

int placing_near(struct volumes *volumes, const char *near, struct placing *placing, struct error *error)
{
	const struct catalog_node *node;

	if (!near[0])
		return 0;
	if (catalog_node_find(volumes->catalog, near, &node, NULL))
		return error_set(error, -EINVAL, "option near: there is no node \"%s\"", near);
	placing->request.near = near;
	placing->request.near_percent = NEAR_PERCENT;
	return 0;
}

void placing_done(struct placing *placing)
{
	free(placing->pools);
	free(placing->group_nodes);
	placing->pools = NULL;
	placing->group_nodes = NULL;
}
