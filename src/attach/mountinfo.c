#include "attach/mountinfo.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

/* Copies one field, \040 and its like undone. False: it doesn't fit. */
static bool mount_field_copy(const char *from, size_t length, char *to, size_t capacity)
{
	size_t used = 0;

	for (size_t i = 0; i < length; i++) {
		char c = from[i];

		if (c == '\\' && i + 3 < length && from[i + 1] >= '0' && from[i + 1] <= '3' &&
			from[i + 2] >= '0' && from[i + 2] <= '7' && from[i + 3] >= '0' &&
			from[i + 3] <= '7') {
			c = (char)((from[i + 1] - '0') * 64 + (from[i + 2] - '0') * 8 + (from[i + 3] - '0'));
			i += 3;
		}
		if (used + 1 >= capacity)
			return false;
		to[used++] = c;
	}
	to[used] = 0;
	return true;
}

/* The next field of a line, and its length; NULL at its end. */
static const char *mount_field_next(const char **line, size_t *ret_length)
{
	const char *begin = *line;
	const char *end;

	while (*begin == ' ')
		begin++;
	if (*begin == 0 || *begin == '\n')
		return NULL;
	end = begin;
	while (*end != 0 && *end != ' ' && *end != '\n')
		end++;
	*ret_length = (size_t)(end - begin);
	*line = end;
	return begin;
}

/* "36 35 98:0 /root /point options optional... - type source super_options": proc(5) */
bool mount_entry_parse(const char *line, struct mount_entry *ret_entry)
{
	struct mount_entry entry = { 0 };
	unsigned parent, major_number, minor_number;
	size_t length = 0;
	const char *field;

	if (sscanf(line, "%u %u %u:%u ", &entry.id, &parent, &major_number, &minor_number) != 4)
		return false;
	entry.dev = makedev(major_number, minor_number);
	for (int i = 0; i < 5; i++) {
		field = mount_field_next(&line, &length);
		if (!field)
			return false;
	}
	if (!mount_field_copy(field, length, entry.point, sizeof(entry.point)))
		return false;
	do {
		field = mount_field_next(&line, &length);
		if (!field)
			return false;
	} while (length != 1 || *field != '-');
	field = mount_field_next(&line, &length);
	if (!field || !mount_field_copy(field, length, entry.type, sizeof(entry.type)))
		return false;
	field = mount_field_next(&line, &length);
	if (!field || !mount_field_copy(field, length, entry.source, sizeof(entry.source)))
		return false;
	*ret_entry = entry;
	return true;
}

int mounts_each(const char *path, bool (*fn)(void *arg, const struct mount_entry *entry), void *arg)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t capacity = 0;
	bool more = true;

	if (!file)
		return -errno;
	while (more && getline(&line, &capacity, file) > 0) {
		struct mount_entry entry;

		if (mount_entry_parse(line, &entry))
			more = fn(arg, &entry);
	}
	free(line);
	(void)fclose(file);
	return 0;
}

static bool mount_search_matches(void *arg, const struct mount_entry *entry)
{
	struct mount_search *search = arg;

	if (strcmp(entry->point, search->path) == 0) {
		search->found = true;
		search->dev = entry->dev;
		memcpy(search->source, entry->source, sizeof(search->source));
	}
	return true;
}

void mount_search_run(struct mount_search *search)
{
	search->found = false;
	if (mounts_each("/proc/self/mountinfo", mount_search_matches, search) < 0)
		search->found = false;
}

bool path_is_below(const char *path, const char *dir)
{
	size_t length = strlen(dir);

	return strncmp(path, dir, length) == 0 && path[length] == '/' && path[length + 1] != 0;
}
