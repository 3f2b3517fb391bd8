/* From the command line to the exit code. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"

static int command_run(struct cli *cli)
{
	struct error error;
	int exit_code = agent_find(
		cli->options[OPTION_NODE], getenv("QUOIN_SOCKET"), RUN_DIR, cli->socket_path, &error);

	if (exit_code != EXIT_OK) {
		fprintf(stderr, "quoin: %s\n", error.text);
		return exit_code;
	}
	return cli->command->run(cli);
}

int cli_run(int argc, char **argv)
{
	struct cli cli;
	int exit_code = args_parse(argc, argv, &cli);

	if (exit_code != EXIT_OK)
		return exit_code;
	if (cli.options[OPTION_VERSION]) {
		printf("quoin %s\n", QUOIN_VERSION);
	} else if (cli.options[OPTION_HELP]) {
		if (cli.command)
			help_command(cli.command);
		else
			help_all(cli.args[0]);
	} else {
		(void)curl_global_init(CURL_GLOBAL_DEFAULT);
		exit_code = command_run(&cli);
		curl_global_cleanup();
	}
	if (fflush(stdout) != 0 && exit_code == EXIT_OK) {
		perror("quoin: standard output");
		return EXIT_FAILED;
	}
	return exit_code;
}
