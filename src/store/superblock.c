/* The superblock: what rarely changes. Magic, version and checksum stand at the same place in every version.
 */
#include "store/ondisk.h"

#include <errno.h>
#include <string.h>

#define SUPERBLOCK_MAGIC UINT64_C(0x314b4c424e4f5551) /* "QUONBLK1" */
/* Sizes stay far from where sums of offsets could overflow. */
#define SIZE_MAX_BYTES (UINT64_C(1) << 56)

void superblock_encode(const struct superblock *sb, uint64_t offset_bytes, uint8_t block[static BLOCK_BYTES])
{
	const struct geometry *g = &sb->geometry;
	struct writer w = writer_init(block, BLOCK_BYTES), sum;

	write_u64(&w, SUPERBLOCK_MAGIC);
	write_u32(&w, ONDISK_VERSION);
	write_u32(&w, 0); /* the checksum */
	write_u64(&w, sb->generation);
	write_uuid(&w, sb->cluster);
	write_uuid(&w, sb->pool);
	write_u64(&w, 0); /* features that a reader must know: none yet */
	write_u64(&w, 0); /* features that it may ignore */
	write_u64(&w, g->size_bytes);
	write_u64(&w, g->salt);
	write_u64(&w, g->ring_offset_bytes);
	write_u32(&w, g->ring_blocks);
	write_u32(&w, g->grain_pages);
	write_u32(&w, g->dir_pages);
	write_u32(&w, g->grain_count);
	write_u64(&w, g->table_offset_bytes[0]);
	write_u64(&w, g->table_offset_bytes[1]);
	write_u64(&w, g->grain_offset_bytes);
	write_u64(&w, sb->open_count);
	write_u64(&w, sb->first);
	write_u32(&w, g->extra_pages);
	write_zeroes(&w, writer_left(&w));
	ASSERT(!w.failed);
	sum = writer_init(block + 12, 4);
	write_u32(&sum, block_sum(0, offset_bytes, block));
}

int superblock_decode(
	const uint8_t block[static BLOCK_BYTES], uint64_t offset_bytes, struct superblock *ret_sb)
{
	struct reader r = reader_init(block, BLOCK_BYTES);
	struct superblock sb = { 0 };
	struct geometry *g = &sb.geometry;
	uint64_t magic = read_u64(&r);
	uint32_t version = read_u32(&r);
	uint32_t sum = read_u32(&r);

	if (magic != SUPERBLOCK_MAGIC || sum != block_sum(0, offset_bytes, block))
		return -EILSEQ;
	if (version != ONDISK_VERSION)
		return -EPROTO;
	sb.generation = read_u64(&r);
	sb.cluster = read_uuid(&r);
	sb.pool = read_uuid(&r);
	if (read_u64(&r) != 0)
		return -EPROTO;
	(void)read_u64(&r);
	g->size_bytes = read_u64(&r);
	g->salt = read_u64(&r);
	g->ring_offset_bytes = read_u64(&r);
	g->ring_blocks = read_u32(&r);
	g->grain_pages = read_u32(&r);
	g->dir_pages = read_u32(&r);
	g->grain_count = read_u32(&r);
	g->table_offset_bytes[0] = read_u64(&r);
	g->table_offset_bytes[1] = read_u64(&r);
	g->grain_offset_bytes = read_u64(&r);
	sb.open_count = read_u64(&r);
	sb.first = read_u64(&r);
	g->extra_pages = read_u32(&r);
	if (!read_zeroes(&r, reader_left(&r)) || g->size_bytes > SIZE_MAX_BYTES || !geometry_is_valid(g))
		return -EILSEQ;
	*ret_sb = sb;
	return 0;
}
