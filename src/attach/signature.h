/* What a device holds, by libblkid. Worker threads: reads the device. */
#ifndef QUOIN_ATTACH_SIGNATURE_H
#define QUOIN_ATTACH_SIGNATURE_H

#include "base/base.h"

struct signature {
	char type[32]; /* "ext4", "xfs", "LVM2_member", "gpt" ...; empty: none */
	char label[64];
	char uuid[64];
};

/* -errno with words; -EUCLEAN where there are several, contradicting each other. */
int signature_read(const char *device, struct signature *ret_signature, struct error *error) MUST_CHECK;

#endif
