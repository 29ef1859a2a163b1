/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame of the suite: runs each test in a process of its own and prints its line of the
 * contract.
 *
 * A child per test instead of a longjmp out of it: librabbitmq keeps state per connection and
 * aborts on some errors, and a broker under test may leave us waiting for ever. The child prints
 * the reason of its failure itself; the parent speaks only for a child that could not, because a
 * signal ended it. The exit handlers of the child delete what the test left on the broker.
 */
#include "harness.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TEST_TIMEOUT_S 180

static const char *running_test;

static bool is_selected(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], name) == 0) {
            return true;
        }
    }
    return argc <= 1;
}

static void run_child(const struct interop_test *test)
{
    running_test = test->name;
    alarm(TEST_TIMEOUT_S);
    test->run();
    exit(0);
}

static bool run_test(const struct interop_test *test)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        run_child(test);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        printf("not ok %s: cannot run it\n", test->name);
        return false;
    }
    if (WIFSIGNALED(status)) {
        printf("not ok %s: %s\n", test->name,
               WTERMSIG(status) == SIGALRM ? "no result in time" : strsignal(WTERMSIG(status)));
        return false;
    }
    if (WEXITSTATUS(status) == 0) {
        printf("ok %s\n", test->name);
    }
    return WEXITSTATUS(status) == 0;
}

unsigned int harness_run(const struct interop_test *tests, int argc, char **argv)
{
    unsigned int failed_count = 0;

    for (const struct interop_test *test = tests; test->name != NULL; test++) {
        if (is_selected(test->name, argc, argv)) {
            failed_count += run_test(test) ? 0 : 1;
            fflush(stdout);
        }
    }
    return failed_count;
}

void test_fail(const char *format, ...)
{
    va_list arguments;

    printf("not ok %s: ", running_test);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    exit(1);
}

void expect_number(const char *what, uint64_t got, uint64_t wanted)
{
    if (got != wanted) {
        test_fail("%s: expected %llu, got %llu", what, (unsigned long long)wanted,
                  (unsigned long long)got);
    }
}

void expect_bytes(const char *what, const void *got, size_t got_bytes, const char *wanted)
{
    if (got_bytes != strlen(wanted) || (got_bytes > 0 && memcmp(got, wanted, got_bytes) != 0)) {
        test_fail("%s: expected '%s', got '%.*s'", what, wanted, (int)got_bytes,
                  got_bytes > 0 ? (const char *)got : "");
    }
}

void expect_true(bool condition, const char *text)
{
    if (!condition) {
        test_fail("%s", text);
    }
}

const char *harness_environment(const char *name)
{
    const char *value = getenv(name);

    if (value == NULL) {
        fprintf(stderr, "%s is not set: start the suite with interop/run\n", name);
        exit(64);
    }
    return value;
}

bool harness_is_quick(void)
{
    const char *quick = getenv("INTEROP_QUICK");

    return quick != NULL && strcmp(quick, "1") == 0;
}

uint64_t harness_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
