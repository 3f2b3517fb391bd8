#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *error, int rc, const char *format, ...)
{
	char text[ERROR_TEXT_MAX]; /* apart, since error->text itself may be among the arguments */
	va_list args;

	ASSERT(rc < 0);
	if (!error)
		return rc;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	memcpy(error->text, text, sizeof(text));
	return rc;
}
