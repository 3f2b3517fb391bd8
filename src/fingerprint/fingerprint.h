/*
 * fingerprint: what disks and what node this is, how fast, and so which tier. docs/fingerprint.md has the
 * thresholds and their reasons.
 *
 * Thread rule: all of it is plain and blocks (sysfs, udev's database, bounded I/O): a worker thread or a test
 * calls it. Error rule: 0 or a negative errno; words name the device, what was found and what to do. Nothing
 * is ever written to a device: what a durable write costs is measured inside pools, by the store's probe.
 */
#ifndef QUOIN_FINGERPRINT_H
#define QUOIN_FINGERPRINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"

#define TIER_REASON_MAX 160

/* ---- facts: from sysfs, udev, libblkid; nothing is measured ---- */

enum device_bus {
	BUS_UNKNOWN,
	BUS_NVME,
	BUS_SATA,
	BUS_SCSI,
	BUS_SAS,
	BUS_VIRTIO,
	BUS_USB,
	BUS_MMC,
	BUS_NETWORK,
	BUS_LOOP,
	BUS_DM,
	BUS_MEMORY
};
/* "NVMe", "virtio" ... */
const char *device_bus_name(enum device_bus bus);

struct device_facts {
	char path[512]; /* as asked */
	char disk[64];  /* the whole disk that holds it: "vda"; empty where there is none (a file on tmpfs,
			   overlay) */
	char id[256];   /* stable identity of what was asked for: keys the cache */
	char model[64], serial[64]; /* of the disk; may be empty */
	char cloud[48];             /* "AWS EBS", "Google Persistent Disk" ...: by the model; else empty */
	enum device_bus bus;        /* of the disk */
	bool is_file;
	bool rotational;
	bool write_back; /* the disk has a volatile write cache: a flush costs */
	bool discard;
	bool read_only;
	uint64_t size_bytes; /* of the file or device asked for, not of the disk below */
	uint32_t logical_sector_bytes, physical_sector_bytes;
};

/*
 * `path` is a block device, a file, or (a file that is yet to be made) a directory. -ENOENT, -ENOTSUP for
 * another thing.
 */
int device_facts_get(const char *path, struct device_facts *ret_facts, struct error *error) MUST_CHECK;

/* ---- is it free to take? ---- */

/*
 * Whether the file or device is empty and unsigned and nobody's: 0. Otherwise -EEXIST (a signature, a
 * partition table, data that is not zero) or -EBUSY (mounted, swap, held by LVM, RAID, LUKS or a loop
 * device, opened exclusively), with words that name what was found: "/dev/sdb has an ext4 filesystem
 * (label data)". Opens read only, reads at most 64 MiB; 3 s.
 */
int device_check_empty(const char *path, struct error *error) MUST_CHECK;

/* The first half of that: whether nobody uses it, whatever is on it. -EBUSY with words, -ENOTSUP. */
int device_check_unused(const char *path, struct error *error) MUST_CHECK;

/* ---- measurement ---- */

#define MEASURE_DEPTH 16u

struct measurement {
	uint32_t read_p50_us, read_p99_us;   /* 4 KiB, random, depth 1 */
	uint32_t write_p50_us, write_p99_us; /* 4 KiB write + flush; 0 where not measured */
	uint32_t read_mib_s, write_mib_s;    /* sequential, 1 MiB; write 0 where not measured */
	uint32_t read_iops;                  /* 4 KiB, random, at depth MEASURE_DEPTH; 0: not measured */
	uint32_t samples_read, samples_write;
	uint32_t took_ms;
	uint64_t wall_ns; /* when */
};

/*
 * Reads alone, by an O_DIRECT descriptor, inside [0, size_bytes), at least 1 MiB of it, for at most budget_ms
 * (0: 2500, and never over 3000 but by one operation).
 */
int measure_run(int fd, uint64_t size_bytes, uint32_t budget_ms, struct measurement *ret_measurement,
	struct error *error) MUST_CHECK;

/* ---- judgement ---- */

/*
 * By measured figures, with the facts as a cross-check; measurement NULL: by the facts alone, cautiously.
 * The reason in words: "NVMe, but durable write 9.1 ms: low, ...".
 */
enum tier tier_judge(const struct device_facts *facts, const struct measurement *measurement,
	char reason[static TIER_REASON_MAX]);

/*
 * New figures of a disk that was `tier`: another tier only where they still say so with a sixth (or a fifth)
 * taken off their distance. So none that lies at a threshold goes to and fro.
 */
enum tier tier_judge_again(const struct device_facts *facts, enum tier tier, const struct measurement *now);
/* "durable write 9.1 ms, was 80 us": of the two figures the one that has changed more. */
#define DRIFT_TEXT_MAX 80
void measurement_drift_text(
	const struct measurement *now, const struct measurement *was, char ret_text[static DRIFT_TEXT_MAX]);

/* ---- figures of pools, remembered from one start to the next ---- */

struct fingerprint {
	struct device_facts facts;
	bool measured;
	struct measurement measurement;
	enum tier tier;
	char tier_reason[TIER_REASON_MAX];
};

/*
 * The facts of what lies at the path and the figures that cache_dir (STATE/fingerprint) has of it, by its
 * stable identity and size; judged by the facts alone where it has none.
 */
int fingerprint_recall(const char *path, const char *cache_dir, struct fingerprint *ret_fingerprint,
	struct error *error) MUST_CHECK;
/* New figures: judged, and remembered (if that fails, they are measured again after the next start). */
void fingerprint_keep(
	const char *cache_dir, const struct measurement *measurement, struct fingerprint *fingerprint);

/* ---- every disk of this node ---- */

#define SCAN_MAX_DEVICES 1024u

struct scan_device {
	struct device_facts facts; /* path: /dev/NAME */
	char parent[64];           /* of a partition: the disk's name; else empty */
	char table[32];            /* of partitions: "gpt", "dos"; else empty */
	char signature[64];        /* "ext4", "LVM2_member", "linux_raid_member" ...; else empty */
	char label[128];
	bool in_use;   /* never taken, not even by force */
	bool offered;  /* it could become a pool */
	char why[256]; /* in words: what is against it, and what --force would destroy; empty where offered */
	bool measured; /* those that are offered, if asked for */
	struct measurement measurement;
	enum tier tier;
	char tier_reason[TIER_REASON_MAX];
};

struct scan {
	size_t count;
	struct scan_device *devices; /* in order of names, partitions behind their disk */
	uint32_t took_ms;
};

struct scan_options {
	bool measure;       /* those that are offered, all at once, only reading */
	uint32_t budget_ms; /* of each measurement; 0: as measure_run() */
	/*
	 * What stands on a device that is not empty, where libblkid does not know it: true with words such as
	 * "pool 1234 of this cluster". NULL: nobody knows more. On the calling thread.
	 */
	bool (*look)(void *arg, const char *path, char ret_words[static 128]);
	void *arg;
};

/* Opens nothing for writing. Free with scan_done(). -ENOMEM; what can't be read of a device is left empty. */
int scan_run(const struct scan_options *options, struct scan *ret_scan, struct error *error) MUST_CHECK;
void scan_done(struct scan *scan);

/* ---- the node ---- */

struct node_facts {
	char hostname[65];
	char kernel[65];
	char boot_id[37];
	uint64_t memory_bytes;
	uint32_t cores;       /* that this process may use */
	uint32_t link_mbit_s; /* of the fastest network link that is up; 0: none tells */
};
/* Never fails: what can't be found is zero or empty. Does not block. */
void node_facts_get(struct node_facts *ret_facts);
/*
 * Which tier of volumes a node can serve: its best pool's, unless its cores or its network keep up with less.
 * best_pool TIER_UNKNOWN: it has no pool. The reason in words.
 */
enum tier node_tier_judge(
	const struct node_facts *facts, enum tier best_pool, char reason[static TIER_REASON_MAX]);

#endif
