#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/limits.h"

#define LINE_MAX_BYTES 2048

static enum log_level lowest = LOG_LEVEL_INFO;
static char node_name[NAME_MAX_LEN + 2]; /* with a space after it, or empty */

static const char *const level_names[] = {
	[LOG_LEVEL_DEBUG] = "debug",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_ERROR] = "error",
};

void log_init(enum log_level level, const char *node)
{
	lowest = level;
	snprintf(node_name, sizeof(node_name), "%s%s", node, node[0] ? " " : "");
}

/* One write(2) a line, so that lines of several threads and processes do not mix. */
static void write_line(const char *line, size_t len)
{
	ssize_t n;

	do
		n = write(STDERR_FILENO, line, len);
	while (n < 0 && errno == EINTR);
	/* A log that can't be written has nowhere to say so. */
}

void log_at(enum log_level level, const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	char when[TIME_TEXT_LEN + 1];
	size_t len, head;
	int saved_errno = errno;
	va_list args;

	if (level < lowest)
		return;
	time_format(clock_wall_ns(clock_system()), when);
	head = (size_t)snprintf(line, sizeof(line), "%s %s %s", when, level_names[level], node_name);
	ASSERT(head < sizeof(line) / 2);
	va_start(args, format);
	errno = saved_errno; /* for %m */
	vsnprintf(line + head, sizeof(line) - head, format, args);
	va_end(args);
	len = strlen(line);
	/* A message may quote what a user or peer sent: it stays one line. */
	for (size_t i = head; i < len; i++) {
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = ' ';
	}
	line[len] = '\n';
	write_line(line, len + 1);
	errno = saved_errno;
}
