/* quoin events */
#include <stdio.h>
#include <unistd.h>

#include "cli/client.h"

/* How often --follow looks; the agent answers from memory. */
#define FOLLOW_US 500000u

void cli_events_print(const json_t *events)
{
	json_t *event;
	size_t index;

	json_array_foreach(events, index, event)
	{
		printf("%s  %-20s  %s: %s\n", text_of(event, "time"), text_of(event, "kind"),
			text_of(event, "subject"), text_of(event, "text"));
	}
}

/* Prints what came after *after, and moves it. */
static int events_show(struct cli *cli, long long *after)
{
	struct reply reply;
	struct error error;
	char path[64];
	const json_t *events;
	int exit_code;

	snprintf(path, sizeof(path), "/v1/events?after=%lld", *after);
	exit_code = api_call(cli->socket_path, "GET", path, NULL, &reply, &error);
	if (exit_code != EXIT_OK)
		fprintf(stderr, "quoin: %s\n", error.text);
	events = json_object_get(reply.json, "events");
	if (cli->options[OPTION_JSON] && reply.json) {
		/* While following, silence is no news. */
		if (exit_code != EXIT_OK || !cli->options[OPTION_FOLLOW] || json_array_size(events) > 0)
			fputs(reply.text, stdout);
	} else if (exit_code == EXIT_OK) {
		cli_events_print(events);
	}
	if (json_array_size(events) > 0)
		*after = number_of(json_array_get(events, json_array_size(events) - 1), "number");
	reply_free(&reply);
	return exit_code;
}

int cmd_events(struct cli *cli)
{
	long long after = 0;
	int exit_code;

	for (;;) {
		exit_code = events_show(cli, &after);
		if (exit_code != EXIT_OK || !cli->options[OPTION_FOLLOW])
			return exit_code;
		if (fflush(stdout) != 0)
			return EXIT_FAILED;
		(void)usleep(FOLLOW_US);
	}
}
