/* Classes as text, and fields one by one: what is taken is within its bounds, and reads back as it was
 * written. */
#include <errno.h>
#include <string.h>

#include "catalog/catalog.h"
#include "fuzz.h"

static int take(void *arg, const struct catalog_class *class, struct error *error)
{
	const struct catalog_class **expected = arg;
	struct selector selector;

	(void)error;
	ASSERT(name_check("class", class->name, NULL) == 0);
	ASSERT(class->replicas >= 1 && class->replicas <= GROUP_MAX_VOTERS);
	ASSERT((class->tiers & CLASS_TIERS_ANY) != 0 && (class->tiers & ~CLASS_TIERS_ANY) == 0);
	ASSERT(class->spread >= CLASS_SPREAD_ZONE && class->spread <= CLASS_SPREAD_LAST);
	ASSERT(class->group_rule <= CLASS_GROUP_LAST);
	ASSERT(class->size_bytes >= VOLUME_MIN_BYTES && class->size_bytes <= VOLUME_MAX_BYTES);
	ASSERT(memchr(class->comment, 0, sizeof(class->comment)));
	ASSERT(memchr(class->description, 0, sizeof(class->description)));
	ASSERT(selector_parse(class->selector, &selector, NULL) == 0);
	if (*expected) {
		ASSERT(strcmp(class->name, (*expected)->name) == 0);
		ASSERT(class->tiers == (*expected)->tiers && class->replicas == (*expected)->replicas);
		ASSERT(class->spread == (*expected)->spread && class->group_rule == (*expected)->group_rule);
		ASSERT(strcmp(class->selector, (*expected)->selector) == 0);
		ASSERT(strcmp(class->comment, (*expected)->comment) == 0);
		ASSERT(class->size_bytes == (*expected)->size_bytes &&
			strcmp(class->fs, (*expected)->fs) == 0);
		ASSERT(strcmp(class->mkfs_options, (*expected)->mkfs_options) == 0);
		ASSERT(strcmp(class->mount_options, (*expected)->mount_options) == 0);
		ASSERT(class->error_after_ms == (*expected)->error_after_ms);
		ASSERT(class->rebuild_after_ms == (*expected)->rebuild_after_ms);
		ASSERT(class->limit_iops == (*expected)->limit_iops);
		ASSERT(class->limit_bytes_per_s == (*expected)->limit_bytes_per_s);
	} else {
		char text[CLASS_TEXT_MAX_LEN + 1];
		struct error why = { "" };
		const struct catalog_class *same = class;

		class_text_format(class, text);
		ASSERT(class_text_parse(text, strlen(text), take, &same, &why) == 0);
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct catalog_class *none = NULL;
	struct error error = { "" };
	int rc;

	if (size > 65536)
		return 0;
	rc = class_text_parse((const char *)data, size, take, &none, &error);
	ASSERT(rc == 0 || (rc == -EINVAL && error.text[0]));
	return 0;
}
