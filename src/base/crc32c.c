#include "base/crc32c.h"

#include <stdbool.h>
#include <string.h>

#include "base/limits.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

#define POLYNOMIAL_REVERSED UINT32_C(0x82f63b78)

/* table[k][b]: the byte b, followed by k zero bytes. Filled, and the CPU asked, before main(). */
static uint32_t table[8][256];
static bool have_instruction;

__attribute__((constructor)) static void crc32c_start(void)
{
	for (uint32_t b = 0; b < 256; b++) {
		uint32_t crc = b;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL_REVERSED : 0);
		table[0][b] = crc;
	}
	for (uint32_t b = 0; b < 256; b++) {
		for (int k = 1; k < 8; k++)
			table[k][b] = table[k - 1][b] >> 8 ^ table[0][table[k - 1][b] & 0xff];
	}
#if defined(__x86_64__)
	__builtin_cpu_init();
	have_instruction = __builtin_cpu_supports("sse4.2");
#endif
}

uint32_t crc32c_software(uint32_t crc, const void *bytes, size_t len_bytes)
{
	const uint8_t *p = bytes;

	crc = ~crc;
	for (; len_bytes >= 8; p += 8, len_bytes -= 8) {
		uint32_t low = crc ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
					     (uint32_t)p[3] << 24);

		crc = table[7][low & 0xff] ^ table[6][low >> 8 & 0xff] ^ table[5][low >> 16 & 0xff] ^
		      table[4][low >> 24] ^ table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^ table[0][p[7]];
	}
	for (; len_bytes > 0; p++, len_bytes--)
		crc = crc >> 8 ^ table[0][(crc ^ *p) & 0xff];
	return ~crc;
}

#if defined(__x86_64__)

static uint64_t load_u64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

__attribute__((target("sse4.2"))) static uint32_t crc32c_hardware(
	uint32_t crc, const uint8_t *p, size_t len_bytes)
{
	uint64_t wide = ~crc;

	for (; len_bytes >= 8; p += 8, len_bytes -= 8)
		wide = _mm_crc32_u64(wide, load_u64(p));
	crc = (uint32_t)wide;
	for (; len_bytes > 0; p++, len_bytes--)
		crc = _mm_crc32_u8(crc, *p);
	return ~crc;
}

/*
 * Three blocks side by side: the instruction takes three cycles but a new one can start in each, and blocks
 * of their own need no joining afterwards.
 */
__attribute__((target("sse4.2"))) static void crc32c_three_blocks(const uint8_t *p, uint32_t crcs[static 3])
{
	uint64_t a = UINT32_MAX;
	uint64_t b = UINT32_MAX;
	uint64_t c = UINT32_MAX;

	for (size_t i = 0; i < BLOCK_BYTES; i += 8) {
		a = _mm_crc32_u64(a, load_u64(p + i));
		b = _mm_crc32_u64(b, load_u64(p + BLOCK_BYTES + i));
		c = _mm_crc32_u64(c, load_u64(p + 2 * (size_t)BLOCK_BYTES + i));
	}
	crcs[0] = ~(uint32_t)a;
	crcs[1] = ~(uint32_t)b;
	crcs[2] = ~(uint32_t)c;
}

#endif

uint32_t crc32c_extend(uint32_t crc, const void *bytes, size_t len_bytes)
{
#if defined(__x86_64__)
	if (have_instruction)
		return crc32c_hardware(crc, bytes, len_bytes);
#endif
	return crc32c_software(crc, bytes, len_bytes);
}

uint32_t crc32c(const void *bytes, size_t len_bytes)
{
	return crc32c_extend(0, bytes, len_bytes);
}

void crc32c_blocks(const void *bytes, size_t blocks, uint32_t *crcs)
{
	const uint8_t *p = bytes;

#if defined(__x86_64__)
	for (; have_instruction && blocks >= 3; blocks -= 3, crcs += 3, p += 3 * (size_t)BLOCK_BYTES)
		crc32c_three_blocks(p, crcs);
#endif
	for (; blocks > 0; blocks--, crcs++, p += BLOCK_BYTES)
		*crcs = crc32c(p, BLOCK_BYTES);
}
