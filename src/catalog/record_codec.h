/* Between protobuf-c's messages and our records: for record*.c only. */
#ifndef QUOIN_CATALOG_RECORD_CODEC_H
#define QUOIN_CATALOG_RECORD_CODEC_H

#include "catalog.pb-c.h"
#include "catalog/record.h"
#include "catalog/shards.h"

#define RECORD_VERSION         1u
#define RECORD_CLUSTER_VERSION 2u /* from 2 on each node has copies of what concerns it: copies.c */

/* Copies a text of at most `max_len` characters into `to`. -EBADMSG naming the field: too long. */
int text_in(const char *field, const char *text, char *to, size_t max_len, struct error *error) MUST_CHECK;
/* The same for a name: name_check() beside it; empty is refused. */
int name_in(const char *field, const char *text, char *to, struct error *error) MUST_CHECK;
/* A name, or nothing. */
int name_or_none_in(const char *field, const char *text, char *to, struct error *error) MUST_CHECK;
/* 16 bytes, not all zero. */
int uuid_in(const char *field, ProtobufCBinaryData data, struct uuid *to, struct error *error) MUST_CHECK;
ProtobufCBinaryData uuid_out(const struct uuid *uuid);
/* "ext4" or "xfs". */
int fs_in(const char *text, char to[static 8], struct error *error) MUST_CHECK;

/* One pair for each kind, in record_*.c: out fills a message that borrows from the record. */
int cluster_in(
	const Quoin__Catalog__Cluster *message, struct record_cluster *to, struct error *error) MUST_CHECK;
void cluster_out(const struct record_cluster *record, Quoin__Catalog__Cluster *to);
int class_in(const Quoin__Catalog__Class *message, struct catalog_class *to, struct error *error) MUST_CHECK;
void class_out(const struct catalog_class *record, Quoin__Catalog__Class *to);
/* Allocates the labels of `to`; record_free() frees them, also after an error. */
int node_in(const Quoin__Catalog__Node *message, struct catalog_node *to, struct error *error) MUST_CHECK;
/* Packs the node behind a header's room. -ENOMEM, -EINVAL. */
int node_pack(const struct catalog_node *record, struct record_bytes *ret_bytes) MUST_CHECK;
int pool_in(const Quoin__Catalog__Pool *message, struct catalog_pool *to, struct error *error) MUST_CHECK;
void pool_out(const struct catalog_pool *record, Quoin__Catalog__Pool *to);
/* Allocates shards and labels of `to`; the caller frees them, also after an error. */
int volume_in(
	const Quoin__Catalog__Volume *message, struct catalog_volume *to, struct error *error) MUST_CHECK;
/* Packs the volume behind a header's room. -ENOMEM, -EINVAL. */
int volume_pack(const struct catalog_volume *record, struct record_bytes *ret_bytes) MUST_CHECK;
/* Makes bytes with room for the header, and the message behind it. */
int message_pack(const ProtobufCMessage *message, struct record_bytes *ret_bytes) MUST_CHECK;

/* record_snapshots.c: parts of volume_in() and volume_pack(); origin_out(), import_out(): NULL for none. */
int snapshots_in(
	const Quoin__Catalog__Volume *message, struct catalog_volume *to, struct error *error) MUST_CHECK;
void snapshot_out(const struct catalog_snapshot *record, Quoin__Catalog__Snapshot *to);
int viewers_in(
	const Quoin__Catalog__Volume *message, struct catalog_volume *to, struct error *error) MUST_CHECK;
int origin_in(
	const Quoin__Catalog__Volume *message, struct catalog_volume *to, struct error *error) MUST_CHECK;
Quoin__Catalog__Origin *origin_out(const struct catalog_volume *record, Quoin__Catalog__Origin *to);
int import_in(
	const Quoin__Catalog__Volume *message, struct catalog_volume *to, struct error *error) MUST_CHECK;
Quoin__Catalog__Import *import_out(const struct catalog_volume *record, Quoin__Catalog__Import *to);

#endif
