/*
 * base: what every room may use; knows nothing of disks, networks or volumes.
 *
 * Thread rule: all functions are reentrant; an object belongs to one thread at a time, unless its header
 * says otherwise. Error rule: 0 or a negative errno, must-check; outputs are untouched on failure.
 */
#ifndef QUOIN_BASE_H
#define QUOIN_BASE_H

#include "base/assert.h"
#include "base/budget.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/entry.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mutant.h"
#include "base/names.h"
#include "base/percentile.h"
#include "base/random.h"
#include "base/size.h"
#include "base/stripe_size.h"
#include "base/tier.h"
#include "base/unix_socket.h"
#include "base/uuid.h"

#endif
