/* quoin volume trace: one write, step by step. */
#include <stdio.h>

#include "cli/client.h"

#define STEPS_MAX 16

struct step {
	double at_us;
	char text[NAME_MAX_LEN + 64];
};

/* Adds the step unless it has not happened (null). */
static bool step_add(
	struct step *steps, unsigned *count, const json_t *at, const char *text, const char *node)
{
	if (!json_is_number(at) || *count >= STEPS_MAX)
		return false;
	steps[*count].at_us = json_number_value(at);
	snprintf(steps[*count].text, sizeof(steps[*count].text), "%s%s", text, node);
	(*count)++;
	return true;
}

static void write_print(const json_t *write)
{
	struct step steps[STEPS_MAX] = { { 0, "submitted" } };
	char size[SIZE_TEXT_LEN + 1];
	unsigned count = 1;
	json_t *voter;
	size_t index;

	step_add(steps, &count, json_object_get(write, "sent_us"), "sent to all replicas at once", "");
	step_add(steps, &count, json_object_get(write, "local_durable_us"), "durable in the local pool", "");
	json_array_foreach(json_object_get(write, "voters"), index, voter) step_add(steps, &count,
		json_object_get(voter, "answer_us"), "durable answer of node ", text_of(voter, "node"));
	step_add(steps, &count, json_object_get(write, "committed_us"), "committed: a quorum has it", "");
	step_add(steps, &count, json_object_get(write, "answered_us"), "answered", "");
	/* Stable for what happened at the same moment: the order above is that of cause and effect. */
	for (unsigned i = 1; i < count; i++) {
		struct step step = steps[i];
		unsigned j = i;

		for (; j > 0 && steps[j - 1].at_us > step.at_us; j--)
			steps[j] = steps[j - 1];
		steps[j] = step;
	}
	printf("write of %s, epoch %lld, seq %lld\n", size_text(write, "length_bytes", size),
		number_of(write, "epoch"), number_of(write, "seq"));
	for (unsigned i = 0; i < count; i++)
		printf("  %10.1f us  %s\n", steps[i].at_us, steps[i].text);
	json_array_foreach(json_object_get(write, "voters"), index, voter)
	{
		if (!json_is_number(json_object_get(voter, "answer_us")))
			printf("           -     no answer of node %s yet\n", text_of(voter, "node"));
	}
}

int cmd_volume_trace(struct cli *cli)
{
	json_t *answer, *writes, *write, *shown;
	size_t index;
	int exit_code = cli_call_volume(cli, "GET", "/trace", &answer);

	if (exit_code != EXIT_OK || !answer)
		return exit_code;
	writes = json_object_get(answer, "writes");
	shown = json_array_get(writes, 0);
	/* The newest of one block; without one, the newest. */
	json_array_foreach(writes, index, write)
	{
		if (number_of(write, "length_bytes") == BLOCK_BYTES) {
			shown = write;
			break;
		}
	}
	if (shown)
		write_print(shown);
	else
		printf("volume %s: no write since it was attached\n", cli->args[0]);
	json_decref(answer);
	return EXIT_OK;
}
