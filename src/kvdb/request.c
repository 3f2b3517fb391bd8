/* Requests: copying what a call is given, keeping its answer, calling back once. */
#include "kvdb/backend.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int kvdb_key_check(const char *key, bool prefix, struct error *error)
{
	size_t len = strnlen(key, KVDB_MAX_KEY_LEN + 1);

	if (len > KVDB_MAX_KEY_LEN)
		return error_set(error, -EINVAL, "a key of more than %u characters", KVDB_MAX_KEY_LEN);
	if (len == 0 && !prefix)
		return error_set(error, -EINVAL, "an empty key");
	for (size_t i = 0; i < len; i++) {
		if (key[i] <= ' ' || key[i] > '~')
			return error_set(
				error, -EINVAL, "a key with the byte 0x%02x at %zu", (uint8_t)key[i], i);
	}
	return 0;
}

void kvdb_request_fail(struct kvdb_request *request, int rc, const char *format, ...)
{
	va_list args;

	ASSERT(rc < 0);
	va_start(args, format);
	(void)vsnprintf(request->error.text, sizeof(request->error.text), format, args);
	va_end(args);
	request->result.rc = rc;
	request->result.revision = 0;
}

void kvdb_request_lose(struct kvdb_request *request, const char *key)
{
	(void)error_set(&request->error, -EAGAIN, "%s has changed meanwhile", key);
	request->result.rc = KVDB_LOST;
}

int kvdb_request_item(struct kvdb_request *request, const struct kvdb_item *item)
{
	struct kvdb_item *items = (struct kvdb_item *)(uintptr_t)request->result.items;
	size_t count = request->result.count;
	size_t key_bytes = strlen(item->key) + 1;
	char *copy;

	ASSERT(count < KVDB_MAX_LIST);
	if (count == request->item_capacity) {
		size_t capacity = count ? 2 * count : 1;

		items = realloc(items, capacity * sizeof(*items));
		if (!items)
			return -ENOMEM;
		request->result.items = items;
		request->item_capacity = capacity;
	}
	copy = malloc(key_bytes + item->value_bytes);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, item->key, key_bytes);
	if (item->value_bytes > 0)
		memcpy(copy + key_bytes, item->value, item->value_bytes);
	items[count] = *item;
	items[count].key = copy;
	items[count].value = (uint8_t *)copy + key_bytes;
	request->result.count = count + 1;
	return 0;
}

void kvdb_request_free(struct kvdb_request *request)
{
	if (!request)
		return;
	for (size_t i = 0; i < request->result.count; i++)
		free((void *)(uintptr_t)request->result.items[i].key);
	free((void *)(uintptr_t)request->result.items);
	for (size_t i = 0; i < request->compare_count; i++) {
		free((void *)(uintptr_t)request->compares[i].key);
		free((void *)(uintptr_t)request->compares[i].value);
	}
	free(request->compares);
	for (size_t i = 0; i < request->write_count; i++) {
		free((void *)(uintptr_t)request->writes[i].key);
		free((void *)(uintptr_t)request->writes[i].value);
	}
	free(request->writes);
	free(request->key);
	free(request->after);
	free(request);
}

void kvdb_request_answer(struct kvdb_request *request)
{
	if (!request->answered) {
		request->answered = true;
		list_remove(&request->pending);
		request->result.error = &request->error;
		request->fn(request->arg, &request->result);
	}
	kvdb_request_free(request);
}
