/* quoin place: where a volume would go, and why. */
#include <stdio.h>

#include "cli/client.h"

static void pools_print(const json_t *place, bool all)
{
	struct table table;
	json_t *pool;
	size_t index;

	table_init(
		&table, "POOL", "NODE", "ZONE", "TIER", "SIZE", "PROMISED", "LIMIT", "VERDICT", "WHY", NULL);
	json_array_foreach(json_object_get(place, "pools"), index, pool)
	{
		char size[SIZE_TEXT_LEN + 1], provisioned[SIZE_TEXT_LEN + 1], limit[SIZE_TEXT_LEN + 1];

		if (!all && !json_is_true(json_object_get(pool, "taken")))
			continue;
		table_row(&table, text_of(pool, "pool"), text_of(pool, "node"), text_of(pool, "zone"),
			text_of(pool, "tier"), size_text(pool, "size_bytes", size),
			size_text(pool, "provisioned_bytes", provisioned),
			size_text(pool, "limit_bytes", limit), text_of(pool, "verdict"),
			text_of(pool, "why"));
	}
	table_print(&table);
}

/* "3 shards, each with ", or nothing. */
static const char *shards_text(const json_t *place, char text[static 40])
{
	text[0] = 0;
	if (number_of(place, "shards") > 1)
		snprintf(text, 40, "%lld shards, each with ", number_of(place, "shards"));
	return text;
}

int cmd_place(struct cli *cli)
{
	json_t *body = cli_volume_options(cli, NULL);
	char size[SIZE_TEXT_LEN + 1], shards[40];
	const json_t *place;
	json_t *answer;
	bool found;
	int exit_code = cli_post(cli, "/v1/place", body, &answer);
	if (exit_code != EXIT_OK || !answer)
		return exit_code;
	place = json_object_get(answer, "place");
	found = json_is_true(json_object_get(place, "found"));
	if (found || cli->options[OPTION_EXPLAIN])
		pools_print(place, cli->options[OPTION_EXPLAIN] != NULL);
	if (found)
		printf("%s%lld replicas of %s, class %s, spread %s%s; nothing was made\n",
			shards_text(place, shards), number_of(place, "replicas"),
			size_text(place, "size_bytes", size), text_of(place, "class"),
			text_of(place, "spread"),
			json_is_true(json_object_get(place, "relaxed")) ? ": two copies would share a zone"
									: "");
	else
		fprintf(stderr, "quoin: %s\n", text_of(place, "why_not"));
	json_decref(answer);
	return found ? EXIT_OK : EXIT_REFUSED;
}
