/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AUTH_LOGIN_COUNTS_H
#define LEVERET_AUTH_LOGIN_COUNTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct json_t;

/* How many logins there were, by protocol, since the start or since they were forgotten. Any
 * thread. */
enum login_protocol { LOGIN_BY_HTTP, LOGIN_BY_AMQP, LOGIN_PROTOCOLS };

struct login_counts {
    struct {
        atomic_uint_fast64_t succeeded, failed;
    } by[LOGIN_PROTOCOLS];
};

static inline void login_counts_add(struct login_counts *counts, enum login_protocol protocol,
                                    bool has_succeeded)
{
    atomic_fetch_add_explicit(has_succeeded ? &counts->by[protocol].succeeded
                                            : &counts->by[protocol].failed,
                              1, memory_order_relaxed);
}

static inline void login_counts_read(struct login_counts *counts, enum login_protocol protocol,
                                     uint64_t *succeeded, uint64_t *failed)
{
    *succeeded = atomic_load_explicit(&counts->by[protocol].succeeded, memory_order_relaxed);
    *failed = atomic_load_explicit(&counts->by[protocol].failed, memory_order_relaxed);
}

/* The caller's: an array with an object for each protocol that somebody has used, with the fields
 * of RabbitMQ's management API. */
struct json_t *login_counts_json(struct login_counts *counts);

static inline void login_counts_forget(struct login_counts *counts)
{
    for (unsigned i = 0; i < LOGIN_PROTOCOLS; i++) {
        atomic_store_explicit(&counts->by[i].succeeded, 0, memory_order_relaxed);
        atomic_store_explicit(&counts->by[i].failed, 0, memory_order_relaxed);
    }
}

#endif
