/* `quoin` itself, as a process, against the admin API with volumes in memory: output, words and exit codes.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "../admin/admin_fixture.h"
#include "cli/cli.h"

struct outcome {
	int exit_code;
	char out[16384], err[4096];
};

static void output_read(int fd, char *text, size_t capacity)
{
	ssize_t len;

	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	len = read(fd, text, capacity - 1);
	assert_true(len >= 0);
	text[len] = '\0';
	close(fd);
}

static pid_t quoin_spawn(const char *line, const char *socket_path, int out, int err)
{
	char copy[256];
	char *argv[16] = { getenv("QUOIN") }, *save = NULL;
	unsigned argc = 1;
	pid_t pid;

	assert_non_null(argv[0]);
	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (socket_path)
			setenv("QUOIN_SOCKET", socket_path, 1);
		else
			unsetenv("QUOIN_SOCKET");
		dup2(out, 1);
		dup2(err, 2);
		execv(argv[0], argv);
		_exit(127);
	}
	return pid;
}

static int output_open(void)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

/* Runs `quoin LINE` to its end while the server's loop turns; for_ms: interrupts it then. */
static struct outcome run_for(struct fixture *f, const char *line, unsigned for_ms)
{
	struct outcome outcome = { 0 };
	int out = output_open(), err = output_open(), status = 0;
	uint64_t until = uv_hrtime() + (for_ms ? for_ms : 20000) * UINT64_C(1000000);
	pid_t pid = quoin_spawn(line, f->path, out, err);

	while (waitpid(pid, &status, WNOHANG) == 0) {
		uv_run(&f->loop, UV_RUN_NOWAIT);
		usleep(500);
		if (uv_hrtime() > until)
			kill(pid, SIGKILL);
	}
	outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	output_read(out, outcome.out, sizeof(outcome.out));
	output_read(err, outcome.err, sizeof(outcome.err));
	return outcome;
}

static struct outcome run(struct fixture *f, const char *line)
{
	return run_for(f, line, 0);
}

/* `quoin LINE` succeeds and prints exactly this. */
static void prints(struct fixture *f, const char *line, const char *text)
{
	struct outcome outcome = run(f, line);

	assert_string_equal(outcome.err, "");
	assert_string_equal(outcome.out, text);
	assert_int_equal(outcome.exit_code, EXIT_OK);
}

/* `quoin LINE` fails with this exit code and exactly these words. */
static void fails(struct fixture *f, const char *line, int exit_code, const char *words)
{
	struct outcome outcome = run(f, line);

	assert_string_equal(outcome.err, words);
	assert_string_equal(outcome.out, "");
	assert_int_equal(outcome.exit_code, exit_code);
}

static void status_is_short(void **state)
{
	prints(*state, "status",
		"cluster  cccccccc-cccc-cccc-cccc-cccccccccccc\n"
		"node     a (quoin " QUOIN_VERSION "), ready\n"
		"kvdb     ok\n"
		"nodes    2 of 3 up\n"
		"pools    3, 3 GiB of 60 GiB used\n"
		"volumes  0: 0 healthy, 0 degraded, 0 no-quorum, 0 detached\n");
}

static void nodes_are_a_table(void **state)
{
	prints(*state, "node list",
		"NODE  REGION  ZONE    RACK  STATE  SINCE                     POOLS  ADDRESS\n"
		"a     local   zone-a  r1    up     2026-01-31T12:00:00.000Z  1      127.0.0.1:7421\n"
		"b     local   zone-b  r1    up     2026-01-31T12:00:00.000Z  1      127.0.0.1:7422\n"
		"c     local   zone-c  r1    down   2026-01-31T12:00:00.000Z  1      127.0.0.1:7423\n");
}

static void pools_are_a_table(void **state)
{
	prints(*state, "pool list",
		"POOL  NODE  ZONE    TIER  STATE  REPLICAS  USED   SIZE    PROVISIONED  SCRUBBED  PATH\n"
		"p1    a     zone-a  high  ok     0         1 GiB  20 GiB  10 GiB       not yet   "
		"/var/lib/pool-a\n"
		"p2    b     zone-b  high  ok     0         1 GiB  20 GiB  10 GiB       -         "
		"/var/lib/pool-b\n"
		"p3    c     zone-c  high  ok     0         1 GiB  20 GiB  10 GiB       -         "
		"/var/lib/pool-c\n");
}

static void a_pool_is_inspected(void **state)
{
	struct fixture *f = *state;
	struct pool_view *pool = &f->volumes->pools[0];

	pool->info.size_bytes = 3 * GRAIN_BYTES;
	pool->info.free_bytes = pool->info.unowned_bytes = GRAIN_BYTES;
	prints(f, "pool inspect a/p1",
		"pool        a/p1 (d0d0d0d0-d0d0-d0d0-d0d0-d0d0d0d0d0d0)\nstate       ok\n"
		"device      /var/lib/pool-a\ntier        high: durable write 40 us\n"
		"geometry    327680 grains of 64 KiB, journal of 0 B, 0 B of it in use\n"
		"replicas    0 of 0 at most\nroom        20 GiB, 1 GiB used, 10 GiB provisioned\n"
		"            64 KiB free, 0 B being freed, 128 KiB of entries on their way; of what is "
		"free 0 B are kept for trims and repair\n"
		"errors      0 blocks of wrong checksum, 0 reads that the device failed, since it was "
		"opened\nchecksums   0 B of them in memory, at most about 0 B; 0 pages read for others\n"
		"\nlast whole pass  none yet\nunder way        none\nknown to be bad  0 grains\n\n"
		"REPLICA OF  ROLE   STATE     SIZE   USED     BY SNAPSHOTS\n"
		"v           voter  complete  1 MiB  320 KiB  192 KiB\n"
		"(removed)   -      -         -      64 KiB   -\n"
		"(all)       -      -         -      1 GiB    -\n");
	assert_non_null(strstr(run(f, "pool inspect p2").out,
		"v           voter  complete  1 MiB  unknown  unknown\n"
		"what they use is known on their node: ask its agent (quoin pool inspect p2 --node b)\n"));
	fails(f, "pool inspect b/p1", EXIT_NOT_FOUND, "quoin: there is no pool b/p1\n");
}

static void a_scrub_is_shown_and_asked_for(void **state)
{
	struct fixture *f = *state;
	struct pool_scrub_info *scrub = &f->volumes->pools[0].info.scrub;
	static const char shown[] =
		"last whole pass  ended 2026-01-31T12:00:00.000Z: 1 GiB read, 5 bad blocks (4 good "
		"again), 1 bad pages (1 good again)\n"
		"under way        since 2026-01-31T12:00:00.000Z, spread over its period,  25 %: "
		"256 MiB read, nothing bad\n"
		"known to be bad  1 grains\ncompared         2 of 3 groups attached here, within 90 s: 70 "
		"grains, 2 differ (1 written anew), 4 undecided; 1 under way, 40 %\n";
	prints(f, "pool scrub p1",
		"last whole pass  none yet\nunder way        none\nknown to be bad  0 grains\n"
		"compared         none of its volumes is attached here\n");
	f->volumes->pools[0].compare = (struct pool_compare_view){ 3, 1, 0, 40, 1, { 70, 2, 1, 4 }, 90000 };
	*scrub = (struct pool_scrub_info){ .pages = 8, .known_bad = 1, .progress.page = 2 };
	scrub->progress.began_wall_ns = scrub->progress.whole_wall_ns = UINT64_C(1769860800) * NS_PER_S;
	scrub->progress.pass.checked_bytes = UINT64_C(256) << 20;
	scrub->progress.whole = (struct pool_scrub_tally){ UINT64_C(1) << 30, 5, 4, 1, 1 };
	prints(f, "pool scrub p1", shown);
	prints(f, "pool scrub a/p1 --now --follow", shown); /* over at once, here */
	fails(f, "pool scrub p2", EXIT_NOT_FOUND,
		"quoin: the agent has no pool p2: ask that of its node (--node)\n");
	snprintf(f->volumes->pools[0].state, sizeof(f->volumes->pools[0].state), "failed");
	snprintf(f->volumes->pools[0].state_reason, sizeof(f->volumes->pools[0].state_reason), "it burns");
	assert_non_null(strstr(run(f, "pool list").out, "2026-01-31, 1 bad"));
	assert_non_null(strstr(run(f, "pool list").out, "pool p1 of node a has failed: it burns\n"));
}

static void a_pool_is_added(void **state)
{
	struct fixture *f = *state;

	prints(f, "pool add p4 /tmp/p4 --tier low", "pool p4 added\n");
	assert_int_equal(f->volumes->pool_count, 4);
}

static void a_pool_is_wiped_only_with_yes(void **state)
{
	struct fixture *f = *state;
	struct outcome outcome = run(f, "pool wipe /dev/x");

	assert_int_equal(outcome.exit_code, EXIT_REFUSED);
	assert_string_equal(outcome.out, "/dev/x is pool 7 of cluster 8\n");
	assert_non_null(strstr(outcome.err, "nothing was changed"));
	assert_false(f->volumes->wiped);
	prints(f, "pool wipe /dev/x --yes",
		"/dev/x is pool 7 of cluster 8\n/dev/x is wiped: nothing of that can be had again\n");
	assert_true(f->volumes->wiped);
}

static void a_volume_lives_through_all_commands(void **state)
{
	struct fixture *f = *state;

	prints(f, "volume create v --size 2G --fs=xfs --class default --replicas 3",
		"volume v: 2 GiB, xfs, class default, replicas in zone zone-a (pool p1 of a), zone zone-b "
		"(pool p2 of b), "
		"zone zone-c (pool p3 of c)\n");
	assert_int_equal(f->volumes->volumes[0].options.replicas, 3);
	prints(f, "volume attach v", "volume v attached on node a: /dev/quoin/v\n");
	snprintf(volumes_fake_find(f->volumes, "v")->replicas[2].state, 16, "away");
	prints(f, "volume list",
		"VOLUME  SIZE   USED     BY SNAPSHOTS  CLASS    FS   STATE    ATTACHED  ZONES\n"
		"v       2 GiB  unknown  unknown       default  xfs  healthy  a         "
		"zone-a,zone-b,zone-c(away)\n");
	volumes_fake_find(f->volumes, "v")->usage = (struct usage_view){ true, 3 << 20, 0, 0 };
	assert_non_null(
		strstr(run(f, "volume inspect v").out, "used        3 MiB in each copy, 0 B of it by"));
	prints(f, "volume detach v", "volume v detached\n");
	prints(f, "volume rm v", "volume v removed\n");
	prints(f, "volume list", "VOLUME  SIZE  USED  BY SNAPSHOTS  CLASS  FS  STATE  ATTACHED  ZONES\n");
}

static void snapshots_are_made_listed_and_removed(void **state)
{
	struct fixture *f = *state;

	(void)volumes_fake_add(f->volumes, "v");
	prints(f, "snapshot create v@one --freeze", "snapshot v@one created\n");
	assert_true(f->volumes->froze);
	prints(f, "snapshot list v",
		"SNAPSHOT  STATE  USED     GIVES BACK  CREATED                   BY    ATTACHED\n"
		"v@one     ready  192 KiB  64 KiB      2026-01-31T12:00:00.000Z  user  -\n");
	prints(f, "volume attach v@one", "snapshot v@one attached, read-only: /dev/quoin/v@s\n");
	prints(f, "snapshot list v",
		"SNAPSHOT  STATE  USED     GIVES BACK  CREATED                   BY    ATTACHED\n"
		"v@one     ready  192 KiB  64 KiB      2026-01-31T12:00:00.000Z  user  a\n");
	prints(f, "volume detach v@one", "snapshot v@one detached\n");
	prints(f, "volume serve-nbd v@one",
		"snapshot v@one exported, read-only: /dev/quoin/v@s\n"
		"URI         nbd+unix:///v@one?socket=/dev/quoin/v@s\n");
	prints(f, "volume detach v@one", "snapshot v@one detached\n");
	fails(f, "volume attach v@two", EXIT_NOT_FOUND, "quoin: volume v has no snapshot two\n");
	fails(f, "volume attach v@", EXIT_USAGE, "quoin: \"v@\" is no snapshot: VOLUME@NAME is wanted\n");
	fails(f, "volume attach v@one --force", EXIT_USAGE,
		"quoin: --force: a snapshot is taken from nobody, so there is nothing to force\n");
	prints(f, "snapshot rollback v@one", "volume v is as snapshot v@one\n");
	fails(f, "snapshot create v@one", EXIT_REFUSED, "quoin: snapshot v@one exists already\n");
	prints(f, "snapshot rm v@one", "snapshot v@one removed\n");
	fails(f, "snapshot rm v@one", EXIT_NOT_FOUND, "quoin: volume v has no snapshot one\n");
	fails(f, "snapshot rm v", EXIT_USAGE, "quoin: \"v\" is no snapshot: VOLUME@NAME is wanted\n");
	fails(f, "snapshot create @one", EXIT_USAGE,
		"quoin: \"@one\" is no snapshot: VOLUME@NAME is wanted\n");
}

static void inspect_shows_replicas_and_counters(void **state)
{
	struct fixture *f = *state;
	struct volume_view *view = volumes_fake_add(f->volumes, "v");

	volumes_fake_attach_here(f->volumes, view);
	snprintf(view->replicas[1].state, sizeof(view->replicas[1].state), "syncing");
	snprintf(view->replicas[1].role, sizeof(view->replicas[1].role), "learner");
	view->shards[0].config_number = 3;
	view->replicas[1].lag_bytes = 1536;
	view->replicas[1].sync_done_bytes = 1 << 20;
	view->replicas[1].sync_total_bytes = 1 << 30;
	view->replicas[1].sync_bytes_per_s = 3 << 20;
	view->replicas[1].sync_why = "it was away for longer than the logs reach back";
	view->replicas[1].bad_reads = 2;
	view->replicas[1].healed_blocks = 3;
	view->policy = (struct policy_view){ .tier = ">=medium",
		.spread = "zone",
		.group_rule = "together",
		.group = "pg",
		.on_no_quorum = "queue",
		.rebuild_after = "10m",
		.snapshots = "hourly keep 24, daily keep 7",
		.reads = "lease",
		.replicas = 3,
		.sticky = true };
	prints(f, "volume inspect v",
		"volume      v (11111111-1111-1111-1111-111111111111)\n"
		"state       healthy\n"
		"size        1 GiB, ext4, class default\n"
		"used        unknown: no complete copy of it is on this node\n"
		"policy      3 replicas, tier >=medium, spread zone, group pg: together\n"
		"            snapshots: hourly keep 24, daily keep 7\n"
		"            without a quorum: queue; reads by lease; rebuild after: 10m; sticky\n"
		"created     2026-01-31T12:00:00.000Z\n"
		"attached    on node a since 2026-01-31T12:34:56.000Z\n"
		"device      /dev/quoin/v, not mounted\n"
		"members     number 3: 2 voters, 1 learners\n"
		"epoch       0, 0 entries committed, 0 requests in flight\n"
		"reads       0, 0 B, 0 errors, 0.000 ms each\n"
		"writes      3, 12 KiB, 0 errors, 0.100 ms each\n"
		"trims       0, 0 B, 0 errors, 0.000 ms each\n"
		"since then  5 waits for a quorum, 0 blocks healed, 0 remote reads\n"
		"\n"
		"REPLICA ON  POOL  ZONE    ROLE     STATE     USED     BEHIND   BAD READS  REPAIRED\n"
		"a           p1    zone-a  voter    complete  unknown  0 B      0          0\n"
		"b           p2    zone-b  learner  syncing   unknown  1.5 KiB  2          3\n"
		"c           p3    zone-c  voter    complete  unknown  0 B      0          0\n"
		"resync of b: 1 MiB of 1 GiB to copy, 3 MiB/s, 341 s left; it was away for longer than the "
		"logs reach back\n");
}

static void a_trace_is_in_order_of_time(void **state)
{
	struct fixture *f = *state;

	volumes_fake_attach_here(f->volumes, volumes_fake_add(f->volumes, "v"));
	prints(f, "volume trace v",
		"write of 4 KiB, epoch 4, seq 17\n"
		"         0.0 us  submitted\n"
		"         2.5 us  sent to all replicas at once\n"
		"        80.0 us  durable in the local pool\n"
		"        80.0 us  durable answer of node a\n"
		"        90.0 us  durable answer of node b\n"
		"        90.2 us  committed: a quorum has it\n"
		"        91.0 us  answered\n"
		"           -     no answer of node c yet\n");
}

static void a_restored_kvdb_is_accepted_only_with_yes(void **state)
{
	struct fixture *f = *state;
	struct outcome outcome = run(f, "cluster accept-restore");

	assert_int_equal(outcome.exit_code, EXIT_REFUSED);
	assert_non_null(strstr(outcome.out, "volume w: made after the backup"));
	assert_non_null(strstr(outcome.err, "nothing was changed"));
	assert_false(f->volumes->accepted);
	outcome = run(f, "cluster accept-restore --yes");
	assert_int_equal(outcome.exit_code, EXIT_OK);
	assert_true(f->volumes->accepted);
}

static void event_add(struct fixture *f, unsigned number)
{
	struct event_view *event = &f->volumes->events[f->volumes->event_count++];

	event->number = number;
	snprintf(event->time, sizeof(event->time), "2026-01-31T12:00:00.000Z");
	snprintf(event->kind, sizeof(event->kind), "volume-attached");
	snprintf(event->subject, sizeof(event->subject), "v%u", number);
	snprintf(event->text, sizeof(event->text), "on node a");
}

static void events_are_lines(void **state)
{
	struct fixture *f = *state;

	event_add(f, 7);
	event_add(f, 8);
	prints(f, "events",
		"2026-01-31T12:00:00.000Z  volume-attached       v7: on node a\n"
		"2026-01-31T12:00:00.000Z  volume-attached       v8: on node a\n");
}

static void followed_events_come_once(void **state)
{
	struct fixture *f = *state;
	struct outcome outcome;

	event_add(f, 7);
	outcome = run_for(f, "events --follow", 1300); /* looks two or three times */
	assert_int_equal(outcome.exit_code, -1);
	assert_string_equal(outcome.out, "2026-01-31T12:00:00.000Z  volume-attached       v7: on node a\n");
}

static void json_is_what_the_api_says(void **state)
{
	static const char *const lines[] = { "status --json", "node list --json", "--json pool list",
		"pool inspect p1 --json", "volume list --json", "volume inspect v --json",
		"volume trace v --json", "events --json", "volume create w --json", "volume attach w --json",
		"volume detach w --json", "volume rm w --json", "pool add p5 /x --json" };
	struct fixture *f = *state;

	volumes_fake_attach_here(f->volumes, volumes_fake_add(f->volumes, "v"));
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct outcome outcome = run(f, lines[i]);
		json_t *json = json_loads(outcome.out, 0, NULL);

		assert_int_equal(outcome.exit_code, EXIT_OK);
		assert_int_equal(json_integer_value(json_object_get(json, "version")), 1);
		json_decref(json);
	}
}

static void classes_are_listed_shown_changed_and_checked(void **state)
{
	struct fixture *f = *state;

	prints(f, "class list",
		"CLASS     VERSION  REPLICAS  TIER  SPREAD  GROUP  FS    VOLUMES  DESCRIPTION\n"
		"default   2        3         any   zone    none   ext4  0        three copies\n"
		"postgres  2        3         any   zone    none   ext4  0        three copies\n");
	prints(f, "class show postgres", "[class postgres]\nreplicas = 3\n");
	fails(f, "class show gold", EXIT_NOT_FOUND, "quoin: there is no class gold\n");
	fails(f, "class show a/b", EXIT_USAGE,
		"quoin: class name 'a/b': character 2, '/', is not allowed; letters, digits, '_', '.' and "
		"'-' are\n");
	prints(f, "class set default replicas=5",
		"class default has version 2 now\nall volumes of class default are as it says\n");
	fails(f, "class set default replicas", EXIT_USAGE,
		"quoin: \"replicas\": write KEY=VALUE, as in replicas=3\n");
	prints(f, "class check postgres",
		"volume pgdata isn't as class postgres says: pool p0 of node a is of tier low\n"
		"`quoin class check postgres --apply` moves them, one replica of each at a time\n");
	prints(f, "class check postgres --apply",
		"volume pgdata isn't as class postgres says: pool p0 of node a is of tier low; change asked "
		"for\n");
	prints(f, "class rm default", "class default removed\n");
	fails(f, "class apply", EXIT_USAGE,
		"quoin: which text? `quoin class apply -f FILE`, or - for standard input\n");
	prints(f, "class apply -f /dev/null", "applied\n");
	fails(f, "class apply -f /nowhere", EXIT_FAILED, "quoin: /nowhere: No such file or directory\n");
}

static void place_shows_pools_or_what_would_help(void **state)
{
	struct fixture *f = *state;
	struct outcome outcome = run(f, "place --dry-run --size 1G --replicas 2");

	assert_int_equal(outcome.exit_code, EXIT_OK);
	assert_non_null(
		strstr(outcome.out, "2 replicas of 1 GiB, class default, spread zone; nothing was made"));
	assert_null(strstr(outcome.out, "not needed"));
	outcome = run(f, "place --explain --replicas 2");
	assert_non_null(strstr(outcome.out, "taken: 5 % of its limit is promised with it"));
	assert_non_null(strstr(outcome.out, "not needed"));
	f->volumes->fail_rc = -ENOSPC;
	snprintf(f->volumes->fail_text, sizeof(f->volumes->fail_text),
		"only 2 zones; what would help: a disk");
	outcome = run(f, "place --explain");
	assert_int_equal(outcome.exit_code, EXIT_REFUSED);
	assert_non_null(strstr(outcome.out, "not needed"));
	assert_string_equal(outcome.err, "quoin: only 2 zones; what would help: a disk\n");
	f->volumes->fail_rc = 0;
}

static void errors_have_words_and_exit_codes(void **state)
{
	static const struct {
		int rc, exit_code;
	} cases[] = { { -ENOENT, EXIT_NOT_FOUND }, { -EINVAL, EXIT_USAGE }, { -EBUSY, EXIT_REFUSED },
		{ -EEXIST, EXIT_REFUSED }, { -ESTALE, EXIT_REFUSED }, { -ENOSPC, EXIT_REFUSED },
		{ -ETIMEDOUT, EXIT_NO_QUORUM }, { -EAGAIN, EXIT_NO_QUORUM }, { -EIO, EXIT_FAILED } };
	struct fixture *f = *state;
	struct outcome outcome;

	snprintf(f->volumes->fail_text, sizeof(f->volumes->fail_text), "volume v: because");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		f->volumes->fail_rc = cases[i].rc;
		fails(f, "volume attach v", cases[i].exit_code, "quoin: volume v: because\n");
	}
	outcome = run(f, "volume attach v --json");
	assert_int_equal(outcome.exit_code, EXIT_FAILED);
	assert_string_equal(outcome.out,
		"{\"version\":1,\"error\":{\"code\":\"failed\",\"message\":\"volume v: because\"}}\n");
	fails(f, "volume inspect none", EXIT_NOT_FOUND, "quoin: no volume none\n");
	fails(f, "volume create v --size 10", EXIT_USAGE,
		"quoin: size '10' has no unit: it could be 10 bytes or 10 GiB; write 10G for GiB\n");
}

static void wrong_command_lines_are_told_what_is_near(void **state)
{
	static const struct {
		const char *line, *words;
	} cases[] = {
		{ "", "quoin: no command\nquoin: see `quoin --help`\n" },
		{ "volme", "quoin: unknown command \"volme\"; did you mean \"volume\"?\nquoin: see `quoin "
			   "--help`\n" },
		{ "xyzzyx", "quoin: unknown command \"xyzzyx\"\nquoin: see `quoin --help`\n" },
		{ "pool", "quoin: `quoin pool` needs a command: list, inspect, add, wipe, drain, undrain, "
			  "replace, "
			  "rm, scrub\n"
			  "quoin: see `quoin pool --help`\n" },
		{ "volume lst", "quoin: unknown command \"lst\"; did you mean \"list\"?\nquoin: see `quoin "
				"volume --help`\n" },
		{ "volume rm", "quoin: something is missing: quoin volume rm NAME\nquoin: see `quoin volume "
			       "rm --help`\n" },
		{ "volume rm a b", "quoin: \"b\" is too much: quoin volume rm NAME\nquoin: see `quoin volume "
				   "rm --help`\n" },
		{ "volume rm a b c d e f", "quoin: \"b\" is too much: quoin volume rm NAME\nquoin: see "
					   "`quoin volume rm --help`\n" },
		{ "status --jsn", "quoin: unknown option \"jsn\"; did you mean \"json\"?\nquoin: see `quoin "
				  "--help`\n" },
		{ "status --size 3",
			"quoin: --size is no option of `quoin status`\nquoin: see `quoin status --help`\n" },
		{ "volume create v --size", "quoin: --size needs a value: --size SIZE\n" },
		{ "volume create v --size 1G --size 2G", "quoin: --size is given twice\n" },
		{ "status --json=yes", "quoin: --json takes no value\n" },
		{ "status -j",
			"quoin: unknown option \"-j\": options begin with --\nquoin: see `quoin --help`\n" },
		{ "volume inspect a/b", "quoin: volume name 'a/b': character 2, '/', is not allowed; "
					"letters, digits, '_', '.' and '-' are\n" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		fails(*state, cases[i].line, EXIT_USAGE, cases[i].words);
}

static void help_is_at_every_level(void **state)
{
	struct fixture *f = *state;
	struct outcome outcome = run(f, "--help");

	assert_int_equal(outcome.exit_code, EXIT_OK);
	for (size_t i = 0; i < command_count; i++) {
		char line[64];

		assert_non_null(strstr(outcome.out, commands[i].words));
		snprintf(line, sizeof(line), "%s --help", commands[i].words);
		outcome = run(f, line);
		assert_int_equal(outcome.exit_code, EXIT_OK);
		assert_non_null(strstr(outcome.out, commands[i].summary));
		assert_string_equal(outcome.err, "");
		outcome = run(f, "--help");
	}
	outcome = run(f, "volume --help");
	assert_non_null(strstr(outcome.out, "Usage: quoin volume COMMAND"));
	assert_null(strstr(outcome.out, "pool list"));
	outcome = run(f, "volme --help");
	assert_int_equal(outcome.exit_code, EXIT_USAGE);
	prints(f, "--version", "quoin " QUOIN_VERSION "\n");
}

static void an_absent_agent_is_named(void **state)
{
	struct fixture *f = *state;

	fails(f, "status --node /tmp/quoin-ctl-none.sock", EXIT_FAILED,
		"quoin: no agent answers on /tmp/quoin-ctl-none.sock: is quoind running, and may you use "
		"it?\n");
}

static void an_agent_is_found_by_path_or_environment(void **state)
{
	struct fixture *f = *state;
	char line[128];
	struct outcome outcome;

	snprintf(line, sizeof(line), "status --node %s", f->path);
	outcome = run(f, line);
	assert_int_equal(outcome.exit_code, EXIT_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, admin_setup, admin_teardown)
	const struct CMUnitTest tests[] = {
		TEST(status_is_short),
		TEST(nodes_are_a_table),
		TEST(pools_are_a_table),
		TEST(a_pool_is_inspected),
		TEST(a_scrub_is_shown_and_asked_for),
		TEST(a_pool_is_added),
		TEST(a_pool_is_wiped_only_with_yes),
		TEST(a_volume_lives_through_all_commands),
		TEST(snapshots_are_made_listed_and_removed),
		TEST(inspect_shows_replicas_and_counters),
		TEST(a_trace_is_in_order_of_time),
		TEST(a_restored_kvdb_is_accepted_only_with_yes),
		TEST(events_are_lines),
		TEST(followed_events_come_once),
		TEST(json_is_what_the_api_says),
		TEST(classes_are_listed_shown_changed_and_checked),
		TEST(place_shows_pools_or_what_would_help),
		TEST(errors_have_words_and_exit_codes),
		TEST(wrong_command_lines_are_told_what_is_near),
		TEST(help_is_at_every_level),
		TEST(an_absent_agent_is_named),
		TEST(an_agent_is_found_by_path_or_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
