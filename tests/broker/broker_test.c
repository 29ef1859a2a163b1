/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame around the socket tests.
 *
 * Each case is a function and a row of a table, and becomes a cmocka test of its own, so that a
 * failure names the row. Whatever a case did to the broker, it ends by the same proof: the
 * connections that are still open are closed, and a new one declares a queue, publishes and gets. A
 * case that leaves the broker unable to serve somebody else fails by itself, not the next one.
 */
#include "broker_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CASES_MAX 1024

struct broker_case {
    void (*run)(const void *row);
    const void *row;
};

static struct broker_case cases[CASES_MAX];
static struct CMUnitTest tests[CASES_MAX];
static size_t case_count;

/* The queue is durable and lives for the whole program: its message passes through what other tests
 * may break. */
static void prove_broker_is_untouched(void)
{
    static unsigned round;
    char body[32];
    struct raw_client *c = raw_open();

    snprintf(body, sizeof body, "proof %u", ++round);
    step_declare(c, 1, "broker-test-proof", QUEUE_DURABLE, NULL);
    step_purge(c, 1, "broker-test-proof");
    step_publish(c, 1, "", "broker-test-proof", body);
    step_get(c, 1, "broker-test-proof", body);
    raw_close(c);
}

static void (*prove)(void) = prove_broker_is_untouched;

void broker_test_prove_by(void (*other)(void))
{
    prove = other;
}

static void run_case(void **state)
{
    const struct broker_case *test = *state;

    raw_note(NULL);
    test->run(test->row);
    raw_note("after the case");
    raw_drop_all();
    prove();
}

static int tear_down(void **state)
{
    (void)state;
    raw_drop_all();
    return 0;
}

static void run_error(const void *row)
{
    const struct error_row *r = row;
    struct raw_client *c = raw_open();

    r->send(c);
    if (r->code >= 500 || r->code == 320 || r->code == 402) {
        raw_expect_connection_close(c, r->code, r->text, r->class_id, r->method_id);
        return;
    }
    raw_expect_channel_close(c, 1, r->code, r->text, r->class_id, r->method_id);
    raw_open_channel(c, 1);
    raw_expect_nothing(c, 1);
}

void broker_test_add_errors(const struct error_row *rows, size_t row_count)
{
    for (size_t i = 0; i < row_count; i++)
        broker_test_add(rows[i].name, run_error, &rows[i]);
}

void broker_test_add(const char *name, void (*run)(const void *row), const void *row)
{
    assert_true(case_count < CASES_MAX);
    cases[case_count] = (struct broker_case){run, row};
    tests[case_count] = (struct CMUnitTest){.name = name,
                                            .test_func = run_case,
                                            .teardown_func = tear_down,
                                            .initial_state = &cases[case_count]};
    case_count++;
}

int broker_test_run(const char *suite, int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* failures go to stderr: keep the order in a common file */
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return _cmocka_run_group_tests(suite, tests, case_count, NULL, NULL);
}

bool broker_test_is_leveret(void)
{
    static int is_leveret = -1;

    if (is_leveret < 0) {
        struct raw_client *c = raw_open();
        is_leveret = raw_table_find(raw_server_properties(c), "leveret_version", NULL) != 0;
        raw_close(c);
    }
    return is_leveret == 1;
}

void broker_test_skip(const char *reason)
{
    print_message("skipped: %s\n", reason);
    raw_drop_all();
    skip();
}

void broker_test_need(const char *variable)
{
    char reason[128];

    if (getenv(variable) != NULL)
        return;
    snprintf(reason, sizeof reason, "%s is not set", variable);
    broker_test_skip(reason);
}

void broker_test_ctl(const char *words)
{
    char command[2048];

    snprintf(command, sizeof command, "%s %s >/dev/null", getenv("BROKER_CTL"), words);
    if (system(command) != 0)
        fail_msg("this failed: %s", command);
}

int broker_test_handshake_timeout_ms(void)
{
    const char *value = getenv("AMQP_HANDSHAKE_TIMEOUT_MS");

    return value == NULL ? 10000 : atoi(value);
}
