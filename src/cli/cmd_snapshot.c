/* quoin snapshot create, list, rm, rollback */
#include <stdio.h>
#include <string.h>

#include "cli/client.h"

/* A call on the volume of the snapshot that is the argument. */
static int snapshot_call(
	struct cli *cli, const char *method, const char *suffix, bool is_new, json_t **ret_answer)
{
	char volume[NAME_MAX_LEN + 1], name[NAME_MAX_LEN + 1], path[3 * NAME_MAX_LEN];
	struct error error;
	json_t *body = NULL;
	int exit_code;

	if (snapshot_name_split(cli->args[0], volume, name, &error) != 0) {
		fprintf(stderr, "quoin: %s\n", error.text);
		return EXIT_USAGE;
	}
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

/* "a,b": where it is attached; as many as fit. */
static const char *nodes_text(const json_t *snapshot, char *text, size_t capacity)
{
	json_t *node;
	size_t index, used = 0;

	snprintf(text, capacity, "-");
	json_array_foreach(json_object_get(snapshot, "attached_on"), index, node)
	{
		used += (size_t)snprintf(
			text + used, capacity - used, "%s%s", index ? "," : "", json_string_value(node));
		if (used >= capacity)
			break;
	}
	return text;
}

int cmd_snapshot_list(struct cli *cli)
{
	struct table table;
	json_t *answer = NULL, *snapshot;
	size_t index;
	int exit_code = cli_call_volume(cli, "GET", "/snapshots", &answer);

	if (exit_code != EXIT_OK || !answer)
		return exit_code;
	table_init(&table, "SNAPSHOT", "STATE", "USED", "GIVES BACK", "CREATED", "BY", "ATTACHED", NULL);
	json_array_foreach(json_object_get(answer, "snapshots"), index, snapshot)
	{
		const json_t *schedule = json_object_get(snapshot, "schedule");
		char name[2 * NAME_MAX_LEN + 2], nodes[256], used[SIZE_TEXT_LEN + 1], own[SIZE_TEXT_LEN + 1];

		snprintf(name, sizeof(name), "%s@%s", cli->args[0], text_of(snapshot, "name"));
		table_row(&table, name, text_of(snapshot, "state"), size_text(snapshot, "used_bytes", used),
			size_text(snapshot, "own_bytes", own), text_of(snapshot, "created"),
			json_is_string(schedule)                                 ? json_string_value(schedule)
			: json_is_string(json_object_get(snapshot, "import_of")) ? "import"
										 : "user",
			nodes_text(snapshot, nodes, sizeof(nodes)));
	}
	table_print(&table);
	json_decref(answer);
	return EXIT_OK;
}

int cli_snapshot_device(struct cli *cli, const char *verb)
{
	char volume[NAME_MAX_LEN + 1], name[NAME_MAX_LEN + 1], path[3 * NAME_MAX_LEN];
	const char *device;
	struct error error;
	json_t *answer;
	int exit_code;

	if (cli->options[OPTION_FORCE]) {
		fprintf(stderr,
			"quoin: --force: a snapshot is taken from nobody, so there is nothing to force\n");
		return EXIT_USAGE;
	}
	if (snapshot_name_split(cli->args[0], volume, name, &error) != 0) {
		fprintf(stderr, "quoin: %s\n", error.text);
		return EXIT_USAGE;
	}
	snprintf(path, sizeof(path), "/v1/volumes/%s/snapshots/%s/%s", volume, name, verb);
	exit_code = cli_call(cli, "POST", path, NULL, &answer);
	device = text_of(json_object_get(answer, "snapshot"), "device");
	if (exit_code == EXIT_OK && answer && strcmp(verb, "detach") == 0)
		printf("snapshot %s detached\n", cli->args[0]);
	else if (exit_code == EXIT_OK && answer && strcmp(verb, "attach") == 0)
		printf("snapshot %s attached, read-only: %s\n", cli->args[0], device);
	else if (exit_code == EXIT_OK && answer)
		printf("snapshot %s exported, read-only: %s\nURI         nbd+unix:///%s?socket=%s\n",
			cli->args[0], device, cli->args[0], device);
	json_decref(answer);
	return exit_code;
}
