/* Private to fingerprint: what was measured once is kept, one small file a device. */
#ifndef QUOIN_FINGERPRINT_CACHE_H
#define QUOIN_FINGERPRINT_CACHE_H

#include "fingerprint/fingerprint.h"

/* -ENOENT where there is none, or one of another size or form. */
int cache_read(
	const char *dir, const struct device_facts *facts, struct measurement *ret_measurement) MUST_CHECK;
/* Best effort: without a cache the next start measures again. */
void cache_write(const char *dir, const struct device_facts *facts, const struct measurement *measurement);

#endif
