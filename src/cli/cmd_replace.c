/* quoin pool replace, pool wipe */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"

#define FOLLOW_US 500000u

static bool is_named(const json_t *pool, const char *name)
{
	const char *slash = strchr(name, '/'), *node = text_of(pool, "node");

	return strcmp(text_of(pool, "name"), slash ? slash + 1 : name) == 0 &&
	       (!slash || (strlen(node) == (size_t)(slash - name) &&
				  strncmp(node, name, (size_t)(slash - name)) == 0));
}

/* The pool of this UUID; while none is known (""): that of the name which is being replaced, and its UUID. */
static json_t *replaced_find(json_t *pools, const char *name, char uuid[static UUID_TEXT_LEN + 1])
{
	json_t *pool;
	size_t index;

	json_array_foreach(pools, index, pool)
	{
		if (uuid[0] ? strcmp(text_of(pool, "uuid"), uuid) == 0
			    : json_object_get(pool, "replaced_by") && is_named(pool, name)) {
			snprintf(uuid, UUID_TEXT_LEN + 1, "%s", text_of(pool, "uuid"));
			return pool;
		}
	}
	return NULL;
}

/* Until the pool is forgotten; a line whenever something has moved. */
static int replace_follow(struct cli *cli)
{
	char uuid[UUID_TEXT_LEN + 1] = "";
	long long told = -1;

	for (;;) {
		json_t *answer, *pool;
		char promised[SIZE_TEXT_LEN + 1];
		int exit_code = cli_call(cli, "GET", "/v1/pools", NULL, &answer);

		if (exit_code != EXIT_OK || !answer)
			return exit_code;
		pool = replaced_find(json_object_get(answer, "pools"), cli->args[0], uuid);
		if (!pool || !json_object_get(pool, "replaced_by")) {
			if (pool)
				fprintf(stderr, "quoin: %s is no longer being replaced\n", cli->args[0]);
			else
				printf("%s is replaced, and forgotten\n", cli->args[0]);
			exit_code = pool ? EXIT_REFUSED : EXIT_OK;
			json_decref(answer);
			return exit_code;
		}
		if (number_of(pool, "replicas") != told)
			printf("%s: %lld replicas, of %s, are left to move\n", cli->args[0],
				number_of(pool, "replicas"), size_text(pool, "provisioned_bytes", promised));
		told = number_of(pool, "replicas");
		json_decref(answer);
		if (fflush(stdout) != 0)
			return EXIT_FAILED;
		(void)usleep(FOLLOW_US);
	}
}

int cmd_pool_replace(struct cli *cli)
{
	json_t *body = json_pack("{s:s, s:s, s:b}", "pool", cli->args[0], "to", cli->args[1], "force",
		(int)(cli->options[OPTION_FORCE] != NULL));
	json_t *answer;
	int exit_code = cli_post(cli, "/v1/drain", body, &answer);
	if (exit_code != EXIT_OK || !answer)
		return exit_code;
	json_decref(answer);
	printf("what is on %s moves to %s: `quoin pool list` shows how many replicas are left\n",
		cli->args[0], cli->args[1]);
	return cli->options[OPTION_FOLLOW] ? replace_follow(cli) : EXIT_OK;
}

int cmd_pool_wipe(struct cli *cli)
{
	bool yes = cli->options[OPTION_YES] != NULL;
	json_t *body = json_pack("{s:s, s:b}", "path", cli->args[0], "yes", (int)yes);
	json_t *answer, *line;
	size_t index;
	int exit_code = cli_post(cli, "/v1/pools/wipe", body, &answer);
	if (exit_code != EXIT_OK || !answer)
		return exit_code;
	json_array_foreach(json_object_get(answer, "destroys"), index, line)
	{
		printf("%s\n", json_string_value(line));
	}
	json_decref(answer);
	if (yes) {
		printf("%s is wiped: nothing of that can be had again\n", cli->args[0]);
		return EXIT_OK;
	}
	fprintf(stderr,
		"quoin: nothing was changed: this would be destroyed for ever. Repeat it with --yes\n");
	return EXIT_REFUSED;
}
