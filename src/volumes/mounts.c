#include "volumes/mounts.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "volumes/state_file.h"

/* With the empty ID and count 0: an operator attached the volume, or exports it by NBD. */
struct mount_id {
	struct list node, by_volume;
	char volume[NAME_MAX_LEN + 1];
	char id[MOUNT_ID_MAX + 1];
	uint64_t generation;
	uint32_t count;
	bool nbd;
};

#define MOUNTS_BUCKETS 256u

struct mounts {
	struct list ids; /* those of one volume stand side by side */
	struct list by_volume[MOUNTS_BUCKETS];
	uint64_t generation;
	char *path;
	char boot_id[UUID_TEXT_LEN + 1];
};

static unsigned bucket_of(const char *volume)
{
	return crc32c(volume, strlen(volume)) % MOUNTS_BUCKETS;
}

static struct mount_id *mount_id_find(const struct mounts *mounts, const char *volume, const char *id)
{
	list_for_each (node, &mounts->by_volume[bucket_of(volume)]) {
		struct mount_id *m = list_entry(node, struct mount_id, by_volume);

		if (!strcmp(m->volume, volume) && !strcmp(m->id, id))
			return m;
	}
	return NULL;
}

static struct mount_id *mount_id_new(struct mounts *mounts, const char *volume, const char *id)
{
	struct mount_id *m = calloc(1, sizeof(*m));
	struct list *bucket = &mounts->by_volume[bucket_of(volume)], *last = mounts->ids.prev;

	if (!m)
		return NULL;
	memcpy(m->volume, volume, strlen(volume) + 1);
	memcpy(m->id, id, strlen(id) + 1);
	list_for_each (node, bucket) {
		struct mount_id *other = list_entry(node, struct mount_id, by_volume);

		if (!strcmp(other->volume, volume))
			last = &other->node;
	}
	list_push_front(last, &m->node); /* behind it */
	list_push_back(bucket, &m->by_volume);
	return m;
}

static void mount_id_free(struct mount_id *m)
{
	list_remove(&m->node);
	list_remove(&m->by_volume);
	free(m);
}

/* ---- the file ---- */

static json_t *mounts_to_json(const struct mounts *mounts)
{
	json_t *ids = json_array();
	json_t *root = json_pack("{s:i, s:s, s:I, s:o}", "version", 1, "boot_id", mounts->boot_id,
		"generation", (json_int_t)mounts->generation, "ids", ids);

	if (!root)
		return NULL;
	list_for_each (node, &mounts->ids) {
		const struct mount_id *m = list_entry(node, struct mount_id, node);
		json_t *id =
			json_pack("{s:s, s:s, s:I, s:I, s:b}", "volume", m->volume, "id", m->id, "generation",
				(json_int_t)m->generation, "count", (json_int_t)m->count, "nbd", m->nbd);

		if (!id || json_array_append_new(ids, id)) {
			json_decref(root);
			return NULL;
		}
	}
	return root;
}

static int mounts_save(const struct mounts *mounts, struct error *error)
{
	json_t *root = mounts_to_json(mounts);
	char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
	int rc;

	json_decref(root);
	if (!text)
		return error_set(error, -ENOMEM, "no memory to write %s", mounts->path);
	rc = state_file_write_for_boot(mounts->path, text, strlen(text), error);
	free(text);
	return rc;
}

static int mount_id_load(struct mounts *mounts, json_t *item)
{
	const char *volume, *id;
	json_int_t generation, count;
	int nbd = 0;
	struct mount_id *m;

	if (json_unpack(item, "{s:s, s:s, s:I, s:I, s?b}", "volume", &volume, "id", &id, "generation",
		    &generation, "count", &count, "nbd", &nbd) ||
		name_check("volume name", volume, NULL) || strlen(id) > MOUNT_ID_MAX || generation < 0 ||
		count < 0 || count > UINT32_MAX || (id[0] == '\0') != (count == 0) ||
		mount_id_find(mounts, volume, id))
		return -EINVAL;
	m = mount_id_new(mounts, volume, id);
	if (!m)
		return -ENOMEM;
	m->generation = (uint64_t)generation;
	m->count = (uint32_t)count;
	m->nbd = nbd;
	return 0;
}

static int mounts_parse(struct mounts *mounts, const char *text, size_t len, struct error *error)
{
	json_error_t why;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	json_t *ids, *item;
	const char *boot_id;
	json_int_t generation;
	int version, rc = 0;
	size_t i;

	if (!root)
		return error_set(error, -EINVAL, "%s:%d: %s", mounts->path, why.line, why.text);
	if (json_unpack(root, "{s:i, s:s, s:I, s:o}", "version", &version, "boot_id", &boot_id, "generation",
		    &generation, "ids", &ids) ||
		version != 1 || generation < 0 || !json_is_array(ids))
		rc = error_set(error, -EINVAL, "%s is not a table of mounts, version 1", mounts->path);
	else if (!strcmp(boot_id, mounts->boot_id)) {
		mounts->generation = (uint64_t)generation;
		json_array_foreach(ids, i, item)
		{
			rc = mount_id_load(mounts, item);
			if (rc) {
				rc = error_set(
					error, rc, "%s: the ID number %zu is not valid", mounts->path, i);
				break;
			}
		}
	}
	json_decref(root);
	return rc;
}

int mounts_open(const char *path, const char *boot_id, struct mounts **ret_mounts, struct error *error)
{
	struct mounts *mounts = calloc(1, sizeof(*mounts));
	char *text = NULL;
	size_t len = 0;
	int rc;

	if (!mounts)
		return error_set(error, -ENOMEM, "no memory");
	list_init(&mounts->ids);
	for (unsigned i = 0; i < MOUNTS_BUCKETS; i++)
		list_init(&mounts->by_volume[i]);
	ASSERT(strlen(boot_id) == UUID_TEXT_LEN);
	memcpy(mounts->boot_id, boot_id, sizeof(mounts->boot_id));
	mounts->path = strdup(path);
	rc = mounts->path ? state_file_read(path, &text, &len, error)
			  : error_set(error, -ENOMEM, "no memory");
	if (rc == -ENOENT)
		rc = 0;
	else if (!rc)
		rc = mounts_parse(mounts, text, len, error);
	free(text);
	if (rc) {
		mounts_close(mounts);
		return rc;
	}
	*ret_mounts = mounts;
	return 0;
}

void mounts_close(struct mounts *mounts)
{
	if (!mounts)
		return;
	list_for_each_safe (node, &mounts->ids)
		mount_id_free(list_entry(node, struct mount_id, node));
	free(mounts->path);
	free(mounts);
}

/* ---- changes ---- */

int mounts_add(struct mounts *mounts, const char *volume, const char *id, struct error *error)
{
	struct mount_id *m, before;
	int rc;

	if (!id[0] || strlen(id) > MOUNT_ID_MAX)
		return error_set(error, -EINVAL, "a mount's ID has 1 to %u characters", MOUNT_ID_MAX);
	m = mount_id_find(mounts, volume, id);
	if (!m) {
		m = mount_id_new(mounts, volume, id);
		if (!m)
			return error_set(error, -ENOMEM, "no memory");
	}
	before = *m;
	m->count = m->generation == mounts->generation ? m->count + 1 : 1;
	m->generation = mounts->generation;
	rc = mounts_save(mounts, error);
	if (rc && before.count == 0) {
		mount_id_free(m);
	} else if (rc) {
		m->count = before.count;
		m->generation = before.generation;
	}
	return rc;
}

int mounts_drop(struct mounts *mounts, const char *volume, const char *id, struct error *error)
{
	struct mount_id *m = mount_id_find(mounts, volume, id);

	if (!m)
		return error_set(error, -ENOENT, "volume %s is not mounted under the ID %.64s", volume, id);
	if (m->generation == mounts->generation && m->count > 1)
		m->count--;
	else
		mount_id_free(m);
	return mounts_save(mounts, error);
}

int mounts_forget(struct mounts *mounts, const char *volume, bool older_only, struct error *error)
{
	bool changed = false;

	list_for_each_safe (node, &mounts->ids) {
		struct mount_id *m = list_entry(node, struct mount_id, node);

		if (strcmp(m->volume, volume) != 0 || !m->id[0] ||
			(older_only && m->generation == mounts->generation))
			continue;
		mount_id_free(m);
		changed = true;
	}
	return changed ? mounts_save(mounts, error) : 0;
}

int mounts_new_generation(struct mounts *mounts, struct error *error)
{
	mounts->generation++;
	return mounts_save(mounts, error);
}

int mounts_attached_set(struct mounts *mounts, const char *volume, enum attached_as as, struct error *error)
{
	struct mount_id *m = mount_id_find(mounts, volume, "");
	bool is_new = !m, was_nbd = m && m->nbd;
	int rc;

	if (as == mounts_attached(mounts, volume))
		return 0;
	if (as == ATTACHED_NOT) {
		mount_id_free(m);
		return mounts_save(mounts, error);
	}
	if (is_new)
		m = mount_id_new(mounts, volume, "");
	if (!m)
		return error_set(error, -ENOMEM, "no memory");
	m->nbd = as == ATTACHED_NBD;
	rc = mounts_save(mounts, error);
	if (rc && is_new)
		mount_id_free(m);
	else if (rc)
		m->nbd = was_nbd;
	return rc;
}

/* ---- what is known ---- */

enum attached_as mounts_attached(const struct mounts *mounts, const char *volume)
{
	const struct mount_id *m = mount_id_find(mounts, volume, "");

	return !m ? ATTACHED_NOT : m->nbd ? ATTACHED_NBD : ATTACHED_DEVICE;
}

struct mounts_count mounts_count(const struct mounts *mounts, const char *volume)
{
	struct mounts_count count = { 0, 0 };

	list_for_each (node, &mounts->by_volume[bucket_of(volume)]) {
		const struct mount_id *m = list_entry(node, struct mount_id, by_volume);

		if (strcmp(m->volume, volume) != 0 || !m->id[0])
			continue;
		if (m->generation == mounts->generation)
			count.current += m->count;
		else
			count.older++;
	}
	return count;
}

void mounts_each_volume(const struct mounts *mounts, void (*fn)(void *arg, const char *volume), void *arg)
{
	const struct mount_id *former = NULL;

	list_for_each (node, &mounts->ids) {
		const struct mount_id *m = list_entry(node, struct mount_id, node);

		if (!former || strcmp(former->volume, m->volume) != 0)
			fn(arg, m->volume);
		former = m;
	}
}
