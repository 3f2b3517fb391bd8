/* Limits of a volume that is attached here. Thread rule: the control thread. */
#ifndef QUOIN_VOLUMES_VOLUME_LIMITS_H
#define QUOIN_VOLUMES_VOLUME_LIMITS_H

struct attachment;
struct catalog_volume;

/* Tells the data plane where the record has others than it goes by. It is open, and isn't closing. */
void limits_follow(struct attachment *attachment, const struct catalog_volume *volume);

#endif
