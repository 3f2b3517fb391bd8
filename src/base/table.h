/* Things found by their UUID: a fixed number of buckets, intrusive nodes. For an array: uuid_index.h. */
#ifndef QUOIN_BASE_TABLE_H
#define QUOIN_BASE_TABLE_H

#include "base/list.h"
#include "base/uuid.h"

#define TABLE_BUCKETS 1024u

struct table_node {
	struct list node;
	struct uuid key;
};

struct table {
	struct list buckets[TABLE_BUCKETS];
};

static inline void table_init(struct table *table)
{
	for (unsigned i = 0; i < TABLE_BUCKETS; i++)
		list_init(&table->buckets[i]);
}

static inline struct list *table_bucket(struct table *table, struct uuid key)
{
	return &table->buckets[uuid_hash(key) % TABLE_BUCKETS];
}

static inline void table_insert(struct table *table, struct table_node *node, struct uuid key)
{
	node->key = key;
	list_push_back(table_bucket(table, key), &node->node);
}

static inline void table_remove(struct table_node *node)
{
	list_remove(&node->node);
}

/* The first node with this key; NULL where there is none. */
static inline struct table_node *table_find(struct table *table, struct uuid key)
{
	list_for_each (at, table_bucket(table, key)) {
		struct table_node *node = list_entry(at, struct table_node, node);

		if (uuid_equal(node->key, key))
			return node;
	}
	return NULL;
}

#endif
