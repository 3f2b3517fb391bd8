/*
 * Every disk and partition of this node, with what is on it and who uses it; those that are free are
 * measured, all at once, only reading.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fingerprint/empty.h"
#include "fingerprint/signature.h"
#include "fingerprint/sysfs.h"

#define BLOCK_DIR    "/sys/class/block"
#define MEASURE_MAX  16u  /* at once */
#define SECTOR_BYTES 512u /* of sysfs's sizes, whatever the device's are */

/* ---- one device ---- */

static void device_blank_check(const struct scan_options *options, struct scan_device *device, int fd)
{
	const char *path = device->facts.path;
	struct error why;
	char words[128];

	if (zeroes_check(fd, path, device->facts.size_bytes, &why) == 0) {
		device->offered = true;
	} else if (options->look && options->look(options->arg, path, words)) {
		snprintf(device->signature, sizeof(device->signature), "quoin_pool");
		snprintf(device->why, sizeof(device->why), "%.100s is %.120s", path, words);
	} else {
		snprintf(device->why, sizeof(device->why), "%.250s", why.text);
	}
}

/* What is on a device that is in use is shown too, but it isn't searched for data.
 */
static void device_look(const struct scan_options *options, struct scan_device *device)
{
	const char *path = device->facts.path;
	struct device_signature signature = { .several = false };
	struct error use, why;
	int fd, rc;

	if (use_check(path, &use) != 0)
		device->in_use = true;
	else if (device->facts.read_only)
		device->in_use = error_set(&use, -EROFS, "%s is read-only", path) != 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		device->in_use =
			error_set(&use, -errno, "%s can't be opened: %s", path, strerror(errno)) != 0;
	if (device->in_use)
		snprintf(device->why, sizeof(device->why), "%.250s", use.text);
	if (fd < 0)
		return;
	rc = device_signature_read(fd, path, &signature, &why);
	if (rc == 0)
		rc = device_signature_words(&signature, path, &why);
	snprintf(device->signature, sizeof(device->signature), "%s", signature.type);
	snprintf(device->label, sizeof(device->label), "%s", signature.label);
	snprintf(device->table, sizeof(device->table), "%s", signature.table);
	if (!device->in_use && rc == 0)
		device_blank_check(options, device, fd);
	else if (!device->in_use)
		snprintf(device->why, sizeof(device->why), "%.250s", why.text);
	close(fd);
}

/* ---- the measurements ---- */

struct measuring {
	pthread_t thread;
	struct scan_device *device;
	uint32_t budget_ms;
	int rc;
	struct error error;
};

static void *device_measure(void *arg)
{
	struct measuring *measuring = arg;
	int fd = open(measuring->device->facts.path, O_RDONLY | O_DIRECT | O_CLOEXEC);

	if (fd < 0) {
		measuring->rc = error_set(
			&measuring->error, -errno, "can't be opened to measure it: %s", strerror(errno));
		return NULL;
	}
	measuring->rc = measure_run(fd, measuring->device->facts.size_bytes, measuring->budget_ms,
		&measuring->device->measurement, &measuring->error);
	close(fd);
	return NULL;
}

static void measuring_end(struct measuring *measuring)
{
	struct scan_device *device = measuring->device;

	ASSERT(pthread_join(measuring->thread, NULL) == 0);
	device->measured = measuring->rc == 0;
	device->tier = tier_judge(
		&device->facts, device->measured ? &device->measurement : NULL, device->tier_reason);
}

static void devices_measure(const struct scan_options *options, struct scan *scan)
{
	struct measuring running[MEASURE_MAX];
	unsigned count = 0;

	for (size_t i = 0; i <= scan->count; i++) {
		bool last = i == scan->count;

		if (!last && !scan->devices[i].offered)
			continue;
		if (last || count == MEASURE_MAX) {
			while (count > 0)
				measuring_end(&running[--count]);
		}
		if (last)
			break;
		running[count] =
			(struct measuring){ .device = &scan->devices[i], .budget_ms = options->budget_ms };
		if (pthread_create(&running[count].thread, NULL, device_measure, &running[count]) == 0)
			count++;
	}
}

/* ---- all ---- */

static int names_compare(const void *a, const void *b)
{
	const struct scan_device *x = a, *y = b;

	return strverscmp(x->facts.path, y->facts.path);
}

/*
 * Shown by what sysfs tells, and not taken: those that can't be opened (most disks, in a container), and
 * those of volumes: opening one could wait for an agent that is dead.
 */
static void device_closed(struct scan_device *device, const char *folder, const char *path, dev_t number)
{
	struct device_facts *facts = &device->facts;

	device->in_use = true;
	snprintf(facts->path, sizeof(facts->path), "%.100s", path);
	facts->size_bytes = sysfs_number(folder, "size", 0) * SECTOR_BYTES;
	facts_from_disk(facts, number);
}

/* Devices without a size are none: loop devices without a file, empty drives. */
static int device_add(struct scan *scan, const char *name, struct error *error)
{
	char folder[PATH_MAX], path[PATH_MAX], text[32];
	struct scan_device *device = &scan->devices[scan->count];
	unsigned dev_major, dev_minor;
	struct error why;
	dev_t number;
	char *slash;

	snprintf(folder, sizeof(folder), "%s/%s", BLOCK_DIR, name);
	if (sysfs_number(folder, "size", 0) * SECTOR_BYTES < BLOCK_BYTES)
		return 0;
	if (scan->count == SCAN_MAX_DEVICES)
		return error_set(error, -E2BIG, "more than %u block devices", SCAN_MAX_DEVICES);
	snprintf(path, sizeof(path), "/dev/%s", name);
	/* sysfs writes slashes of names as exclamation marks (cciss!c0d0). */
	for (char *at = path; *at; at++)
		*at = *at == '!' ? '/' : *at;
	*device = (struct scan_device){ .offered = false };
	if (sscanf(sysfs_text(folder, "dev", text, sizeof(text)), "%u:%u", &dev_major, &dev_minor) != 2)
		return 0;
	number = makedev(dev_major, dev_minor);
	if (device_use_check(path, path, number, &why) != 0 ||
		device_facts_get(path, &device->facts, &why) != 0) {
		device_closed(device, folder, path, number);
		snprintf(device->why, sizeof(device->why), "%.250s", why.text);
	}
	if (*sysfs_text(folder, "partition", text, sizeof(text)) && realpath(folder, path)) {
		slash = strrchr(path, '/');
		*slash = '\0';
		slash = strrchr(path, '/');
		snprintf(device->parent, sizeof(device->parent), "%.63s", slash ? slash + 1 : "");
	}
	scan->count++;
	return 0;
}

int scan_run(const struct scan_options *options, struct scan *ret_scan, struct error *error)
{
	struct scan scan = { .count = 0 };
	uint64_t begin_ns = clock_now_ns(clock_system());
	struct dirent *entry;
	DIR *dir = opendir(BLOCK_DIR);
	int rc = 0;

	if (!dir)
		return error_set(error, -errno, "%s can't be read: %s", BLOCK_DIR, strerror(errno));
	scan.devices = malloc(sizeof(*scan.devices) * (SCAN_MAX_DEVICES + 1));
	if (!scan.devices)
		rc = error_set(error, -ENOMEM, "no memory to list the disks");
	while (rc == 0 && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			rc = device_add(&scan, entry->d_name, error);
	closedir(dir);
	if (rc != 0) {
		free(scan.devices);
		return rc;
	}
	qsort(scan.devices, scan.count, sizeof(*scan.devices), names_compare);
	for (size_t i = 0; i < scan.count; i++)
		if (!scan.devices[i].in_use)
			device_look(options, &scan.devices[i]);
	if (options->measure)
		devices_measure(options, &scan);
	scan.took_ms = (uint32_t)((clock_now_ns(clock_system()) - begin_ns) / NS_PER_MS);
	*ret_scan = scan;
	return 0;
}

void scan_done(struct scan *scan)
{
	free(scan->devices);
	*scan = (struct scan){ .count = 0 };
}
