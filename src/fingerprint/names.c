/* Buses in words. */
#include "fingerprint/fingerprint.h"

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
