/* Tiers and buses in words. */
#include "fingerprint/fingerprint.h"

#include <errno.h>
#include <string.h>

static const char *const tier_names[] = {
	[TIER_LOW] = "low", [TIER_MEDIUM] = "medium", [TIER_HIGH] = "high"
};

const char *tier_name(enum tier tier)
{
	ASSERT((unsigned)tier <= TIER_HIGH);
	return tier_names[tier];
}

int tier_parse(const char *text, enum tier *ret_tier, struct error *error)
{
	const char *nearest;

	for (unsigned i = 0; i <= TIER_HIGH; i++)
		if (strcmp(text, tier_names[i]) == 0) {
			*ret_tier = (enum tier)i;
			return 0;
		}
	nearest = name_nearest(text, tier_names, TIER_HIGH + 1);
	if (nearest)
		return error_set(error, -EINVAL, "there is no tier \"%s\"; did you mean %s?", text, nearest);
	return error_set(error, -EINVAL, "there is no tier \"%s\": it is high, medium or low", text);
}

const char *device_bus_name(enum device_bus bus)
{
	static const char *const names[] = {
		[BUS_UNKNOWN] = "unknown bus",
		[BUS_NVME] = "NVMe",
		[BUS_SATA] = "SATA",
		[BUS_SCSI] = "SCSI",
		[BUS_SAS] = "SAS",
		[BUS_VIRTIO] = "virtio",
		[BUS_USB] = "USB",
		[BUS_MMC] = "MMC",
		[BUS_NETWORK] = "network",
		[BUS_LOOP] = "loop",
		[BUS_DM] = "device mapper",
		[BUS_MEMORY] = "memory",
	};

	ASSERT((unsigned)bus < sizeof(names) / sizeof(names[0]));
	return names[bus];
}
