/* File pools: grains are turned into written blocks before they are given out. */
#include "store/pool.h"

void prepare_pump(struct pool *pool)
{
	(void)pool;
}
