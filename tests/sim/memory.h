/* Memory of seeds that run one after the other in a process; see memory.c. */
#ifndef QUOIN_TESTS_SIM_MEMORY_H
#define QUOIN_TESTS_SIM_MEMORY_H

#include <stdbool.h>

/* From here on what is allocated can be reset. False: not in this build; a process runs one seed, then. */
bool memory_begin(void);
/* The seed is over: all that was allocated since memory_begin() is gone, without having been freed. */
void memory_reset(void);

#endif
