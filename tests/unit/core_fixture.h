/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_TESTS_CORE_FIXTURE_H
#define LEVERET_TESTS_CORE_FIXTURE_H

/*
 * Drives a vhost with commands written as text, and reads its effects as text: no socket, no
 * thread, no clock, and a store that commits and answers when the test says so.
 *
 * A command line is SESSION.CHANNEL METHOD and its fields: names in their order on the wire (an
 * empty one is written -), numbers, the names of flags that are set, and arguments as name=value
 * (digits make an integer, true and false a bool, anything else a long string):
 *
 *     1.0 connect                        opens session 1
 *     1.1 channel.open
 *     1.1 queue.declare q durable x-max-length=5
 *     1.1 basic.publish - q body persistent mandatory x-header=5
 *     1.1 basic.ack 3 multiple
 *     1.1 move source destination 10     no method of AMQP; answered with queue.purge-ok
 *     1.0 gone                           its socket is gone
 *     0.0 answer 7 allow 60000           to question 7: so many ms (and impersonator)
 *     0.0 answer 7 deny because          or refused, with what the error says at its end
 *
 * Lines of one call are one batch. What comes back is one line per effect:
 *
 *     1.1 queue.declare-ok q 0 0
 *     1.1 deliver ctag 1 redelivered body
 *     1.1 ack 3 multiple
 *     1.1 ask 7 write queue q            (or: topic EXCHANGE KEY; secret SECRET)
 *     1.1 channel.close 404 NOT_FOUND - no queue 'q' in vhost '/' (50.20)
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../sim/model_store.h"
#include "base/buffer.h"
#include "broker/vhost.h"

enum { CORE_SESSIONS = 8, CORE_CHANNELS = 8, CORE_CONSUMERS = 16 };

struct core {
    struct vhost_config config;
    struct access *access;     /* owned */
    struct vhost *vhost;       /* owned */
    struct model_store *store; /* owned */
    struct store_read *reads;  /* owned; asked for and not answered */
    size_t read_count;
    struct session *sessions[CORE_SESSIONS];                  /* borrowed */
    struct session_config session_config;                     /* of the next connect */
    char *tags[CORE_SESSIONS][CORE_CHANNELS][CORE_CONSUMERS]; /* owned */
    uint64_t now_ms;
    struct buffer transcript;
};

/* A new vhost over an empty store. */
void core_init(struct core *core);
/* The same, with limits of the test's. */
void core_init_with(struct core *core, const struct vhost_config *config);
void core_fini(struct core *core);

/* Applies the lines as one batch; the effects are then compared with the expected ones, or, with
 * NULL, left in the transcript, ended by NUL. */
#define run(core, commands, expected) core_run(core, commands, expected, __FILE__, __LINE__)
void core_run(struct core *core, const char *commands, const char *expected, const char *file,
              int line);

/* Time passes, and what is due by then happens. */
#define pass(core, ms, expected) core_pass(core, ms, expected, __FILE__, __LINE__)
void core_pass(struct core *core, uint64_t ms, const char *expected, const char *file, int line);

/* Hands everything to the store, which commits it. */
#define commit(core, expected) core_commit(core, expected, __FILE__, __LINE__)
void core_commit(struct core *core, const char *expected, const char *file, int line);

/* In steps: a batch leaves for the store (false where there is none); the oldest one is on disk. */
bool core_submit(struct core *core);
#define complete(core, expected) core_complete(core, expected, __FILE__, __LINE__)
void core_complete(struct core *core, const char *expected, const char *file, int line);

/* Answers the reads that were asked for, with at most rows_max rows each. */
#define answer(core, rows_max, expected) core_answer(core, rows_max, expected, __FILE__, __LINE__)
void core_answer(struct core *core, size_t rows_max, const char *expected, const char *file,
                 int line);
/* Answers all reads, and those that follow from the answers. */
#define answer_all(core, expected) core_answer_all(core, expected, __FILE__, __LINE__)
void core_answer_all(struct core *core, const char *expected, const char *file, int line);
/* The store does all that it is asked for, reads rows_max rows at a time; the effects are left in
 * the transcript. */
void core_settle(struct core *core, size_t rows_max);
/* Are there reads to answer? */
bool core_has_reads(struct core *core);

/* The process dies and the vhost is opened from what is durable. Sessions are gone. */
void core_crash(struct core *core);
/* The same after a clean stop, whose effects are dropped. */
void core_restart(struct core *core);

#define expect(core, expected) core_expect(core, expected, __FILE__, __LINE__)
void core_expect(struct core *core, const char *expected, const char *file, int line);

/* Opens session 1 with channels 1 .. channels, and forgets the effects. */
void core_open(struct core *core, unsigned session, unsigned channels);

/* "ready unacked consumers" of a queue, or "none". */
#define assert_queue(core, name, expected)                                                         \
    core_assert_queue(core, name, expected, __FILE__, __LINE__)
void core_assert_queue(struct core *core, const char *name, const char *expected, const char *file,
                       int line);

struct vhost_counters core_counters(const struct core *core);

/* cmocka setup and teardown: *state is a struct core with the default limits. */
int core_setup(void **state);
int core_teardown(void **state);
#define core_test(function) cmocka_unit_test_setup_teardown(function, core_setup, core_teardown)

#endif
