/*
 * cli: `quoin`, which speaks the admin API and nothing else. docs/cli.md is its manual.
 *
 *     main -> cli_run: command line -> command table -> agent_find -> client_call -> print
 *
 * Everything returns the process's exit code; words go to standard error where they arise.
 */
#ifndef QUOIN_CLI_H
#define QUOIN_CLI_H

#include <jansson.h>
#include <stdbool.h>

#include "base/base.h"

enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_FOUND = 3,
	EXIT_REFUSED = 4,
	EXIT_NO_QUORUM = 5
};

#define RUN_DIR         "/run/quoin"
#define SOCKET_PATH_MAX 108
#define CLI_MAX_ARGS    2

enum option {
	OPTION_NODE,
	OPTION_JSON,
	OPTION_HELP,
	OPTION_VERSION,
	OPTION_SIZE,
	OPTION_CLASS,
	OPTION_REPLICAS,
	OPTION_FS,
	OPTION_TIER,
	OPTION_FOLLOW,
	OPTION_FORCE,
	OPTION_FROM,
	OPTION_TO,
	OPTION_EXPLAIN,
	OPTION_DRY_RUN,
	OPTION_YES,
	OPTION_FREEZE,
	OPTION_APPLY,
	OPTION_FILE,
	OPTION_GROUP,
	OPTION_NODES,
	OPTION_ZONES,
	OPTION_RACKS,
	OPTION_SELECTOR,
	OPTION_STICKY,
	OPTION_NEAR,
	OPTION_SHARDS,
	OPTION_THICK,
	OPTION_IOPS,
	OPTION_BANDWIDTH,
	OPTION_NOW,
	OPTION_SINCE,
	OPTION_COUNT
};

struct command;

/* A command line, understood. All strings are argv's. */
struct cli {
	const struct command *command;     /* NULL: help or version only */
	const char *options[OPTION_COUNT]; /* a value, "" for a flag, NULL where it isn't given */
	const char *args[CLI_MAX_ARGS];
	unsigned arg_count;
	char socket_path[SOCKET_PATH_MAX];
};

struct command {
	const char *words; /* "volume create" */
	const char *args;  /* "NAME", "NAME PATH", "" */
	unsigned arg_count;
	unsigned options; /* bits 1 << OPTION_…, besides those that all commands have */
	const char *summary;
	const char *more; /* for --help; NULL for nothing */
	int (*run)(struct cli *cli);
};

struct option_spec {
	const char *name;  /* without -- */
	const char *value; /* "SIZE"; NULL for a flag */
	const char *help;
};

/* commands.c: what there is. */
extern const struct command commands[];
extern const size_t command_count;
extern const struct option_spec option_specs[OPTION_COUNT];
#define OPTIONS_EVERYWHERE ((1u << OPTION_NODE) | (1u << OPTION_JSON) | (1u << OPTION_HELP))

/* args.c: 0, or EXIT_USAGE after words. With cli->options[OPTION_HELP] nothing else is demanded. */
int args_parse(int argc, char **argv, struct cli *ret_cli) MUST_CHECK;
/* help.c: `quoin --help`, `quoin volume --help` (prefix "volume"), `quoin volume create --help`. */
void help_all(const char *prefix);
void help_command(const struct command *command);

/* run.c: all of `quoin`. */
int cli_run(int argc, char **argv);

/*
 * find.c: the socket of the agent to talk to: `node` (a name, or a path), else $QUOIN_SOCKET (`socket`), else
 * the only one that answers in run_dir. An exit code, with words.
 */
int agent_find(const char *node, const char *socket, const char *run_dir,
	char ret_path[static SOCKET_PATH_MAX], struct error *error) MUST_CHECK;

/* print.c: "10 GiB"; "unknown" for null. The text is valid until the same row's call. */
const char *size_text(const json_t *object, const char *key, char text[static SIZE_TEXT_LEN + 1]);
const char *text_of(const json_t *object, const char *key);
long long number_of(const json_t *object, const char *key);

/* Columns that are as wide as their widest cell. */
#define TABLE_MAX_COLUMNS 11
struct table {
	json_t *rows; /* of arrays of strings */
	unsigned columns;
};
/* The arguments are the columns' heads, NULL ends them. */
void table_init(struct table *table, ...) __attribute__((sentinel));
/* As many strings as there are columns; they are copied. */
void table_row(struct table *table, ...);
void table_print(struct table *table);

/* cmd_*.c */
int cmd_status(struct cli *cli);
int cmd_node_list(struct cli *cli);
int cmd_pool_inspect(struct cli *cli);
int cmd_node_scan(struct cli *cli);
int cmd_node_inspect(struct cli *cli);
int cmd_node_drain(struct cli *cli);
int cmd_node_undrain(struct cli *cli);
int cmd_node_rm(struct cli *cli);
int cmd_pool_drain(struct cli *cli);
int cmd_pool_undrain(struct cli *cli);
int cmd_rebalance(struct cli *cli);
int cmd_pool_wipe(struct cli *cli);
int cmd_pool_replace(struct cli *cli);
int cmd_pool_rm(struct cli *cli);
int cmd_pool_scrub(struct cli *cli);
int cmd_pool_list(struct cli *cli);
int cmd_pool_add(struct cli *cli);
int cmd_volume_list(struct cli *cli);
int cmd_volume_inspect(struct cli *cli);
int cmd_volume_create(struct cli *cli);
int cmd_volume_rm(struct cli *cli);
int cmd_volume_attach(struct cli *cli);
int cmd_volume_serve_nbd(struct cli *cli);
int cmd_volume_detach(struct cli *cli);
int cmd_volume_move_replica(struct cli *cli);
int cmd_volume_set_limits(struct cli *cli);
int cmd_volume_resize(struct cli *cli);
int cmd_volume_set_sticky(struct cli *cli);
int cmd_volume_set_replicas(struct cli *cli);
int cmd_volume_cancel_change(struct cli *cli);
int cmd_volume_export(struct cli *cli);
int cmd_volume_import(struct cli *cli);
int cmd_volume_trace(struct cli *cli);
int cmd_class_list(struct cli *cli);
int cmd_class_show(struct cli *cli);
int cmd_class_set(struct cli *cli);
int cmd_class_rm(struct cli *cli);
int cmd_class_apply(struct cli *cli);
int cmd_class_check(struct cli *cli);
int cmd_place(struct cli *cli);
int cmd_cluster_accept_restore(struct cli *cli);
int cmd_snapshot_create(struct cli *cli);
int cmd_snapshot_list(struct cli *cli);
int cmd_snapshot_rm(struct cli *cli);
int cmd_snapshot_rollback(struct cli *cli);
int cmd_events(struct cli *cli);

#endif
