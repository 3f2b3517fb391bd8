/* Private to fingerprint: what stands on a device, and who uses it. */
#ifndef QUOIN_FINGERPRINT_SIGNATURE_H
#define QUOIN_FINGERPRINT_SIGNATURE_H

#include <sys/types.h>

#include "fingerprint/fingerprint.h"

/* What libblkid knows; empty texts: nothing. */
struct device_signature {
	char type[64], usage[32], label[128]; /* "ext4", "filesystem", "data" */
	char table[32];                       /* "gpt" */
	bool several;
};

/* 0, also where there is none. -EIO with words. */
int device_signature_read(
	int fd, const char *path, struct device_signature *ret_signature, struct error *error) MUST_CHECK;
/* 0 where there is none; else -EEXIST: "PATH has a filesystem: ext4 (label data)". */
int device_signature_words(
	const struct device_signature *signature, const char *path, struct error *error) MUST_CHECK;

#define USE_TEXT_MAX 256u
/* Where a device is mounted; false if nowhere. */
bool use_mounted(dev_t device, char where[static USE_TEXT_MAX]);
/* Who holds it (LVM, RAID, LUKS): the first name in /sys/.../holders. */
bool use_held(dev_t device, char holder[static USE_TEXT_MAX]);
/* The loop device that stands on this file. */
bool use_looped(const char *path, char loop[static USE_TEXT_MAX]);
/* A loop device whose file is served by FUSE, as those of volumes are: the file. */
bool use_is_volume(dev_t device, char file[static USE_TEXT_MAX]);
/*
 * 0 where this device, `path`, is neither mounted nor a part of something, nor a volume's: opens nothing.
 * `whole`: the disk that is asked about, of which it may be a partition. -EBUSY with words.
 */
int device_use_check(const char *path, const char *whole, dev_t device, struct error *error) MUST_CHECK;
/*
 * 0 where nobody uses the file or device, or a partition of it; else -EBUSY with words: where it is mounted,
 * what it is a part of.
 */
int use_check(const char *path, struct error *error) MUST_CHECK;

#endif
