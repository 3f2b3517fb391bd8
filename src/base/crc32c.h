/* CRC-32C (Castagnoli, RFC 3720 B.4), with the CPU's instruction where it has one. */
#ifndef QUOIN_BASE_CRC32C_H
#define QUOIN_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of `bytes`; crc32c(NULL, 0) is 0. */
uint32_t crc32c(const void *bytes, size_t len_bytes);
/* Goes on from `crc`, a value that crc32c() or this function returned. */
uint32_t crc32c_extend(uint32_t crc, const void *bytes, size_t len_bytes);
/* The checksum of each 4096-byte block of `bytes`, into crcs[0 .. blocks). */
void crc32c_blocks(const void *bytes, size_t blocks, uint32_t *crcs);
/* The table-driven twin, for tests and for CPUs without the instruction. */
uint32_t crc32c_software(uint32_t crc, const void *bytes, size_t len_bytes);

#endif
