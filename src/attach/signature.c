#include "attach/signature.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void signature_value(blkid_probe probe, const char *name, char *to, size_t capacity)
{
	const char *value;

	if (blkid_probe_lookup_value(probe, name, &value, NULL) == 0)
		(void)snprintf(to, capacity, "%s", value);
}

static int signature_probe(
	blkid_probe probe, const char *device, struct signature *ret_signature, struct error *error)
{
	struct signature found = { 0 };

	(void)blkid_probe_enable_superblocks(probe, 1);
	(void)blkid_probe_set_superblocks_flags(
		probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL | BLKID_SUBLKS_UUID | BLKID_SUBLKS_BADCSUM);
	(void)blkid_probe_enable_partitions(probe, 1);
	errno = 0;
	switch (blkid_do_safeprobe(probe)) {
	case 0:
		signature_value(probe, "PTTYPE", found.type, sizeof(found.type));
		signature_value(probe, "TYPE", found.type, sizeof(found.type));
		signature_value(probe, "LABEL", found.label, sizeof(found.label));
		signature_value(probe, "UUID", found.uuid, sizeof(found.uuid));
		break;
	case 1:
		break;
	case -2:
		return error_set(error, -EUCLEAN,
			"%s has several signatures that contradict each other (wipefs lists them)", device);
	default:
		return error_set(error, errno ? -errno : -EIO, "%s can't be searched for signatures: %s",
			device, strerror(errno ? errno : EIO));
	}
	*ret_signature = found;
	return 0;
}

int signature_read(const char *device, struct signature *ret_signature, struct error *error)
{
	int fd = open(device, O_RDONLY | O_CLOEXEC);
	blkid_probe probe;
	int rc;

	if (fd < 0)
		return error_set(error, -errno, "%s: %s", device, strerror(errno));
	probe = blkid_new_probe();
	if (!probe || blkid_probe_set_device(probe, fd, 0, 0) != 0)
		rc = error_set(error, -EIO, "%s can't be searched for signatures", device);
	else
		rc = signature_probe(probe, device, ret_signature, error);
	blkid_free_probe(probe);
	close(fd);
	return rc;
}
