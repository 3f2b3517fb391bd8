/* Private to cli: an import that runs: cmd_import.c, and import_base.c for what an increment goes onto. */
#ifndef QUOIN_CLI_IMPORT_H
#define QUOIN_CLI_IMPORT_H

#include "cli/source.h"
#include "export/export.h"

#define IMPORT_READ_BYTES (256u << 10)
#define IMPORT_PATH_MAX   (2 * NAME_MAX_LEN + 64)

struct import_job {
	struct cli *cli;
	const char *volume;
	char socket[SOCKET_PATH_MAX];
	bool is_increment;           /* into a volume that is there */
	bool is_made;                /* the volume is this import's, and goes with it */
	bool is_written;             /* what an increment goes into may not be its base any more */
	bool is_kept;                /* the snapshot was begun; it goes with the import, too */
	char base[NAME_MAX_LEN + 1]; /* of an increment: the snapshot that it goes onto */
	/* By which the agent knows it: until it ends, nobody else has the volume. */
	char import[UUID_TEXT_LEN + 1];
	struct export_reader reader;
	struct nbd_link link;
	uint8_t bytes[IMPORT_READ_BYTES];       /* of the file */
	size_t at, len_bytes;                   /* what of it is not used yet */
	uint8_t payload[EXPORT_DATA_MAX_BYTES]; /* before there is a link */
	struct error error;
};

/* "VOLUME" + suffix, behind /v1/volumes/ */
const char *import_path(const struct import_job *job, const char *suffix, char path[static IMPORT_PATH_MAX]);

/*
 * import_base.c; exit codes, with words in job->error. Whether the volume is there, is nobody's, and has a
 * copy of the snapshot that the increment begins at: job->base. It is made larger where it is too small.
 */
int import_base_find(struct import_job *job) MUST_CHECK;
/* While it is served, so that nobody else writes: whether it is as its base is. */
int import_base_check(struct import_job *job) MUST_CHECK;

#endif
