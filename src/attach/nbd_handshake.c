#include "attach/nbd_handshake.h"

#include <stdio.h>

#define BLOCK_PREFERRED_BYTES GRAIN_BYTES

static uint32_t export_flags(const struct nbd_handshake *h)
{
	/*
	 * Every answered write is durable and seen by reads on any connection: multi-connection is safe. A
	 * trim and a write of zeroes change metadata only: fast.
	 */
	if (h->read_only)
		return NBD_FLAG_HAS_FLAGS | NBD_FLAG_READ_ONLY | NBD_FLAG_SEND_FLUSH |
		       NBD_FLAG_CAN_MULTI_CONN | (h->structured ? NBD_FLAG_SEND_DF : 0);
	return NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA | NBD_FLAG_SEND_TRIM |
	       NBD_FLAG_SEND_WRITE_ZEROES | NBD_FLAG_CAN_MULTI_CONN | NBD_FLAG_SEND_FAST_ZERO |
	       (h->structured ? NBD_FLAG_SEND_DF : 0);
}

/* ---- replies ---- */

/* Room for `length_bytes` behind a reply's head. */
static uint8_t *reply_begin(struct nbd_handshake *h, uint32_t option, uint32_t type, uint32_t length_bytes)
{
	uint8_t *at = h->out + h->out_bytes;

	ASSERT(h->out_bytes + 20 + length_bytes <= sizeof(h->out));
	h->out_bytes += 20 + length_bytes;
	at = nbd_put64(at, NBD_REPLY_MAGIC);
	at = nbd_put32(at, option);
	at = nbd_put32(at, type);
	return nbd_put32(at, length_bytes);
}

static void reply_error(struct nbd_handshake *h, uint32_t option, uint32_t type, const char *words)
{
	uint32_t length_bytes = (uint32_t)strlen(words);

	memcpy(reply_begin(h, option, type, length_bytes), words, length_bytes);
}

static void reply_info_text(struct nbd_handshake *h, uint32_t option, uint32_t type, const char *text)
{
	uint32_t length_bytes = (uint32_t)strlen(text);
	uint8_t *at = reply_begin(h, option, NBD_REP_INFO, 2 + length_bytes);

	memcpy(nbd_put16(at, type), text, length_bytes);
}

static bool name_is_ours(const struct nbd_handshake *h, const uint8_t *name, uint32_t length_bytes)
{
	return length_bytes == 0 ||
	       (length_bytes == strlen(h->name) && memcmp(name, h->name, length_bytes) == 0);
}

/* ---- options ---- */

static void option_export_name(struct nbd_handshake *h, const uint8_t *data, uint32_t length_bytes)
{
	uint8_t *at = h->out;

	if (!name_is_ours(h, data, length_bytes)) {
		h->state = NBD_HANDSHAKE_CLOSED; /* this option has no other way to say no */
		return;
	}
	at = nbd_put64(at, h->size_bytes);
	at = nbd_put16(at, export_flags(h));
	if (!h->no_zeroes) {
		memset(at, 0, 124);
		at += 124;
	}
	h->out_bytes = (uint32_t)(at - h->out);
	h->state = NBD_HANDSHAKE_READY;
}

static void option_list(struct nbd_handshake *h, uint32_t length_bytes)
{
	uint32_t name_bytes = (uint32_t)strlen(h->name);
	uint8_t *at;

	if (length_bytes != 0) {
		reply_error(h, NBD_OPT_LIST, NBD_REP_ERR_INVALID, "a list has no arguments");
		return;
	}
	at = reply_begin(h, NBD_OPT_LIST, NBD_REP_SERVER, 4 + name_bytes);
	memcpy(nbd_put32(at, name_bytes), h->name, name_bytes);
	(void)reply_begin(h, NBD_OPT_LIST, NBD_REP_ACK, 0);
}

static void reply_infos(struct nbd_handshake *h, uint32_t option, const uint8_t *infos, uint32_t count)
{
	bool name_told = false, description_told = false;
	uint8_t *at = reply_begin(h, option, NBD_REP_INFO, 12);

	at = nbd_put64(nbd_put16(at, NBD_INFO_EXPORT), h->size_bytes);
	(void)nbd_put16(at, export_flags(h));
	/* The sizes are told unasked: a client that heeds them needs no round trip to ask. */
	at = nbd_put16(reply_begin(h, option, NBD_REP_INFO, 14), NBD_INFO_BLOCK_SIZE);
	at = nbd_put32(at, BLOCK_BYTES);
	at = nbd_put32(at, BLOCK_PREFERRED_BYTES);
	(void)nbd_put32(at, FRONT_MAX_BYTES);
	for (uint32_t i = 0; i < count; i++) {
		uint16_t info = nbd_get16(infos + (size_t)i * 2);

		if (info == NBD_INFO_NAME && !name_told) {
			name_told = true;
			reply_info_text(h, option, NBD_INFO_NAME, h->name);
		}
		if (info == NBD_INFO_DESCRIPTION && !description_told) {
			description_told = true;
			reply_info_text(h, option, NBD_INFO_DESCRIPTION, "a Quoin volume");
		}
	}
	(void)reply_begin(h, option, NBD_REP_ACK, 0);
}

/* INFO and GO: u32 length of the name, the name, u16 count, as many u16 infos. */
static void option_go(struct nbd_handshake *h, uint32_t option, const uint8_t *data, uint32_t length_bytes)
{
	uint32_t name_bytes = length_bytes >= 6 ? nbd_get32(data) : UINT32_MAX;
	uint32_t count;

	if (length_bytes < 6 || name_bytes > length_bytes - 6) {
		reply_error(h, option, NBD_REP_ERR_INVALID, "the name runs past the option");
		return;
	}
	count = nbd_get16(data + 4 + name_bytes);
	if (length_bytes != 6 + name_bytes + count * 2) {
		reply_error(h, option, NBD_REP_ERR_INVALID, "the infos do not fit the option");
		return;
	}
	if (!name_is_ours(h, data + 4, name_bytes)) {
		reply_error(h, option, NBD_REP_ERR_UNKNOWN, "this socket exports another volume");
		return;
	}
	reply_infos(h, option, data + 4 + name_bytes + 2, count);
	if (option == NBD_OPT_GO)
		h->state = NBD_HANDSHAKE_READY;
}

/* What a client has asked for, of what there is. */
struct choice {
	enum nbd_context context;
	struct uuid since;
};

/* Of several the one that says more counts. */
static void query_take(
	const struct nbd_handshake *h, const uint8_t *query, uint32_t length_bytes, struct choice *choice)
{
	static const char allocation[] = NBD_ALLOCATION_NAME, changed[] = NBD_CHANGED_PREFIX;
	char text[UUID_TEXT_LEN + 1];

	if (length_bytes == sizeof(allocation) - 1 && memcmp(query, allocation, length_bytes) == 0 &&
		choice->context == NBD_CONTEXT_NONE)
		choice->context = NBD_CONTEXT_ALLOCATION;
	if (!h->read_only || length_bytes != NBD_CONTEXT_MAX_LEN ||
		memcmp(query, changed, sizeof(changed) - 1) != 0)
		return;
	memcpy(text, query + sizeof(changed) - 1, UUID_TEXT_LEN);
	text[UUID_TEXT_LEN] = '\0';
	if (uuid_parse(text, &choice->since) == 0 && !uuid_is_none(choice->since))
		choice->context = NBD_CONTEXT_CHANGED;
}

/* Whether the queries (u32 count, then u32 length and bytes each) are whole; tells what they choose. */
static bool queries_read(const struct nbd_handshake *h, const uint8_t *at, uint32_t left, bool is_list,
	struct choice *ret_choice)
{
	struct choice choice = { 0 };
	uint32_t count;

	if (left < 4)
		return false;
	count = nbd_get32(at);
	at += 4;
	left -= 4;
	if (is_list && count == 0)
		choice.context = NBD_CONTEXT_ALLOCATION;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t length_bytes;

		if (left < 4)
			return false;
		length_bytes = nbd_get32(at);
		at += 4;
		left -= 4;
		if (length_bytes > left)
			return false;
		query_take(h, at, length_bytes, &choice);
		if (is_list && length_bytes == 5 && memcmp(at, "base:", 5) == 0)
			choice.context = NBD_CONTEXT_ALLOCATION;
		at += length_bytes;
		left -= length_bytes;
	}
	*ret_choice = choice;
	return left == 0;
}

static void reply_context(
	struct nbd_handshake *h, uint32_t option, const struct choice *choice, uint32_t context_id)
{
	char name[NBD_CONTEXT_MAX_LEN + 1] = NBD_ALLOCATION_NAME;
	char since[UUID_TEXT_LEN + 1];
	uint8_t *at;

	if (choice->context == NBD_CONTEXT_CHANGED)
		snprintf(name, sizeof(name), "%s%s", NBD_CHANGED_PREFIX, uuid_format(choice->since, since));
	at = reply_begin(h, option, NBD_REP_META_CONTEXT, 4 + (uint32_t)strlen(name));
	memcpy(nbd_put32(at, context_id), name, strlen(name));
}

static void option_context(
	struct nbd_handshake *h, uint32_t option, const uint8_t *data, uint32_t length_bytes)
{
	bool is_list = option == NBD_OPT_LIST_META_CONTEXT;
	uint32_t name_bytes = length_bytes >= 8 ? nbd_get32(data) : UINT32_MAX;
	struct choice choice;

	if (!is_list)
		h->context = NBD_CONTEXT_NONE; /* the newest choice counts, also where it fails */
	if (!is_list && !h->structured) {
		reply_error(h, option, NBD_REP_ERR_INVALID, "structured replies come first");
		return;
	}
	if (length_bytes < 8 || name_bytes > length_bytes - 8 ||
		!queries_read(h, data + 4 + name_bytes, length_bytes - 4 - name_bytes, is_list, &choice)) {
		reply_error(h, option, NBD_REP_ERR_INVALID, "the queries do not fit the option");
		return;
	}
	if (!name_is_ours(h, data + 4, name_bytes)) {
		reply_error(h, option, NBD_REP_ERR_UNKNOWN, "this socket exports another volume");
		return;
	}
	if (choice.context != NBD_CONTEXT_NONE)
		reply_context(h, option, &choice, is_list ? 0 : choice.context);
	if (!is_list) {
		h->context = choice.context;
		h->since = choice.since;
	}
	(void)reply_begin(h, option, NBD_REP_ACK, 0);
}

static void option_take(struct nbd_handshake *h, uint32_t option, const uint8_t *data, uint32_t length_bytes)
{
	switch (option) {
	case NBD_OPT_EXPORT_NAME:
		option_export_name(h, data, length_bytes);
		break;
	case NBD_OPT_ABORT:
		(void)reply_begin(h, option, NBD_REP_ACK, 0);
		h->state = NBD_HANDSHAKE_CLOSED;
		break;
	case NBD_OPT_LIST:
		option_list(h, length_bytes);
		break;
	case NBD_OPT_INFO:
	case NBD_OPT_GO:
		option_go(h, option, data, length_bytes);
		break;
	case NBD_OPT_STRUCTURED_REPLY:
		if (length_bytes != 0) {
			reply_error(h, option, NBD_REP_ERR_INVALID, "structured replies have no arguments");
			break;
		}
		h->structured = true;
		(void)reply_begin(h, option, NBD_REP_ACK, 0);
		break;
	case NBD_OPT_LIST_META_CONTEXT:
	case NBD_OPT_SET_META_CONTEXT:
		option_context(h, option, data, length_bytes);
		break;
	default:
		reply_error(h, option, NBD_REP_ERR_UNSUP, "this option is not supported");
		break;
	}
}

void nbd_handshake_init(struct nbd_handshake *h, const char *name, uint64_t size_bytes)
{
	uint8_t *at = h->out;

	_Static_assert(NBD_HANDSHAKE_OUT_BYTES >= 6 * 20 + 12 + 14 + 2 * (2 + SNAPSHOT_NAME_MAX_LEN),
		"the longest answer");
	h->state = NBD_HANDSHAKE_FLAGS;
	h->name = name;
	h->size_bytes = size_bytes;
	h->read_only = h->no_zeroes = h->structured = false;
	h->context = NBD_CONTEXT_NONE;
	at = nbd_put64(at, NBD_MAGIC);
	at = nbd_put64(at, NBD_OPTION_MAGIC);
	at = nbd_put16(at, NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES);
	h->out_bytes = (uint32_t)(at - h->out);
}

uint32_t nbd_handshake_input(struct nbd_handshake *h, const uint8_t *bytes, uint32_t len_bytes)
{
	uint32_t flags, length_bytes;

	switch (h->state) {
	case NBD_HANDSHAKE_FLAGS:
		if (len_bytes < 4)
			return 0;
		h->out_bytes = 0;
		flags = nbd_get32(bytes);
		h->no_zeroes = (flags & NBD_NO_ZEROES) != 0;
		/* A client that knows no fixed newstyle can't be told what is wrong. */
		h->state = (flags & NBD_FIXED_NEWSTYLE) && !(flags & ~(NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES))
				   ? NBD_HANDSHAKE_OPTION
				   : NBD_HANDSHAKE_CLOSED;
		return 4;
	case NBD_HANDSHAKE_OPTION:
		if (len_bytes < NBD_OPTION_HEAD_BYTES)
			return 0;
		length_bytes = nbd_get32(bytes + 12);
		if (nbd_get64(bytes) != NBD_OPTION_MAGIC || length_bytes > NBD_OPTION_MAX_BYTES) {
			h->out_bytes = 0;
			h->state = NBD_HANDSHAKE_CLOSED;
			return len_bytes;
		}
		if (len_bytes < NBD_OPTION_HEAD_BYTES + length_bytes)
			return 0;
		h->out_bytes = 0;
		option_take(h, nbd_get32(bytes + 8), bytes + NBD_OPTION_HEAD_BYTES, length_bytes);
		return NBD_OPTION_HEAD_BYTES + length_bytes;
	case NBD_HANDSHAKE_READY:
	case NBD_HANDSHAKE_CLOSED:
		break;
	}
	return 0;
}
