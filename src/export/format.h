/* Private to export: the numbers of docs/export.md. */
#ifndef QUOIN_EXPORT_FORMAT_H
#define QUOIN_EXPORT_FORMAT_H

#include "export/export.h"

#define EXPORT_MAGIC       "QUOINEXP"
#define EXPORT_MAGIC_BYTES 8u
#define EXPORT_HEAD_MAGIC  UINT32_C(0x43455251) /* "QREC" */
#define EXPORT_CRC_BYTES   4u

enum export_kind { EXPORT_KIND_DATA = 1, EXPORT_KIND_ZERO = 2, EXPORT_KIND_END = 3 };

#endif
