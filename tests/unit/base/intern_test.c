/* A text is kept once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/intern.h"

static void the_same_text_is_the_same_pointer(void **state)
{
	char text[] = "node-1";
	const char *first = text_intern(text);

	(void)state;
	assert_ptr_not_equal(first, text);
	assert_string_equal(first, "node-1");
	assert_ptr_equal(text_intern("node-1"), first);
	text[5] = '2';
	assert_string_equal(text_intern(text), "node-2");
	assert_string_equal(first, "node-1");
	assert_string_equal(text_intern(""), "");
}

static void many_texts_stay_where_they_are(void **state)
{
	static const char *kept[5000];
	char text[32];

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		(void)snprintf(text, sizeof(text), "n%u", i);
		kept[i] = text_intern(text);
	}
	for (unsigned i = 0; i < 5000; i++) {
		(void)snprintf(text, sizeof(text), "n%u", i);
		assert_string_equal(kept[i], text);
		assert_ptr_equal(text_intern(text), kept[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_text_is_the_same_pointer),
		cmocka_unit_test(many_texts_stay_where_they_are),
	};

	return cmocka_run_group_tests_name("intern", tests, NULL, NULL);
}
