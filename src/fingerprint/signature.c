/* Which filesystem, partition table, volume manager or RAID a device bears, by libblkid. */
#include "fingerprint/signature.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static void value_copy(blkid_probe probe, const char *name, char *to, size_t to_bytes)
{
	const char *value = NULL;

	if (blkid_probe_lookup_value(probe, name, &value, NULL) == 0 && value)
		snprintf(to, to_bytes, "%s", value);
}

int device_signature_read(
	int fd, const char *path, struct device_signature *ret_signature, struct error *error)
{
	struct device_signature found = { .several = false };
	blkid_probe probe = blkid_new_probe();
	int rc = 0;

	if (!probe || blkid_probe_set_device(probe, fd, 0, 0) != 0) {
		blkid_free_probe(probe);
		return error_set(error, -EIO, "%s can't be looked into for signatures", path);
	}
	blkid_probe_enable_superblocks(probe, 1);
	blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL | BLKID_SUBLKS_USAGE);
	blkid_probe_enable_partitions(probe, 1);
	switch (blkid_do_safeprobe(probe)) {
	case 0:
		value_copy(probe, "TYPE", found.type, sizeof(found.type));
		value_copy(probe, "USAGE", found.usage, sizeof(found.usage));
		value_copy(probe, "LABEL", found.label, sizeof(found.label));
		value_copy(probe, "PTTYPE", found.table, sizeof(found.table));
		if (!found.type[0] && !found.table[0])
			snprintf(found.type, sizeof(found.type), "unknown");
		break;
	case 1:
		break;
	case -2:
		found.several = true;
		break;
	default:
		rc = error_set(error, -EIO, "%s can't be read", path);
		break;
	}
	blkid_free_probe(probe);
	if (rc == 0)
		*ret_signature = found;
	return rc;
}

int device_signature_words(const struct device_signature *found, const char *path, struct error *error)
{
	if (found->several)
		return error_set(error, -EEXIST, "%s has several signatures at once", path);
	if (!found->type[0] && found->table[0])
		return error_set(error, -EEXIST, "%s has a partition table (%s)", path, found->table);
	if (!found->type[0])
		return 0;
	return error_set(error, -EEXIST, "%s has %s %s%s%s%s", path,
		strcmp(found->usage, "filesystem") == 0 ? "a filesystem:" : "a signature:", found->type,
		found->label[0] ? " (label " : "", found->label, found->label[0] ? ")" : "");
}
