/* quoin pool scrub */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"

#define FOLLOW_US 500000u

/* The agent's own pool of this name; NULL: it has none. Borrowed. */
static json_t *pool_find(json_t *pools, const char *name)
{
	const char *slash = strchr(name, '/');
	json_t *pool;
	size_t index;

	json_array_foreach(pools, index, pool)
	{
		const char *node = text_of(pool, "node");

		if (json_is_true(json_object_get(pool, "local")) &&
			strcmp(text_of(pool, "name"), slash ? slash + 1 : name) == 0 &&
			(!slash || (strlen(node) == (size_t)(slash - name) &&
					   strncmp(node, name, (size_t)(slash - name)) == 0)))
			return pool;
	}
	return NULL;
}

static void tally_print(const json_t *tally)
{
	char checked[SIZE_TEXT_LEN + 1];
	long long blocks = number_of(tally, "bad_blocks"), pages = number_of(tally, "bad_pages");

	printf("%s read", size_text(tally, "checked_bytes", checked));
	if (blocks == 0 && pages == 0)
		printf(", nothing bad\n");
	else
		printf(", %lld bad blocks (%lld good again), %lld bad pages (%lld good again)\n", blocks,
			number_of(tally, "repaired_blocks"), pages, number_of(tally, "repaired_pages"));
}

static void pass_print(const json_t *pass)
{
	long long pages = number_of(pass, "pages");

	printf("%3lld %%: ", pages > 0 ? number_of(pass, "pages_done") * 100 / pages : 0);
	tally_print(pass);
}

/* "123 grains, 2 differ (1 written anew), 1 undecided" */
void cli_compared_print(const json_t *tally)
{
	long long differing = number_of(tally, "differing"), undecided = number_of(tally, "undecided");

	printf("%lld grains", number_of(tally, "grains"));
	if (differing > 0)
		printf(", %lld differ (%lld written anew)", differing, number_of(tally, "rewritten"));
	else
		printf(", nothing differs");
	if (undecided > 0)
		printf(", %lld undecided", undecided);
}

/* Of the volumes that are attached on the agent's node. */
static void compare_print(const json_t *compare)
{
	long long groups = number_of(compare, "groups"), under_way = number_of(compare, "under_way");
	long long compared = groups - number_of(compare, "never");

	if (groups == 0) {
		printf("compared         none of its volumes is attached here\n");
		return;
	}
	printf("compared         %lld of %lld groups attached here", compared, groups);
	if (compared > 0) {
		printf(", within %lld s: ", number_of(compare, "oldest_s"));
		cli_compared_print(compare);
	}
	if (under_way > 0)
		printf("; %lld under way, %lld %%", under_way, number_of(compare, "percent"));
	printf("\n");
}

void cli_scrub_print(const json_t *scrub)
{
	const json_t *pass = json_object_get(scrub, "pass"), *last = json_object_get(scrub, "last");

	if (json_is_object(last)) {
		printf("last whole pass  ended %s: ", text_of(last, "ended"));
		tally_print(last);
	} else {
		printf("last whole pass  none yet\n");
	}
	if (json_is_object(pass)) {
		printf("under way        since %s, %s, ", text_of(pass, "began"),
			json_is_true(json_object_get(pass, "asked")) ? "asked for"
								     : "spread over its period");
		pass_print(pass);
	} else {
		printf("under way        none\n");
	}
	printf("known to be bad  %lld grains\n", number_of(scrub, "known_bad"));
}

static void all_print(const json_t *scrub)
{
	cli_scrub_print(scrub);
	compare_print(json_object_get(scrub, "compare"));
}

static bool is_asked(const json_t *scrub)
{
	return json_is_true(json_object_get(json_object_get(scrub, "pass"), "asked"));
}

static bool is_compared(const json_t *scrub)
{
	return number_of(json_object_get(scrub, "compare"), "asked") > 0;
}

/* What the agent says of the pool's scrub, in a new reference to the whole answer. */
static int scrub_get(struct cli *cli, json_t **ret_answer, json_t **ret_scrub)
{
	int exit_code = cli_call(cli, "GET", "/v1/pools", NULL, ret_answer);
	json_t *pool;

	if (exit_code != EXIT_OK || !*ret_answer)
		return exit_code;
	pool = pool_find(json_object_get(*ret_answer, "pools"), cli->args[0]);
	*ret_scrub = json_object_get(pool, "scrub");
	if (*ret_scrub)
		return EXIT_OK;
	fprintf(stderr, "quoin: the agent has no pool %s: ask that of its node (--node)\n", cli->args[0]);
	json_decref(*ret_answer);
	*ret_answer = NULL;
	return EXIT_NOT_FOUND;
}

/* A line whenever it has come further, until the pass is over. */
static int scrub_follow(struct cli *cli)
{
	long long told = -1;

	for (;;) {
		json_t *answer, *scrub;
		bool goes_on;
		int exit_code = scrub_get(cli, &answer, &scrub);

		if (exit_code != EXIT_OK || !answer)
			return exit_code;
		goes_on = is_asked(scrub) || is_compared(scrub);
		if (is_asked(scrub) && number_of(json_object_get(scrub, "pass"), "pages_done") != told)
			pass_print(json_object_get(scrub, "pass"));
		told = number_of(json_object_get(scrub, "pass"), "pages_done");
		if (!goes_on)
			all_print(scrub);
		json_decref(answer);
		if (!goes_on || fflush(stdout) != 0)
			return goes_on ? EXIT_FAILED : EXIT_OK;
		(void)usleep(FOLLOW_US);
	}
}

int cmd_pool_scrub(struct cli *cli)
{
	json_t *answer, *scrub;
	int exit_code;

	if (cli->options[OPTION_NOW]) {
		exit_code =
			cli_post(cli, "/v1/pools/scrub", json_pack("{s:s}", "pool", cli->args[0]), &answer);
		if (exit_code != EXIT_OK || !answer)
			return exit_code;
		json_decref(answer);
	}
	if (cli->options[OPTION_FOLLOW])
		return scrub_follow(cli);
	exit_code = scrub_get(cli, &answer, &scrub);
	if (exit_code != EXIT_OK || !answer)
		return exit_code;
	all_print(scrub);
	json_decref(answer);
	return EXIT_OK;
}
