/* quoin pool drain, pool undrain, pool rm, node drain, node undrain, node rm */
#include <stdio.h>

#include "cli/client.h"

static int drain_ask(struct cli *cli, const char *what, bool drain)
{
	json_t *body = json_pack("{s:s, s:b, s:b}", what, cli->args[0], "drain", (int)drain, "force",
		(int)(cli->options[OPTION_FORCE] != NULL));
	json_t *answer;
	int exit_code = cli_post(cli, "/v1/drain", body, &answer);
	if (exit_code != EXIT_OK || !answer)
		return exit_code;
	if (drain)
		printf("%s %s drains: `quoin pool list` shows how many replicas are left\n", what,
			cli->args[0]);
	else
		printf("%s %s takes replicas again\n", what, cli->args[0]);
	json_decref(answer);
	return EXIT_OK;
}

int cmd_pool_drain(struct cli *cli)
{
	return drain_ask(cli, "pool", true);
}

int cmd_pool_undrain(struct cli *cli)
{
	return drain_ask(cli, "pool", false);
}

int cmd_node_drain(struct cli *cli)
{
	return drain_ask(cli, "node", true);
}

int cmd_node_undrain(struct cli *cli)
{
	return drain_ask(cli, "node", false);
}

int cmd_pool_rm(struct cli *cli)
{
	json_t *body = json_pack("{s:s}", "pool", cli->args[0]);
	json_t *answer;
	int exit_code = cli_post(cli, "/v1/pools/remove", body, &answer);
	if (exit_code == EXIT_OK && answer)
		printf("pool %s is forgotten\n", cli->args[0]);
	json_decref(answer);
	return exit_code;
}

int cmd_node_rm(struct cli *cli)
{
	struct error error;
	char path[NAME_MAX_LEN + 16];
	json_t *answer;
	int exit_code;

	if (name_check("node name", cli->args[0], &error) != 0) {
		fprintf(stderr, "quoin: %s\n", error.text);
		return EXIT_USAGE;
	}
	snprintf(path, sizeof(path), "/v1/nodes/%s", cli->args[0]);
	exit_code = cli_call(cli, "DELETE", path, NULL, &answer);
	if (exit_code == EXIT_OK && answer)
		printf("node %s is forgotten\n", cli->args[0]);
	json_decref(answer);
	return exit_code;
}
