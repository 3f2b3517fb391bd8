/* An export's file, as the import reads it, in pieces whose size the first byte says. */
#include "export/export.h"
#include "fuzz.h"

static uint8_t payload[EXPORT_DATA_MAX_BYTES];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t piece = size ? (size_t)data[0] * 16 + 1 : 1;
	struct export_reader reader;
	uint64_t end = 0;

	export_reader_init(&reader, payload);
	while (size > 0) {
		enum export_event event;
		size_t used;

		if (export_read(&reader, data, size < piece ? size : piece, &used, &event, NULL) != 0)
			return 0;
		ASSERT(used > 0);
		data += used;
		size -= used;
		if (event == EXPORT_DATA || event == EXPORT_ZERO) {
			ASSERT(reader.offset_bytes >= end && reader.length_bytes > 0);
			end = reader.offset_bytes + reader.length_bytes;
			ASSERT(end <= reader.header.size_bytes && end % BLOCK_BYTES == 0);
		}
		if (event == EXPORT_END)
			ASSERT(reader.totals.data_bytes + reader.totals.zero_bytes <= end);
	}
	ASSERT(export_read_end(&reader, NULL) <= 0);
	return 0;
}
