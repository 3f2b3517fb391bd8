/*
 * Private to cli: what export and import share: an end by a signal that leaves nothing behind, the streams,
 * how far it is, and the calls of the agent around it.
 */
#ifndef QUOIN_CLI_TRANSFER_H
#define QUOIN_CLI_TRANSFER_H

#include "cli/client.h"

/* From now on SIGINT, SIGTERM and SIGHUP are only noted, and SIGPIPE is an error of the write. */
void transfer_begin(void);
bool transfer_is_interrupted(void);

/* All of it; a negative errno, with words. -EINTR: interrupted. */
int transfer_write(const uint8_t *bytes, size_t len_bytes, struct error *error) MUST_CHECK;
/* How many bytes have come, 0 at the end; or as above. */
ssize_t transfer_read(uint8_t *bytes, size_t room_bytes, struct error *error) MUST_CHECK;

/* A line on standard error where that is a terminal, at most twice a second. of_bytes > 0. */
void transfer_progress(const char *verb, uint64_t done_bytes, uint64_t of_bytes);
/* The line is over. */
void transfer_progress_end(void);

/*
 * Calls; an exit code and, on an error, words. *ret_json (may be NULL) is the caller's. `path` is what stands
 * behind "/v1/volumes/".
 */
int transfer_call(struct cli *cli, const char *method, const char *path, const json_t *body,
	json_t **ret_json, unsigned *ret_status, struct error *error) MUST_CHECK;
/*
 * The same for what is cleaned up at the end: tried again for a while, each time after a POST of `before`
 * (NULL: nothing), whatever that says. What isn't there any more is a success.
 */
int transfer_insist(struct cli *cli, const char *before, const char *method, const char *path,
	struct error *error) MUST_CHECK;
/* Of an answer: -EIO with words where the UUID isn't there. */
int transfer_uuid(
	const json_t *object, const char *key, struct uuid *ret_uuid, struct error *error) MUST_CHECK;
/* The exit code for an errno of nbd_link, the streams or the format. */
int transfer_exit_code(int rc);

#endif
