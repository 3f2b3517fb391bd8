/*
 * A placement of a volume's replicas, from its record and its class: the one way from the catalog to
 * placement's request, for create, `quoin place`, moves and repair.
 *
 * Thread rule: the control thread. A placing points into the catalog's view: it is valid until control
 * returns to the loop.
 */
#ifndef QUOIN_VOLUMES_PLACING_H
#define QUOIN_VOLUMES_PLACING_H

#include "catalog/catalog.h"
#include "placement/placement.h"
#include "volumes/volumes.h"

struct placing {
	struct placement_request request;
	struct placement_pool *pools;
	size_t pool_count;
	struct placement_beside beside[CATALOG_MAX_REPLICAS];
	struct selector selector;
	const char **group_nodes;
};

/* The options' class, else `default`. -EINVAL: there is none of the name. */
int class_of_options(struct volumes *volumes, const struct volume_options *options,
	const struct catalog_class **ret_class, struct error *error) MUST_CHECK;
/* What the record says before it has a place: name, size, one shard, class, filesystem, policies. -EINVAL,
 * with words.
 */
int volume_draft(const char *name, const struct volume_options *options, const struct catalog_class *class,
	struct catalog_volume *volume, struct error *error) MUST_CHECK;

/*
 * striping.c: sets how many shards the draft has, and its stripes, by the options, else the class. `auto`:
 * the fewest of 1, 2, 4 ... that are at most half as large as the largest pool of its tiers, and have room.
 * -ENOSPC: none has room; -EINVAL: too many for its size; -ENOMEM.
 */
int volume_divide(struct volumes *volumes, const struct volume_options *options,
	const struct catalog_class *class, struct catalog_volume *volume, struct error *error) MUST_CHECK;

/* How many replicas it is to have; its tiers. Its user's wish, else its class's. */
unsigned volume_replicas(const struct catalog_volume *volume, const struct catalog_class *class);
unsigned volume_tiers(const struct catalog_volume *volume, const struct catalog_class *class);
/* options.c: -EINVAL with the words for a tier that is none. */
int tier_refuse(const char *key, const char *value, struct error *error);
/* The terms of nodes, zones, racks and selector as one; false: too long. */
bool selector_of_options(const struct volume_options *options, char *to, size_t size);
/* Its class, if the options of filesystems there are about its own filesystem; else NULL. */
const struct catalog_class *class_of_fs(struct volumes *volumes, const struct catalog_volume *volume);
/* Its class's selector and its own, as one. */
void volume_selector(const struct catalog_volume *volume, const struct catalog_class *class,
	char text[static SELECTOR_TEXT_LEN + 1]);

/*
 * For so many new replicas of one of the volume's shards, beside those of `shard` (NULL: it has none yet);
 * `leaving` (none: nobody) is to go. -ENOMEM; -EINVAL: its selectors together are no selector. placing_done()
 * in any case.
 */
int placing_init(struct volumes *volumes, const struct catalog_class *class,
	const struct catalog_volume *volume, const struct catalog_shard *shard, unsigned replicas,
	struct uuid leaving, struct placing *ret_placing, struct error *error) MUST_CHECK;
/*
 * A new volume's: the options' node that is to be near, "" for none, is preferred, however full it is, as far
 * as the rules allow. `near` must outlive the placing. -EINVAL: there is no such node.
 */
int placing_near(
	struct volumes *volumes, const char *near, struct placing *placing, struct error *error) MUST_CHECK;
/*
 * The next of a new volume's shards, one after the other: each by itself, but the pools are fuller by those
 * before, so that they spread. Errors as of placement_choose(); explains: NULL, or as of placement_explain().
 */
int placing_shard(struct placing *placing, unsigned shard, struct placement_result *ret_result,
	struct placement_explain *explains, struct error *error) MUST_CHECK;
/* The same without the pools, and beside no copies: for who looks at many volumes at once. */
int placing_rules_init(struct volumes *volumes, const struct catalog_class *class,
	const struct catalog_volume *volume, unsigned replicas, struct placing *ret_placing,
	struct error *error) MUST_CHECK;
void placing_done(struct placing *placing);

#endif
