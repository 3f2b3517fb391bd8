/* Addresses in text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "net/address.h"

static int parse(const char *text, struct net_address *ret_back, struct error *error)
{
	struct net_address address = { "" };
	struct sockaddr_storage socket = { 0 };
	socklen_t bytes;
	int rc;

	memcpy(address.text, text, strlen(text) + 1);
	rc = address_parse(&address, &socket, &bytes, error);
	if (rc == 0)
		address_format(&socket, ret_back);
	return rc;
}

static void addresses_come_back_as_they_were(void **state)
{
	static const char *const texts[] = { "127.0.0.1:7421", "0.0.0.0:0", "[::1]:7421", "10.1.2.3:65535" };
	struct net_address back;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(parse(texts[i], &back, NULL), 0);
		assert_string_equal(back.text, texts[i]);
	}
}

static void malformed_addresses_are_refused_with_words(void **state)
{
	static const char *const texts[] = { "", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
		"127.0.0.1:-1", "127.0.0.1:7421x", "localhost:7421", "::1:7421", "[127.0.0.1]:7421",
		"[::1:7421", "]:1", "[]:1", "127.0.0.1:000000001" };
	struct net_address back;
	struct error error;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		error.text[0] = '\0';
		assert_int_equal(parse(texts[i], &back, &error), -EINVAL);
		assert_non_null(strstr(error.text, "address"));
	}
}

static void an_unterminated_address_is_refused(void **state)
{
	struct net_address address;
	struct sockaddr_storage socket;
	socklen_t bytes;

	(void)state;
	memset(address.text, '1', sizeof(address.text));
	assert_int_equal(address_parse(&address, &socket, &bytes, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_come_back_as_they_were),
		cmocka_unit_test(malformed_addresses_are_refused_with_words),
		cmocka_unit_test(an_unterminated_address_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
