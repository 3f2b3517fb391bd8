/* quoin cluster accept-restore */
#include <stdio.h>

#include "cli/client.h"

int cmd_cluster_accept_restore(struct cli *cli)
{
	bool yes = cli->options[OPTION_YES] != NULL;
	json_t *body = yes ? json_pack("{s:b}", "yes", 1) : NULL;
	json_t *answer, *fact;
	size_t index;
	int exit_code = cli_call(cli, "POST", "/v1/cluster/accept-restore", body, &answer);

	json_decref(body);
	if (exit_code != EXIT_OK || !answer)
		return exit_code;
	json_array_foreach(json_object_get(answer, "facts"), index, fact)
	{
		printf("%s\n", json_string_value(fact));
	}
	json_decref(answer);
	if (yes) {
		printf("accepted: the metadata database is this node's again; run it on every other node "
		       "too\n");
		return EXIT_OK;
	}
	fprintf(stderr, "quoin: nothing was changed: this is what accepting the metadata database would do. "
			"Is it the "
			"newest backup there is? Then repeat it with --yes\n");
	return EXIT_REFUSED;
}
