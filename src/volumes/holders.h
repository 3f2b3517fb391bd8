/*
 * Which processes still see a filesystem: after Docker's unmount, or its death, a container's own mount
 * namespace may hold it. Thread rule: any; blocks for as long as /proc takes to read, so not on the control
 * thread.
 */
#ifndef QUOIN_VOLUMES_HOLDERS_H
#define QUOIN_VOLUMES_HOLDERS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/base.h"

struct holder {
	pid_t pid; /* of one process in the namespace; 0: none */
	char comm[32];
};

/*
 * Looks through every mount namespace for a mount of the device's filesystem; in this process's own
 * namespace, mounts at `except` (may be NULL) don't count. 0; ret_holder->pid is 0 where there is none.
 * -errno when /proc can't be read.
 */
int holders_find(dev_t device, const char *except, struct holder *ret_holder) MUST_CHECK;
/* Does this text of a mountinfo file name a mount of major:minor, at another place than `except`? */
bool holders_mountinfo_has(const char *text, dev_t device, const char *except);

#endif
