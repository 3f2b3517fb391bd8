/* Reading mountinfo: which lines name a device, and at which place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "volumes/holders.h"

static const char mountinfo[] = "22 27 0:20 / /sys rw,nosuid - sysfs sysfs rw\n"
				"36 27 7:12 / /var/lib/quoin/mnt/a\\040b rw shared:1 - ext4 /dev/loop12 rw\n"
				"37 27 7:1 / /data rw - ext4 /dev/loop1 rw";

static void mounts_of_the_device_are_found(void **state)
{
	(void)state;
	assert_true(holders_mountinfo_has(mountinfo, makedev(7, 12), NULL));
	assert_true(holders_mountinfo_has(mountinfo, makedev(7, 1), "/elsewhere"));
	assert_false(holders_mountinfo_has(mountinfo, makedev(7, 2), NULL));
	assert_false(holders_mountinfo_has("", makedev(7, 2), NULL));
	assert_false(holders_mountinfo_has("7:2\n", makedev(7, 2), NULL));
}

static void the_excepted_place_does_not_count(void **state)
{
	(void)state;
	assert_false(holders_mountinfo_has(mountinfo, makedev(7, 12), "/var/lib/quoin/mnt/a b"));
	assert_true(holders_mountinfo_has(mountinfo, makedev(7, 12), "/var/lib/quoin/mnt/a"));
	assert_false(holders_mountinfo_has(mountinfo, makedev(7, 1), "/data"));
}

static void own_root_is_held_by_somebody(void **state)
{
	struct holder holder;
	struct stat st;

	(void)state;
	assert_int_equal(stat("/proc", &st), 0);
	assert_int_equal(holders_find(st.st_dev, NULL, &holder), 0);
	assert_true(holder.pid > 0);
	assert_int_equal(holders_find(makedev(4000, 1), NULL, &holder), 0);
	assert_int_equal(holder.pid, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mounts_of_the_device_are_found),
		cmocka_unit_test(the_excepted_place_does_not_count),
		cmocka_unit_test(own_root_is_held_by_somebody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
