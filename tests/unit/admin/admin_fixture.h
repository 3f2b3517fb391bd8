/* An admin server on a unix socket and a port of its own, over volumes in memory. */
#ifndef QUOIN_TESTS_ADMIN_FIXTURE_H
#define QUOIN_TESTS_ADMIN_FIXTURE_H

#include <unistd.h>
#include <uv.h>

#include "admin/admin.h"
#include "http_client.h"
#include "volumes_fake.h"

struct fixture {
	uv_loop_t loop;
	struct volumes *volumes;
	struct admin *admin;
	char path[64];
	bool closed;
};

int admin_setup(void **state);
int admin_teardown(void **state);
/* Ends the server before the test does. */
void admin_end(struct fixture *f);

#endif
