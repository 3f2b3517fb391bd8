/* All commands and options. docs/cli.md says more of each. */
#include "cli/cli.h"

const struct option_spec option_specs[OPTION_COUNT] = {
	[OPTION_NODE] = { "node", "NAME|PATH", "which agent to ask: a node's name, or its admin socket" },
	[OPTION_JSON] = { "json", NULL, "print what the admin API says, as it is" },
	[OPTION_HELP] = { "help", NULL, "say what there is" },
	[OPTION_VERSION] = { "version", NULL, "say which version this is" },
	[OPTION_SIZE] = { "size", "SIZE", "10G, 512M …: powers of 1024 (10G)" },
	[OPTION_CLASS] = { "class", "CLASS", "the policy: default, high, medium, low, scratch (default)" },
	[OPTION_REPLICAS] = { "replicas", "N",
		"how many copies, each in a zone of its own (the class's, 3)" },
	[OPTION_FS] = { "fs", "FS", "ext4 or xfs (the class's, ext4)" },
	[OPTION_TIER] = { "tier", "TIER",
		"of a pool: auto (measured), high, medium, low; of a volume: high, >=medium, any …" },
	[OPTION_FOLLOW] = { "follow", NULL, "go on with new events until interrupted" },
	[OPTION_FORCE] = { "force", NULL, "do it although it hurts: see the command" },
	[OPTION_FROM] = { "from", "POOL|NODE|VOLUME[@SNAPSHOT]",
		"where the replica is now; of a new volume: what it is a clone of" },
	[OPTION_APPLY] = { "apply", NULL, "move the volumes that aren't as their class says" },
	[OPTION_FILE] = { "file", "FILE", "a text of classes, - for standard input; -f is the same" },
	[OPTION_EXPLAIN] = { "explain", NULL, "show every pool, with the rule that excludes it" },
	[OPTION_DRY_RUN] = { "dry-run", NULL,
		"show the pools that would be taken (what it does without --explain)" },
	[OPTION_GROUP] = { "group", "NAME", "of volumes, to which the class's group rule applies" },
	[OPTION_NODES] = { "nodes", "A,B", "replicas on these nodes only" },
	[OPTION_ZONES] = { "zones", "A,B", "replicas in these zones only" },
	[OPTION_RACKS] = { "racks", "A,B", "replicas in these racks only" },
	[OPTION_SELECTOR] = { "selector", "TERMS", "beside the class's: zone=a|b,label.disk!=old" },
	[OPTION_STICKY] = { "sticky", "yes|no", "refuse to remove it until that is cleared (no)" },
	[OPTION_SHARDS] = { "shards", "N|auto", "stripe it over so many replica groups (the class's, 1)" },
	[OPTION_THICK] = { "thick", "yes|no",
		"keep the room for all of it on each of its pools (the class's, no)" },
	[OPTION_NEAR] = { "near", "NODE", "a copy on this node, if the rules allow it, however full it is" },
	[OPTION_IOPS] = { "iops", "N", "reads, writes and trims a second; 0: no limit" },
	[OPTION_BANDWIDTH] = { "bandwidth", "SIZE", "read and written a second, 100M …; 0: no limit" },
	[OPTION_SINCE] = { "since", "SNAPSHOT", "only what has changed since this older one of the volume" },
	[OPTION_NOW] = { "now", NULL, "begin a whole pass now" },
	[OPTION_TO] = { "to", "POOL|NODE", "where it shall be (the best place by the class's rules)" },
	[OPTION_YES] = { "yes", NULL, "do it, and don't only say what would be done" },
	[OPTION_FREEZE] = { "freeze", NULL, "hold the mounted filesystem still meanwhile (fsfreeze)" },
};

#define BIT(option) (1u << (option))
#define CREATE_OPTIONS                                                                                       \
	(BIT(OPTION_SIZE) | BIT(OPTION_CLASS) | BIT(OPTION_REPLICAS) | BIT(OPTION_FS) | BIT(OPTION_TIER) |   \
		BIT(OPTION_GROUP) | BIT(OPTION_NODES) | BIT(OPTION_ZONES) | BIT(OPTION_RACKS) |              \
		BIT(OPTION_SELECTOR) | BIT(OPTION_STICKY) | BIT(OPTION_NEAR) | BIT(OPTION_FROM) |            \
		BIT(OPTION_SHARDS) | BIT(OPTION_THICK))

/* What the export doesn't say, and what doesn't hinder that a volume is removed. */
#define IMPORT_OPTIONS                                                                                       \
	(CREATE_OPTIONS & ~(BIT(OPTION_SIZE) | BIT(OPTION_FS) | BIT(OPTION_STICKY) | BIT(OPTION_FROM)))

const struct command commands[] = {
	{ "status", "", 0, 0, "Show the cluster as this node sees it", NULL, cmd_status },
	{ "node list", "", 0, 0, "List nodes with their zones and states", NULL, cmd_node_list },
	{ "node inspect", "NODE", 1, 0, "Show all of one node: its place and who said so, labels, hardware",
		NULL, cmd_node_inspect },
	{ "node scan", "", 0, 0, "List the disks of the agent's node: what is on them, which could be pools",
		"Free disks are measured, for a second, all at once; nothing is written.", cmd_node_scan },
	{ "node drain", "NODE", 1, BIT(OPTION_FORCE), "Move all replicas away from a node",
		"As `pool drain`, for all its pools. Volumes that are attached there stay attached.",
		cmd_node_drain },
	{ "node undrain", "NODE", 1, 0, "Let replicas come to the node again", NULL, cmd_node_undrain },
	{ "node rm", "NODE", 1, 0, "Forget a node that is down and has no pool",
		"Drain it, remove its pools, stop its agent first.", cmd_node_rm },
	{ "pool list", "", 0, 0, "List pools with tier, state and room", NULL, cmd_pool_list },
	{ "pool inspect", "[NODE/]POOL", 1, 0, "Show all of one pool: room, replicas and what each uses",
		"What its replicas use adds up to what the pool says is used. Of a pool of another node that "
		"is not\nknown here: ask its agent.",
		cmd_pool_inspect },
	{ "pool add", "NAME PATH", 2, BIT(OPTION_TIER) | BIT(OPTION_FORCE),
		"Make a pool of an empty disk, partition or file",
		"What has a signature (a filesystem, a partition table …) or data is refused, and named; "
		"with "
		"--force\nit is destroyed. What is in use, or is a pool, is never taken.",
		cmd_pool_add },
	{ "pool wipe", "PATH", 1, BIT(OPTION_YES),
		"Destroy a pool that no cluster of this node's uses any more",
		"One of another cluster, or that this one has forgotten, on the agent's node. Without --yes "
		"it "
		"only\nsays what would be destroyed.",
		cmd_pool_wipe },
	{ "pool drain", "[NODE/]POOL", 1, BIT(OPTION_FORCE), "Move all replicas away from a pool",
		"Each is copied first, and then replaced: no volume has fewer copies meanwhile. Refused "
		"where\n"
		"a volume would find no other place, with the rule; --force drains what can be moved.",
		cmd_pool_drain },
	{ "pool undrain", "[NODE/]POOL", 1, 0, "Let replicas come to the pool again", NULL,
		cmd_pool_undrain },
	{ "pool replace", "[NODE/]OLD [NODE/]NEW", 2, BIT(OPTION_FORCE) | BIT(OPTION_FOLLOW),
		"Move all replicas of a pool to another one, then forget it",
		"Each is copied first, while its volume is used. It goes on by itself, across restarts; "
		"--follow "
		"shows\nhow far it is. `pool undrain OLD` gives it up. Refused where NEW is no place for a "
		"volume, "
		"by its\nclass's rules; --force moves what can be moved.",
		cmd_pool_replace },
	{ "pool rm", "[NODE/]POOL", 1, 0, "Forget a pool that is drained, and close it",
		"On its own node, or, where that is down, on any. Its superblocks are cleared.",
		cmd_pool_rm },
	{ "pool scrub", "[NODE/]POOL", 1, BIT(OPTION_NOW) | BIT(OPTION_FOLLOW),
		"Show when all of a pool was last read and verified, or do it now",
		"Each pool is scrubbed in each `scrub_every` (a week) by itself. With --now a whole pass "
		"begins, "
		"as fast as\n`scrub_rate` allows, behind the applications' own I/O; --follow shows how far "
		"it is. "
		"What is bad is repaired\nfrom other replicas. On the pool's own node.",
		cmd_pool_scrub },
	{ "volume create", "NAME", 1, CREATE_OPTIONS, "Create a volume",
		"The same name with the same options is a success. With --from it is a clone: it begins with "
		"the\n"
		"content of the snapshot, or of one that is taken for it, and takes room for what differs.",
		cmd_volume_create },
	{ "volume list", "", 0, 0, "List volumes with size, state and zones", NULL, cmd_volume_list },
	{ "volume inspect", "NAME", 1, 0, "Show all of one volume, with its replicas", NULL,
		cmd_volume_inspect },
	{ "volume rm", "NAME", 1, 0, "Remove a volume and its data", "A volume in use is refused.",
		cmd_volume_rm },
	{ "volume attach", "NAME[@SNAPSHOT]", 1, BIT(OPTION_FORCE),
		"Make the volume a block device of the agent's node",
		"The device appears as /dev/quoin/NAME. A snapshot's is read-only, may be on several nodes "
		"at once,\n"
		"and ends with the agent: mount it with ro,noload (ext4) or ro,norecovery,nouuid (xfs).\n"
		"With --force a volume that is attached on another node is taken from it: nothing that was\n"
		"acknowledged is lost, but what uses it there gets I/O errors for ever, from this moment on.",
		cmd_volume_attach },
	{ "volume serve-nbd", "NAME[@SNAPSHOT]", 1, 0,
		"Export the volume by NBD on a unix socket of the agent's node",
		"For qemu, nbdcopy, fio and others: nbd+unix:///NAME?socket=PATH. Until `volume detach`.",
		cmd_volume_serve_nbd },
	{ "volume detach", "NAME[@SNAPSHOT]", 1, 0, "Take the block device or the NBD export away",
		"A volume that is mounted, or has NBD clients, is refused.", cmd_volume_detach },
	{ "volume move-replica", "NAME", 1, BIT(OPTION_FROM) | BIT(OPTION_TO),
		"Move a replica to another pool, while the volume is used",
		"It is copied first; `quoin volume inspect` shows how far. It begins when the volume is "
		"attached.",
		cmd_volume_move_replica },
	{ "volume set-replicas", "NAME N", 2, 0, "Change the number of replicas, while the volume is used",
		"One more or one less at a time.", cmd_volume_set_replicas },
	{ "volume resize", "NAME SIZE", 2, 0, "Make the volume larger, while it is used",
		"Where it is attached its device grows at once, and its filesystem if it is mounted; "
		"otherwise at\n"
		"the next attach. A smaller size is refused. The same size again tries again what could not "
		"follow.",
		cmd_volume_resize },
	{ "volume set-sticky", "NAME yes|no", 2, 0, "Say whether the volume may be removed", NULL,
		cmd_volume_set_sticky },
	{ "volume set-limits", "NAME", 1, BIT(OPTION_IOPS) | BIT(OPTION_BANDWIDTH),
		"Limit what the volume's users may ask for, from now on",
		"What isn't given stays. More than that waits; a fifth of a second's worth may come at once.",
		cmd_volume_set_limits },
	{ "volume cancel-change", "NAME", 1, 0, "Give up a move or a new replica that isn't ready yet",
		"The new replica is deleted; all others stay as they are.", cmd_volume_cancel_change },
	{ "volume export", "NAME[@SNAPSHOT]", 1, BIT(OPTION_SINCE),
		"Write the volume, or its snapshot, to standard output, holes left out",
		"The volume as it is: by a snapshot that is made for it, and removed. For `volume import`.",
		cmd_volume_export },
	{ "volume import", "NAME", 1, IMPORT_OPTIONS, "Make a new volume from an export on standard input",
		"Size and filesystem are the export's. One that was made with --since goes into a volume "
		"that\n"
		"is as that snapshot. Where it fails, all of it is undone.",
		cmd_volume_import },
	{ "volume trace", "NAME", 1, 0, "Show the steps of the last 4 KiB write, in microseconds",
		"The volume must be attached on the agent's node.", cmd_volume_trace },
	{ "class list", "", 0, 0, "List classes, the named policies of volumes", NULL, cmd_class_list },
	{ "class show", "NAME", 1, 0, "Print a class as text, with its reasons", NULL, cmd_class_show },
	{ "class set", "NAME KEY=VALUE", 2, BIT(OPTION_APPLY), "Change one field of a class",
		"Shows which of its volumes aren't as it says then; with --apply they are moved.",
		cmd_class_set },
	{ "class rm", "NAME", 1, 0, "Remove a class", "One that volumes are of is refused.", cmd_class_rm },
	{ "class apply", "", 0, BIT(OPTION_FILE) | BIT(OPTION_APPLY), "Make or replace the classes of a text",
		"A class with a version is written only if that is its record's: `class show` tells it.",
		cmd_class_apply },
	{ "class check", "NAME", 1, BIT(OPTION_APPLY), "Show which volumes aren't as their class says",
		"With --apply one replica of each is moved, made or given up; then check again.",
		cmd_class_check },
	{ "place", "", 0, CREATE_OPTIONS | BIT(OPTION_EXPLAIN) | BIT(OPTION_DRY_RUN),
		"Show where a new volume's replicas would go, and why",
		"Nothing is made. Where the class can't be satisfied: the rule, and the smallest change that "
		"helps.",
		cmd_place },
	{ "cluster accept-restore", "", 0, BIT(OPTION_YES),
		"Accept a metadata database that was restored from a backup",
		"Without --yes it only says what it would do. What this node knows better than the backup is "
		"put\n"
		"back: volumes made since, epochs, members of groups. To be run on every node.",
		cmd_cluster_accept_restore },
	{ "snapshot create", "VOLUME@NAME", 1, BIT(OPTION_FREEZE),
		"Keep the volume as it is now, under a name",
		"At once, however large it is, while it is used: as after a power cut, or, with --freeze, "
		"with\nall files written out.",
		cmd_snapshot_create },
	{ "snapshot list", "VOLUME", 1, 0, "List a volume's snapshots, oldest first", NULL,
		cmd_snapshot_list },
	{ "snapshot rm", "VOLUME@NAME", 1, 0, "Remove a snapshot", "The volume and its other snapshots stay.",
		cmd_snapshot_rm },
	{ "snapshot rollback", "VOLUME@NAME", 1, 0, "Make the volume what it was at the snapshot",
		"What was written since is lost, unless another snapshot has it. A volume that is attached "
		"is\n"
		"refused.",
		cmd_snapshot_rollback },
	{ "rebalance", "", 0, BIT(OPTION_DRY_RUN),
		"Move replicas from full pools to empty ones, as few as can be",
		"At most 64 a call, one of each volume; nothing where the pools of a tier are within 10 %.\n"
		"Each is carried out as by `volume move-replica`: when the volume is attached.",
		cmd_rebalance },
	{ "events", "", 0, BIT(OPTION_FOLLOW), "Show what has happened on the node", NULL, cmd_events },
};

const size_t command_count = sizeof(commands) / sizeof(commands[0]);
