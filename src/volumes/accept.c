/* `quoin cluster accept-restore`: a kvdb from a backup is this node's again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/accept.h"
#include "volumes/manager.h"

#define CALL_TIMEOUT_MS 10000u

struct accept_job {
	struct volumes *volumes;
	bool carry_out;
	volumes_lines_fn fn;
	void *arg;
	char **lines;
	unsigned count;
};

static void accept_line(void *arg, const char *text)
{
	struct accept_job *job = arg;
	char **more = reallocarray(job->lines, job->count + 1, sizeof(*more));
	char *copy = strdup(text);

	if (job->carry_out)
		manager_event(job->volumes, "restore-mended", job->volumes->config.node, "%s", text);
	if (more)
		job->lines = more;
	if (more && copy)
		job->lines[job->count++] = copy;
	else
		free(copy); /* the event has told it */
}

static void accept_told(void *arg, int rc, const struct error *error)
{
	struct accept_job *job = arg;

	if (!rc && job->carry_out)
		manager_event(job->volumes, "restore-accepted", job->volumes->config.node,
			"the kvdb as it stands is this node's again, %u things told", job->count);
	job->fn(job->arg, rc, error, (const char *const *)job->lines, job->count);
	for (unsigned i = 0; i < job->count; i++)
		free(job->lines[i]);
	free(job->lines);
	free(job);
}

void volumes_accept_restore(struct volumes *volumes, bool carry_out, volumes_lines_fn fn, void *arg)
{
	struct accept_job *job = calloc(1, sizeof(*job));
	struct error why;
	int rc = job ? 0 : error_set(&why, -ENOMEM, "no memory");

	if (!rc && volumes->phase == MANAGER_STOPPING)
		rc = manager_ready_check(volumes, &why);
	if (rc) {
		free(job);
		fn(arg, rc, &why, NULL, 0);
		return;
	}
	*job = (struct accept_job){ .volumes = volumes, .carry_out = carry_out, .fn = fn, .arg = arg };
	catalog_accept_restore(volumes->catalog, carry_out, CALL_TIMEOUT_MS, accept_line, accept_told, job);
}
