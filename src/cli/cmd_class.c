/* quoin class list, show, set, rm, apply, check */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"

#define PATH_LEN      (NAME_MAX_LEN * 3 + 40)
#define FILE_MAX_SIZE (1u << 19)

/* A class's name in a path; what can't be a name isn't sent. */
static int class_path(const char *name, const char *suffix, char path[static PATH_LEN])
{
	struct error error;

	if (name_check("class name", name, &error)) {
		fprintf(stderr, "quoin: %s\n", error.text);
		return EXIT_USAGE;
	}
	snprintf(path, PATH_LEN, "/v1/classes/%s%s", name, suffix);
	return EXIT_OK;
}

int cmd_class_list(struct cli *cli)
{
	struct table table;
	json_t *answer, *class;
	size_t index;
	int exit_code = cli_call(cli, "GET", "/v1/classes", NULL, &answer);

	if (exit_code != EXIT_OK || !answer)
		return exit_code;
	table_init(&table, "CLASS", "VERSION", "REPLICAS", "TIER", "SPREAD", "GROUP", "FS", "VOLUMES",
		"DESCRIPTION", NULL);
	json_array_foreach(json_object_get(answer, "classes"), index, class)
	{
		char number[24], replicas[24], volumes[24];

		snprintf(number, sizeof(number), "%lld", number_of(class, "number"));
		snprintf(replicas, sizeof(replicas), "%lld", number_of(class, "replicas"));
		snprintf(volumes, sizeof(volumes), "%lld", number_of(class, "volumes"));
		table_row(&table, text_of(class, "name"), number, replicas, text_of(class, "tier"),
			text_of(class, "spread"), text_of(class, "group_rule"), text_of(class, "fs"), volumes,
			text_of(class, "description"));
	}
	table_print(&table);
	json_decref(answer);
	return EXIT_OK;
}

int cmd_class_show(struct cli *cli)
{
	char path[PATH_LEN];
	json_t *answer;
	int exit_code = class_path(cli->args[0], "", path);

	if (exit_code == EXIT_OK)
		exit_code = cli_call(cli, "GET", path, NULL, &answer);
	if (exit_code != EXIT_OK || !answer)
		return exit_code;
	fputs(text_of(json_object_get(answer, "class"), "text"), stdout);
	json_decref(answer);
	return EXIT_OK;
}

/* The volumes that aren't as the class says; with --apply, what was asked for them. */
static int class_check(struct cli *cli, const char *name)
{
	bool apply = cli->options[OPTION_APPLY] != NULL;
	json_t *body = json_pack("{s:b}", "apply", (int)apply);
	char path[PATH_LEN];
	json_t *answer = NULL, *breach;
	size_t index, count;
	int exit_code = class_path(name, "/check", path);

	if (exit_code == EXIT_OK)
		exit_code = cli_call(cli, "POST", path, body, &answer);
	json_decref(body);
	if (exit_code != EXIT_OK || !answer)
		return exit_code;
	count = json_array_size(json_object_get(answer, "breaches"));
	json_array_foreach(json_object_get(answer, "breaches"), index, breach)
	{
		printf("volume %s isn't as class %s says: %s", text_of(breach, "volume"), name,
			text_of(breach, "why"));
		printf(apply ? "; %s\n" : "\n", text_of(breach, "outcome"));
	}
	if (count == 0)
		printf("all volumes of class %s are as it says\n", name);
	else if (!apply)
		printf("`quoin class check %s --apply` moves them, one replica of each at a time\n", name);
	json_decref(answer);
	return EXIT_OK;
}

int cmd_class_check(struct cli *cli)
{
	return class_check(cli, cli->args[0]);
}

int cmd_class_set(struct cli *cli)
{
	const char *equals = strchr(cli->args[1], '=');
	char path[PATH_LEN];
	json_t *answer = NULL, *body;
	int exit_code = class_path(cli->args[0], "/set", path);

	if (exit_code != EXIT_OK)
		return exit_code;
	if (!equals) {
		fprintf(stderr, "quoin: \"%s\": write KEY=VALUE, as in replicas=3\n", cli->args[1]);
		return EXIT_USAGE;
	}
	body = json_pack(
		"{s:s%, s:s}", "key", cli->args[1], (size_t)(equals - cli->args[1]), "value", equals + 1);
	exit_code = cli_post(cli, path, body, &answer);
	if (exit_code != EXIT_OK || !answer)
		return exit_code;
	printf("class %s has version %lld now\n", cli->args[0],
		number_of(json_object_get(answer, "class"), "number"));
	json_decref(answer);
	return class_check(cli, cli->args[0]);
}

int cmd_class_rm(struct cli *cli)
{
	char path[PATH_LEN];
	json_t *answer = NULL;
	int exit_code = class_path(cli->args[0], "", path);

	if (exit_code == EXIT_OK)
		exit_code = cli_call(cli, "DELETE", path, NULL, &answer);
	if (exit_code == EXIT_OK && answer)
		printf("class %s removed\n", cli->args[0]);
	json_decref(answer);
	return exit_code;
}

/* The whole file, or standard input for "-". NULL after words. */
static char *file_read(const char *path)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char *text = calloc(1, FILE_MAX_SIZE + 1);
	size_t len = 0;

	if (!file || !text) {
		fprintf(stderr, "quoin: %s: %s\n", path, strerror(errno));
		free(text);
		return NULL;
	}
	len = fread(text, 1, FILE_MAX_SIZE + 1, file);
	if (ferror(file) || len > FILE_MAX_SIZE || strlen(text) != len) {
		fprintf(stderr, "quoin: %s can't be read, is larger than %u KiB, or is no text\n", path,
			FILE_MAX_SIZE >> 10);
		free(text);
		text = NULL;
	}
	if (file != stdin)
		fclose(file);
	return text;
}

/* The names after "[class " at the beginning of lines: the agent has checked the text. */
static int check_all(struct cli *cli, const char *text)
{
	int exit_code = EXIT_OK;

	for (const char *at = text; at && exit_code == EXIT_OK; at = strchr(at, '\n')) {
		char name[NAME_MAX_LEN + 1];

		at += strspn(at, "\n \t\r");
		if (sscanf(at, "[class %128[a-zA-Z0-9_.-]]", name) == 1)
			exit_code = class_check(cli, name);
	}
	return exit_code;
}

int cmd_class_apply(struct cli *cli)
{
	json_t *answer = NULL, *body;
	char *text;
	int exit_code;

	if (!cli->options[OPTION_FILE]) {
		fprintf(stderr, "quoin: which text? `quoin class apply -f FILE`, or - for standard input\n");
		return EXIT_USAGE;
	}
	text = file_read(cli->options[OPTION_FILE]);
	if (!text)
		return EXIT_FAILED;
	body = json_pack("{s:s}", "text", text);
	if (!body) {
		fprintf(stderr, "quoin: %s is not valid UTF-8\n", cli->options[OPTION_FILE]);
		free(text);
		return EXIT_USAGE;
	}
	exit_code = cli_call(cli, "POST", "/v1/classes", body, &answer);
	json_decref(body);
	if (exit_code == EXIT_OK && answer) {
		printf("applied\n");
		json_decref(answer);
		exit_code = check_all(cli, text);
	}
	free(text);
	return exit_code;
}
