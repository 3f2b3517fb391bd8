/* quoin pool list, pool add */
#include <stdio.h>

#include "cli/client.h"

/* When all of it was last read, and what is bad in it; of the agent's own pools. */
static const char *scrubbed_text(const json_t *pool, char *to, size_t bytes)
{
	const json_t *scrub = json_object_get(pool, "scrub"), *last = json_object_get(scrub, "last"),
		     *pass = json_object_get(scrub, "pass");
	char when[24];

	if (!scrub)
		return "-";
	if (json_is_true(json_object_get(pass, "asked")) && number_of(pass, "pages") > 0)
		snprintf(when, sizeof(when), "now, %lld %%",
			number_of(pass, "pages_done") * 100 / number_of(pass, "pages"));
	else
		snprintf(when, sizeof(when), "%.10s",
			json_is_object(last) ? text_of(last, "ended") : "not yet");
	if (number_of(scrub, "known_bad") > 0)
		snprintf(to, bytes, "%s, %lld bad", when, number_of(scrub, "known_bad"));
	else
		snprintf(to, bytes, "%s", when);
	return to;
}

/* "ok, full", "ok, above 90 %", "draining", "moving to b/p". */
static const char *state_text(const json_t *pool, char *to, size_t bytes)
{
	if (json_object_get(pool, "replaced_by"))
		snprintf(to, bytes, "moving to %.258s", text_of(pool, "replaced_by"));
	else if (json_is_true(json_object_get(pool, "draining")))
		snprintf(to, bytes, "draining");
	else if (json_is_true(json_object_get(pool, "full")))
		snprintf(to, bytes, "%.32s, full", text_of(pool, "state"));
	else if (number_of(pool, "warned_percent") > 0)
		snprintf(to, bytes, "%.32s, above %lld %%", text_of(pool, "state"),
			number_of(pool, "warned_percent"));
	else
		snprintf(to, bytes, "%.32s", text_of(pool, "state"));
	return to;
}

/* What doesn't fit into a column. */
static void failures_print(const json_t *pools)
{
	json_t *pool;
	size_t index;

	json_array_foreach(pools, index, pool)
	{
		if (json_object_get(pool, "state_reason"))
			printf("pool %s of node %s has failed: %s\n", text_of(pool, "name"),
				text_of(pool, "node"), text_of(pool, "state_reason"));
	}
}

int cmd_pool_list(struct cli *cli)
{
	struct table table;
	json_t *answer, *pool;
	size_t index;
	int exit_code = cli_call(cli, "GET", "/v1/pools", NULL, &answer);

	if (exit_code != EXIT_OK || !answer)
		return exit_code;
	table_init(&table, "POOL", "NODE", "ZONE", "TIER", "STATE", "REPLICAS", "USED", "SIZE", "PROVISIONED",
		"SCRUBBED", "PATH", NULL);
	json_array_foreach(json_object_get(answer, "pools"), index, pool)
	{
		char replicas[48], state[2 * NAME_MAX_LEN + 64], used[SIZE_TEXT_LEN + 1],
			size[SIZE_TEXT_LEN + 1], provisioned[SIZE_TEXT_LEN + 1], scrubbed[64];

		if (number_of(pool, "replicas_max") > 0)
			snprintf(replicas, sizeof(replicas), "%lld of %lld", number_of(pool, "replicas"),
				number_of(pool, "replicas_max"));
		else
			snprintf(replicas, sizeof(replicas), "%lld", number_of(pool, "replicas"));
		table_row(&table, text_of(pool, "name"), text_of(pool, "node"), text_of(pool, "zone"),
			text_of(pool, "tier"), state_text(pool, state, sizeof(state)), replicas,
			size_text(pool, "used_bytes", used), size_text(pool, "size_bytes", size),
			size_text(pool, "provisioned_bytes", provisioned),
			scrubbed_text(pool, scrubbed, sizeof(scrubbed)), text_of(pool, "path"));
	}
	table_print(&table);
	failures_print(json_object_get(answer, "pools"));
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
