/*
 * What lies at a pool's path before the store opens it: made as a sparse file where it may be, and never
 * taken where anything of the user's could be on it. Thread rule: any; blocks.
 */
#ifndef QUOIN_VOLUMES_POOL_FILE_H
#define QUOIN_VOLUMES_POOL_FILE_H

#include <stdbool.h>

#include "base/base.h"
#include "store/ondisk.h"

/*
 * The path is a file or a block device that nobody has mounted. A file that doesn't exist is made, sparse, of
 * size_bytes; 0: -ENOENT. -EBUSY: a device in use. -EINVAL: neither file nor block device, or too small.
 */
int pool_file_prepare(const char *path, uint64_t size_bytes, struct error *error) MUST_CHECK;
/* 0 where it is empty and unsigned and nobody's; -EEXIST, -EBUSY with words that say what was found. */
int pool_file_is_blank(const char *path, struct error *error) MUST_CHECK;
/* The superblock that lies there, either will do. -EILSEQ: none; -EPROTO: a newer version's. Reads only. */
int pool_file_superblock(const char *path, struct superblock *ret_sb) MUST_CHECK;
/*
 * In place of both superblocks stands from now on that this pool was removed: no start takes it for a pool,
 * or for somebody's data.
 */
int pool_file_remove(const char *path, struct uuid pool, struct error *error) MUST_CHECK;
/* Whether that stands there, and of which pool. Reads only. */
bool pool_file_is_removed(const char *path, struct uuid *ret_pool) MUST_CHECK;
/*
 * DESTROYS what is there: its first and last MiB are zeroes after it, and with them every signature,
 * partition table and superblock; the rest is given back to the file or disk where that can be. -EBUSY: it is
 * in use, or an agent has it open.
 */
int pool_file_clear(const char *path, struct error *error) MUST_CHECK;

#endif
