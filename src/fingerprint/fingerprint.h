/*
 * fingerprint: what disks and what node this is, how fast, and so which tier. docs/fingerprint.md has the
 * thresholds and their reasons.
 *
 * Thread rule: functions without a callback are plain and block (sysfs, udev's database, bounded I/O): a
 * worker thread or a test calls them. fingerprint_run() and fingerprint_check() are their asynchronous
 * twins for the control thread. Error rule: 0 or a negative errno; words name the device, what was found
 * and what to do. Nothing is ever written outside an area that the caller hands in.
 */
#ifndef QUOIN_FINGERPRINT_H
#define QUOIN_FINGERPRINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"

struct uv_loop_s;

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

/* ---- measurement ---- */

/*
 * Where a measurement takes place: blocking functions, 0 or -errno, multiples of 4096, aligned memory. The
 * measurement stays inside [0, size_bytes) of it. `write` NULL: read only. A pool's owner wires this to
 * the pool's own area.
 */
struct measure_area {
	int (*read)(void *user, void *to, uint32_t length_bytes, uint64_t offset_bytes);
	int (*write)(void *user, const void *from, uint32_t length_bytes, uint64_t offset_bytes);
	int (*flush)(void *user); /* makes all writes before it durable */
	void *user;
	uint64_t size_bytes; /* at least 1 MiB */
	bool read_parallel; /* `read` may be called by several threads at once: reads at depth are measured */
};

/* An area of an open O_DIRECT descriptor: pread, pwrite, fdatasync. Keep it while the area is used. */
struct measure_fd {
	int fd;
	uint64_t offset_bytes;
};
struct measure_area measure_area_fd(struct measure_fd *at, uint64_t size_bytes, bool writable);

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
 * Measures for at most budget_ms (0: 2500, and never over 3000 but by one operation). Writable areas are
 * written with random bytes and hold them afterwards: zero or discard them if that matters.
 */
int measure_run(const struct measure_area *area, uint32_t budget_ms, struct measurement *ret_measurement,
	struct error *error) MUST_CHECK;

/* ---- judgement ---- */

/*
 * By measured figures, with the facts as a cross-check; measurement NULL: by the facts alone, cautiously.
 * The reason in words: "NVMe, but durable write 9.1 ms: low, ...".
 */
enum tier tier_judge(const struct device_facts *facts, const struct measurement *measurement,
	char reason[static TIER_REASON_MAX]);

struct fingerprint {
	struct device_facts facts;
	bool measured;
	bool from_cache;
	struct measurement measurement;
	enum tier tier;
	char tier_reason[TIER_REASON_MAX];
};

/* ---- all of it, with the cache ---- */

struct fingerprint_options {
	const char *path;
	const char *cache_dir; /* STATE/fingerprint; NULL: no cache. Made if absent */
	const struct measure_area
		*area; /* NULL: the path itself, read only where it is a device or has at least 1 MiB */
	/*
	 * The path is empty (device_check_empty() said so) and about to become a pool: the measurement may
	 * write to it, and leaves zeroes: it is trimmed and its size restored. For files and, loudly, for
	 * devices.
	 */
	bool may_write;
	bool fresh; /* measure even where the cache has it */
	uint32_t budget_ms;
};

int fingerprint_get(const struct fingerprint_options *options, struct fingerprint *ret_fingerprint,
	struct error *error) MUST_CHECK;

/*
 * On a uv worker; strings and area are the caller's until fn has run, on the control thread. -errno: fn
 * does not run.
 */
typedef void (*fingerprint_done_fn)(
	void *arg, int rc, const struct error *error, const struct fingerprint *fingerprint);
int fingerprint_run(struct uv_loop_s *loop, const struct fingerprint_options *options, fingerprint_done_fn fn,
	void *arg) MUST_CHECK;

/* device_check_empty() on a uv worker. `path` is copied. */
typedef void (*fingerprint_check_fn)(void *arg, int rc, const struct error *error);
int fingerprint_check(
	struct uv_loop_s *loop, const char *path, fingerprint_check_fn fn, void *arg) MUST_CHECK;

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
