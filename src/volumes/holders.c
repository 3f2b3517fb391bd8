#include "volumes/holders.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define HOLDERS_MAX_NAMESPACES 4096u
#define MOUNTINFO_MAX_BYTES    (8u << 20)

/* The nth word of a line, counted from 0; its length, or 0. */
static size_t word_at(const char *line, size_t line_len, unsigned n, const char **ret_word)
{
	size_t at = 0, len;

	for (;;) {
		const char *space = memchr(line + at, ' ', line_len - at);

		len = space ? (size_t)(space - line) - at : line_len - at;
		if (n-- == 0)
			break;
		if (!space)
			return 0;
		at += len + 1;
	}
	*ret_word = line + at;
	return len;
}

/* mountinfo writes blanks, tabs, newlines and backslashes as \ooo. */
static bool path_equals(const char *escaped, size_t len, const char *path)
{
	size_t p = 0;

	for (size_t i = 0; i < len; p++) {
		char c = escaped[i++];

		if (c == '\\' && i + 3 <= len) {
			c = (char)((escaped[i] - '0') * 64 + (escaped[i + 1] - '0') * 8 +
				   (escaped[i + 2] - '0'));
			i += 3;
		}
		if (path[p] != c)
			return false;
	}
	return path[p] == '\0';
}

bool holders_mountinfo_has(const char *text, dev_t device, const char *except)
{
	char number[32];
	size_t number_len = (size_t)snprintf(number, sizeof(number), "%u:%u", major(device), minor(device));

	for (const char *line = text; *line;) {
		const char *end = strchrnul(line, '\n'), *word;
		size_t line_len = (size_t)(end - line), len;

		/* "36 35 98:0 /root /where options ..." */
		len = word_at(line, line_len, 2, &word);
		if (len == number_len && !memcmp(word, number, len)) {
			len = word_at(line, line_len, 4, &word);
			if (!except || !path_equals(word, len, except))
				return true;
		}
		line = *end ? end + 1 : end;
	}
	return false;
}

static char *file_text(const char *path)
{
	size_t len = 0, room = 64 * 1024;
	char *text = malloc(room + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	while (text && fd >= 0) {
		ssize_t n = read(fd, text + len, room - len);

		if (n <= 0)
			break;
		len += (size_t)n;
		if (len == room) {
			char *more = room < MOUNTINFO_MAX_BYTES ? realloc(text, 2 * room + 1) : NULL;

			if (!more)
				break;
			text = more;
			room *= 2;
		}
	}
	if (fd < 0) {
		free(text);
		return NULL;
	}
	close(fd);
	if (text)
		text[len] = '\0';
	return text;
}

struct seen {
	ino_t namespaces[HOLDERS_MAX_NAMESPACES];
	unsigned count;
};

/* A namespace that was not looked into yet. */
static bool namespace_is_new(struct seen *seen, ino_t namespace)
{
	for (unsigned i = 0; i < seen->count; i++)
		if (seen->namespaces[i] == namespace)
			return false;
	if (seen->count < HOLDERS_MAX_NAMESPACES)
		seen->namespaces[seen->count++] = namespace;
	return true;
}

static bool process_holds(struct seen *seen, ino_t own, const char *pid, dev_t device, const char *except)
{
	char path[64];
	struct stat st;
	char *text;
	bool holds;

	snprintf(path, sizeof(path), "/proc/%.20s/ns/mnt", pid);
	if (stat(path, &st) || !namespace_is_new(seen, st.st_ino))
		return false; /* it has ended, is a kernel's, or lives where another does */
	snprintf(path, sizeof(path), "/proc/%.20s/mountinfo", pid);
	text = file_text(path);
	if (!text)
		return false;
	holds = holders_mountinfo_has(text, device, st.st_ino == own ? except : NULL);
	free(text);
	return holds;
}

static void holder_fill(struct holder *holder, const char *pid)
{
	char path[64];
	char *text;

	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	text = file_text(path);
	holder->pid = (pid_t)strtol(pid, NULL, 10);
	snprintf(holder->comm, sizeof(holder->comm), "%.*s", text ? (int)strcspn(text, "\n") : 0,
		text ? text : "");
	free(text);
}

int holders_find(dev_t device, const char *except, struct holder *ret_holder)
{
	struct holder holder = { 0, "" };
	struct seen *seen = calloc(1, sizeof(*seen));
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	struct stat own;
	int rc = 0;

	if (!seen || !proc || stat("/proc/self/ns/mnt", &own)) {
		rc = seen ? -errno : -ENOMEM;
		goto out;
	}
	while (!holder.pid && (entry = readdir(proc)))
		if (isdigit((unsigned char)entry->d_name[0]) &&
			process_holds(seen, own.st_ino, entry->d_name, device, except))
			holder_fill(&holder, entry->d_name);
	*ret_holder = holder;
out:
	if (proc)
		closedir(proc);
	free(seen);
	return rc;
}
