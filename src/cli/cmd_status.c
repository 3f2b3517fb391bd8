/* quoin status, node list */
#include <stdio.h>

#include "cli/client.h"

int cmd_status(struct cli *cli)
{
	char used[SIZE_TEXT_LEN + 1], size[SIZE_TEXT_LEN + 1];
	json_t *status, *states;
	int exit_code = cli_call(cli, "GET", "/v1/status", NULL, &status);

	if (exit_code != EXIT_OK || !status)
		return exit_code;
	states = json_object_get(status, "volume_states");
	printf("cluster  %s\n", text_of(status, "cluster"));
	printf("node     %s (quoin %s), ", text_of(status, "node"), text_of(status, "quoin_version"));
	if (json_is_true(json_object_get(status, "ready")))
		printf("ready\n");
	else
		printf("not ready: %s\n", text_of(status, "not_ready"));
	printf("kvdb     %s\n", text_of(status, "kvdb"));
	printf("nodes    %lld of %lld up\n", number_of(status, "nodes_up"), number_of(status, "nodes"));
	printf("pools    %lld, %s of %s used\n", number_of(status, "pools"),
		size_text(status, "used_bytes", used), size_text(status, "size_bytes", size));
	printf("volumes  %lld: %lld healthy, %lld degraded, %lld no-quorum, %lld detached\n",
		number_of(status, "volumes"), number_of(states, "healthy"), number_of(states, "degraded"),
		number_of(states, "no-quorum"), number_of(states, "detached"));
	if (!json_is_true(json_object_get(status, "volumes_complete")))
		printf("         there may be more: the others are known to the kvdb alone\n");
	json_decref(status);
	return EXIT_OK;
}

int cmd_node_list(struct cli *cli)
{
	struct table table;
	json_t *answer, *node;
	size_t index;
	int exit_code = cli_call(cli, "GET", "/v1/nodes", NULL, &answer);

	if (exit_code != EXIT_OK || !answer)
		return exit_code;
	table_init(&table, "NODE", "REGION", "ZONE", "RACK", "STATE", "SINCE", "POOLS", "ADDRESS", NULL);
	json_array_foreach(json_object_get(answer, "nodes"), index, node)
	{
		char pools[24];

		snprintf(pools, sizeof(pools), "%lld", number_of(node, "pools"));
		table_row(&table, text_of(node, "name"), text_of(node, "region"), text_of(node, "zone"),
			text_of(node, "rack"), text_of(node, "state"), text_of(node, "since"), pools,
			text_of(node, "address"));
	}
	table_print(&table);
	json_decref(answer);
	return EXIT_OK;
}
