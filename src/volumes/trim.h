/*
 * Mounted filesystems give back what they don't use, as often as their class says: they are mounted without
 * `discard`. Thread rule: the control thread.
 */
#ifndef QUOIN_VOLUMES_TRIM_H
#define QUOIN_VOLUMES_TRIM_H

struct volumes;

/* Each second: one part of one filesystem of this node. The first time is an eighth of its period after it
 * was mounted, so that a volume which moves daily is trimmed too. */
void trim_tick(struct volumes *volumes);

#endif
