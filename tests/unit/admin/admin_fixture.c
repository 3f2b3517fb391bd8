#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "admin_fixture.h"

int admin_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct admin_config config = { .loop = &f->loop,
		.socket_path = f->path,
		.metrics_address = "127.0.0.1:0",
		.receive_timeout_ms = 100 };
	struct error error;

	snprintf(f->path, sizeof(f->path), "/tmp/quoin-ctl-admin-%d.sock", (int)getpid());
	assert_int_equal(uv_loop_init(&f->loop), 0);
	config.volumes = f->volumes = volumes_fake_new(&f->loop);
	assert_int_equal(admin_new(&config, &f->admin, &error), 0);
	*state = f;
	return 0;
}

static void on_closed(void *arg)
{
	struct fixture *f = arg;

	f->closed = true;
}

void admin_end(struct fixture *f)
{
	admin_close(f->admin, on_closed, f);
	f->admin = NULL;
	while (!f->closed)
		uv_run(&f->loop, UV_RUN_ONCE);
}

int admin_teardown(void **state)
{
	struct fixture *f = *state;

	if (f->admin)
		admin_end(f);
	volumes_fake_free(f->volumes);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	free(f);
	return 0;
}
