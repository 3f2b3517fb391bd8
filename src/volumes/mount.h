/* Mounting as a chain of steps, for operations of this node's own too. */
#ifndef QUOIN_VOLUMES_MOUNT_H
#define QUOIN_VOLUMES_MOUNT_H

struct op;
struct volumes;

/* op->name is attached and mounted; what it began is undone where it fails. */
void mount_run(struct op *op, void (*then)(struct op *op, int rc));
/* Each second: a device that nobody holds any more, but was in use when it should have gone, is tried again.
 */
void lingering_tick(struct volumes *volumes);

#endif
