/* What the kvdb's answers tell about it: whether it is in reach, and still the one that it was. */
#include <errno.h>

#include "catalog/accept.h"
#include "catalog/catalog_private.h"

/* While the node has a lease, answers come three times in it: more silence than half of it is a gap. */
static bool reach_is_stale(const struct catalog *catalog, uint64_t now_ns)
{
	return now_ns - catalog->reach_ns > catalog->options.node_lease_ms / 2 * NS_PER_MS;
}

void catalog_heard(struct catalog *catalog, const struct kvdb_result *result)
{
	uint64_t now_ns = catalog_now_ns(catalog);
	bool good = result->rc >= 0 || result->rc == -ENOENT || result->rc == -EINVAL;
	struct error error;

	if (result->rc == -ECANCELED)
		return;
	if (result->revision > catalog->highest_revision)
		catalog->highest_revision = result->revision;
	if (good) {
		if (catalog->reach_since_ns == 0 || reach_is_stale(catalog, now_ns))
			catalog->reach_since_ns = now_ns;
		catalog->reach_ns = now_ns;
		if (catalog->kvdb_bad) {
			catalog->kvdb_bad = false;
			(void)error_set(&error, -EAGAIN, "the metadata database answers again");
			catalog_trouble(catalog, 0, &error);
		}
		return;
	}
	catalog->reach_since_ns = 0;
	catalog->kvdb_error = *result->error;
	if (!catalog->kvdb_bad) {
		catalog->kvdb_bad = true;
		catalog_trouble(catalog, result->rc, result->error);
	}
}

uint64_t catalog_reach_since_ns(const struct catalog *catalog)
{
	if (catalog->reach_since_ns == 0 || reach_is_stale(catalog, catalog_now_ns(catalog)))
		return 0;
	return catalog->reach_since_ns;
}

bool catalog_kvdb_ok(const struct catalog *catalog, const char **ret_why)
{
	*ret_why = catalog->frozen     ? catalog->frozen_error.text
		   : catalog->kvdb_bad ? catalog->kvdb_error.text
				       : "";
	return !catalog->frozen && !catalog->kvdb_bad;
}

void catalog_generation(const struct catalog *catalog, struct uuid *ret_database, uint64_t *ret_revision)
{
	*ret_database = catalog->database;
	*ret_revision = catalog->highest_revision;
}

bool catalog_is_frozen(const struct catalog *catalog)
{
	return catalog->frozen;
}

bool catalog_identity_check(struct catalog *catalog, const struct kvdb_result *result, uint64_t sent_highest)
{
	char was[UUID_TEXT_LEN + 1];
	char is[UUID_TEXT_LEN + 1];

	if (catalog->frozen)
		return false;
	if (uuid_is_none(catalog->database))
		catalog->database = result->database;
	if (!uuid_equal(catalog->database, result->database))
		(void)error_set(&catalog->frozen_error, -ESTALE,
			"the metadata database is another one now (%s, was %s): put the right one back, then "
			"restart the agents",
			uuid_format(result->database, is), uuid_format(catalog->database, was));
	else if (result->revision < sent_highest)
		(void)error_set(&catalog->frozen_error, -ESTALE,
			"the metadata database went back from revision %llu to %llu, as from a backup: "
			"nothing is changed any more; attached volumes go on",
			(unsigned long long)sent_highest, (unsigned long long)result->revision);
	else
		return true;
	catalog->frozen = true;
	catalog_trouble(catalog, -ESTALE, &catalog->frozen_error);
	return false;
}
