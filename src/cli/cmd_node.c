/* quoin node inspect */
#include <stdio.h>
#include <string.h>

#include "cli/client.h"

static void place_print(const json_t *node, const char *part)
{
	const char *from = text_of(json_object_get(node, "from"), part);

	printf("%-11s %s", part, text_of(node, part));
	if (!strcmp(from, "none"))
		printf(" (nobody tells it)");
	else
		printf(" (by %s)", from);
	putchar('\n');
}

static void node_print(json_t *node)
{
	char memory[SIZE_TEXT_LEN + 1];
	const char *name;
	json_t *value;

	printf("node        %s, %s since %s\n", text_of(node, "name"), text_of(node, "state"),
		text_of(node, "since"));
	place_print(node, "region");
	place_print(node, "zone");
	place_print(node, "rack");
	place_print(node, "host");
	json_object_foreach(json_object_get(node, "labels"), name, value)
		printf("label       %s=%s\n", name, json_string_value(value));
	printf("address     %s\n", text_of(node, "address"));
	printf("hardware    %lld cores, %s of memory", number_of(node, "cores"),
		size_text(node, "memory_bytes", memory));
	if (number_of(node, "link_mbit_per_s") > 0)
		printf(", network link of %lld Mbit/s", number_of(node, "link_mbit_per_s"));
	printf("\npools       %lld, %lld of them draining\n", number_of(node, "pools"),
		number_of(node, "pools_draining"));
}

int cmd_node_inspect(struct cli *cli)
{
	json_t *answer, *node;
	size_t index;
	int exit_code = cli_call(cli, "GET", "/v1/nodes", NULL, &answer);

	if (exit_code != EXIT_OK || !answer)
		return exit_code;
	exit_code = EXIT_NOT_FOUND;
	json_array_foreach(json_object_get(answer, "nodes"), index, node)
	{
		if (strcmp(text_of(node, "name"), cli->args[0]) != 0)
			continue;
		node_print(node);
		exit_code = EXIT_OK;
	}
	if (exit_code != EXIT_OK)
		fprintf(stderr, "quoin: there is no node %s\n", cli->args[0]);
	json_decref(answer);
	return exit_code;
}
