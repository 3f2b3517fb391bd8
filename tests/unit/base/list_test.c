#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/list.h"

struct item {
	int value;
	struct list node;
};

static void nodes_come_in_the_order_in_which_they_were_pushed(void **state)
{
	struct item items[4] = { { .value = 0 }, { .value = 1 }, { .value = 2 }, { .value = 3 } };
	struct list l;
	int expected = 0;

	(void)state;
	list_init(&l);
	list_push_back(&l, &items[1].node);
	list_push_back(&l, &items[2].node);
	list_push_back(&l, &items[3].node);
	list_push_front(&l, &items[0].node);
	list_for_each (node, &l)
		assert_int_equal(list_entry(node, struct item, node)->value, expected++);
	assert_int_equal(expected, 4);
	assert_ptr_equal(list_first(&l), &items[0].node);
	assert_ptr_equal(list_last(&l), &items[3].node);
	assert_ptr_equal(list_pop_front(&l), &items[0].node);
	assert_ptr_equal(list_first(&l), &items[1].node);
}

static void a_node_can_be_removed_while_the_list_is_walked(void **state)
{
	struct item items[5] = { { .value = 0 }, { .value = 1 }, { .value = 2 }, { .value = 3 },
		{ .value = 4 } };
	struct list l;
	int count = 0;

	(void)state;
	list_init(&l);
	for (int i = 0; i < 5; i++)
		list_push_back(&l, &items[i].node);
	list_for_each_safe (node, &l) {
		if (list_entry(node, struct item, node)->value % 2)
			list_remove(node);
		count++;
	}
	assert_int_equal(count, 5);
	count = 0;
	list_for_each (node, &l) {
		assert_int_equal(list_entry(node, struct item, node)->value, 2 * count);
		count++;
	}
	assert_int_equal(count, 3);
}

static void an_empty_list_has_no_first_and_removal_twice_is_harmless(void **state)
{
	struct item item = { .value = 1 };
	struct list l;

	(void)state;
	list_init(&l);
	assert_true(list_is_empty(&l));
	assert_null(list_first(&l));
	assert_null(list_last(&l));
	assert_null(list_pop_front(&l));
	list_push_back(&l, &item.node);
	list_remove(&item.node);
	list_remove(&item.node);
	assert_true(list_is_empty(&l));
	assert_true(list_is_empty(&item.node));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_come_in_the_order_in_which_they_were_pushed),
		cmocka_unit_test(a_node_can_be_removed_while_the_list_is_walked),
		cmocka_unit_test(an_empty_list_has_no_first_and_removal_twice_is_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
