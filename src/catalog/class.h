/*
 * Classes: the named policies of volumes, as records. Included by catalog.h, which has the operations.
 */
#ifndef QUOIN_CATALOG_CLASS_H
#define QUOIN_CATALOG_CLASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"
#include "catalog/schedule.h"

#define CATALOG_REASON_MAX_LEN 159u

#define CLASS_TIER(tier) (1u << (tier))
#define CLASS_TIERS_ANY  (CLASS_TIER(TIER_LOW) | CLASS_TIER(TIER_MEDIUM) | CLASS_TIER(TIER_HIGH))

/* Where the copies of one volume may be. One a host is always the rule. Records hold these numbers. */
enum class_spread {
	CLASS_SPREAD_ZONE = 1,       /* in distinct zones, or none */
	CLASS_SPREAD_ZONE_PREFERRED, /* as many zones as there are, and evenly */
	CLASS_SPREAD_RACK,           /* in distinct racks; zones are not looked at */
	CLASS_SPREAD_HOST,           /* in distinct hosts; zones and racks are not looked at */
};
#define CLASS_SPREAD_LAST CLASS_SPREAD_HOST
const char *class_spread_name(enum class_spread spread); /* "zone", "zone-preferred", "rack", "host" */

/* How the replicas of the volumes of one group lie to one another. Records hold these numbers. */
enum class_group_rule {
	CLASS_GROUP_NONE,
	CLASS_GROUP_APART,    /* no node has replicas of two of them */
	CLASS_GROUP_TOGETHER, /* all on the nodes of those that came first */
};
#define CLASS_GROUP_LAST CLASS_GROUP_TOGETHER
const char *class_group_rule_name(enum class_group_rule rule); /* "none", "apart", "together" */

#define CLASS_TRIM_NEVER UINT32_MAX

#define CATALOG_COMMENT_MAX_LEN 1023u
#define CLASS_SELECTOR_LEN      255u
#define CLASS_OPTIONS_LEN       127u

struct catalog_class {
	char name[NAME_MAX_LEN + 1];
	char description[CATALOG_REASON_MAX_LEN + 1];
	char comment[CATALOG_COMMENT_MAX_LEN + 1]; /* why it is as it is: lines, "" for none */
	uint64_t number;                           /* its version: grows by one with each change */
	unsigned tiers;                            /* CLASS_TIER() of each that will do */
	unsigned replicas;                         /* 1 .. GROUP_MAX_VOTERS */
	enum class_spread spread;
	enum class_group_rule group_rule;
	char selector[CLASS_SELECTOR_LEN + 1]; /* selector.h; "" for any pool */
	uint64_t size_bytes;                   /* of a volume whose user gives none */
	char fs[8];
	/* How it is made and mounted, of a volume with this filesystem; what they say attach knows. "":
	 * nothing. */
	char mkfs_options[CLASS_OPTIONS_LEN + 1], mount_options[CLASS_OPTIONS_LEN + 1];
	bool reads_quorum;
	uint32_t error_after_ms;                /* 0: `queue` */
	uint64_t rebuild_after_ms;              /* 0: what the node's configuration says */
	uint64_t limit_iops, limit_bytes_per_s; /* of each of its volumes; 0: none */
	struct schedule snapshots;              /* made by themselves while a volume is attached */
	uint32_t trim_s;   /* a mounted filesystem is trimmed so often; 0: daily, CLASS_TRIM_NEVER */
	unsigned shards;   /* of each of its volumes; 0: one; SHARDS_AUTO: by its size */
	bool thick;        /* room is kept for its new volumes */
	uint64_t revision; /* of the record; ignored on input */
};

/* Shipped: made by cluster_init(), the cluster's own from then on. */
extern const struct catalog_class catalog_classes_shipped[];
extern const unsigned catalog_classes_shipped_count;

/* ---- operations, by the rules of catalog.h ---- */

struct catalog;

/*
 * Makes the class or replaces it, with the next number; nothing where it is the same. -ESTALE: class->number
 * is not 0, and not that of the record. -EINVAL.
 */
void catalog_class_put(struct catalog *catalog, const struct catalog_class *class, uint32_t timeout_ms,
	void (*fn)(void *arg, int rc, const struct error *error), void *arg);
/* -ENOENT; -EBUSY: it is `default`, or volumes are of it. */
void catalog_class_remove(struct catalog *catalog, const char *name, uint32_t timeout_ms,
	void (*fn)(void *arg, int rc, const struct error *error), void *arg);

/* ---- as text: docs/classes.md ---- */

#define CLASS_TEXT_MAX_LEN 5119u
#define CLASS_WORDS_LEN    63u

/* What a class is where its text says nothing: three replicas in three zones, on any tier. */
void class_init(struct catalog_class *class);
/* One field. -EINVAL: names the key or value, and the nearest valid one; what isn't built yet is named so. */
int class_field_set(
	struct catalog_class *class, const char *key, const char *value, struct error *error) MUST_CHECK;
/*
 * Sections "[class NAME]" of key = value lines; comments inside one belong to it. Calls fn for each; its
 * error ends it. -EINVAL with words that begin with the line's number.
 */
int class_text_parse(const char *text, size_t len,
	int (*fn)(void *arg, const struct catalog_class *class, struct error *error), void *arg,
	struct error *error) MUST_CHECK;
/* One section; class_text_parse() gives the same class. */
void class_text_format(const struct catalog_class *class, char text[static CLASS_TEXT_MAX_LEN + 1]);
/* ">=medium", "queue", "error 10s", "default" or "10m". */
void class_tier_format(unsigned tiers, char text[static CLASS_WORDS_LEN + 1]);
void class_no_quorum_format(uint32_t error_after_ms, char text[static CLASS_WORDS_LEN + 1]);
void class_trim_format(uint32_t trim_s, char text[static CLASS_WORDS_LEN + 1]); /* "daily", "never", "90m" */
void class_rebuild_format(uint64_t rebuild_after_ms, char text[static CLASS_WORDS_LEN + 1]);
/* "any", "high", ">=medium", "high,low". -EINVAL without words. */
int class_tier_parse(const char *value, unsigned *ret_tiers) MUST_CHECK;

#endif
