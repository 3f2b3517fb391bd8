/* The command line: commands of one or two words, options anywhere, unknown ones answered with the nearest.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static int usage(const char *hint)
{
	fprintf(stderr, "quoin: see `quoin%s%s --help`\n", hint[0] ? " " : "", hint);
	return EXIT_USAGE;
}

static int unknown(
	const char *what, const char *word, const char *const *candidates, size_t count, const char *hint)
{
	const char *nearest = name_nearest(word, candidates, count);

	fprintf(stderr, "quoin: unknown %s \"%s\"", what, word);
	if (nearest)
		fprintf(stderr, "; did you mean \"%s\"?", nearest);
	fputc('\n', stderr);
	return usage(hint);
}

/* "--size=10G" or "--size 10G"; *at is the index of the option and moves past its value. */
static int option_parse(int argc, char **argv, int *at, struct cli *cli)
{
	const char *text = argv[*at] + 2;
	size_t len = strcspn(text, "=");
	const char *names[OPTION_COUNT];
	char word[64];

	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		const struct option_spec *spec = &option_specs[i];

		names[i] = spec->name;
		if (strlen(spec->name) != len || memcmp(spec->name, text, len) != 0)
			continue;
		if (cli->options[i] && spec->value) {
			fprintf(stderr, "quoin: --%s is given twice\n", spec->name);
			return EXIT_USAGE;
		}
		if (spec->value && text[len] != '=' && *at + 1 >= argc) {
			fprintf(stderr, "quoin: --%s needs a value: --%s %s\n", spec->name, spec->name,
				spec->value);
			return EXIT_USAGE;
		}
		if (!spec->value && text[len] == '=') {
			fprintf(stderr, "quoin: --%s takes no value\n", spec->name);
			return EXIT_USAGE;
		}
		if (!spec->value)
			cli->options[i] = "";
		else
			cli->options[i] = text[len] == '=' ? text + len + 1 : argv[++*at];
		return 0;
	}
	snprintf(word, sizeof(word), "%.*s", (int)len, text);
	return unknown("option", word, names, OPTION_COUNT, "");
}

static size_t first_word_len(const struct command *command)
{
	return strcspn(command->words, " ");
}

static int word_unknown(const char *word)
{
	const char *firsts[64];
	char copies[64][16];
	size_t count = 0;

	for (size_t i = 0; i < command_count && i < 64; i++) {
		snprintf(copies[i], sizeof(copies[i]), "%.*s", (int)first_word_len(&commands[i]),
			commands[i].words);
		firsts[count++] = copies[i];
	}
	return unknown("command", word, firsts, count, "");
}

/* The command of `first second`; where there is none, words. *ret_used: how many words it has. */
static int command_find(
	const char *first, const char *second, const struct command **ret_command, unsigned *ret_used)
{
	const char *seconds[64];
	size_t count = 0, len = strlen(first);

	for (size_t i = 0; i < command_count && count < 64; i++) {
		const struct command *command = &commands[i];

		if (first_word_len(command) != len || memcmp(command->words, first, len) != 0)
			continue;
		if (command->words[len] == '\0' ||
			(second && strcmp(command->words + len + 1, second) == 0)) {
			*ret_command = command;
			*ret_used = command->words[len] == '\0' ? 1 : 2;
			return 0;
		}
		seconds[count++] = command->words + len + 1;
	}
	if (count == 0)
		return word_unknown(first);
	if (second)
		return unknown("command", second, seconds, count, first);
	fprintf(stderr, "quoin: `quoin %s` needs a command:", first);
	for (size_t i = 0; i < count; i++)
		fprintf(stderr, "%s %s", i ? "," : "", seconds[i]);
	fputc('\n', stderr);
	return usage(first);
}

static int options_check(const struct cli *cli)
{
	unsigned allowed = cli->command->options | OPTIONS_EVERYWHERE;

	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		if (cli->options[i] && !(allowed & (1u << i))) {
			fprintf(stderr, "quoin: --%s is no option of `quoin %s`\n", option_specs[i].name,
				cli->command->words);
			return usage(cli->command->words);
		}
	}
	return 0;
}

static int args_take(struct cli *cli, const char *const *words, unsigned count)
{
	const struct command *command = cli->command;

	if (count != command->arg_count) {
		if (count > command->arg_count) {
			fprintf(stderr, "quoin: \"%s\" is too much: quoin %s%s%s\n",
				words[command->arg_count], command->words, command->args[0] ? " " : "",
				command->args);
		} else {
			fprintf(stderr, "quoin: something is missing: quoin %s %s\n", command->words,
				command->args);
		}
		return usage(command->words);
	}
	for (unsigned i = 0; i < count; i++)
		cli->args[i] = words[i];
	cli->arg_count = count;
	return 0;
}

int args_parse(int argc, char **argv, struct cli *ret_cli)
{
	const char *words[CLI_MAX_ARGS + 3];
	unsigned count = 0, used = 0;
	bool options_end = false;
	int rc;

	memset(ret_cli, 0, sizeof(*ret_cli));
	for (int i = 1; i < argc; i++) {
		if (!options_end && strcmp(argv[i], "--") == 0) {
			options_end = true;
		} else if (!options_end && strcmp(argv[i], "-h") == 0) {
			ret_cli->options[OPTION_HELP] = "";
		} else if (!options_end && strcmp(argv[i], "-f") == 0 && i + 1 < argc) {
			ret_cli->options[OPTION_FILE] = argv[++i];
		} else if (!options_end && strncmp(argv[i], "--", 2) == 0) {
			rc = option_parse(argc, argv, &i, ret_cli);
			if (rc)
				return rc;
		} else if (!options_end && argv[i][0] == '-' && argv[i][1]) {
			fprintf(stderr, "quoin: unknown option \"%s\": options begin with --\n", argv[i]);
			return usage("");
		} else if (count < CLI_MAX_ARGS + 3) {
			words[count++] = argv[i];
		}
	}
	if (ret_cli->options[OPTION_VERSION])
		return 0;
	if (ret_cli->options[OPTION_HELP] && count < 2) {
		ret_cli->args[0] = count ? words[0] : NULL; /* whose commands to list */
		if (count == 0)
			return 0;
	}
	if (count == 0) {
		fprintf(stderr, "quoin: no command\n");
		return usage("");
	}
	if (ret_cli->options[OPTION_HELP] && count == 1) {
		for (size_t i = 0; i < command_count; i++) {
			size_t len = strlen(words[0]);

			if (strncmp(commands[i].words, words[0], len) == 0 && commands[i].words[len] == ' ')
				return 0;
		}
	}
	rc = command_find(words[0], count > 1 ? words[1] : NULL, &ret_cli->command, &used);
	if (rc || ret_cli->options[OPTION_HELP])
		return rc;
	rc = options_check(ret_cli);
	return rc ? rc : args_take(ret_cli, words + used, count - used);
}
