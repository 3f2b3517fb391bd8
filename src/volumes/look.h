/*
 * Volumes that don't concern this node are read when somebody wants to see them. A part of the volumes'
 * interface: its rules of threads and errors hold (volumes/volumes.h).
 */
#ifndef QUOIN_VOLUMES_LOOK_H
#define QUOIN_VOLUMES_LOOK_H

#include "volumes/volumes.h"

/*
 * Beside what the views show without it, which is what concerns this node, always. cluster_view.volume_count
 * counts what is in view; watched_count, the volumes whose records this node watches.
 */
struct volumes_look {
	const char *volume; /* of this name, and its origin; NULL: none */
	const char *from;   /* "VOLUME[@SNAPSHOT]": that one too; NULL, "": none */
	const char *node;   /* all that concern this node; NULL: none */
	bool all;
};
/*
 * Reads what is looked for, then fn, in which the views show it; inside this call, where nothing must be
 * read. Where nothing can be read yet, or any more, it is told at once as well: the views show what is known.
 * -EAGAIN, -ETIMEDOUT: the kvdb doesn't answer (4 s; 12 s where it is about many); -ESTALE: it was restored.
 * Strings are needed during the call alone.
 */
void volumes_look(struct volumes *volumes, const struct volumes_look *what, volumes_done_fn fn, void *arg);

#endif
