/* Figures of pools: judged, and remembered. */
#include "fingerprint/fingerprint.h"

#include "fingerprint/cache.h"

int fingerprint_recall(
	const char *path, const char *cache_dir, struct fingerprint *ret_fingerprint, struct error *error)
{
	struct fingerprint f = { .measured = false };
	int rc = device_facts_get(path, &f.facts, error);

	if (rc != 0)
		return rc;
	f.measured = cache_read(cache_dir, &f.facts, &f.measurement) == 0;
	f.tier = tier_judge(&f.facts, f.measured ? &f.measurement : NULL, f.tier_reason);
	*ret_fingerprint = f;
	return 0;
}

void fingerprint_keep(
	const char *cache_dir, const struct measurement *measurement, struct fingerprint *fingerprint)
{
	fingerprint->measured = true;
	fingerprint->measurement = *measurement;
	fingerprint->tier = tier_judge(&fingerprint->facts, measurement, fingerprint->tier_reason);
	cache_write(cache_dir, &fingerprint->facts, measurement);
}
