/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INTEROP_C_HARNESS_H
#define INTEROP_C_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct interop_test {
    const char *name;
    void (*run)(void);
};

/* Tables that end with a test without a name. */
extern const struct interop_test connection_tests[];
extern const struct interop_test topology_tests[];
extern const struct interop_test delivery_tests[];
extern const struct interop_test publish_tests[];
extern const struct interop_test feature_tests[];
extern const struct interop_test recovery_tests[];

/* Runs the tests of a table that the arguments name, or all; returns how many failed. Each runs in
 * a process of its own, so that a hang or a crash costs that test only. */
unsigned int harness_run(const struct interop_test *tests, int argc, char **argv);

/* Ends the running test as failed. The format makes the reason. */
_Noreturn void test_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Fail the running test, naming `what`, unless got and wanted are equal. */
void expect_number(const char *what, uint64_t got, uint64_t wanted);
void expect_bytes(const char *what, const void *got, size_t got_bytes, const char *wanted);

/* Fails the running test with the text unless the condition holds. */
void expect_true(bool condition, const char *text);

/* The value of an environment variable of the contract, which must be set. */
const char *harness_environment(const char *name);

/* Whether this is the quick tier. */
bool harness_is_quick(void);

/* A monotonic time. */
uint64_t harness_now_ms(void);

#endif
