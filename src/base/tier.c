#include "base/tier.h"

#include <errno.h>
#include <string.h>

#include "base/names.h"

static const char *const tier_names[] = { "low", "medium", "high" };
#define TIER_NAMES (sizeof(tier_names) / sizeof(tier_names[0]))

const char *tier_name(enum tier tier)
{
	return tier >= TIER_LOW && tier <= TIER_HIGH ? tier_names[tier - TIER_LOW] : "unknown";
}

int tier_parse(const char *text, enum tier *ret_tier, struct error *error)
{
	const char *nearest = name_nearest(text, tier_names, TIER_NAMES);

	for (size_t i = 0; i < TIER_NAMES; i++)
		if (!strcmp(text, tier_names[i])) {
			*ret_tier = (enum tier)(TIER_LOW + i);
			return 0;
		}
	return error_set(error, -EINVAL, "there is no tier \"%.32s\": it is high, medium or low%s%s%s", text,
		nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}
