/*
 * path write|read COUNT DEPTH: so many requests of 4 KiB on the code of production, with three nodes on
 * simulated disks, network and clocks. The same each time, so that its instructions can be counted:
 * tests/ratchet/run lets callgrind collect inside measured() only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/scene.h"

#define HOT_BLOCKS 1024u /* 64 grains */
#define WARM_UP    2048u
#define MAX_DEPTH  64u

static struct {
	bool is_read;
	uint32_t count, depth;
} load;

/* Every block, in an order without a pattern that a cache or a batch could like. */
static uint32_t block_of(uint32_t i)
{
	return i * 389u % HOT_BLOCKS;
}

static void requests(struct scene *s, struct attached *a, uint32_t count, bool is_read)
{
	struct scene_io *ios[MAX_DEPTH];

	for (uint32_t done = 0; done < count; done += load.depth) {
		for (uint32_t i = 0; i < load.depth; i++)
			ios[i] = is_read ? scene_read(s, a, block_of(done + i), 1)
					 : scene_write(s, a, block_of(done + i), 1);
		for (uint32_t i = 0; i < load.depth; i++)
			EXPECT(scene_is_answered(s, ios[i], 1000) && ios[i]->rc == 0, "request %u: %s",
				done + i,
				ios[i]->answered ? strerror(-ios[i]->rc) : "no answer within a second");
	}
}

/* By name: what callgrind collects. */
__attribute__((noinline)) static void measured(struct scene *s, struct attached *a)
{
	requests(s, a, load.count, load.is_read);
	__asm__ volatile(""); /* no tail call, which would end it early */
}

static void run(struct scene *s)
{
	struct attached *a = scene_serve(s, A);

	GOES_ON();
	requests(s, a, WARM_UP, false);
	GOES_ON();
	requests(s, a, HOT_BLOCKS, true);
	GOES_ON();
	measured(s, a);
}

int main(int argc, char **argv)
{
	/* Disk and journal so large that apply rounds come, and no shortage. */
	struct scenario scenario = {
		.name = "ratchet", .run = run, .hot_blocks = HOT_BLOCKS, .journal_bytes = UINT64_C(4) << 20
	};
	char text[512];

	if (argc != 4 || (strcmp(argv[1], "write") != 0 && strcmp(argv[1], "read") != 0)) {
		fprintf(stderr, "usage: %s write|read COUNT DEPTH\n", argv[0]);
		return 2;
	}
	load.is_read = strcmp(argv[1], "read") == 0;
	load.count = (uint32_t)strtoul(argv[2], NULL, 10);
	load.depth = (uint32_t)strtoul(argv[3], NULL, 10);
	if (load.depth < 1 || load.depth > MAX_DEPTH || load.count % load.depth != 0) {
		fprintf(stderr, "%s: DEPTH is 1 to %u, and divides COUNT\n", argv[0], MAX_DEPTH);
		return 2;
	}
	scenario_run(&scenario, false, text);
	if (text[0]) {
		fprintf(stderr, "%s: %s\n", argv[0], text);
		return 1;
	}
	printf("%s %u depth %u\n", argv[1], load.count, load.depth);
	return 0;
}
