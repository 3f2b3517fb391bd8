/* quoin pool list, pool add */
#include <stdio.h>

#include "cli/client.h"

int cmd_pool_list(struct cli *cli)
{
	struct table table;
	json_t *answer, *pool;
	size_t index;
	int exit_code = cli_call(cli, "GET", "/v1/pools", NULL, &answer);

	if (exit_code != EXIT_OK || !answer)
		return exit_code;
	table_init(&table, "POOL", "NODE", "ZONE", "TIER", "STATE", "REPLICAS", "USED", "SIZE", "PROVISIONED",
		"PATH", NULL);
	json_array_foreach(json_object_get(answer, "pools"), index, pool)
	{
		bool draining = json_is_true(json_object_get(pool, "draining"));
		char replicas[48], leaves[2 * NAME_MAX_LEN + 32], used[SIZE_TEXT_LEN + 1],
			size[SIZE_TEXT_LEN + 1], provisioned[SIZE_TEXT_LEN + 1];

		if (number_of(pool, "replicas_max") > 0)
			snprintf(replicas, sizeof(replicas), "%lld of %lld", number_of(pool, "replicas"),
				number_of(pool, "replicas_max"));
		else
			snprintf(replicas, sizeof(replicas), "%lld", number_of(pool, "replicas"));
		if (json_object_get(pool, "replaced_by"))
			snprintf(leaves, sizeof(leaves), "moving to %.258s", text_of(pool, "replaced_by"));
		else
			snprintf(leaves, sizeof(leaves), "draining");
		table_row(&table, text_of(pool, "name"), text_of(pool, "node"), text_of(pool, "zone"),
			text_of(pool, "tier"), draining ? leaves : text_of(pool, "state"), replicas,
			size_text(pool, "used_bytes", used), size_text(pool, "size_bytes", size),
			size_text(pool, "provisioned_bytes", provisioned), text_of(pool, "path"));
	}
	table_print(&table);
	json_decref(answer);
	return EXIT_OK;
}

int cmd_pool_add(struct cli *cli)
{
	json_t *body = json_pack("{s:s, s:s, s:s*, s:b}", "name", cli->args[0], "path", cli->args[1], "tier",
		cli->options[OPTION_TIER], "force", (int)(cli->options[OPTION_FORCE] != NULL));
	json_t *answer;
	int exit_code = cli_post(cli, "/v1/pools", body, &answer);
	if (exit_code != EXIT_OK || !answer)
		return exit_code;
	printf("pool %s added\n", cli->args[0]);
	if (json_object_get(json_object_get(answer, "pool"), "overwrote"))
		printf("destroyed: %s\n", text_of(json_object_get(answer, "pool"), "overwrote"));
	json_decref(answer);
	return EXIT_OK;
}
