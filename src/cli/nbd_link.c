/* The NBD client, by libnbd: its asynchronous calls, and nbd_poll() while something is waited for. */
#include "cli/nbd_link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/transfer.h"

#define POLL_MS        500                 /* how late an interrupt may be noticed */
#define SPAN_MAX_BYTES (UINT64_C(1) << 30) /* of one block status or write-zeroes request */

/* libnbd's words name its function; what they say behind it is the reason. */
static int nbd_failed(const char *doing, struct error *error)
{
	int code = nbd_get_errno();

	if (code == ENOTCONN || code == ESHUTDOWN || code == EPIPE || code == ECONNRESET)
		return error_set(error, -ENOTCONN,
			"%s: the agent ended the connection: it stopped, or was killed", doing);
	return error_set(error, code ? -code : -EIO, "%s: %s", doing, nbd_get_error());
}

int nbd_link_open(struct nbd_link *link, const char *socket_path, const char *export_name,
	const char *context, struct error *error)
{
	int64_t size;

	memset(link, 0, sizeof(*link));
	for (unsigned i = 0; i < NBD_LINK_SLOTS; i++) {
		link->slots[i].buffer = malloc(NBD_LINK_BUFFER_BYTES);
		if (!link->slots[i].buffer)
			return error_set(error, -ENOMEM, "no memory");
	}
	link->nbd = nbd_create();
	if (!link->nbd)
		return nbd_failed("NBD client", error);
	if (nbd_set_export_name(link->nbd, export_name) < 0 ||
		(context && nbd_add_meta_context(link->nbd, context) < 0) ||
		nbd_connect_unix(link->nbd, socket_path) < 0)
		return nbd_failed(socket_path, error);
	if (context && nbd_can_meta_context(link->nbd, context) != 1)
		return error_set(error, -EPROTO, "%s: the agent does not tell %s", socket_path, context);
	size = nbd_get_size(link->nbd);
	if (size < 0)
		return nbd_failed(socket_path, error);
	link->size_bytes = (uint64_t)size;
	return 0;
}

void nbd_link_close(struct nbd_link *link)
{
	nbd_close(link->nbd);
	link->nbd = NULL;
	for (unsigned i = 0; i < NBD_LINK_SLOTS; i++) {
		free(link->slots[i].buffer);
		link->slots[i].buffer = NULL;
	}
}

/* Until the request has ended. */
static int request_wait(struct nbd_link *link, int64_t cookie, const char *doing, struct error *error)
{
	for (;;) {
		int done = nbd_aio_command_completed(link->nbd, (uint64_t)cookie);

		if (done != 0)
			return done > 0 ? 0 : nbd_failed(doing, error);
		if (transfer_is_interrupted())
			return error_set(error, -EINTR, "interrupted");
		if (nbd_poll(link->nbd, POLL_MS) < 0 && nbd_get_errno() != EINTR)
			return nbd_failed(doing, error);
	}
}

static int run_take(void *arg, const char *context, uint64_t offset_bytes, uint32_t *entries, size_t count,
	int *error_number)
{
	struct nbd_link *link = arg;

	(void)context;
	(void)offset_bytes;
	(void)error_number;
	for (size_t i = 0; i + 1 < count && link->run_count < NBD_LINK_MAX_RUNS; i += 2)
		link->runs[link->run_count++] =
			(struct nbd_run){ .length_bytes = entries[i], .flags = entries[i + 1] };
	return 0;
}

/* Cuts off what was not asked for; false: nothing is left. */
static bool runs_clip(struct nbd_link *link, uint64_t length_bytes)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < link->run_count && length_bytes > 0; i++) {
		struct nbd_run *run = &link->runs[i];

		if (run->length_bytes > length_bytes)
			run->length_bytes = length_bytes;
		if (run->length_bytes == 0 || run->length_bytes % BLOCK_BYTES != 0)
			return false;
		length_bytes -= run->length_bytes;
		kept++;
	}
	link->run_count = kept;
	return kept > 0;
}

int nbd_link_map(struct nbd_link *link, uint64_t offset_bytes, uint64_t length_bytes, struct error *error)
{
	uint64_t count = length_bytes < SPAN_MAX_BYTES ? length_bytes : SPAN_MAX_BYTES;
	int64_t cookie;
	int rc;

	link->run_count = 0;
	cookie = nbd_aio_block_status(link->nbd, count, offset_bytes,
		(nbd_extent_callback){ .callback = run_take, .user_data = link }, NBD_NULL_COMPLETION, 0);
	if (cookie < 0)
		return nbd_failed("asking what has data", error);
	rc = request_wait(link, cookie, "asking what has data", error);
	if (rc)
		return rc;
	if (!runs_clip(link, count))
		return error_set(error, -EPROTO, "asking what has data: the agent's answer makes no sense");
	return 0;
}

bool nbd_link_is_full(const struct nbd_link *link)
{
	return link->count == NBD_LINK_SLOTS;
}

static struct nbd_slot *slot_next(struct nbd_link *link)
{
	ASSERT(link->count < NBD_LINK_SLOTS);
	return &link->slots[(link->first + link->count) % NBD_LINK_SLOTS];
}

static void slot_begun(struct nbd_link *link, int64_t cookie, uint64_t offset_bytes, uint64_t length_bytes)
{
	struct nbd_slot *slot = slot_next(link);

	slot->cookie = cookie;
	slot->offset_bytes = offset_bytes;
	slot->length_bytes = (uint32_t)length_bytes;
	link->count++;
}

int nbd_link_read(struct nbd_link *link, uint64_t offset_bytes, uint32_t length_bytes, struct error *error)
{
	int64_t cookie = nbd_aio_pread(
		link->nbd, slot_next(link)->buffer, length_bytes, offset_bytes, NBD_NULL_COMPLETION, 0);

	if (cookie < 0)
		return nbd_failed("reading", error);
	slot_begun(link, cookie, offset_bytes, length_bytes);
	return 0;
}

int nbd_link_oldest(struct nbd_link *link, struct nbd_slot **ret_slot, struct error *error)
{
	struct nbd_slot *slot = &link->slots[link->first];
	int rc;

	ASSERT(link->count > 0);
	rc = request_wait(link, slot->cookie, "reading or writing", error);
	if (rc)
		return rc;
	link->first = (link->first + 1) % NBD_LINK_SLOTS;
	link->count--;
	*ret_slot = slot;
	return 0;
}

/* Until at most `count` requests are in flight. */
static int in_flight_wait(struct nbd_link *link, unsigned count, struct error *error)
{
	struct nbd_slot *slot;
	int rc = 0;

	while (rc == 0 && link->count > count)
		rc = nbd_link_oldest(link, &slot, error);
	return rc;
}

int nbd_link_buffer(struct nbd_link *link, uint8_t **ret_buffer, struct error *error)
{
	int rc = in_flight_wait(link, NBD_LINK_SLOTS - 1, error);

	if (rc == 0)
		*ret_buffer = slot_next(link)->buffer;
	return rc;
}

int nbd_link_write(struct nbd_link *link, uint64_t offset_bytes, uint32_t length_bytes, struct error *error)
{
	int64_t cookie = nbd_aio_pwrite(
		link->nbd, slot_next(link)->buffer, length_bytes, offset_bytes, NBD_NULL_COMPLETION, 0);

	if (cookie < 0)
		return nbd_failed("writing", error);
	slot_begun(link, cookie, offset_bytes, length_bytes);
	return 0;
}

int nbd_link_zero(struct nbd_link *link, uint64_t offset_bytes, uint64_t length_bytes, struct error *error)
{
	int rc = 0;

	while (rc == 0 && length_bytes > 0) {
		uint64_t count = length_bytes < SPAN_MAX_BYTES ? length_bytes : SPAN_MAX_BYTES;
		int64_t cookie;

		rc = in_flight_wait(link, NBD_LINK_SLOTS - 1, error);
		if (rc)
			return rc;
		cookie = nbd_aio_zero(link->nbd, count, offset_bytes, NBD_NULL_COMPLETION, 0);
		if (cookie < 0)
			return nbd_failed("writing zeroes", error);
		slot_begun(link, cookie, offset_bytes, count);
		offset_bytes += count;
		length_bytes -= count;
	}
	return rc;
}

int nbd_link_flush(struct nbd_link *link, struct error *error)
{
	int64_t cookie;
	int rc = in_flight_wait(link, 0, error);

	if (rc)
		return rc;
	cookie = nbd_aio_flush(link->nbd, NBD_NULL_COMPLETION, 0);
	if (cookie < 0)
		return nbd_failed("flushing", error);
	return request_wait(link, cookie, "flushing", error);
}
