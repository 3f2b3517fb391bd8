/* Entries that a restart found in the ring have their payload read back when they are applied or carried. */
#include "store/pool.h"

#include <string.h>

#define LOAD_READS 2u /* that must fail before the payload is lost */

void replica_damage(struct pool_replica *replica)
{
	struct replica_state state = replica->state;

	if (state.incomplete || replica->deleted)
		return;
	state.incomplete = true;
	state.since = (struct position){ .epoch = { UINT64_MAX, UINT32_MAX }, .seq = UINT64_MAX };
	replica->damaged = true;
	pool_replica_state_write(replica, &state, NULL, NULL);
	if (replica->pool->options.damaged && !MUTANT(damage_untold))
		replica->pool->options.damaged(replica->pool->options.arg, replica);
}

static bool payload_is_intact(const struct load *load)
{
	uint32_t crcs[ENTRY_MAX_BLOCKS];
	size_t blocks = load->entry->length_bytes / BLOCK_BYTES;

	crc32c_blocks(load->buf->data, blocks, crcs);
	return memcmp(crcs, load->entry->crc, blocks * sizeof(crcs[0])) == 0;
}

static void load_read(struct load *load);

/* False: it is read once more, since a disk may err once. */
static bool load_settle(struct load *load, int rc)
{
	struct pool *pool = load->pool;
	struct log_entry *le = load->le;

	if (!le)
		return true;
	if (rc < 0)
		failing_read(pool, geometry_ring_offset(&pool->g, le->payload_block));
	if (rc == 0 && payload_is_intact(load)) {
		load->buf->len_bytes = (uint32_t)load->entry->length_bytes;
		load->entry->payload = load->buf;
		load->buf = NULL;
	} else if (!le->carrying) { /* its place was not reused: it holds its batch */
		if (++load->failures < LOAD_READS && !pool->failed && !MUTANT(load_read_once)) {
			load_read(load);
			return false;
		}
		pool->counters.checksum_errors++;
		replica_damage(le->replica);
	}
	le->load = NULL;
	return true;
}

static void load_ended(struct device_io *io, int rc)
{
	struct load *load = container_of(io, struct load, io);
	struct pool *pool = load->pool;

	pool_io_ended(pool, io);
	if (!load_settle(load, rc))
		return;
	buf_put(load->buf);
	entry_put(load->entry);
	load->buf = NULL;
	load->entry = NULL;
	load->le = NULL;
	if (--pool->loads_busy == 0)
		pool->round.wanted = true;
	pool_pump_soon(pool);
}

static void load_read(struct load *load)
{
	struct pool *pool = load->pool;

	pool_io_began(pool, &load->io);
	pool->device->ops->read(pool->device, &load->io, &load->iov, 1,
		geometry_ring_offset(&pool->g, load->le->payload_block));
}

void load_start(struct pool *pool, struct log_entry *le)
{
	struct load *load = NULL;

	if (le->load)
		return;
	for (unsigned i = 0; i < LOADS && !load; i++)
		if (!pool->loads[i].entry)
			load = &pool->loads[i];
	if (!load)
		return;
	load->buf = buf_get(pool->options.bufs, (uint32_t)le->entry->length_bytes);
	if (!load->buf)
		return;
	load->pool = pool;
	load->le = le;
	load->entry = entry_ref(le->entry);
	le->load = load;
	load->iov = (struct iovec){ .iov_base = load->buf->data, .iov_len = le->entry->length_bytes };
	load->io.fn = load_ended;
	load->failures = 0;
	pool->loads_busy++;
	load_read(load);
}

void load_ahead(struct pool *pool, struct log_entry *le)
{
	/* All of a row before the next round, or rounds would be as small as what is loaded first. */
	if (pool->loads_busy > 0)
		return;
	for (unsigned i = 0; le && i < LOADS; i++, le = index_find(le->replica, le->seq + 1))
		if (le->entry && le->entry->op == ENTRY_WRITE && !le->entry->payload && le->redirects == 0)
			load_start(pool, le);
}
