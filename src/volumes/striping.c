/* Into how many shards a new volume is divided. */
#include <errno.h>

#include "catalog/shards.h"
#include "volumes/manager.h"
#include "volumes/placing.h"

/* Of four entries: so hardly any request touches two shards, and a stream of writes is on several at once. */
#define STRIPE_BYTES (UINT64_C(1) << 20)

_Static_assert(STRIPE_BYTES >= STRIPE_MIN_BYTES && STRIPE_BYTES % GRAIN_BYTES == 0, "one that is valid");

static bool divide(struct catalog_volume *volume, unsigned count)
{
	if (count > 1 && volume->size_bytes / count < STRIPE_BYTES)
		return false;
	volume->shard_count = count;
	volume->stripe_bytes = count > 1 ? STRIPE_BYTES : 0;
	return true;
}

/* Of the pools of its tiers. */
static uint64_t largest_pool_bytes(const struct placing *placing)
{
	uint64_t largest_bytes = 0;

	for (size_t i = 0; i < placing->pool_count; i++)
		if ((placing->request.tiers & CLASS_TIER(placing->pools[i].tier)) != 0 &&
			placing->pools[i].size_bytes > largest_bytes)
			largest_bytes = placing->pools[i].size_bytes;
	return largest_bytes;
}

/* Whether each shard is at most half as large as the largest pool, and finds room. -ENOSPC with words. */
static int fits(struct volumes *volumes, const struct catalog_class *class,
	const struct catalog_volume *volume, struct error *error)
{
	struct placing placing = { .pools = NULL };
	struct placement_result result;
	int rc = placing_init(volumes, class, volume, NULL, volume_replicas(volume, class),
		(struct uuid){ 0 }, &placing, error);

	for (unsigned s = 0; !rc && s < volume->shard_count; s++)
		rc = placing_shard(&placing, s, &result, NULL, error);
	if (!rc && catalog_replica_bytes(volume) > largest_pool_bytes(&placing) / 2)
		rc = -EFBIG;
	placing_done(&placing);
	return rc;
}

/* 1, 2, 4, ... until it fits; where half of a pool is too small even for the most, room alone will do. */
static int divide_auto(struct volumes *volumes, const struct catalog_class *class,
	struct catalog_volume *volume, struct error *error)
{
	unsigned roomy = 0;

	for (unsigned count = 1; count <= CATALOG_MAX_SHARDS && divide(volume, count); count *= 2) {
		int rc = fits(volumes, class, volume, error);

		if (rc == -EFBIG)
			roomy = count;
		else if (rc != -ENOSPC)
			return rc;
	}
	if (roomy == 0)
		return -ENOSPC; /* in the words of the last try */
	(void)divide(volume, roomy);
	return 0;
}

int volume_divide(struct volumes *volumes, const struct volume_options *options,
	const struct catalog_class *class, struct catalog_volume *volume, struct error *error)
{
	unsigned count = options->shards ? options->shards : class->shards;
	char size[SIZE_TEXT_LEN + 1], stripe[SIZE_TEXT_LEN + 1];

	if (count == SHARDS_AUTO)
		return divide_auto(volumes, class, volume, error);
	if (divide(volume, count > 1 ? count : 1))
		return 0;
	return error_set(error, -EINVAL,
		"shards=%u: a volume of %s has no stripe of %s for each: fewer shards, or a larger volume",
		count, size_format(volume->size_bytes, size), size_format(STRIPE_BYTES, stripe));
}
