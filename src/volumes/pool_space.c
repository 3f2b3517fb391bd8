#include "volumes/pool_space.h"

#define BACK_PERCENT 2u

unsigned pool_space_percent(uint64_t used_bytes, uint64_t size_bytes)
{
	return size_bytes == 0 ? 0 : (unsigned)((unsigned __int128)used_bytes * 100 / size_bytes);
}

/* Where room is kept for thick volumes it is not only 3 % that others don't get. */
uint64_t pool_space_taken_bytes(const struct pool_info *info)
{
	uint64_t usual = info->size_bytes / 100 * (100 - POOL_FULL_PERCENT);

	if (info->thick_bytes == 0)
		return info->used_bytes;
	return info->used_bytes + info->thick_bytes +
	       (info->reserve_bytes > usual ? info->reserve_bytes - usual : 0);
}

unsigned pool_space_full_level(const struct space_warnings *warnings)
{
	return warnings->count + 1;
}

unsigned pool_space_level_percent(const struct space_warnings *warnings, unsigned level)
{
	ASSERT(level <= pool_space_full_level(warnings));
	if (level == 0)
		return 0;
	return level <= warnings->count ? warnings->percents[level - 1] : POOL_FULL_PERCENT;
}

unsigned pool_space_level(
	const struct space_warnings *warnings, unsigned level, uint64_t used_bytes, uint64_t size_bytes)
{
	unsigned percent = pool_space_percent(used_bytes, size_bytes), now = 0;

	while (now < pool_space_full_level(warnings) &&
		percent >= pool_space_level_percent(warnings, now + 1))
		now++;
	while (now < level && percent + BACK_PERCENT >= pool_space_level_percent(warnings, now + 1))
		now++;
	return now;
}
