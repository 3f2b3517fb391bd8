/* quoin volume create, rm, attach, serve-nbd, detach, move-replica, set-replicas, cancel-change */
#include <stdio.h>
#include <string.h>

#include "cli/client.h"

static void created_print(const json_t *volume)
{
	char size[SIZE_TEXT_LEN + 1];
	json_t *replica;
	size_t index;

	printf("volume %s: %s, %s, class %s, replicas in", text_of(volume, "name"),
		size_text(volume, "size_bytes", size), text_of(volume, "fs"), text_of(volume, "class"));
	json_array_foreach(json_object_get(volume, "replicas"), index, replica)
	{
		printf("%s zone %s (pool %s of %s)", index ? "," : "", text_of(replica, "zone"),
			text_of(replica, "pool"), text_of(replica, "node"));
	}
	printf("\n");
}

int cmd_volume_create(struct cli *cli)
{
	json_t *body = cli_volume_options(cli, cli->args[0]);
	json_t *answer;
	int exit_code = cli_post(cli, "/v1/volumes", body, &answer);
	if (exit_code != EXIT_OK || !answer)
		return exit_code;
	created_print(json_object_get(answer, "volume"));
	json_decref(answer);
	return EXIT_OK;
}

int cmd_volume_rm(struct cli *cli)
{
	json_t *answer;
	int exit_code = cli_call_volume(cli, "DELETE", "", &answer);

	if (exit_code == EXIT_OK && answer)
		printf("volume %s removed\n", cli->args[0]);
	json_decref(answer);
	return exit_code;
}

static int volume_attach(struct cli *cli)
{
	bool force = cli->options[OPTION_FORCE] != NULL;
	const json_t *attached;
	json_t *answer;
	int exit_code;

	if (force)
		fprintf(stderr,
			"quoin: --force: whatever uses volume %s on another node gets I/O errors from now "
			"on\n",
			cli->args[0]);
	exit_code = cli_post_volume(cli, "/attach", json_pack("{s:b}", "force", (int)force), &answer);
	attached = json_object_get(json_object_get(answer, "volume"), "attached");
	if (exit_code == EXIT_OK && answer)
		printf("volume %s attached on node %s: %s\n", cli->args[0], text_of(attached, "node"),
			text_of(attached, "device"));
	json_decref(answer);
	return exit_code;
}

static int volume_serve_nbd(struct cli *cli)
{
	json_t *answer;
	int exit_code = cli_call_volume(cli, "POST", "/serve-nbd", &answer);
	const json_t *attached = json_object_get(json_object_get(answer, "volume"), "attached");
	const char *socket = text_of(attached, "device");

	if (exit_code == EXIT_OK && answer)
		printf("volume %s exported on node %s: %s\nURI         nbd+unix:///%s?socket=%s\n",
			cli->args[0], text_of(attached, "node"), socket, cli->args[0], socket);
	json_decref(answer);
	return exit_code;
}

static int volume_detach(struct cli *cli)
{
	json_t *answer;
	int exit_code = cli_call_volume(cli, "POST", "/detach", &answer);

	if (exit_code == EXIT_OK && answer)
		printf("volume %s detached\n", cli->args[0]);
	json_decref(answer);
	return exit_code;
}

int cmd_volume_attach(struct cli *cli)
{
	return strchr(cli->args[0], '@') ? cli_snapshot_device(cli, "attach") : volume_attach(cli);
}

int cmd_volume_serve_nbd(struct cli *cli)
{
	return strchr(cli->args[0], '@') ? cli_snapshot_device(cli, "serve-nbd") : volume_serve_nbd(cli);
}

int cmd_volume_detach(struct cli *cli)
{
	return strchr(cli->args[0], '@') ? cli_snapshot_device(cli, "detach") : volume_detach(cli);
}

static int change_ask(struct cli *cli, const char *suffix, json_t *body)
{
	json_t *answer;
	int exit_code = cli_post_volume(cli, suffix, body, &answer);
	if (exit_code == EXIT_OK && answer)
		printf("volume %s: asked for; `quoin volume inspect %s` shows how far it is\n", cli->args[0],
			cli->args[0]);
	json_decref(answer);
	return exit_code;
}

int cmd_volume_move_replica(struct cli *cli)
{
	if (!cli->options[OPTION_FROM]) {
		fprintf(stderr, "quoin: --from is missing: the pool or node that the replica leaves\n");
		return EXIT_USAGE;
	}
	return change_ask(cli, "/move-replica",
		json_pack("{s:s, s:s*}", "from", cli->options[OPTION_FROM], "to", cli->options[OPTION_TO]));
}

int cmd_volume_set_replicas(struct cli *cli)
{
	return change_ask(cli, "/set-replicas", json_pack("{s:s}", "replicas", cli->args[1]));
}

int cmd_volume_set_limits(struct cli *cli)
{
	json_t *answer, *body;
	int exit_code;

	if (!cli->options[OPTION_IOPS] && !cli->options[OPTION_BANDWIDTH]) {
		fprintf(stderr, "quoin: give --iops or --bandwidth, or both\n");
		return EXIT_USAGE;
	}
	body = json_pack("{s:s*, s:s*}", "iops", cli->options[OPTION_IOPS], "bandwidth",
		cli->options[OPTION_BANDWIDTH]);
	exit_code = cli_post_volume(cli, "/set-limits", body, &answer);
	if (exit_code == EXIT_OK && answer)
		printf("volume %s: limited\n", cli->args[0]);
	json_decref(answer);
	return exit_code;
}

int cmd_volume_resize(struct cli *cli)
{
	json_t *answer = NULL, *body = json_pack("{s:s}", "size", cli->args[1]);
	char size[SIZE_TEXT_LEN + 1];
	int exit_code = cli_post_volume(cli, "/resize", body, &answer);
	if (exit_code == EXIT_OK && answer)
		printf("volume %s: %s\n", cli->args[0],
			size_text(json_object_get(answer, "volume"), "size_bytes", size));
	json_decref(answer);
	return exit_code;
}

int cmd_volume_set_sticky(struct cli *cli)
{
	json_t *answer = NULL, *body = json_pack("{s:s}", "sticky", cli->args[1]);
	int exit_code = cli_post_volume(cli, "/set-sticky", body, &answer);
	if (exit_code == EXIT_OK && answer)
		printf("volume %s: sticky %s\n", cli->args[0], cli->args[1]);
	json_decref(answer);
	return exit_code;
}

int cmd_volume_cancel_change(struct cli *cli)
{
	json_t *answer;
	int exit_code = cli_call_volume(cli, "POST", "/cancel-change", &answer);

	if (exit_code == EXIT_OK && answer)
		printf("volume %s: the change of its replicas is given up\n", cli->args[0]);
	json_decref(answer);
	return exit_code;
}
