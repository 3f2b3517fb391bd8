/* From records to placement's request. */
#include "volumes/placing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

int volume_draft(const char *name, const struct volume_options *options, const struct catalog_class *class,
	struct catalog_volume *volume, struct error *error)
{
	snprintf(volume->name, sizeof(volume->name), "%s", name);
	snprintf(volume->class_name, sizeof(volume->class_name), "%s", class->name);
	snprintf(volume->fs, sizeof(volume->fs), "%s", options->fs[0] ? options->fs : class->fs);
	volume->size_bytes = options->size_bytes ? options->size_bytes : class->size_bytes;
	volume->reads_quorum = class->reads_quorum;
	volume->error_after_ms = class->error_after_ms;
	if (!strcmp(volume->fs, "xfs") && volume->size_bytes < XFS_MIN_BYTES)
		return error_set(error, -EINVAL, "option size: xfs needs at least 300 MiB");
	return 0;
}

int placing_init(struct volumes *volumes, const struct catalog_class *class,
	const struct catalog_volume *volume, unsigned replicas, struct uuid leaving,
	struct placing *ret_placing, struct error *error)
{
	struct placing *placing = ret_placing;
	int rc;

	*placing = (struct placing){ .request = {
					     .volume = volume->volume,
					     .class_name = class->name,
					     .size_bytes = volume->size_bytes,
					     .replicas = replicas,
					     .tiers = class->tiers,
					     .spread = class->spread,
					     .beside = placing->beside,
				     } };
	if (volume->shard_count > 0)
		placing->request.beside_count =
			placement_beside_read(volumes->catalog, &volume->shards[0], leaving, placing->beside);
	rc = placement_pools_read(volumes->catalog, &placing->pools, &placing->pool_count);
	return rc ? error_set(error, rc, "no memory to place volume %s", volume->name) : 0;
}

void placing_done(struct placing *placing)
{
	free(placing->pools);
	placing->pools = NULL;
}
