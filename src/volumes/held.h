/*
 * What this node knows of a volume that it holds, beside the kvdb: STATE/held/NAME.json has the configuration
 * and the epoch of the last open, so that an agent that restarts while the kvdb is away can open it again
 * (resume.c). It is a note, not a promise: the replicas decide, by epoch and configuration number, whether
 * what it says is still true. It is read for volumes only that mounts.h knows as attached in this boot, which
 * was noted anew then. Thread rule: the control thread.
 */
#ifndef QUOIN_VOLUMES_HELD_H
#define QUOIN_VOLUMES_HELD_H

#include "attach/attach.h"
#include "datapath/dataplane.h"
#include "volumes/volume_shards.h"

struct attachment;

struct held {
	struct volume_spec spec; /* without the session: what all shards have in common */
	struct volume_shards shards;
	char fs[8];
	char mount_options[FS_OPTIONS_LEN + 1];
	/* From before a change of its members is sent until it is read that it is through: the record may be
	 * another by now. */
	bool changing;
};

/* On disk, flushed, before this returns: what changes while it is held, as a restart that is raised. */
int held_write(const char *state_dir, const struct held *held, struct error *error) MUST_CHECK;
/*
 * At an attach: outlives this process (state_file.h). Should it be lost in spite of that, with a filesystem
 * that fails and comes back in the same boot, what is found is of a lower epoch: the replicas refuse it.
 */
int held_write_for_boot(const char *state_dir, const struct held *held, struct error *error) MUST_CHECK;
/* -ENOENT: this node doesn't hold it. -EINVAL: damaged, with words. The caller ends ret_held->shards. */
int held_read(const char *state_dir, const char *name, struct held *ret_held, struct error *error) MUST_CHECK;
/* Harmless where there is none. */
void held_remove(const char *state_dir, const char *name);

/* resume.c. Notes how it is opened next. What can't be written is told as an event, and costs no more than
 * the resume.
 */
void held_note(struct attachment *attachment);
/* The size that it has now; everything else stays. */
void held_note_size(struct attachment *attachment);
/* Around a change of a shard's members: its `changing` is set, or no longer. */
void held_note_change(struct attachment *attachment);

#endif
