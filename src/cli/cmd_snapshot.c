/* quoin snapshot create, list, rm, rollback */
#include <stdio.h>
#include <string.h>

#include "cli/client.h"

/* VOLUME@NAME in two; false: it isn't that, with words. */
static bool snapshot_split(struct cli *cli, char volume[static NAME_MAX_LEN + 1], const char **ret_name)
{
	const char *text = cli->args[0], *at = strchr(text, '@');
	struct error error;

	if (!at || at == text || (size_t)(at - text) > NAME_MAX_LEN || !at[1]) {
		fprintf(stderr, "quoin: \"%s\" is no snapshot: VOLUME@NAME is wanted\n", text);
		return false;
	}
	memcpy(volume, text, (size_t)(at - text));
	volume[at - text] = '\0';
	if (name_check("snapshot name", at + 1, &error) != 0 ||
		name_check("volume name", volume, &error) != 0) {
		fprintf(stderr, "quoin: %s\n", error.text);
		return false;
	}
	*ret_name = at + 1;
	return true;
}

/* A call on the volume of the snapshot that is the argument. */
static int snapshot_call(
	struct cli *cli, const char *method, const char *suffix, bool is_new, json_t **ret_answer)
{
	char volume[NAME_MAX_LEN + 1], path[3 * NAME_MAX_LEN];
	json_t *body = NULL;
	const char *name;
	int exit_code;

	if (!snapshot_split(cli, volume, &name))
		return EXIT_USAGE;
	if (is_new)
		body = json_pack("{s:s, s:b}", "name", name, "freeze", cli->options[OPTION_FREEZE] != NULL);
	snprintf(path, sizeof(path), "/v1/volumes/%s/snapshots%s%s%s", volume, is_new ? "" : "/",
		is_new ? "" : name, suffix);
	exit_code = cli_call(cli, method, path, body, ret_answer);
	json_decref(body);
	return exit_code;
}

int cmd_snapshot_create(struct cli *cli)
{
	json_t *answer = NULL;
	int exit_code = snapshot_call(cli, "POST", "", true, &answer);

	if (exit_code == EXIT_OK && answer)
		printf("snapshot %s created\n", cli->args[0]);
	json_decref(answer);
	return exit_code;
}

int cmd_snapshot_rm(struct cli *cli)
{
	json_t *answer = NULL;
	int exit_code = snapshot_call(cli, "DELETE", "", false, &answer);

	if (exit_code == EXIT_OK && answer)
		printf("snapshot %s removed\n", cli->args[0]);
	json_decref(answer);
	return exit_code;
}

int cmd_snapshot_rollback(struct cli *cli)
{
	json_t *answer = NULL;
	int exit_code = snapshot_call(cli, "POST", "/rollback", false, &answer);

	if (exit_code == EXIT_OK && answer)
		printf("volume %s is as snapshot %s\n", text_of(json_object_get(answer, "volume"), "name"),
			cli->args[0]);
	json_decref(answer);
	return exit_code;
}

int cmd_snapshot_list(struct cli *cli)
{
	struct table table;
	json_t *answer = NULL, *snapshot;
	size_t index;
	int exit_code = cli_call_volume(cli, "GET", "/snapshots", &answer);

	if (exit_code != EXIT_OK || !answer)
		return exit_code;
	table_init(&table, "SNAPSHOT", "STATE", "CREATED", NULL);
	json_array_foreach(json_object_get(answer, "snapshots"), index, snapshot)
	{
		char name[2 * NAME_MAX_LEN + 2];

		snprintf(name, sizeof(name), "%s@%s", cli->args[0], text_of(snapshot, "name"));
		table_row(&table, name, text_of(snapshot, "state"), text_of(snapshot, "created"));
	}
	table_print(&table);
	json_decref(answer);
	return EXIT_OK;
}
