/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_LOG_LOG_COMPRESS_H
#define LEVERET_LOG_LOG_COMPRESS_H

#include <stdbool.h>

/* Makes path.gz of the file at path, which is gone then. False where that cannot be, or goes_on
 * says no more: the file is as it was. goes_on is asked now and then. */
bool log_compress(const char *path, bool (*goes_on)(void *context), void *context);

#endif
