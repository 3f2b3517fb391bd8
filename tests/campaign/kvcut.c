/*
 * Preloaded into one agent: while the file $QUOIN_KVCUT exists, that agent can lock no file of a SQLite
 * database, as though another process held it all the time; so the kvdb is out of reach for this node, and
 * for no other.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int (*fcntl_fn)(int fd, int command, ...);

static bool is_cut(int fd, int command, const void *arg)
{
	const char *flag = getenv("QUOIN_KVCUT");
	const struct flock *lock = arg;
	char link[64], path[1024];
	ssize_t len;

	if ((command != F_SETLK && command != F_SETLKW) || lock->l_type == F_UNLCK || !flag ||
		access(flag, F_OK) != 0)
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	if (len <= 0)
		return false;
	path[len] = '\0';
	return strstr(path, ".sqlite") != NULL;
}

static int forward(const char *name, int fd, int command, void *arg)
{
	fcntl_fn real;

	if (is_cut(fd, command, arg)) {
		errno = EAGAIN;
		return -1;
	}
	*(void **)&real = dlsym(RTLD_NEXT, name);
	return real(fd, command, arg);
}

int fcntl(int fd, int command, ...)
{
	va_list args;
	void *arg;

	va_start(args, command);
	arg = va_arg(args, void *);
	va_end(args);
	return forward("fcntl", fd, command, arg);
}

int fcntl64(int fd, int command, ...)
{
	va_list args;
	void *arg;

	va_start(args, command);
	arg = va_arg(args, void *);
	va_end(args);
	return forward("fcntl64", fd, command, arg);
}
