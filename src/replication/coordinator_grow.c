/*
 * The size of the group's shard: docs/protocol.md, "Resize". The catalog has it first, and only ever raises
 * it; whoever is told a larger one takes it. Nobody is asked to agree: a replica that knows of more room than
 * it needs does no harm, and every one is told before the first entry that needs it, on the same connection.
 */
#include "replication/coordinator_private.h"

void coordinator_fill_grow(const struct coordinator *co, struct message *m)
{
	m->type = MESSAGE_GROW;
	m->size_bytes = co->config.size_bytes;
}

void coordinator_grow(struct coordinator *co, uint64_t size_bytes, uint64_t now_ns)
{
	ASSERT(size_bytes % GRAIN_BYTES == 0 && size_bytes <= VOLUME_MAX_BYTES);
	co->now_ns = now_ns;
	if (size_bytes <= co->config.size_bytes)
		return;
	co->config.size_bytes = size_bytes;
	for (unsigned i = 0; i < co->config.voter_count; i++)
		if (co->voters[i].up)
			co->voters[i].due |= DUE_GROW;
}

uint64_t coordinator_size_bytes(const struct coordinator *co)
{
	return co->config.size_bytes;
}
