/* What a coordinator has under way beside its log: grains being copied, replicas being compared. */
#ifndef QUOIN_REPLICATION_COORDINATOR_WORK_H
#define QUOIN_REPLICATION_COORDINATOR_WORK_H

#include "replication/compare.h"
#include "replication/map_record.h"

enum copy_stage { COPY_FREE, COPY_ASK, COPY_ASKED, COPY_IN_HAND, COPY_SENT };

/* One grain on its way from a source to a target: of a resync, or to heal a bad block. */
struct copy {
	enum copy_stage stage;
	bool heal;
	bool compares;    /* heal: a comparison's, of ... */
	uint16_t rewrite; /* ... these blocks, whatever their checksums say; 0: of the whole grain */
	uint64_t q;       /* the commit point of its maps, ... */
	struct map_record expected; /* ... and what the source must have as then */
	int target, source;         /* source -1: to be found */
	uint8_t bad;                /* bit i: voter i can't read it */
	uint8_t tries;
	uint64_t layer, index;
	struct uuid snapshot; /* heal: as it reads; none: as the volume does */
	uint64_t token;
	uint64_t retry_ns;
	struct message_grain grain;
	struct buf *data;
	uint32_t crc[GRAIN_BLOCKS];
};

/*
 * A comparison of the replicas with each other (coordinator_compare.c), window by window, level by level:
 *
 *   REST --due, or asked for--> TREE --which level--> MAPS --all have answered, judged--> TREE ... --> REST
 *                                                      |  ^
 *                                              differs v  |  over
 *                                                     REPAIR
 */
enum compare_step { COMPARE_REST, COMPARE_TREE, COMPARE_MAPS, COMPARE_REPAIR };

/* One voter's answer. */
struct compare_map {
	uint64_t token; /* 0: nothing is asked of it */
	bool came;
	int rc;
	uint64_t q, end;
	uint32_t count, at;
	struct buf *data;
};

struct compare {
	enum compare_step step;
	uint64_t next_ns; /* when it goes on; UINT64_MAX: when an answer has come; 0: not known yet */
	uint64_t asked_ns;
	bool once_more;        /* it was asked for while it was under way */
	bool missing;          /* who was not in reach might have told who is right */
	bool snapshots_differ; /* in this pass, and stay so, among ... */
	uint8_t steady;        /* ... these, that all of its windows of snapshots have asked */
	uint8_t voters;        /* that were asked */
	uint64_t seq;          /* the commit point */
	uint64_t layer, levels;
	struct position through, level; /* levels are known by where they were frozen; the top: UINT64_MAX */
	uint64_t cursor;                /* grains below are through */
	unsigned waits;                 /* for somebody who is behind */
	uint64_t again_index;           /* looked at again, ... */
	unsigned tries;                 /* ... so often */
	/* A grain that is to be replaced: the newest entry behind watch_from that touches it. */
	bool watches;
	uint64_t watch_index, watch_from, touched_seq;
	struct compare_map maps[GROUP_MAX_VOTERS];
	uint64_t differing_grains[GROUP_MAX_VOTERS], rewritten_grains[GROUP_MAX_VOTERS];
	struct compare_status status;
};

#endif
