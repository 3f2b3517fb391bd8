/*
 * Changes of a volume's members while it is attached here. Thread rule: the control thread, but for
 * volume_record_asked() and membership_end(), which are the data plane's.
 */
#ifndef QUOIN_VOLUMES_MEMBERSHIP_H
#define QUOIN_VOLUMES_MEMBERSHIP_H

#include "catalog/catalog.h"
#include "datapath/dataplane.h"

struct attachment;
struct attachment_shard;
struct volumes;

enum member_step_kind { MEMBER_ADD, MEMBER_REMOVE, MEMBER_CHANGE, MEMBER_DROP };

struct member_step {
	enum member_step_kind kind;
	struct volume_voter learner;
	struct uuid comes, goes;
};

/* Looks at every volume attached here, and begins what its record asks for next. */
void membership_plan(struct volumes *volumes);
/* Begins a step, while none of the shard is under way. */
void membership_step_begin(struct attachment_shard *of, const struct member_step *step);
/* The data plane opens it: what its coordinator wants written is written from now on. */
void membership_begin(struct attachment *attachment);
void membership_end(struct attachment *attachment);
void volume_record_asked(void *user, struct volume *volume, const struct volume_record *record);

#endif
