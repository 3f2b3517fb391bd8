/* What a disk is, from sysfs and udev's database; nothing is measured here. */
#include "fingerprint/fingerprint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libudev.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fingerprint/sysfs.h"

char *sysfs_text(const char *folder, const char *name, char *to, size_t to_bytes)
{
	char path[PATH_MAX];
	FILE *file;
	size_t len;

	to[0] = '\0';
	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
		return to;
	file = fopen(path, "re");
	if (!file)
		return to;
	if (!fgets(to, (int)to_bytes, file))
		to[0] = '\0';
	fclose(file);
	len = strlen(to);
	while (len > 0 && (to[len - 1] == '\n' || to[len - 1] == ' '))
		to[--len] = '\0';
	while (to[0] == ' ')
		memmove(to, to + 1, len--);
	return to;
}

uint64_t sysfs_number(const char *folder, const char *name, uint64_t otherwise)
{
	char text[32], *end;
	uint64_t number;

	sysfs_text(folder, name, text, sizeof(text));
	number = strtoull(text, &end, 10);
	return end == text ? otherwise : number;
}

int sysfs_block(dev_t device, char *to, size_t to_bytes)
{
	char link[64], resolved[PATH_MAX];

	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(device), minor(device));
	if (!realpath(link, resolved))
		return -errno;
	if (snprintf(to, to_bytes, "%s", resolved) >= (int)to_bytes)
		return -ENAMETOOLONG;
	return 0;
}

void sysfs_whole_disk(char *folder)
{
	char text[8];
	char *slash;

	if (!*sysfs_text(folder, "partition", text, sizeof(text)))
		return;
	slash = strrchr(folder, '/');
	if (slash)
		*slash = '\0';
}

/* By the name of the disk and the path of its device, most telling first. */
static enum device_bus bus_of(const char *folder, const char *disk)
{
	static const struct {
		const char *prefix;
		enum device_bus bus;
	} by_name[] = { { "nvme", BUS_NVME }, { "loop", BUS_LOOP }, { "dm-", BUS_DM }, { "md", BUS_DM },
		{ "mmcblk", BUS_MMC }, { "nbd", BUS_NETWORK }, { "rbd", BUS_NETWORK },
		{ "drbd", BUS_NETWORK }, { "ram", BUS_MEMORY }, { "zram", BUS_MEMORY },
		{ "pmem", BUS_MEMORY } };
	static const struct {
		const char *part;
		enum device_bus bus;
	} by_path[] = { { "/usb", BUS_USB }, { "/virtio", BUS_VIRTIO }, { "/end_device-", BUS_SAS },
		{ "/session", BUS_NETWORK }, { "/rport-", BUS_NETWORK }, { "/ata", BUS_SATA },
		{ "/target", BUS_SCSI } };

	for (size_t i = 0; i < sizeof(by_name) / sizeof(by_name[0]); i++)
		if (strncmp(disk, by_name[i].prefix, strlen(by_name[i].prefix)) == 0)
			return by_name[i].bus;
	for (size_t i = 0; i < sizeof(by_path) / sizeof(by_path[0]); i++)
		if (strstr(folder, by_path[i].part))
			return by_path[i].bus;
	return BUS_UNKNOWN;
}

/* Disks of clouds, by what they call themselves: most live behind a network, whatever the bus looks like. */
static void cloud_find(struct device_facts *facts, const char *vendor)
{
	static const struct {
		const char *vendor, *model, *name;
		bool network;
	} known[] = {
		{ "", "Amazon Elastic Block Store", "AWS EBS", true },
		{ "", "Amazon EC2 NVMe Instance Storage", "AWS instance store", false },
		{ "Google", "PersistentDisk", "Google Persistent Disk", true },
		{ "Google", "EphemeralDisk", "Google local SSD", false },
		{ "", "nvme_card-pd", "Google Persistent Disk", true },
		{ "", "nvme_card", "Google local SSD", false },
		{ "Msft", "Virtual Disk", "Azure managed disk", true },
		{ "", "MSFT NVMe Accelerator", "Azure managed disk", true },
		{ "", "Microsoft NVMe Direct Disk", "Azure local disk", false },
		{ "", "Alibaba Cloud Elastic Block Storage", "Alibaba ESSD", true },
		{ "DO", "Volume", "DigitalOcean Volume", true },
		{ "HC", "Volume", "Hetzner Volume", true },
		{ "ORACLE", "BlockVolume", "Oracle Block Volume", true },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strncmp(facts->model, known[i].model, strlen(known[i].model)) != 0 ||
			(known[i].vendor[0] && strcmp(vendor, known[i].vendor) != 0))
			continue;
		snprintf(facts->cloud, sizeof(facts->cloud), "%s", known[i].name);
		if (known[i].network)
			facts->bus = BUS_NETWORK;
		return;
	}
}

static void text_copy(char *to, size_t to_bytes, const char *from)
{
	if (from)
		snprintf(to, to_bytes, "%s", from);
}

/* Model, serial and a stable name, where udev knows them. */
static void facts_from_udev(struct device_facts *facts, dev_t device, dev_t asked)
{
	struct udev *udev = udev_new();
	struct udev_device *d = udev ? udev_device_new_from_devnum(udev, 'b', device) : NULL;
	struct udev_device *own = udev ? udev_device_new_from_devnum(udev, 'b', asked) : NULL;
	const char *id = NULL;

	if (d) {
		text_copy(facts->model, sizeof(facts->model), udev_device_get_property_value(d, "ID_MODEL"));
		text_copy(facts->serial, sizeof(facts->serial),
			udev_device_get_property_value(d, "ID_SERIAL_SHORT"));
	}
	if (own && !facts->is_file) {
		id = udev_device_get_property_value(own, "ID_PART_ENTRY_UUID");
		if (!id)
			id = udev_device_get_property_value(own, "ID_WWN_WITH_EXTENSION");
		if (!id)
			id = udev_device_get_property_value(own, "ID_SERIAL");
		text_copy(facts->id, sizeof(facts->id), id);
	}
	udev_device_unref(own);
	udev_device_unref(d);
	udev_unref(udev);
}

void facts_from_disk(struct device_facts *facts, dev_t asked)
{
	char folder[PATH_MAX], queue[PATH_MAX + 8], device[PATH_MAX + 8], text[64];
	unsigned disk_major, disk_minor;
	const char *slash;

	if (sysfs_block(asked, folder, sizeof(folder)) != 0)
		return;
	sysfs_whole_disk(folder);
	slash = strrchr(folder, '/');
	text_copy(facts->disk, sizeof(facts->disk), slash ? slash + 1 : "");
	facts->bus = bus_of(folder, facts->disk);
	snprintf(queue, sizeof(queue), "%s/queue", folder);
	snprintf(device, sizeof(device), "%s/device", folder);
	facts->rotational = sysfs_number(queue, "rotational", 0) != 0;
	facts->read_only = sysfs_number(folder, "ro", 0) != 0;
	facts->discard = sysfs_number(queue, "discard_max_bytes", 0) != 0;
	facts->logical_sector_bytes = (uint32_t)sysfs_number(queue, "logical_block_size", 512);
	facts->physical_sector_bytes = (uint32_t)sysfs_number(queue, "physical_block_size", 512);
	facts->write_back =
		strcmp(sysfs_text(queue, "write_cache", text, sizeof(text)), "write through") != 0;
	sysfs_text(folder, "dev", text, sizeof(text));
	if (sscanf(text, "%u:%u", &disk_major, &disk_minor) == 2)
		facts_from_udev(facts, makedev(disk_major, disk_minor), asked);
	if (!facts->model[0])
		sysfs_text(device, "model", facts->model, sizeof(facts->model));
	if (!facts->serial[0])
		sysfs_text(device, "serial", facts->serial, sizeof(facts->serial));
	if (!facts->serial[0])
		sysfs_text(folder, "serial", facts->serial, sizeof(facts->serial));
	/* udev writes spaces as underscores, the kernel's own file doesn't. */
	for (char *at = strchr(facts->model, '_'); at && strncmp(facts->model, "nvme_card", 9) != 0;
		at = strchr(at, '_'))
		*at = ' ';
	cloud_find(facts, sysfs_text(device, "vendor", text, sizeof(text)));
}

static int block_size(const char *path, uint64_t *ret_bytes, struct error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return error_set(error, -errno, "%s can't be opened: %s", path, strerror(errno));
	if (ioctl(fd, BLKGETSIZE64, ret_bytes) != 0)
		rc = error_set(error, -errno, "%s doesn't tell its size: %s", path, strerror(errno));
	close(fd);
	return rc;
}

int device_facts_get(const char *path, struct device_facts *ret_facts, struct error *error)
{
	struct device_facts facts = { .logical_sector_bytes = 512, .physical_sector_bytes = 512 };
	struct stat st;
	dev_t device;
	int rc;

	if (snprintf(facts.path, sizeof(facts.path), "%s", path) >= (int)sizeof(facts.path))
		return error_set(error, -ENAMETOOLONG, "the path is longer than %zu characters: %s",
			sizeof(facts.path) - 1, path);
	if (stat(path, &st) != 0)
		return error_set(error, -errno, "%s: %s", path, strerror(errno));
	if (S_ISBLK(st.st_mode)) {
		device = st.st_rdev;
		rc = block_size(path, &facts.size_bytes, error);
		if (rc != 0)
			return rc;
	} else if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
		device = st.st_dev;
		facts.is_file = true;
		facts.size_bytes = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	} else {
		return error_set(error, -ENOTSUP, "%s is neither a block device nor a file", path);
	}
	facts_from_disk(&facts, device);
	if (!facts.id[0] && facts.is_file)
		snprintf(facts.id, sizeof(facts.id), "file-%u-%u-%" PRIu64, major(device), minor(device),
			(uint64_t)st.st_ino);
	else if (!facts.id[0])
		snprintf(facts.id, sizeof(facts.id), "disk-%u-%u-%s", major(device), minor(device),
			facts.serial);
	*ret_facts = facts;
	return 0;
}
