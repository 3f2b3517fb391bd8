/* Fields of requests, texts that are no UTF-8, and the table of errors. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "http/http.h"

static void any_text_becomes_a_string(void **state)
{
	json_t *good = http_json_text("caf\xc3\xa9");
	json_t *bad = http_json_text("caf\xc3 x\xff");

	(void)state;
	assert_string_equal(json_string_value(good), "caf\xc3\xa9");
	assert_string_equal(json_string_value(bad), "caf? x?");
	json_decref(good);
	json_decref(bad);
}

static void a_string_field_is_checked(void **state)
{
	json_t *object = json_loads("{\"a\": \"x\", \"n\": null, \"i\": 1, \"l\": \"12345\"}", 0, NULL);
	const char *text = "untouched";
	struct error error;

	(void)state;
	assert_int_equal(http_json_string(object, "a", true, 4, &text, &error), 0);
	assert_string_equal(text, "x");
	assert_int_equal(http_json_string(object, "n", false, 4, &text, &error), 0);
	assert_null(text);
	assert_int_equal(http_json_string(object, "none", false, 4, &text, &error), 0);
	assert_null(text);
	assert_int_equal(http_json_string(object, "none", true, 4, &text, &error), -EINVAL);
	assert_string_equal(error.text, "\"none\" is missing from the request");
	assert_int_equal(http_json_string(object, "i", true, 4, &text, &error), -EINVAL);
	assert_string_equal(error.text, "\"i\" must be a string");
	assert_int_equal(http_json_string(object, "l", true, 4, &text, &error), -EINVAL);
	assert_string_equal(error.text, "\"l\" is 5 bytes long; at most 4 are allowed");
	json_decref(object);
}

static void an_unknown_field_is_named_with_the_nearest(void **state)
{
	static const char *const known[] = { "name", "size" };
	json_t *good = json_loads("{\"size\": 1}", 0, NULL);
	json_t *near = json_loads("{\"name\": 1, \"sise\": 2}", 0, NULL);
	json_t *far = json_loads("{\"completely-else\": 2}", 0, NULL);
	struct error error;

	(void)state;
	assert_int_equal(http_json_only(good, known, 2, &error), 0);
	assert_int_equal(http_json_only(near, known, 2, &error), -EINVAL);
	assert_string_equal(error.text, "unknown field \"sise\"; did you mean \"size\"?");
	assert_int_equal(http_json_only(far, known, 2, &error), -EINVAL);
	assert_string_equal(error.text, "unknown field \"completely-else\"");
	json_decref(good);
	json_decref(near);
	json_decref(far);
}

static void errors_have_a_status_and_a_word(void **state)
{
	(void)state;
	assert_int_equal(http_status(0), 200);
	assert_int_equal(http_status(-ENOENT), 404);
	assert_string_equal(http_error_code(-ENOENT), "not-found");
	assert_int_equal(http_status(-EBUSY), 409);
	assert_string_equal(http_error_code(-EBUSY), "in-use");
	assert_int_equal(http_status(-ETIMEDOUT), 504);
	assert_string_equal(http_error_code(-EAGAIN), "not-ready");
	assert_int_equal(http_status(-EIO), 500);
	assert_string_equal(http_error_code(-EIO), "failed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_text_becomes_a_string),
		cmocka_unit_test(a_string_field_is_checked),
		cmocka_unit_test(an_unknown_field_is_named_with_the_nearest),
		cmocka_unit_test(errors_have_a_status_and_a_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
