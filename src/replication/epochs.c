/*
 * Two logs hold the same entries up to seq s exactly when they have the same epoch at s: an entry is born
 * once, and a log only ever takes it behind the same predecessors (the log matching property, Ongaro and
 * Ousterhout 2014, 5.3).
 */
#include "replication/replication.h"

struct epoch epochs_at(const struct epoch_start *rows, unsigned count, uint64_t seq)
{
	struct epoch none = { 0, 0 };

	for (unsigned i = count; i-- > 0;)
		if (rows[i].first_seq <= seq)
			return rows[i].epoch;
	return none;
}

/* The last seq of row i. */
static uint64_t row_end(const struct epoch_start *rows, unsigned count, unsigned i, uint64_t last)
{
	return i + 1 < count ? rows[i + 1].first_seq - 1 : last;
}

uint64_t epochs_parting(const struct epoch_start *a, unsigned a_count, uint64_t a_last,
	const struct epoch_start *b, unsigned b_count, uint64_t b_last)
{
	/* The newest epoch that both have: in it both logs hold the same entries, up to the shorter one's end
	 * of it. */
	for (unsigned i = a_count; i-- > 0;) {
		if (a[i].first_seq > a_last)
			continue;
		for (unsigned j = b_count; j-- > 0;) {
			uint64_t a_end = row_end(a, a_count, i, a_last);
			uint64_t b_end = row_end(b, b_count, j, b_last);

			if (b[j].first_seq > b_last || !epoch_equal(a[i].epoch, b[j].epoch))
				continue;
			return a_end < b_end ? a_end : b_end;
		}
	}
	return 0;
}
