#include "volumes/held.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "volumes/state_file.h"

#define HELD_PATH_BYTES 512u

static void held_path(const char *state_dir, const char *name, char path[static HELD_PATH_BYTES])
{
	snprintf(path, HELD_PATH_BYTES, "%s/held%s%s%s", state_dir, name ? "/" : "", name ? name : "",
		name ? ".json" : "");
}

/* ---- writing ---- */

static json_t *uuid_json(struct uuid uuid)
{
	char text[UUID_TEXT_LEN + 1];

	return json_string(uuid_format(uuid, text));
}

static json_t *voters_json(const struct shard_members *members)
{
	json_t *voters = json_array();

	for (unsigned i = 0; voters && i < members->voter_count; i++)
		if (json_array_append_new(voters,
			    json_pack("{s:o, s:o, s:s, s:s}", "replica",
				    uuid_json(members->voters[i].replica), "pool",
				    uuid_json(members->voters[i].pool), "node", members->voters[i].node,
				    "address", members->voters[i].address.text))) {
			json_decref(voters);
			return NULL;
		}
	return voters;
}

/* Takes over all that is packed as `o`, also where it fails. */
static json_t *shard_json(const struct shard_members *members)
{
	return json_pack("{s:o, s:I, s:i, s:i, s:o}", "group", uuid_json(members->group), "config_number",
		(json_int_t)members->config_number, "voters", (int)members->voter_mask, "next_voters",
		(int)members->next_mask, "members", voters_json(members));
}

static json_t *shards_json(const struct volume_shards *shards)
{
	json_t *list = json_array();

	for (unsigned s = 0; list && s < shards->count; s++)
		if (json_array_append_new(list, shard_json(&shards->members[s]))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

/* One shard's stand beside the rest, as they always did; several are a list, and another version. */
static int shards_put(json_t *root, const struct volume_shards *shards)
{
	json_t *only;
	int rc;

	if (shards->count != 1)
		return json_object_set_new(root, "version", json_integer(2)) ||
		       json_object_set_new(
			       root, "stripe_bytes", json_integer((json_int_t)shards->stripe_bytes)) ||
		       json_object_set_new(root, "shards", shards_json(shards));
	only = shard_json(&shards->members[0]);
	rc = json_object_update(root, only);
	json_decref(only);
	return rc;
}

static json_t *held_json(const struct held *held)
{
	const struct volume_spec *spec = &held->spec;
	json_t *root = json_pack("{s:i, s:s, s:o, s:o, s:I, s:I, s:I, s:b, s:I, s:s, s:s, s:b}", "version", 1,
		"name", spec->name, "volume", uuid_json(spec->volume), "attachment",
		uuid_json(spec->attachment), "size_bytes", (json_int_t)spec->size_bytes, "epoch",
		(json_int_t)spec->epoch.number, "restart", (json_int_t)spec->epoch.restart, "reads_quorum",
		(int)spec->reads_quorum, "error_after_ms", (json_int_t)spec->error_after_ms, "fs", held->fs,
		"mount_options", held->mount_options, "changing", (int)held->changing);

	if (root && shards_put(root, &held->shards)) {
		json_decref(root);
		return NULL;
	}
	return root;
}

typedef int (*write_fn)(const char *path, const char *text, size_t len_bytes, struct error *error);

static int held_write_by(
	write_fn write_file, const char *state_dir, const struct held *held, struct error *error)
{
	char path[HELD_PATH_BYTES];
	json_t *root = held_json(held);
	char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
	int rc;

	json_decref(root);
	held_path(state_dir, NULL, path);
	if (!text)
		return error_set(error, -ENOMEM, "no memory to write into %s", path);
	rc = state_dir_make(path, error);
	held_path(state_dir, held->spec.name, path);
	if (!rc)
		rc = write_file(path, text, strlen(text), error);
	free(text);
	return rc;
}

int held_write(const char *state_dir, const struct held *held, struct error *error)
{
	return held_write_by(state_file_write, state_dir, held, error);
}

int held_write_for_boot(const char *state_dir, const struct held *held, struct error *error)
{
	return held_write_by(state_file_write_for_boot, state_dir, held, error);
}

void held_remove(const char *state_dir, const char *name)
{
	char path[HELD_PATH_BYTES];

	held_path(state_dir, name, path);
	if (unlink(path) && errno != ENOENT)
		log_warning("can't remove %s: %s", path, strerror(errno));
}

/* ---- reading ---- */

static int member_parse(json_t *item, struct volume_voter *voter)
{
	const char *replica, *pool, *node, *address;

	if (json_unpack(item, "{s:s, s:s, s:s, s:s}", "replica", &replica, "pool", &pool, "node", &node,
		    "address", &address) ||
		uuid_parse(replica, &voter->replica) || uuid_parse(pool, &voter->pool) ||
		name_check("node name", node, NULL) || strlen(address) >= sizeof(voter->address.text))
		return -EINVAL;
	snprintf(voter->node, sizeof(voter->node), "%s", node);
	snprintf(voter->address.text, sizeof(voter->address.text), "%s", address);
	return 0;
}

static int members_parse(json_t *list, struct shard_members *members)
{
	json_t *item;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > GROUP_MAX_VOTERS)
		return -EINVAL;
	json_array_foreach(list, i, item)
	{
		if (member_parse(item, &members->voters[i]))
			return -EINVAL;
	}
	members->voter_count = (unsigned)json_array_size(list);
	return 0;
}

static int shard_parse(json_t *item, struct shard_members *members)
{
	const char *group;
	json_int_t number;
	int voters, next;
	json_t *list;

	if (json_unpack(item, "{s:s, s:I, s:i, s:i, s:o}", "group", &group, "config_number", &number,
		    "voters", &voters, "next_voters", &next, "members", &list) ||
		uuid_parse(group, &members->group) || members_parse(list, members) || number <= 0 ||
		voters <= 0 || voters >= 1 << members->voter_count || next < 0 ||
		next >= 1 << members->voter_count)
		return -EINVAL;
	members->config_number = (uint64_t)number;
	members->voter_mask = (uint8_t)voters;
	members->next_mask = (uint8_t)next;
	return 0;
}

/* Version 1 has one shard, beside the rest. */
static int shards_read(json_t *root, int version, struct volume_shards *shards)
{
	json_t *list = NULL;
	json_int_t stripe = 0;
	size_t count = 1;

	if (version == 2 && (json_unpack(root, "{s:I, s:o}", "stripe_bytes", &stripe, "shards", &list) ||
				    stripe < (json_int_t)STRIPE_MIN_BYTES || stripe % GRAIN_BYTES != 0 ||
				    json_array_size(list) < 2 || json_array_size(list) > VOLUME_MAX_SHARDS))
		return -EINVAL;
	if (version == 2)
		count = json_array_size(list);
	shards->members = calloc(count, sizeof(*shards->members));
	if (!shards->members)
		return -ENOMEM;
	shards->count = (unsigned)count;
	shards->stripe_bytes = (uint64_t)stripe;
	for (size_t s = 0; s < count; s++)
		if (shard_parse(list ? json_array_get(list, s) : root, &shards->members[s]))
			return -EINVAL;
	return 0;
}

static int held_unpack(json_t *root, const char *name, struct held *held)
{
	struct volume_spec *spec = &held->spec;
	const char *called, *volume, *attachment, *fs, *options = "";
	json_int_t size, epoch, restart, error_after;
	int version, reads_quorum, changing;

	if (json_unpack(root, "{s:i, s:s, s:s, s:s, s:I, s:I, s:I, s:b, s:I, s:s, s?s, s:b}", "version",
		    &version, "name", &called, "volume", &volume, "attachment", &attachment, "size_bytes",
		    &size, "epoch", &epoch, "restart", &restart, "reads_quorum", &reads_quorum,
		    "error_after_ms", &error_after, "fs", &fs, "mount_options", &options, "changing",
		    &changing) ||
		(version != 1 && version != 2) || strcmp(called, name) != 0 ||
		uuid_parse(volume, &spec->volume) || uuid_parse(attachment, &spec->attachment) ||
		strlen(fs) >= sizeof(held->fs) || strlen(options) >= sizeof(held->mount_options) ||
		size <= 0 || epoch <= 0 || restart < 0 || restart >= UINT32_MAX || error_after < 0 ||
		error_after > UINT32_MAX)
		return -EINVAL;
	snprintf(spec->name, sizeof(spec->name), "%s", name);
	snprintf(held->fs, sizeof(held->fs), "%s", fs);
	snprintf(held->mount_options, sizeof(held->mount_options), "%s", options);
	spec->size_bytes = (uint64_t)size;
	spec->epoch = (struct epoch){ .number = (uint64_t)epoch, .restart = (uint32_t)restart };
	spec->reads_quorum = reads_quorum;
	spec->error_after_ms = (uint32_t)error_after;
	held->changing = changing;
	return shards_read(root, version, &held->shards);
}

int held_read(const char *state_dir, const char *name, struct held *ret_held, struct error *error)
{
	char path[HELD_PATH_BYTES];
	struct held held = { .changing = false };
	json_error_t why;
	json_t *root;
	char *text = NULL;
	size_t len;
	int rc;

	held_path(state_dir, name, path);
	rc = state_file_read(path, &text, &len, error);
	if (rc)
		return rc;
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	free(text);
	if (!root)
		return error_set(error, -EINVAL, "%s:%d: %s", path, why.line, why.text);
	if (held_unpack(root, name, &held)) {
		volume_shards_done(&held.shards);
		rc = error_set(error, -EINVAL, "%s is not what an agent notes of volume %s, version 1 or 2",
			path, name);
	} else {
		*ret_held = held;
	}
	json_decref(root);
	return rc;
}
