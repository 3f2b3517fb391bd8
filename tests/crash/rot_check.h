/* What may be said of a pool whose disk was damaged. */
#ifndef QUOIN_TESTS_CRASH_ROT_CHECK_H
#define QUOIN_TESTS_CRASH_ROT_CHECK_H

#include "bench.h"
#include "model.h"

struct rot_tally {
	uint64_t opened, refused, whole, damaged, gone, blocks_refused, entries_refused, repaired, reopened,
		offline;
	uint64_t cut; /* complete without what was answered: two faults in the journal */
};

struct rot_check {
	struct bench *bench;
	const struct model *models;
	unsigned count;
	struct random *random;
	bool superblocks_lost; /* both: a clear refusal is right, and nothing else */
	bool journal_twice; /* the newest batch and the only header that calls it durable may both be gone */
	struct rot_tally *tally;
	char violation[512]; /* "": none */
};

/*
 * Opens the disk (takes it over) and asks for everything. A replica that calls itself complete must hold all
 * that was answered, and give each block as written or an error; one that is damaged says so, also at the
 * next open, and is whole again when its group has given it all grains.
 */
void rot_check(struct rot_check *check, struct sim_disk *disk);

#endif
