/* Where the bytes come from. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/command.h"

int command_read(void *arg, uint64_t offset_bytes, void *to, uint64_t length_bytes)
{
	const int *fd = arg;

	while (length_bytes > 0) {
		ssize_t got = pread(*fd, to, length_bytes, (off_t)offset_bytes);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return -EIO;
		to = (uint8_t *)to + got;
		offset_bytes += (uint64_t)got;
		length_bytes -= (uint64_t)got;
	}
	return 0;
}

int command_refuse(int code, const char *path, const char *words)
{
	fprintf(stderr, "quoin-pool: %s: %s\n", path, words);
	return code;
}

/* Direct I/O sees what the device has, not what a cache has; where there is none, the cache will do. */
int command_open(const char *path, int *ret_fd, uint64_t *ret_size)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);

	if (fd < 0 && errno == EINVAL)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return command_refuse(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_FAILED, path, strerror(errno));
	*ret_fd = fd;
	if (fstat(fd, &st) < 0)
		return command_refuse(EXIT_FAILED, path, strerror(errno));
	if (S_ISBLK(st.st_mode)) {
		if (ioctl(fd, BLKGETSIZE64, ret_size) < 0)
			return command_refuse(EXIT_FAILED, path, strerror(errno));
	} else if (S_ISREG(st.st_mode)) {
		*ret_size = (uint64_t)st.st_size;
	} else {
		return command_refuse(EXIT_FAILED, path, "neither a block device nor a regular file");
	}
	*ret_size = *ret_size / BLOCK_BYTES * BLOCK_BYTES;
	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		return command_refuse(EXIT_REFUSED, path,
			"an agent has it open, so it changes while it is read; stop the agent, or take the "
			"pool off it");
	return EXIT_OK;
}
