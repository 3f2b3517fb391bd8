/* Snapshots of a scene: which there are, and a look at one from node Y. What that shows is old: the history
 * is not asked. */
#include <stdlib.h>
#include <string.h>

#include "sim/scene.h"
#include "store/store.h"

unsigned scene_levels(struct scene *s, unsigned voter)
{
	return pool_replica_snapshots(scene_store(s, voter), NULL, 0);
}

void scene_compare_levels(struct scene *s)
{
	if (!s->c->violation[0])
		levels_compare(s->v);
}

static void view_spec(const struct sim_volume *v, uint8_t n, struct volume_spec *spec)
{
	*spec = (struct volume_spec){ .volume = v->cluster->volumes[0].volume,
		.group = v->group,
		.size_bytes = SIM_VOLUME_BYTES,
		.session = 77 };
	spec->snapshot.byte[0] = 0x5a;
	spec->snapshot.byte[15] = n;
	for (unsigned i = 0; i < v->replica_count; i++)
		sim_voter_fill(v, i, &spec->voters[spec->voter_count++]);
}

struct volume *scene_view(struct scene *s, uint8_t n)
{
	struct volume_spec spec;
	struct volume *view;

	view_spec(s->v, n, &spec);
	ASSERT(volume_view(s->c->nodes[Y].process->datapath, &spec, &view) == 0);
	return view;
}

struct volume *scene_view_striped(struct scene *s, uint8_t n)
{
	struct volume_spec specs[SIM_MAX_VOLUMES];
	struct volume *view;

	for (unsigned i = 0; i < s->c->plan.volumes; i++)
		view_spec(&s->c->volumes[i], n, &specs[i]);
	ASSERT(volume_view_striped(s->c->nodes[Y].process->datapath, specs, s->c->plan.volumes,
		       STRIPE_MIN_BYTES, &view) == 0);
	return view;
}

static void look_done(struct request *request, int rc)
{
	struct scene_look *look = container_of(request, struct scene_look, request);
	uint64_t word;

	memcpy(&word, request->data->data, sizeof(word));
	look->answered = true;
	look->rc = rc;
	look->write = (uint32_t)(word >> 32);
}

struct scene_look *scene_look_at(struct scene *s, struct volume *view, uint32_t block)
{
	struct scene_look *look = calloc(1, sizeof(*look));

	ASSERT(look);
	look->request = (struct request){ .op = REQUEST_READ,
		.offset_bytes = (uint64_t)block * BLOCK_BYTES,
		.length_bytes = BLOCK_BYTES,
		.data = buf_get(s->c->nodes[Y].process->bufs, BLOCK_BYTES),
		.done = look_done };
	ASSERT(look->request.data);
	trace_event(&s->c->trace, "look", Y, block, 0);
	volume_submit(view, &look->request);
	loop_sim_kick(&s->c->sim, Y);
	return look;
}

static bool is_answered(struct scene *s, const void *arg)
{
	(void)s;
	return ((const struct scene_look *)arg)->answered;
}

void scene_sees(struct scene *s, const struct scene_look *look, uint32_t write)
{
	EXPECT(scene_until(s, SCENE_EVENTUALLY, is_answered, look), "the snapshot was not read");
	EXPECT(look->rc == 0 && look->write == write, "the snapshot was read as write %u (%d), it has %u",
		look->write, look->rc, write);
}

static void map_done(struct request *request, int rc)
{
	struct scene_look *look = container_of(request, struct scene_look, request);

	look->answered = true;
	look->rc = rc;
}

void scene_map(struct scene *s, struct volume *view, uint8_t since, const struct buf **ret_map)
{
	struct scene_look *look = calloc(1, sizeof(*look));
	uint64_t length_bytes = SIM_VOLUME_BYTES / GRAIN_BYTES * GRAIN_BYTES;

	ASSERT(look);
	look->request = (struct request){ .op = REQUEST_MAP,
		.length_bytes = length_bytes,
		.data = buf_get(s->c->nodes[Y].process->bufs, volume_map_bytes(length_bytes)),
		.done = map_done };
	ASSERT(look->request.data);
	if (since) {
		look->request.snapshot.byte[0] = 0x5a;
		look->request.snapshot.byte[15] = since;
	}
	volume_submit(view, &look->request);
	loop_sim_kick(&s->c->sim, Y);
	EXPECT(scene_until(s, SCENE_EVENTUALLY, is_answered, look) && look->rc == 0,
		"the map was not read (%d)", look->rc);
	*ret_map = look->request.data;
}
