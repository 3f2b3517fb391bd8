/*
 * Sessions that this node's agent has begun in this boot, one for each volume: the last. Who restarts names
 * the former process's session as dead, so that replicas need not wait until the leases of it have run out
 * (docs/protocol.md, "Open"). That it is dead is certain: the state directory's lock is ours, so that process
 * has ended; and the table is believed only under the very lock file and boot that it was written in, so that
 * a copy of the directory, or another machine's, claims nothing. A session of this process is named once it
 * is closed.
 *
 * Thread rule: the control thread.
 */
#ifndef QUOIN_VOLUMES_SESSIONS_H
#define QUOIN_VOLUMES_SESSIONS_H

#include "base/base.h"

#define SESSIONS_MAX 256u /* volumes; behind it those that are closed longest are forgotten */

struct sessions;

/* Reads the table, or begins an empty one where there is none that can be believed. -ENOMEM. `lock_fd` is the
 * state directory's lock, open and held. */
int sessions_open(const char *path, const char *boot_id, int lock_fd, struct sessions **ret_sessions,
	struct error *error) MUST_CHECK;
void sessions_free(struct sessions *sessions);
/*
 * The volume's next session, written down before it is used, for this boot (state_file.h). *ret_dead is the
 * one before, if that is certainly dead; else 0; it is set in every case. An error with words: it could not
 * be written; then the next start has to wait, no more.
 */
int sessions_begin(struct sessions *sessions, struct uuid volume, uint64_t session, uint64_t *ret_dead,
	struct error *error) MUST_CHECK;
/* It serves nothing any more. */
void sessions_end(struct sessions *sessions, struct uuid volume);

#endif
