/* Private to cli: one call of the admin API. */
#ifndef QUOIN_CLI_CLIENT_H
#define QUOIN_CLI_CLIENT_H

#include "cli/cli.h"

struct reply {
	char *text; /* as it came; NULL for nothing */
	json_t *json;
	unsigned status; /* of HTTP; 0: the agent was not reached */
};

/*
 * Calls `method path` with an optional body (borrowed). On an error the words and the exit code for its kind;
 * the reply is filled as far as there is one, and to be freed in every case.
 */
int api_call(const char *socket_path, const char *method, const char *path, const json_t *body,
	struct reply *ret_reply, struct error *error) MUST_CHECK;
void reply_free(struct reply *reply);

/*
 * What a command does: calls, prints words on an error, and with --json what the API said. EXIT_OK with
 * *ret_json (a new reference) where there is something left to print for people; NULL where all is said.
 */
int cli_call(struct cli *cli, const char *method, const char *path, const json_t *body,
	json_t **ret_json) MUST_CHECK;
/* As cli_call(), of "/v1/volumes/NAME" + suffix. */
int cli_call_volume(struct cli *cli, const char *method, const char *suffix, json_t **ret_json) MUST_CHECK;
/*
 * The same, by POST and with a body, which is taken over. NULL, since json_pack() was given what is no UTF-8:
 * EXIT_USAGE, in words.
 */
int cli_post(struct cli *cli, const char *path, json_t *body, json_t **ret_json) MUST_CHECK;
int cli_post_volume(struct cli *cli, const char *suffix, json_t *body, json_t **ret_json) MUST_CHECK;

/* cmd_scrub.c, cmd_events.c: for `pool inspect` too. */
void cli_scrub_print(const json_t *scrub);
/* Of replicas with each other: what a comparison has found, without an end of line. */
void cli_compared_print(const json_t *tally);
void cli_events_print(const json_t *events);

/* cmd_snapshot.c: `volume attach`, serve-nbd or detach (the verb) of VOLUME@SNAPSHOT, the argument. */
int cli_snapshot_device(struct cli *cli, const char *verb);

/* The options of a new volume, as the admin API wants them, and its name, if it has one; the caller's. NULL:
 * one is not valid UTF-8. */
json_t *cli_volume_options(const struct cli *cli, const char *name);

#endif
