/* --help at every level, made from the table of commands. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static void options_print(unsigned options)
{
	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		const struct option_spec *spec = &option_specs[i];
		char text[32];

		if (!(options & (1u << i)))
			continue;
		snprintf(text, sizeof(text), "--%s%s%s", spec->name, spec->value ? " " : "",
			spec->value ? spec->value : "");
		printf("  %-20s %s\n", text, spec->help);
	}
}

void help_all(const char *prefix)
{
	size_t len = prefix ? strlen(prefix) : 0;

	printf("Usage: quoin %s%s[options]\n\n", prefix ? prefix : "", prefix ? " COMMAND " : "COMMAND ");
	for (size_t i = 0; i < command_count; i++) {
		const struct command *command = &commands[i];
		char text[48];

		if (prefix && (strncmp(command->words, prefix, len) != 0 || command->words[len] != ' '))
			continue;
		snprintf(text, sizeof(text), "%s %s", command->words, command->args);
		printf("  %-28s %s\n", text, command->summary);
	}
	printf("\nEverywhere:\n");
	options_print(OPTIONS_EVERYWHERE | (prefix ? 0 : 1u << OPTION_VERSION));
	if (!prefix)
		printf("\nExit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 refused, 5 no quorum or timed "
		       "out.\n");
}

void help_command(const struct command *command)
{
	printf("Usage: quoin %s%s%s [options]\n\n%s.\n", command->words, command->args[0] ? " " : "",
		command->args, command->summary);
	if (command->more)
		printf("%s\n", command->more);
	printf("\nOptions:\n");
	options_print(command->options | OPTIONS_EVERYWHERE);
}
