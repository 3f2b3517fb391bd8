/* Unix sockets that others connect to. Any thread; may block for a moment (it looks at files). */
#ifndef QUOIN_BASE_UNIX_SOCKET_H
#define QUOIN_BASE_UNIX_SOCKET_H

#include "base/error.h"

#define UNIX_SOCKET_PATH_MAX 108 /* sun_path, with its zero byte */

/*
 * A listening, non-blocking socket at `path`, with this mode and, where there is such a group (NULL: none is
 * wanted), its ownership; missing directories are made (0755). A socket file that nobody listens on is
 * replaced. The caller closes *ret_fd and unlinks the path. -EEXIST: something else is at that path;
 * -EADDRINUSE: another process listens there; -ENAMETOOLONG.
 */
int unix_listen(
	const char *path, unsigned mode, const char *group, int *ret_fd, struct error *error) MUST_CHECK;

#endif
