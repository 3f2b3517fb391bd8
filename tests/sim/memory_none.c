/* Where each piece must be its own: with a sanitizer, and where allocations are counted. */
#include "sim/memory.h"

bool memory_begin(void)
{
	return false;
}

void memory_reset(void)
{
}
