/*
 * Private to cli: a client of the NBD export that `serve-nbd` makes, with requests in flight that end in the
 * order in which they were begun. Errors: a negative errno with words; -EINTR: the user wants it to end
 * (transfer.h).
 */
#ifndef QUOIN_CLI_NBD_LINK_H
#define QUOIN_CLI_NBD_LINK_H

#include <libnbd.h>

#include "base/base.h"

#define NBD_LINK_SLOTS        8u
#define NBD_LINK_BUFFER_BYTES (1u << 20) /* the server's most in one request */
#define NBD_LINK_MAX_RUNS     256u

struct nbd_slot {
	uint8_t *buffer; /* of NBD_LINK_BUFFER_BYTES */
	int64_t cookie;
	uint64_t offset_bytes;
	uint32_t length_bytes;
};

/* A run of one kind, from the server's block status. */
struct nbd_run {
	uint64_t length_bytes;
	uint32_t flags;
};

struct nbd_link {
	struct nbd_handle *nbd;
	uint64_t size_bytes;
	unsigned first, count; /* slots in flight */
	struct nbd_slot slots[NBD_LINK_SLOTS];
	struct nbd_run runs[NBD_LINK_MAX_RUNS]; /* of nbd_link_map() */
	unsigned run_count;
};

/* Connects. context: what nbd_link_map() tells, "base:allocation" …; NULL for none. After an error, too,
 * nbd_link_close() is to be called. */
int nbd_link_open(struct nbd_link *link, const char *socket_path, const char *export_name,
	const char *context, struct error *error) MUST_CHECK;
/* Waits for nothing; what is in flight may or may not be carried out. */
void nbd_link_close(struct nbd_link *link);

/* The runs from offset_bytes on, into link->runs: at least one, together at most length_bytes, at most 1 GiB.
 */
int nbd_link_map(
	struct nbd_link *link, uint64_t offset_bytes, uint64_t length_bytes, struct error *error) MUST_CHECK;

bool nbd_link_is_full(const struct nbd_link *link);
/* Only where it isn't full. */
int nbd_link_read(
	struct nbd_link *link, uint64_t offset_bytes, uint32_t length_bytes, struct error *error) MUST_CHECK;
/* Waits for the oldest request, of which there must be one. *ret_slot stays as it is until the next one is
 * begun. */
int nbd_link_oldest(struct nbd_link *link, struct nbd_slot **ret_slot, struct error *error) MUST_CHECK;

/* The buffer for the next nbd_link_write(); waits for one that is free. */
int nbd_link_buffer(struct nbd_link *link, uint8_t **ret_buffer, struct error *error) MUST_CHECK;
int nbd_link_write(
	struct nbd_link *link, uint64_t offset_bytes, uint32_t length_bytes, struct error *error) MUST_CHECK;
/* Zeroes that take no room. */
int nbd_link_zero(
	struct nbd_link *link, uint64_t offset_bytes, uint64_t length_bytes, struct error *error) MUST_CHECK;
/* All that was written is on stable storage. */
int nbd_link_flush(struct nbd_link *link, struct error *error) MUST_CHECK;

#endif
