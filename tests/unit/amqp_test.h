/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_TESTS_AMQP_TEST_H
#define LEVERET_TESTS_AMQP_TEST_H

/* What the tests of the wire format share. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "amqp/error.h"
#include "base/buffer.h"
#include "base/bytes.h"

/* A view of a string literal, NULs inside it included. */
#define BYTES(literal) bytes_of(literal, sizeof(literal) - 1)

#define assert_bytes_equal(actual, expected) assert_bytes(actual, expected, __FILE__, __LINE__)

static inline void assert_bytes(struct bytes actual, struct bytes expected, const char *file,
                                int line)
{
    if (bytes_equal(actual, expected))
        return;
    for (size_t i = 0; i < actual.size; i++)
        print_error("%02x%s", actual.data[i], i + 1 < actual.size ? " " : " is\n");
    for (size_t i = 0; i < expected.size; i++)
        print_error("%02x%s", expected.data[i], i + 1 < expected.size ? " " : " expected\n");
    _fail(file, line);
}

/* Fails unless the error is exactly that one. */
#define assert_amqp_error(error, code, class_id, method_id, text)                                  \
    assert_amqp_error_at(error, code, class_id, method_id, text, __FILE__, __LINE__)

static inline void assert_amqp_error_at(struct amqp_error error, int code, int class_id,
                                        int method_id, const char *text, const char *file, int line)
{
    if (error.code == code && error.class_id == class_id && error.method_id == method_id &&
        strcmp(error.text, text) == 0)
        return;
    print_error("%d %d.%d '%s' is\n%d %d.%d '%s' expected\n", error.code, error.class_id,
                error.method_id, error.text, code, class_id, method_id, text);
    _fail(file, line);
}

#endif
