/* What a comparison of a group's replicas with each other tells: part of replication.h. */
#ifndef QUOIN_REPLICATION_COMPARE_H
#define QUOIN_REPLICATION_COMPARE_H

#include "base/base.h"

struct compare_tally {
	uint64_t grains;    /* that were compared */
	uint64_t differing; /* in which a replica has other content than the others, at one commit point */
	uint64_t rewritten; /* of them: written anew from a quorum that agrees */
	uint64_t undecided; /* that changed whenever they were looked at, or whose checksums are lost */
};

/* Of this session. */
struct compare_status {
	bool under_way, asked; /* asked: not because it was due */
	unsigned percent;
	uint64_t passes;   /* that are over */
	uint64_t ended_ns; /* when the last one was; 0: none yet */
	bool last_asked;
	struct compare_tally all, pass, last; /* of all passes; of the one under way; of the last one */
	/* The newest grain that differs, where all.differing isn't 0. */
	uint64_t index;
	bool in_snapshot; /* the volume as it is may have something else there */
	bool rewritten;
	uint8_t agreed; /* a bit for each voter: those that agree and are a quorum; 0: none are */
	int voter;      /* that differs from them; where none are: the first that differs from another one */
};

#endif
