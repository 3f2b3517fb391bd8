/* The one place where an errno becomes an HTTP status and a stable word. */
#include <errno.h>

#include "http/http.h"

static const struct {
	int rc;
	unsigned status;
	const char *code;
} rows[] = {
	{ -ENOENT, 404, "not-found" },
	{ -EOPNOTSUPP, 405, "not-supported" },
	{ -EINVAL, 400, "invalid" },
	{ -EMSGSIZE, 413, "too-large" },
	{ -EBUSY, 409, "in-use" },
	{ -EEXIST, 409, "exists" },
	{ -ESTALE, 409, "fenced" },
	{ -EPERM, 403, "refused" },
	{ -EACCES, 403, "refused" },
	{ -ENOSPC, 507, "no-room" },
	{ -EAGAIN, 503, "not-ready" },
	{ -ETIMEDOUT, 504, "timed-out" },
};

unsigned http_status(int rc)
{
	if (rc == 0)
		return 200;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].rc == rc)
			return rows[i].status;
	}
	return 500;
}

const char *http_error_code(int rc)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].rc == rc)
			return rows[i].code;
	}
	return "failed";
}
