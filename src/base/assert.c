#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void assert_failed(const char *fact, const char *file, int line, const char *func)
{
	fprintf(stderr, "quoin: assertion failed: %s, in %s, %s:%d\n", fact, func, file, line);
	fflush(stderr);
	abort();
}
