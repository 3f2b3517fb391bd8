/* Of the fake: what an import calls. */
#include <stdio.h>

#include "volumes_fake.h"

void volumes_serve_nbd(
	struct volumes *volumes, const char *name, struct uuid import, volumes_done_fn fn, void *arg)
{
	volumes->import = import;
	fake_op_add(volumes, FAKE_ATTACH, name, fn, arg);
}

void volumes_import_begin(struct volumes *volumes, const char *name, struct uuid import, const char *base,
	volumes_done_fn fn, void *arg)
{
	struct fake_op *op = fake_op_add(volumes, FAKE_IMPORT_BEGIN, name, fn, arg);

	volumes->import = import;
	snprintf(op->id, sizeof(op->id), "%s", base);
}

void volumes_import_end(
	struct volumes *volumes, const char *name, struct uuid import, volumes_done_fn fn, void *arg)
{
	volumes->import = import;
	fake_op_add(volumes, FAKE_IMPORT_END, name, fn, arg);
}
