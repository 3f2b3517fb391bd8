#include "base/crc32c.h"

#include <stdbool.h>
#include <string.h>

#include "base/limits.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

#define POLYNOMIAL_REVERSED UINT32_C(0x82f63b78)

/* One third of a block, down to whole words: the three parts leave 16 bytes of it. */
#define PART_BYTES 1360u

/* So much of each part is summed up in one turn of the loop. */
#define STRIDE_BYTES 40u

_Static_assert(
	PART_BYTES % STRIDE_BYTES == 0 && 3 * PART_BYTES <= BLOCK_BYTES, "three parts fit into a block");

/* table[k][b]: the byte b, followed by k zero bytes. Filled, and the CPU asked, before main(). */
static uint32_t table[8][256];
/* after_part[k][b]: byte k of a register is b; what the register is after PART_BYTES zero bytes. */
static uint32_t after_part[4][256];
static bool have_instruction;

static void fill_table(void)
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
}

/* A register is a sum of bits, and so is what becomes of it: 32 cases make all of them. */
static void fill_after_part(void)
{
	for (unsigned bit = 0; bit < 32; bit++) {
		uint32_t crc = UINT32_C(1) << bit;

		for (unsigned i = 0; i < PART_BYTES; i++)
			crc = crc >> 8 ^ table[0][crc & 0xff];
		for (unsigned b = 0; b < 256; b++) {
			if (b >> bit % 8 & 1)
				after_part[bit / 8][b] ^= crc;
		}
	}
}

__attribute__((constructor)) static void crc32c_start(void)
{
	fill_table();
	fill_after_part();
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

static uint32_t skip_part(uint32_t crc)
{
	return after_part[0][crc & 0xff] ^ after_part[1][crc >> 8 & 0xff] ^ after_part[2][crc >> 16 & 0xff] ^
	       after_part[3][crc >> 24];
}

/* The next word of each part. */
__attribute__((target("sse4.2"), always_inline)) static inline void sum_word(
	uint64_t *a, uint64_t *b, uint64_t *c, const uint8_t *p)
{
	*a = _mm_crc32_u64(*a, load_u64(p));
	*b = _mm_crc32_u64(*b, load_u64(p + PART_BYTES));
	*c = _mm_crc32_u64(*c, load_u64(p + 2 * (size_t)PART_BYTES));
}

/*
 * Three parts side by side, joined afterwards: the instruction takes three cycles, but a new one can start in
 * each of them.
 */
__attribute__((target("sse4.2"))) static uint32_t sum_parts(uint32_t crc, const uint8_t *p)
{
	uint64_t a = crc;
	uint64_t b = 0;
	uint64_t c = 0;

	for (const uint8_t *end = p + PART_BYTES; p < end; p += STRIDE_BYTES) {
		sum_word(&a, &b, &c, p);
		sum_word(&a, &b, &c, p + 8);
		sum_word(&a, &b, &c, p + 16);
		sum_word(&a, &b, &c, p + 24);
		sum_word(&a, &b, &c, p + 32);
	}
	return skip_part(skip_part((uint32_t)a) ^ (uint32_t)b) ^ (uint32_t)c;
}

__attribute__((target("sse4.2"))) static uint32_t crc32c_hardware(
	uint32_t crc, const uint8_t *p, size_t len_bytes)
{
	uint64_t wide;

	crc = ~crc;
	for (; len_bytes >= 3 * PART_BYTES; p += 3 * PART_BYTES, len_bytes -= 3 * PART_BYTES)
		crc = sum_parts(crc, p);
	wide = crc;
	for (; len_bytes >= 8; p += 8, len_bytes -= 8)
		wide = _mm_crc32_u64(wide, load_u64(p));
	crc = (uint32_t)wide;
	for (; len_bytes > 0; p++, len_bytes--)
		crc = _mm_crc32_u8(crc, *p);
	return ~crc;
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

	for (; blocks > 0; blocks--, crcs++, p += BLOCK_BYTES)
		*crcs = crc32c(p, BLOCK_BYTES);
}
