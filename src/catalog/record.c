/* The records' header, and which message belongs to which kind. */
#include "catalog/record_codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_MAGIC  0x7251u /* "Qr" */
#define RECORD_FORMAT 1u

static const struct record_kind_info {
	const char *name;
	const ProtobufCMessageDescriptor *descriptor;
	size_t size_bytes; /* of the C record */
} kinds[RECORD_KINDS] = {
	[RECORD_CLUSTER] = { "cluster", &quoin__catalog__cluster__descriptor, sizeof(struct record_cluster) },
	[RECORD_NODE] = { "node", &quoin__catalog__node__descriptor, sizeof(struct catalog_node) },
	[RECORD_LIVE] = { "node lease", &quoin__catalog__node_live__descriptor, sizeof(struct record_live) },
	[RECORD_POOL] = { "pool", &quoin__catalog__pool__descriptor, sizeof(struct catalog_pool) },
	[RECORD_RESERVATION] = { "reservation", &quoin__catalog__reservation__descriptor,
		sizeof(struct record_reservation) },
	[RECORD_VOLUME] = { "volume", &quoin__catalog__volume__descriptor, sizeof(struct catalog_volume) },
	[RECORD_NAME] = { "volume name", &quoin__catalog__volume_name__descriptor,
		sizeof(struct record_name) },
	[RECORD_CLASS] = { "class", &quoin__catalog__class__descriptor, sizeof(struct catalog_class) },
};

/* ---- fields ---- */

int text_in(const char *field, const char *text, char *to, size_t max_len, struct error *error)
{
	size_t len = strlen(text);

	if (len > max_len)
		return error_set(error, -EBADMSG, "its %s has %zu characters, at most %zu are possible",
			field, len, max_len);
	memcpy(to, text, len + 1);
	return 0;
}

int name_in(const char *field, const char *text, char *to, struct error *error)
{
	struct error why;

	if (name_check(field, text, &why) != 0)
		return error_set(error, -EBADMSG, "a bad name: %s", why.text);
	return text_in(field, text, to, NAME_MAX_LEN, error);
}

int name_or_none_in(const char *field, const char *text, char *to, struct error *error)
{
	if (text[0] != 0)
		return name_in(field, text, to, error);
	to[0] = 0;
	return 0;
}

int uuid_in(const char *field, ProtobufCBinaryData data, struct uuid *to, struct error *error)
{
	struct uuid uuid;

	if (data.len != sizeof(uuid.byte))
		return error_set(
			error, -EBADMSG, "its UUID of the %s has %zu bytes, not 16", field, data.len);
	memcpy(uuid.byte, data.data, sizeof(uuid.byte));
	if (uuid_is_none(uuid))
		return error_set(error, -EBADMSG, "its UUID of the %s is zero", field);
	*to = uuid;
	return 0;
}

ProtobufCBinaryData uuid_out(const struct uuid *uuid)
{
	return (ProtobufCBinaryData){ .len = sizeof(uuid->byte), .data = (uint8_t *)(uintptr_t)uuid->byte };
}

int fs_in(const char *text, char to[static 8], struct error *error)
{
	if (strcmp(text, "ext4") != 0 && strcmp(text, "xfs") != 0)
		return error_set(error, -EBADMSG, "its filesystem is neither ext4 nor xfs");
	return text_in("filesystem", text, to, 7, error);
}

/* ---- small messages ---- */

static int live_in(const Quoin__Catalog__NodeLive *message, struct record_live *to, struct error *error)
{
	to->since_ns = message->since_ns;
	return uuid_in("session", message->session, &to->session, error);
}

static int name_record_in(
	const Quoin__Catalog__VolumeName *message, struct record_name *to, struct error *error)
{
	return uuid_in("volume", message->volume, &to->volume, error);
}

static int reservation_in(
	const Quoin__Catalog__Reservation *message, struct record_reservation *to, struct error *error)
{
	to->provisioned_bytes = message->provisioned_bytes;
	to->thick_bytes = message->thick_bytes;
	to->replica_count = message->replica_count;
	to->draining = message->draining;
	return message->replaced_by.len != 0
		       ? uuid_in("pool that comes instead", message->replaced_by, &to->replaced_by, error)
		       : 0;
}

/* ---- encoding ---- */

int message_pack(const ProtobufCMessage *message, struct record_bytes *ret_bytes)
{
	size_t len_bytes = protobuf_c_message_get_packed_size(message) + RECORD_HEADER_BYTES;
	uint8_t *bytes;

	if (len_bytes > RECORD_MAX_BYTES)
		return -EINVAL;
	bytes = calloc(1, len_bytes);
	if (!bytes)
		return -ENOMEM;
	(void)protobuf_c_message_pack(message, bytes + RECORD_HEADER_BYTES);
	*ret_bytes = (struct record_bytes){ .bytes = bytes, .len_bytes = len_bytes };
	return 0;
}

static int kind_pack(enum record_kind kind, const void *record, struct record_bytes *ret_bytes)
{
	switch (kind) {
	case RECORD_CLUSTER: {
		Quoin__Catalog__Cluster message;

		cluster_out(record, &message);
		return message_pack(&message.base, ret_bytes);
	}
	case RECORD_NODE:
		return node_pack(record, ret_bytes);
	case RECORD_LIVE: {
		const struct record_live *live = record;
		Quoin__Catalog__NodeLive message = QUOIN__CATALOG__NODE_LIVE__INIT;

		message.version = RECORD_VERSION;
		message.session = uuid_out(&live->session);
		message.since_ns = live->since_ns;
		return message_pack(&message.base, ret_bytes);
	}
	case RECORD_POOL: {
		Quoin__Catalog__Pool message;

		pool_out(record, &message);
		return message_pack(&message.base, ret_bytes);
	}
	case RECORD_RESERVATION: {
		const struct record_reservation *reservation = record;
		Quoin__Catalog__Reservation message = QUOIN__CATALOG__RESERVATION__INIT;

		message.version = RECORD_VERSION;
		message.provisioned_bytes = reservation->provisioned_bytes;
		message.thick_bytes = reservation->thick_bytes;
		message.replica_count = reservation->replica_count;
		message.draining = reservation->draining;
		if (!uuid_is_none(reservation->replaced_by))
			message.replaced_by = uuid_out(&reservation->replaced_by);
		return message_pack(&message.base, ret_bytes);
	}
	case RECORD_VOLUME:
		return volume_pack(record, ret_bytes);
	case RECORD_NAME: {
		const struct record_name *name = record;
		Quoin__Catalog__VolumeName message = QUOIN__CATALOG__VOLUME_NAME__INIT;

		message.version = RECORD_VERSION;
		message.volume = uuid_out(&name->volume);
		return message_pack(&message.base, ret_bytes);
	}
	case RECORD_CLASS: {
		Quoin__Catalog__Class message;

		class_out(record, &message);
		return message_pack(&message.base, ret_bytes);
	}
	case RECORD_AT:
	case RECORD_GROUP:
	case RECORD_CLONE:
	case RECORD_KINDS:
		break;
	}
	return -EINVAL;
}

int record_encode(enum record_kind kind, const void *record, struct record_bytes *ret_bytes)
{
	struct record_bytes packed;
	struct writer w;
	uint32_t crc;
	int rc;

	kind = record_form(kind);
	rc = kind_pack(kind, record, &packed);

	if (rc != 0)
		return rc;
	w = writer_init(packed.bytes, RECORD_HEADER_BYTES);
	write_u16(&w, RECORD_MAGIC);
	write_u8(&w, (uint8_t)kind);
	write_u8(&w, RECORD_FORMAT);
	crc = crc32c(packed.bytes, 4);
	write_u32(&w, crc32c_extend(crc, packed.bytes + RECORD_HEADER_BYTES,
			      packed.len_bytes - RECORD_HEADER_BYTES));
	*ret_bytes = packed;
	return 0;
}

/* ---- decoding ---- */

static int header_check(enum record_kind kind, const uint8_t *bytes, size_t len_bytes, struct error *error)
{
	struct reader r = reader_init(bytes, len_bytes);
	uint16_t magic = read_u16(&r);
	uint8_t found = read_u8(&r);
	uint8_t format = read_u8(&r);
	uint32_t crc = read_u32(&r);

	if (r.failed || magic != RECORD_MAGIC)
		return error_set(error, -EBADMSG, "no record of Quoin's, %zu bytes", len_bytes);
	if (len_bytes > RECORD_MAX_BYTES)
		return error_set(error, -EBADMSG, "a record of %zu bytes, at most %u are possible", len_bytes,
			RECORD_MAX_BYTES);
	if (format != RECORD_FORMAT)
		return error_set(error, -EBADMSG, "a record of format %u: written by a newer Quoin", format);
	if (crc !=
		crc32c_extend(crc32c(bytes, 4), bytes + RECORD_HEADER_BYTES, len_bytes - RECORD_HEADER_BYTES))
		return error_set(error, -EBADMSG, "a record whose checksum is wrong");
	if (found != kind)
		return error_set(error, -EBADMSG, "a record of kind %u where a %s (%u) should be", found,
			kinds[kind].name, kind);
	return 0;
}

static int kind_in(enum record_kind kind, const ProtobufCMessage *message, void *record, struct error *error)
{
	switch (kind) {
	case RECORD_CLUSTER:
		return cluster_in((const Quoin__Catalog__Cluster *)message, record, error);
	case RECORD_NODE:
		return node_in((const Quoin__Catalog__Node *)message, record, error);
	case RECORD_LIVE:
		return live_in((const Quoin__Catalog__NodeLive *)message, record, error);
	case RECORD_POOL:
		return pool_in((const Quoin__Catalog__Pool *)message, record, error);
	case RECORD_RESERVATION:
		return reservation_in((const Quoin__Catalog__Reservation *)message, record, error);
	case RECORD_VOLUME:
		return volume_in((const Quoin__Catalog__Volume *)message, record, error);
	case RECORD_NAME:
		return name_record_in((const Quoin__Catalog__VolumeName *)message, record, error);
	case RECORD_CLASS:
		return class_in((const Quoin__Catalog__Class *)message, record, error);
	case RECORD_AT:
	case RECORD_GROUP:
	case RECORD_CLONE:
	case RECORD_KINDS:
		break;
	}
	return error_set(error, -EBADMSG, "a record of an unknown kind");
}

/* Every message begins with its version. */
static uint32_t message_version(enum record_kind kind, const ProtobufCMessage *message)
{
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field(kinds[kind].descriptor, 1);
	uint32_t version;

	ASSERT(field && field->type == PROTOBUF_C_TYPE_UINT32);
	memcpy(&version, (const uint8_t *)message + field->offset, sizeof(version));
	return version;
}

static int version_check(enum record_kind kind, uint32_t found, struct error *error)
{
	uint32_t known = kind == RECORD_CLUSTER ? RECORD_CLUSTER_VERSION : RECORD_VERSION;

	if (found == known)
		return 0;
	if (found < known)
		return error_set(error, -EBADMSG,
			"a %s record of version %u, this program needs %u: the cluster was made by an older "
			"Quoin, whose catalog this one doesn't read",
			kinds[kind].name, found, known);
	return error_set(error, -EBADMSG,
		"a %s record of version %u, this program knows %u: use the newer program", kinds[kind].name,
		found, known);
}

int catalog_record_decode(
	enum record_kind kind, const uint8_t *bytes, size_t len_bytes, void **ret_record, struct error *error)
{
	ProtobufCMessage *message;
	void *record;
	int rc;

	kind = record_form(kind);
	rc = header_check(kind, bytes, len_bytes, error);
	if (rc != 0)
		return rc;
	message = protobuf_c_message_unpack(
		kinds[kind].descriptor, NULL, len_bytes - RECORD_HEADER_BYTES, bytes + RECORD_HEADER_BYTES);
	if (!message)
		return error_set(error, -EBADMSG, "a %s record that can't be read", kinds[kind].name);
	record = calloc(1, kinds[kind].size_bytes);
	if (!record)
		rc = error_set(error, -ENOMEM, "out of memory");
	else
		rc = version_check(kind, message_version(kind, message), error);
	if (rc == 0)
		rc = kind_in(kind, message, record, error);
	protobuf_c_message_free_unpacked(message, NULL);
	if (rc != 0)
		record_free(kind, record);
	else
		*ret_record = record;
	return rc;
}

void record_free(enum record_kind kind, void *record)
{
	kind = record_form(kind);
	if (kind == RECORD_VOLUME) {
		catalog_volume_free(record);
		return;
	}
	if (kind == RECORD_NODE && record)
		free((void *)(uintptr_t)((struct catalog_node *)record)->labels);
	free(record);
}
