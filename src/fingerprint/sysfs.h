/* Small reads of /sys and /proc. Private to fingerprint. */
#ifndef QUOIN_FINGERPRINT_SYSFS_H
#define QUOIN_FINGERPRINT_SYSFS_H

#include <stdint.h>
#include <sys/types.h>

#include "fingerprint/fingerprint.h"

/* The first line of FOLDER/NAME without the spaces around it; empty where there is none. Returns `to`. */
char *sysfs_text(const char *folder, const char *name, char *to, size_t to_bytes);
/* The number in FOLDER/NAME; `otherwise` where there is none. */
uint64_t sysfs_number(const char *folder, const char *name, uint64_t otherwise);
/* The resolved /sys folder of a block device. -ENOENT: no such device (tmpfs, overlay). */
int sysfs_block(dev_t device, char *to, size_t to_bytes) MUST_CHECK;
/* facts.c: what sysfs and udev tell of a device and its disk; its path, size and identity aside. */
void facts_from_disk(struct device_facts *facts, dev_t device);
/* Of a partition's folder: the whole disk's; of a disk's: itself. */
void sysfs_whole_disk(char *folder);

#endif
