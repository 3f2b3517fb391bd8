/* Selectors: what is taken matches or names the term that fails, and nothing outside its text is read. */
#include <errno.h>
#include <string.h>

#include "catalog/catalog.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct catalog_label labels[] = { { "disk", "nvme" }, { "owner", "db" } };
	const struct selector_subject subject = { "eu", "a", "r1", "h", "node", "p", labels, 2 };
	char text[2 * SELECTOR_TEXT_LEN], failed[SELECTOR_TEXT_LEN + 1] = "";
	struct error error = { "" };
	struct selector selector;
	int rc;

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	rc = selector_parse(text, &selector, &error);
	ASSERT(rc == 0 || (rc == -EINVAL && error.text[0]));
	if (rc != 0)
		return 0;
	ASSERT(selector.term_count <= SELECTOR_MAX_TERMS);
	(void)selector_failed(&selector, &subject, failed);
	ASSERT(memchr(failed, 0, sizeof(failed)));
	ASSERT(selector_matches(&selector, &subject) == !failed[0]);
	return 0;
}
