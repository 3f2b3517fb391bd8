/* A token bucket: what resyncs may move, beside the application's own I/O. */
#include "replication/replication.h"

#define SAVED_PARTS 5u /* a fifth of a second's worth may be saved up */

uint64_t resync_budget_take(struct resync_budget *budget, uint64_t bytes, uint64_t now_ns)
{
	uint64_t since_us;

	if (!budget || budget->bytes_per_s == 0)
		return 0;
	since_us = now_ns > budget->filled_ns ? (now_ns - budget->filled_ns) / NS_PER_US : 0;
	budget->filled_ns += since_us * NS_PER_US;
	if (since_us > NS_PER_S / NS_PER_US)
		since_us = NS_PER_S / NS_PER_US; /* more can't be saved: the product stays small */
	budget->bytes += (int64_t)(budget->bytes_per_s * since_us / (NS_PER_S / NS_PER_US));
	if (budget->bytes > (int64_t)(budget->bytes_per_s / SAVED_PARTS))
		budget->bytes = (int64_t)(budget->bytes_per_s / SAVED_PARTS);
	if (budget->bytes <= 0)
		return now_ns + NS_PER_MS + (uint64_t)(-budget->bytes) * NS_PER_S / budget->bytes_per_s;
	budget->bytes -= (int64_t)bytes;
	return 0;
}
