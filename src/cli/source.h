/*
 * Private to cli: a snapshot of a volume as an NBD export to read from, for as long as a command runs.
 * Results: exit codes, with words.
 */
#ifndef QUOIN_CLI_SOURCE_H
#define QUOIN_CLI_SOURCE_H

#include "cli/nbd_link.h"
#include "cli/transfer.h"

struct source {
	/* Set before it is opened. */
	struct cli *cli;
	char volume[NAME_MAX_LEN + 1];
	char snapshot[NAME_MAX_LEN + 1]; /* "": one is made, "PREFIX-TIME-PID", and removed again */
	const char *prefix;
	const char *since; /* an older snapshot of the volume, to tell the changes since; NULL: none */
	/* Known then. */
	struct uuid uuid, since_uuid;
	bool is_temporary; /* it was made for this */
	/* Private. */
	bool was_served; /* an NBD export by its user: it stays */
	char socket[SOCKET_PATH_MAX];
};

/* source_close() is due in any case. */
int source_open(struct source *source, struct error *error) MUST_CHECK;
/* nbd_link_open(): its nbd_link_map() tells holes, or, with `since`, what has changed. */
int source_link_open(struct source *source, struct nbd_link *link, struct error *error) MUST_CHECK;
/* Takes away what was made for this. The exit code is that of what was done with it; where something stays,
 * that is told on standard error, and is a failure. */
int source_close(struct source *source, int exit_code) MUST_CHECK;

/* Borrowed from the answer of GET .../snapshots; NULL: there is none of that name that is ready. */
json_t *source_find(const json_t *answer, const char *name);

#endif
