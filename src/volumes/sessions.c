#include "volumes/sessions.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "volumes/state_file.h"

struct session {
	struct uuid volume;
	uint64_t session;
	bool closed;
};

struct sessions {
	char *path;
	char boot_id[UUID_TEXT_LEN + 1];
	char lock[64]; /* which file is locked */
	unsigned count;
	struct session sessions[SESSIONS_MAX]; /* the one that was begun last, last */
};

static struct session *session_find(struct sessions *sessions, struct uuid volume)
{
	for (unsigned i = 0; i < sessions->count; i++)
		if (uuid_equal(sessions->sessions[i].volume, volume))
			return &sessions->sessions[i];
	return NULL;
}

static void session_forget(struct sessions *sessions, struct session *session)
{
	struct session *end = sessions->sessions + sessions->count;

	memmove(session, session + 1, (size_t)(end - session - 1) * sizeof(*session));
	sessions->count--;
}

/* ---- the file ---- */

static int session_load(struct sessions *sessions, json_t *item)
{
	const char *volume, *number;
	struct session session = { .closed = true }; /* its process has ended */
	char *end;

	if (json_unpack(item, "{s:s, s:s}", "volume", &volume, "session", &number) ||
		uuid_parse(volume, &session.volume) || sessions->count == SESSIONS_MAX)
		return -EINVAL;
	session.session = strtoull(number, &end, 16);
	if (session.session == 0 || *end != '\0' || session_find(sessions, session.volume))
		return -EINVAL;
	sessions->sessions[sessions->count++] = session;
	return 0;
}

/* What doesn't make sense, or is of another boot or directory, claims nothing. */
static void sessions_parse(struct sessions *sessions, const char *text, size_t len)
{
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	json_t *list, *item;
	const char *boot_id, *lock;
	int version;
	size_t i;

	if (root &&
		!json_unpack(root, "{s:i, s:s, s:s, s:o}", "version", &version, "boot_id", &boot_id, "lock",
			&lock, "sessions", &list) &&
		version == 1 && strcmp(boot_id, sessions->boot_id) == 0 &&
		strcmp(lock, sessions->lock) == 0) {
		json_array_foreach(list, i, item) if (session_load(sessions, item))
		{
			sessions->count = 0;
			break;
		}
	}
	json_decref(root);
}

static int sessions_save(const struct sessions *sessions, struct error *error)
{
	json_t *list = json_array();
	json_t *root = json_pack("{s:i, s:s, s:s, s:o}", "version", 1, "boot_id", sessions->boot_id, "lock",
		sessions->lock, "sessions", list);
	char volume[UUID_TEXT_LEN + 1], number[32], *text = NULL;
	int rc = root ? 0 : -ENOMEM;

	for (unsigned i = 0; rc == 0 && i < sessions->count; i++) {
		json_t *item;

		snprintf(number, sizeof(number), "%" PRIx64, sessions->sessions[i].session);
		item = json_pack("{s:s, s:s}", "volume", uuid_format(sessions->sessions[i].volume, volume),
			"session", number);
		if (!item || json_array_append_new(list, item))
			rc = -ENOMEM;
	}
	if (rc == 0)
		text = json_dumps(root, JSON_INDENT(1));
	json_decref(root);
	if (!text)
		return error_set(error, -ENOMEM, "no memory to write %s", sessions->path);
	rc = state_file_write_for_boot(sessions->path, text, strlen(text), error);
	free(text);
	return rc;
}

int sessions_open(const char *path, const char *boot_id, int lock_fd, struct sessions **ret_sessions,
	struct error *error)
{
	struct sessions *sessions = calloc(1, sizeof(*sessions));
	struct error why;
	struct stat st;
	char *text = NULL;
	size_t len;

	if (!sessions || !(sessions->path = strdup(path)) || fstat(lock_fd, &st)) {
		sessions_free(sessions);
		return error_set(error, -ENOMEM, "no memory for the table of sessions");
	}
	memcpy(sessions->boot_id, boot_id, sizeof(sessions->boot_id));
	snprintf(sessions->lock, sizeof(sessions->lock), "%llu:%llu", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino);
	if (!state_file_read(path, &text, &len, &why))
		sessions_parse(sessions, text, len);
	free(text);
	*ret_sessions = sessions;
	return 0;
}

void sessions_free(struct sessions *sessions)
{
	if (!sessions)
		return;
	free(sessions->path);
	free(sessions);
}

/* ---- */

static void room_make(struct sessions *sessions)
{
	struct session *oldest = sessions->sessions;

	if (sessions->count < SESSIONS_MAX)
		return;
	for (unsigned i = 0; i < sessions->count; i++)
		if (sessions->sessions[i].closed) {
			oldest = &sessions->sessions[i];
			break;
		}
	session_forget(sessions, oldest);
}

int sessions_begin(struct sessions *sessions, struct uuid volume, uint64_t session, uint64_t *ret_dead,
	struct error *error)
{
	struct session *former = session_find(sessions, volume);

	*ret_dead = former && former->closed ? former->session : 0;
	ASSERT(session != 0 && session != *ret_dead);
	if (former)
		session_forget(sessions, former);
	room_make(sessions);
	sessions->sessions[sessions->count++] = (struct session){ .volume = volume, .session = session };
	return sessions_save(sessions, error);
}

void sessions_end(struct sessions *sessions, struct uuid volume)
{
	struct session *session = session_find(sessions, volume);

	if (session)
		session->closed = true;
}
