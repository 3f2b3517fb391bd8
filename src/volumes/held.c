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

static json_t *voters_json(const struct volume_spec *spec)
{
	json_t *voters = json_array();

	for (unsigned i = 0; voters && i < spec->voter_count; i++)
		if (json_array_append_new(voters,
			    json_pack("{s:o, s:o, s:s, s:s}", "replica", uuid_json(spec->voters[i].replica),
				    "pool", uuid_json(spec->voters[i].pool), "node", spec->voters[i].node,
				    "address", spec->voters[i].address.text))) {
			json_decref(voters);
			return NULL;
		}
	return voters;
}

static json_t *held_json(const struct held *held)
{
	const struct volume_spec *spec = &held->spec;

	/* Takes over all that is packed as `o`, also where it fails. */
	return json_pack(
		"{s:i, s:s, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:i, s:i, s:b, s:I, s:s, s:s, s:b, s:o}",
		"version", 1, "name", spec->name, "volume", uuid_json(spec->volume), "group",
		uuid_json(spec->group), "attachment", uuid_json(spec->attachment), "size_bytes",
		(json_int_t)spec->size_bytes, "epoch", (json_int_t)spec->epoch.number, "restart",
		(json_int_t)spec->epoch.restart, "config_number", (json_int_t)spec->config_number, "voters",
		(int)spec->voter_mask, "next_voters", (int)spec->next_mask, "reads_quorum",
		(int)spec->reads_quorum, "error_after_ms", (json_int_t)spec->error_after_ms, "fs", held->fs,
		"mount_options", held->mount_options, "changing", (int)held->changing, "members",
		voters_json(spec));
}

int held_write(const char *state_dir, const struct held *held, struct error *error)
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
		rc = state_file_write(path, text, strlen(text), error);
	free(text);
	return rc;
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

static int members_parse(json_t *members, struct volume_spec *spec)
{
	json_t *item;
	size_t i;

	if (!json_is_array(members) || json_array_size(members) == 0 ||
		json_array_size(members) > GROUP_MAX_VOTERS)
		return -EINVAL;
	json_array_foreach(members, i, item)
	{
		if (member_parse(item, &spec->voters[i]))
			return -EINVAL;
	}
	spec->voter_count = (unsigned)json_array_size(members);
	return 0;
}

static int held_unpack(json_t *root, const char *name, struct held *held)
{
	struct volume_spec *spec = &held->spec;
	const char *called, *volume, *group, *attachment, *fs, *options = "";
	json_int_t size, epoch, restart, number, error_after;
	int version, voters, next, reads_quorum, changing;
	json_t *members;

	if (json_unpack(root,
		    "{s:i, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:i, s:i, s:b, s:I, s:s, s?s, s:b, s:o}",
		    "version", &version, "name", &called, "volume", &volume, "group", &group, "attachment",
		    &attachment, "size_bytes", &size, "epoch", &epoch, "restart", &restart, "config_number",
		    &number, "voters", &voters, "next_voters", &next, "reads_quorum", &reads_quorum,
		    "error_after_ms", &error_after, "fs", &fs, "mount_options", &options, "changing",
		    &changing, "members", &members) ||
		version != 1 || strcmp(called, name) != 0 || uuid_parse(volume, &spec->volume) ||
		uuid_parse(group, &spec->group) || uuid_parse(attachment, &spec->attachment) ||
		members_parse(members, spec) || strlen(fs) >= sizeof(held->fs) ||
		strlen(options) >= sizeof(held->mount_options) || size <= 0 || epoch <= 0 || restart < 0 ||
		restart >= UINT32_MAX || number <= 0 || voters <= 0 || voters >= 1 << spec->voter_count ||
		next < 0 || next >= 1 << spec->voter_count || error_after < 0 || error_after > UINT32_MAX)
		return -EINVAL;
	snprintf(spec->name, sizeof(spec->name), "%s", name);
	snprintf(held->fs, sizeof(held->fs), "%s", fs);
	snprintf(held->mount_options, sizeof(held->mount_options), "%s", options);
	spec->size_bytes = (uint64_t)size;
	spec->epoch = (struct epoch){ .number = (uint64_t)epoch, .restart = (uint32_t)restart };
	spec->config_number = (uint64_t)number;
	spec->voter_mask = (uint8_t)voters;
	spec->next_mask = (uint8_t)next;
	spec->reads_quorum = reads_quorum;
	spec->error_after_ms = (uint32_t)error_after;
	held->changing = changing;
	return 0;
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
	if (held_unpack(root, name, &held))
		rc = error_set(
			error, -EINVAL, "%s is not what an agent notes of volume %s, version 1", path, name);
	else
		*ret_held = held;
	json_decref(root);
	return rc;
}
