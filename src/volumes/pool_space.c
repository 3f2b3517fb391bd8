#include "volumes/pool_space.h"

#define BACK_PERCENT 2u

const unsigned pool_space_percents[POOL_SPACE_LEVELS] = { 80, 90, 95, 97 };

unsigned pool_space_percent(uint64_t used_bytes, uint64_t size_bytes)
{
	return size_bytes == 0 ? 0 : (unsigned)((unsigned __int128)used_bytes * 100 / size_bytes);
}

unsigned pool_space_level(unsigned level, uint64_t used_bytes, uint64_t size_bytes)
{
	unsigned percent = pool_space_percent(used_bytes, size_bytes), now = 0;

	while (now < POOL_SPACE_LEVELS && percent >= pool_space_percents[now])
		now++;
	while (now < level && percent + BACK_PERCENT >= pool_space_percents[now])
		now++;
	return now;
}
