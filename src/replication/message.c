#include "replication/message.h"

const char *message_name(enum message_type type)
{
	static const char *const names[MESSAGE_TYPE_END] = {
		[MESSAGE_OPEN] = "open",
		[MESSAGE_OPEN_ANSWER] = "open-answer",
		[MESSAGE_STALE] = "stale",
		[MESSAGE_CONFIG] = "config",
		[MESSAGE_MATCH] = "match",
		[MESSAGE_MATCH_ANSWER] = "match-answer",
		[MESSAGE_APPEND] = "append",
		[MESSAGE_APPEND_ANSWER] = "append-answer",
		[MESSAGE_READ] = "read",
		[MESSAGE_READ_ANSWER] = "read-answer",
		[MESSAGE_LOG_READ] = "log-read",
		[MESSAGE_LOG_ANSWER] = "log-answer",
		[MESSAGE_SYNC_START] = "sync-start",
		[MESSAGE_SYNC_STARTED] = "sync-started",
		[MESSAGE_SYNC_WINDOW] = "sync-window",
		[MESSAGE_GRAIN_READ] = "grain-read",
		[MESSAGE_GRAIN_ANSWER] = "grain-answer",
		[MESSAGE_GRAIN_WRITE] = "grain-write",
		[MESSAGE_GRAIN_WRITTEN] = "grain-written",
		[MESSAGE_SYNC_FINISH] = "sync-finish",
		[MESSAGE_SYNC_FINISHED] = "sync-finished",
		[MESSAGE_RELEASE] = "release",
		[MESSAGE_RELEASE_ANSWER] = "release-answer",
		[MESSAGE_PROBE] = "probe",
		[MESSAGE_PROBE_ANSWER] = "probe-answer",
		[MESSAGE_GROW] = "grow",
		[MESSAGE_MAP_READ] = "map-read",
		[MESSAGE_MAP_ANSWER] = "map-answer",
		[MESSAGE_MAP_COMPARE] = "map-compare",
		[MESSAGE_MAP_COMPARED] = "map-compared",
		[MESSAGE_GRAIN_HEAL] = "grain-heal",
		[MESSAGE_GRAIN_HEALED] = "grain-healed",
		[MESSAGE_SNAPSHOT_READ] = "snapshot-read",
		[MESSAGE_GRAIN_BAD] = "grain-bad",
		[MESSAGE_COMPARE_ASKED] = "compare-asked",
	};

	if ((unsigned)type >= MESSAGE_TYPE_END || !names[type])
		return "unknown";
	return names[type];
}
