/* Options of a new volume, as `docker volume create -o KEY=VALUE` hands them over, one a line; and as a name.
 */
#include <errno.h>
#include <string.h>

#include "fuzz.h"
#include "volumes/volumes.h"

static void check(const struct volume_options *options)
{
	ASSERT(options->size_bytes % GRAIN_BYTES == 0 && options->size_bytes <= VOLUME_MAX_BYTES);
	ASSERT(options->replicas <= GROUP_MAX_VOTERS);
	ASSERT(!options->class_name[0] || name_check("class", options->class_name, NULL) == 0);
	ASSERT(!options->group[0] || name_check("group", options->group, NULL) == 0);
	ASSERT(memchr(options->nodes, 0, sizeof(options->nodes)));
	ASSERT(memchr(options->zones, 0, sizeof(options->zones)));
	ASSERT(memchr(options->racks, 0, sizeof(options->racks)));
	ASSERT(memchr(options->selector, 0, sizeof(options->selector)));
	ASSERT(memchr(options->tier, 0, sizeof(options->tier)));
}

static void name_parse(const char *text)
{
	struct volume_options options = { 0 };
	char name[NAME_MAX_LEN + 1];
	struct error error = { "" };
	int rc = volume_name_parse(text, name, &options, &error);

	ASSERT(rc == 0 || (rc == -EINVAL && error.text[0]));
	ASSERT(rc != 0 || name_check("volume name", name, NULL) == 0);
	check(&options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct volume_options options = { 0 };
	struct error error;
	char text[4096], *at = text, *line;

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	name_parse(text);
	while ((line = strsep(&at, "\n"))) {
		char *value = strchr(line, '=');
		int rc;

		if (value)
			*value++ = 0;
		error.text[0] = 0;
		rc = volume_options_set(&options, line, value ? value : "", &error);
		ASSERT(rc == 0 || (rc == -EINVAL && error.text[0]));
		check(&options);
	}
	return 0;
}
