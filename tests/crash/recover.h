/* Recovery after a crash, compared with the models. */
#ifndef QUOIN_TESTS_CRASH_RECOVER_H
#define QUOIN_TESTS_CRASH_RECOVER_H

#include "bench.h"
#include "model.h"

struct violation {
	bool found;
	char text[512];
};

/*
 * Opens what a crash has left of the disk (takes it over) on a bench of its own and compares everything that
 * can be asked. `again` NULL, or a bench for crashes during this recovery. Adds to `states`.
 */
void recover_check(struct bench *b, struct bench *again, struct sim_disk *crashed, const struct model *models,
	unsigned count, uint64_t seed, struct violation *violation, uint64_t *states);

#endif
