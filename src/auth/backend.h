/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AUTH_BACKEND_H
#define LEVERET_AUTH_BACKEND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "broker/effect.h"

/*
 * An authentication back end: whoever can tell who a user is, and what it may do. A question may
 * take as long as a network does, so that all of this runs on worker threads, several at a time.
 */

struct auth_backend;
struct config;
struct users;

enum auth_verdict {
    AUTH_YES,
    AUTH_NO,
    AUTH_FAILED, /* nobody could tell; counts as no */
};

/* What a back end knows about a user that it let in, immutable and shared by reference: the head of
 * a back end's own struct. */
struct auth_state {
    _Atomic size_t references;
    void (*free)(struct auth_state *state);
    uint64_t expires_s; /* since 1970; UINT64_MAX: never */
};

static inline struct auth_state *auth_state_ref(struct auth_state *state)
{
    if (state != NULL)
        atomic_fetch_add_explicit(&state->references, 1, memory_order_relaxed);
    return state;
}

static inline void auth_state_unref(struct auth_state *state)
{
    if (state != NULL &&
        atomic_fetch_sub_explicit(&state->references, 1, memory_order_acq_rel) == 1)
        state->free(state);
}

struct auth_tags {
    char **names; /* owned, with each of them */
    size_t count;
    size_t capacity;
};

void auth_tags_add(struct auth_tags *tags, struct bytes name);
void auth_tags_add_all(struct auth_tags *tags, const struct auth_tags *more);
void auth_tags_fini(struct auth_tags *tags);

enum { AUTH_REASON_SIZE = 512 };

/* Who logs in. */
struct auth_login {
    struct bytes user;
    struct bytes password;
    bool has_password; /* false: somebody else has proven who it is */
    bool is_loopback;
    const struct users *users; /* borrowed: the snapshot at this time */
};

/* What came of it; zeroed by the caller, who owns it. */
struct auth_result {
    char *user; /* the name by which it is known from here on; NULL: the one that was given */
    struct auth_tags tags;
    struct auth_state *state;      /* ref, or NULL */
    char reason[AUTH_REASON_SIZE]; /* of a no or a failure, for the log */
};
void auth_result_fini(struct auth_result *result);

/* Who asks for a permission. */
struct auth_subject {
    struct bytes user;
    const struct auth_tags *tags;
    const struct auth_state *state; /* what this back end gave at the login */
    const char *peer_address;
    const struct users *users;
};

struct auth_backend_type {
    const char *name;
    const char *module; /* RabbitMQ's name for it */
    /* Who is it? */
    enum auth_verdict (*log_in)(struct auth_backend *backend, const struct auth_login *login,
                                struct auth_result *result);
    /* A user whom another back end has proven: do you know it? */
    enum auth_verdict (*authorize)(struct auth_backend *backend, const struct auth_login *login,
                                   struct auth_result *result);
    /* reason: what is told to the client at the end of the refusal, or "". */
    enum auth_verdict (*check_vhost)(struct auth_backend *backend,
                                     const struct auth_subject *subject, struct bytes vhost,
                                     char reason[AUTH_REASON_SIZE]);
    enum auth_verdict (*check)(struct auth_backend *backend, const struct auth_subject *subject,
                               struct bytes vhost, const struct access_subject *what,
                               char reason[AUTH_REASON_SIZE]);
    /* A new secret in the place of the one that the state came from, even if it has ended by now;
     * NULL: states never end. */
    enum auth_verdict (*renew)(struct auth_backend *backend, const struct auth_subject *subject,
                               struct bytes secret, struct auth_result *result);
    bool (*takes_secrets)(const struct auth_backend *backend); /* NULL: if it has renew */
    void (*stop)(struct auth_backend *backend); /* as auth_chain_stop; NULL: nothing blocks */
    void (*free)(struct auth_backend *backend);
};

/* The head of a back end's own struct. */
struct auth_backend {
    const struct auth_backend_type *type;
};

/* Each is NULL where the configuration makes no sense; reason then tells why. The configuration is
 * borrowed for as long as the back end lives. */
struct auth_backend *backend_internal_new(void);
struct auth_backend *backend_http_new(const struct config *config);
struct auth_backend *backend_ldap_new(const struct config *config, char reason[AUTH_REASON_SIZE]);
struct auth_backend *backend_oauth2_new(const struct config *config, char reason[AUTH_REASON_SIZE]);
/* Remembers what the others said; authn and authz pass to it. */
struct auth_backend *backend_cache_new(const struct config *config, struct auth_backend *authn,
                                       struct auth_backend *authz);

const char *auth_permission_word(enum permission permission);

#endif
