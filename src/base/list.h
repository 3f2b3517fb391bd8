/* Doubly linked intrusive lists. A node that is on no list points to itself. */
#ifndef QUOIN_BASE_LIST_H
#define QUOIN_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next;
	struct list *prev;
};

#define container_of(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
#define list_entry(pointer, type, member)   container_of(pointer, type, member)

static inline void list_init(struct list *l)
{
	l->next = l;
	l->prev = l;
}

static inline bool list_is_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_insert_between(struct list *node, struct list *prev, struct list *next)
{
	node->prev = prev;
	node->next = next;
	prev->next = node;
	next->prev = node;
}

static inline void list_push_back(struct list *l, struct list *node)
{
	list_insert_between(node, l->prev, l);
}

static inline void list_push_front(struct list *l, struct list *node)
{
	list_insert_between(node, l, l->next);
}

/* Takes the node off its list; harmless where it is on none. */
static inline void list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

/* NULL where the list is empty. */
static inline struct list *list_first(const struct list *l)
{
	return list_is_empty(l) ? NULL : l->next;
}

static inline struct list *list_last(const struct list *l)
{
	return list_is_empty(l) ? NULL : l->prev;
}

static inline struct list *list_pop_front(struct list *l)
{
	struct list *first = list_first(l);

	if (first)
		list_remove(first);
	return first;
}

#define list_for_each(node, l) for (struct list *node = (l)->next; node != (l); node = node->next)
/* The body may remove `node`. */
#define list_for_each_safe(node, l)                                                                          \
	for (struct list *node = (l)->next, *node##_next = node->next; node != (l);                          \
		node = node##_next, node##_next = node->next)

#endif
