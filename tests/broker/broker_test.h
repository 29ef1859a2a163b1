/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BROKER_TEST_H
#define BROKER_TEST_H

/* The frame around the socket tests: cases from tables, and the proof after each that the broker is
 * untouched. */

#include "raw_client.h"
#include "step.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A row of a table of errors: what is sent on channel 1 of a new connection, and the close that
 * answers it. */
struct error_row {
    const char *name;
    void (*send)(struct raw_client *c);
    uint16_t code;
    const char *text; /* NULL: any */
    uint16_t class_id;
    uint16_t method_id;
};

/* Defines a function of the steps that a row sends. */
#define SENDER(function, ...)                                                                      \
    static void function(struct raw_client *c)                                                     \
    {                                                                                              \
        __VA_ARGS__;                                                                               \
    }

/* Adds a case for each row: an error below 500 but 320 and 402 closes channel 1, which opens again
 * at once; the others close the connection. */
void broker_test_add_errors(const struct error_row *rows, size_t row_count);

/* Adds a case; `row` is what `run` gets, and must outlive broker_test_run. */
void broker_test_add(const char *name, void (*run)(const void *row), const void *row);

/* Adds a case that has no row. */
#define BROKER_TEST(run) broker_test_add(#run, run, NULL)

/* Another proof after each case that the broker serves, for a broker that takes no messages. */
void broker_test_prove_by(void (*prove)(void));

/* Runs what was added, all or (argv[1]) what matches a pattern; the exit status of main. */
int broker_test_run(const char *suite, int argc, char **argv);

/* True when the broker says that it is Leveret. Where versions of RabbitMQ differ, Leveret does
 * what its own documents say and RabbitMQ 3.10 what it does. */
bool broker_test_is_leveret(void);

/* Runs `BROKER_CTL` with these words; fails the test when that fails. */
void broker_test_ctl(const char *words);

/* Skips the running case, saying why. */
void broker_test_skip(const char *reason);

/* Skips the running case when BROKER_CTL (or AMQP_TLS_PORT) is not set. */
void broker_test_need(const char *variable);

/* AMQP_HANDSHAKE_TIMEOUT_MS: the handshake timeout that the broker was started with. */
int broker_test_handshake_timeout_ms(void);

#endif
