/*
 * Reads that the device of a failed pool has not answered, and perhaps never will: who asked is told now.
 * Until the answer a copy of each stands for it here, and holds the buffer, into which the device may still
 * write.
 */
#include "store/read.h"

#include <errno.h>
#include <stdlib.h>

/* The answer has come. */
static void left_ended(struct pool_read *read, int rc)
{
	(void)rc;
	buf_put(read->into);
	free(read);
}

static void read_leave(struct pool *pool, struct pool_read *read)
{
	struct pool_read *left = malloc(sizeof(*left));
	struct list *node;

	if (!left)
		return; /* it is told when the device answers */
	*left = *read;
	left->fn = left_ended;
	left->into = buf_ref(read->into);
	left->rc = -EIO;
	left->left = true;
	list_init(&left->node);
	list_init(&left->runs);
	while ((node = list_pop_front(&read->runs)) != NULL) {
		list_entry(node, struct read_run, node)->read = left;
		list_push_back(&left->runs, node);
	}
	if (read->lacking != 0) { /* it waits for checksums, too */
		list_remove(&read->node);
		list_push_back(&pool->sums.reads, &left->node);
	}
	left->replica->reads++;
	read->pending = 0;
	read->left = true;
	read_finish(pool, read, -EIO);
}

void reads_leave(struct pool *pool)
{
	bool is_free[READ_RUNS] = { false };

	if (pool->run_free_count == READ_RUNS || MUTANT(failed_reads_wait))
		return;
	list_for_each (node, &pool->run_free)
		is_free[list_entry(node, struct read_run, node) - pool->runs] = true;
	for (unsigned i = 0; i < READ_RUNS; i++)
		if (!is_free[i] && !pool->runs[i].read->left)
			read_leave(pool, pool->runs[i].read);
}
