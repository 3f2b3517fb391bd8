/* quoin pool inspect */
#include <stdio.h>
#include <string.h>

#include "cli/client.h"

static void tier_print(const json_t *pool)
{
	const json_t *m = json_object_get(pool, "measured");

	printf("tier        %s: %s\n", text_of(pool, "tier"), text_of(pool, "tier_reason"));
	if (!json_is_object(m))
		return;
	printf("measured    4 KiB read %lld us, 99 %% %lld us", number_of(m, "read_p50_us"),
		number_of(m, "read_p99_us"));
	if (number_of(m, "write_p50_us") > 0)
		printf("; durable write %lld us, 99 %% %lld us", number_of(m, "write_p50_us"),
			number_of(m, "write_p99_us"));
	printf("; sequential read %lld MiB/s", number_of(m, "read_mib_per_s"));
	if (number_of(m, "write_mib_per_s") > 0)
		printf(", write %lld MiB/s", number_of(m, "write_mib_per_s"));
	printf("; %s\n", text_of(m, "when"));
}

static void room_print(const json_t *pool)
{
	const json_t *room = json_object_get(pool, "room");
	char text[4][SIZE_TEXT_LEN + 1];

	printf("room        %s, %s used, %s provisioned\n", size_text(pool, "size_bytes", text[0]),
		size_text(pool, "used_bytes", text[1]), size_text(pool, "provisioned_bytes", text[2]));
	if (json_is_object(room))
		printf("            %s free, %s being freed, %s of entries on their way; of what is free %s "
		       "are "
		       "kept for trims and repair\n",
			size_text(room, "free_bytes", text[0]), size_text(room, "freeing_bytes", text[1]),
			size_text(room, "pending_bytes", text[2]), size_text(room, "reserve_bytes", text[3]));
	if (number_of(room, "kept_bytes") > 0)
		printf("            of what is free %s are kept for thick volumes\n",
			size_text(room, "kept_bytes", text[0]));
}

/* Their sum is the pool's used room: what no replica has is a line of its own. */
static void replicas_print(const json_t *pool)
{
	const json_t *room = json_object_get(pool, "room");
	char text[3][SIZE_TEXT_LEN + 1];
	struct table table;
	json_t *replica;
	size_t index;

	table_init(&table, "REPLICA OF", "ROLE", "STATE", "SIZE", "USED", "BY SNAPSHOTS", NULL);
	json_array_foreach(json_object_get(pool, "replica_list"), index, replica) table_row(&table,
		text_of(replica, "volume"), text_of(replica, "role"), text_of(replica, "state"),
		size_text(replica, "size_bytes", text[0]), size_text(replica, "used_bytes", text[1]),
		size_text(replica, "snapshot_bytes", text[2]));
	if (json_is_object(room)) {
		table_row(&table, "(removed)", "-", "-", "-", size_text(room, "unowned_bytes", text[1]), "-");
		table_row(&table, "(all)", "-", "-", "-", size_text(pool, "used_bytes", text[1]), "-");
	}
	printf("\n");
	table_print(&table);
	if (!json_is_object(room))
		printf("what they use is known on their node: ask its agent (quoin pool inspect %s --node "
		       "%s)\n",
			text_of(pool, "name"), text_of(pool, "node"));
}

static void health_print(const json_t *pool)
{
	const json_t *sums = json_object_get(pool, "checksums");
	char text[2][SIZE_TEXT_LEN + 1];

	if (!json_is_true(json_object_get(pool, "local")))
		return;
	printf("errors      %lld blocks of wrong checksum, %lld reads that the device failed, since it was "
	       "opened\n",
		number_of(pool, "checksum_errors"), number_of(pool, "read_errors"));
	printf("checksums   %s of them in memory, at most about %s; %lld pages read for others\n",
		size_text(sums, "memory_bytes", text[0]), size_text(sums, "limit_bytes", text[1]),
		number_of(sums, "pages_read"));
	printf("\n");
	cli_scrub_print(json_object_get(pool, "scrub"));
}

int cmd_pool_inspect(struct cli *cli)
{
	char path[2 * NAME_MAX_LEN + 16], journal[2][SIZE_TEXT_LEN + 1], grain[SIZE_TEXT_LEN + 1];
	json_t *answer, *pool;
	int exit_code;

	if (strlen(cli->args[0]) > 2 * NAME_MAX_LEN) {
		fprintf(stderr, "quoin: %.64s... is too long for the name of a pool\n", cli->args[0]);
		return EXIT_USAGE;
	}
	snprintf(path, sizeof(path), "/v1/pools/%s", cli->args[0]);
	exit_code = cli_call(cli, "GET", path, NULL, &answer);
	if (exit_code != EXIT_OK || !answer)
		return exit_code;
	pool = json_object_get(answer, "pool");
	printf("pool        %s/%s (%s)\n", text_of(pool, "node"), text_of(pool, "name"),
		text_of(pool, "uuid"));
	printf("state       %s%s%s\n", text_of(pool, "state"),
		json_is_true(json_object_get(pool, "draining")) ? ", draining" : "",
		json_is_true(json_object_get(pool, "full")) ? ", full: it takes no new writes" : "");
	if (json_object_get(pool, "state_reason"))
		printf("            %s\n", text_of(pool, "state_reason"));
	printf("device      %s\n", text_of(pool, "path"));
	tier_print(pool);
	printf("geometry    %lld grains of %s", number_of(json_object_get(pool, "geometry"), "grains"),
		size_text(json_object_get(pool, "geometry"), "grain_bytes", grain));
	if (json_object_get(pool, "journal_bytes"))
		printf(", journal of %s, %s of it in use", size_text(pool, "journal_bytes", journal[0]),
			size_text(pool, "journal_used_bytes", journal[1]));
	printf("\nreplicas    %lld of %lld at most\n", number_of(pool, "replicas"),
		number_of(pool, "replicas_max"));
	room_print(pool);
	health_print(pool);
	replicas_print(pool);
	if (json_array_size(json_object_get(pool, "events")) > 0)
		printf("\n");
	cli_events_print(json_object_get(pool, "events"));
	json_decref(answer);
	return EXIT_OK;
}
