/*
 * Who asked for a volume's mount: IDs, counted, with generations, in a file that survives this process but
 * not the machine's boot (a mount doesn't either). docs/docker.md tells why: Docker mounts with an ID that a
 * running container holds already (`docker cp`), and a dockerd that was killed forgets to unmount.
 *
 * Thread rule: the control thread. Error rule: 0 or -errno, with words where a file is concerned. Every
 * change is in the file before its function returns, so that it outlives this process; it isn't flushed, for
 * no other boot believes it (state_file.h).
 */
#ifndef QUOIN_VOLUMES_MOUNTS_H
#define QUOIN_VOLUMES_MOUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"

struct mounts;

#define MOUNT_ID_MAX 255u

/* Reads PATH; an absent file, or one of another boot, is empty. -EINVAL: damaged, as a crash of the machine
 * may leave it (the caller may remove it and go on). */
int mounts_open(
	const char *path, const char *boot_id, struct mounts **ret_mounts, struct error *error) MUST_CHECK;
void mounts_close(struct mounts *mounts);

/* One more holder. An ID of an older generation is claimed again, and then held once. -EINVAL: ID empty or
 * too long. */
int mounts_add(struct mounts *mounts, const char *volume, const char *id, struct error *error) MUST_CHECK;
/* One holder less; the ID of an older generation goes at once. -ENOENT where nobody holds it under this ID.
 */
int mounts_drop(struct mounts *mounts, const char *volume, const char *id, struct error *error) MUST_CHECK;
/* All holders of the volume, or those of older generations only. */
int mounts_forget(struct mounts *mounts, const char *volume, bool older_only, struct error *error) MUST_CHECK;
/* IDs of now belong to the past. */
int mounts_new_generation(struct mounts *mounts, struct error *error) MUST_CHECK;

struct mounts_count {
	uint32_t current; /* counts of IDs of this generation */
	uint32_t older;   /* IDs of older ones: their holders may be dead */
};
struct mounts_count mounts_count(const struct mounts *mounts, const char *volume);
/* As what an operator attached the volume, and has not detached it. */
enum attached_as { ATTACHED_NOT, ATTACHED_DEVICE, ATTACHED_NBD };
int mounts_attached_set(
	struct mounts *mounts, const char *volume, enum attached_as as, struct error *error) MUST_CHECK;
enum attached_as mounts_attached(const struct mounts *mounts, const char *volume);
/* Each volume that has holders or was attached, once; no order. fn must not change the mounts. */
void mounts_each_volume(const struct mounts *mounts, void (*fn)(void *arg, const char *volume), void *arg);

#endif
