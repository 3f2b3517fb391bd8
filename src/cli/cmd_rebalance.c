/* quoin rebalance */
#include <stdio.h>

#include "cli/client.h"

static const char *place_of(const json_t *move, const char *end, char text[static 2 * NAME_MAX_LEN + 2])
{
	const json_t *place = json_object_get(move, end);

	snprintf(text, 2 * NAME_MAX_LEN + 2, "%.128s/%.128s", text_of(place, "node"), text_of(place, "pool"));
	return text;
}

/* Asks for one of the moves. A volume that changes already by now, say, is told, and the others go on. */
static int move_ask(struct cli *cli, const json_t *move)
{
	char path[NAME_MAX_LEN + 40], from[2 * NAME_MAX_LEN + 2], to[2 * NAME_MAX_LEN + 2];
	char of[2 * NAME_MAX_LEN + 6];
	json_t *answer = NULL, *body;
	int exit_code;

	snprintf(of, sizeof(of), "%s#%u", place_of(move, "from", from),
		(unsigned)number_of(move, "shard") & 63);
	body = json_pack("{s:s, s:s}", "from", of, "to", place_of(move, "to", to));
	snprintf(path, sizeof(path), "/v1/volumes/%.128s/move-replica", text_of(move, "volume"));
	exit_code = cli_call(cli, "POST", path, body, &answer);
	json_decref(body);
	json_decref(answer);
	return exit_code;
}

int cmd_rebalance(struct cli *cli)
{
	struct table table;
	json_t *answer, *moves, *move;
	char size[SIZE_TEXT_LEN + 1];
	size_t index;
	int exit_code = cli_call(cli, "GET", "/v1/rebalance", NULL, &answer), worst = EXIT_OK;

	if (exit_code != EXIT_OK || !answer)
		return exit_code;
	moves = json_object_get(answer, "moves");
	if (json_array_size(moves) == 0) {
		printf("the pools are even: nothing is to move\n");
		json_decref(answer);
		return EXIT_OK;
	}
	table_init(&table, "VOLUME", "FROM", "TO", "SIZE", NULL);
	json_array_foreach(moves, index, move)
	{
		char from[2 * NAME_MAX_LEN + 2], to[2 * NAME_MAX_LEN + 2];

		table_row(&table, text_of(move, "volume"), place_of(move, "from", from),
			place_of(move, "to", to), size_text(move, "bytes", size));
	}
	table_print(&table);
	printf("%zu moves, at most %s\n", json_array_size(moves), size_text(answer, "move_bytes", size));
	json_array_foreach(moves, index, move)
	{
		if (cli->options[OPTION_DRY_RUN])
			break;
		exit_code = move_ask(cli, move);
		worst = exit_code != EXIT_OK ? exit_code : worst;
	}
	json_decref(answer);
	return worst;
}
