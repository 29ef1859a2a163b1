/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chain is a list of links: who tells who a user is, and who tells what it may do, mostly the
 * same. At a login the first link whose back end lets the user in is the one that counts; a link
 * with two back ends lets in whom both know. An identity then remembers the link's second back end
 * with what it gave, and every permission is asked of that one.
 *
 * What is called a failure (a server that does not answer, an answer that makes no sense) lets
 * nobody in and allows nothing; the next link is tried all the same, as RabbitMQ does.
 */
#include "auth/identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/users.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "config/config.h"

struct link {
    struct auth_backend *authn; /* borrowed from the chain */
    struct auth_backend *authz;
};

struct auth_chain {
    const struct config_list *loopback_users; /* borrowed */
    struct auth_backend **backends;           /* owned */
    size_t backend_count, backend_capacity;
    struct link *links; /* owned, in order */
    size_t link_count, link_capacity;
};

struct auth_identity {
    _Atomic size_t references;
    char *user;                   /* owned */
    char *peer_address;           /* owned */
    struct auth_tags tags;        /* of whoever tells who it is, then those of the back end */
    size_t lasting_tags;          /* so many of them a new secret does not change */
    struct auth_backend *backend; /* borrowed: the chain outlives everybody */
    struct auth_state *state;     /* ref */
};

/* --- tags and results */

void auth_tags_add(struct auth_tags *tags, struct bytes name)
{
    tags->names = xgrow(tags->names, &tags->capacity, tags->count + 1, sizeof *tags->names);
    tags->names[tags->count++] = bytes_to_text(name);
}

void auth_tags_add_all(struct auth_tags *tags, const struct auth_tags *more)
{
    for (size_t i = 0; i < more->count; i++)
        auth_tags_add(tags, bytes_of_text(more->names[i]));
}

void auth_tags_fini(struct auth_tags *tags)
{
    for (size_t i = 0; i < tags->count; i++)
        free(tags->names[i]);
    free(tags->names);
    *tags = (struct auth_tags){0};
}

void auth_result_fini(struct auth_result *result)
{
    free(result->user);
    auth_tags_fini(&result->tags);
    auth_state_unref(result->state);
    *result = (struct auth_result){0};
}

const char *auth_permission_word(enum permission permission)
{
    static const char *const words[] = {"configure", "write", "read"};
    return words[permission];
}

/* --- building a chain */

static struct auth_backend *find_backend(const struct auth_chain *chain, const char *name)
{
    for (size_t i = 0; i < chain->backend_count; i++) {
        if (strcmp(chain->backends[i]->type->name, name) == 0)
            return chain->backends[i];
    }
    return NULL;
}

static struct auth_backend *new_simple(const struct config *config, const char *name,
                                       char reason[AUTH_REASON_SIZE])
{
    if (strcmp(name, "internal") == 0)
        return backend_internal_new();
    if (strcmp(name, "http") == 0)
        return backend_http_new(config);
    if (strcmp(name, "ldap") == 0)
        return backend_ldap_new(config, reason);
    if (strcmp(name, "oauth2") == 0)
        return backend_oauth2_new(config, reason);
    snprintf(reason, AUTH_REASON_SIZE, "there is no back end '%s' to cache", name);
    return NULL;
}

static const char *first_of(const char *one, const char *two, const char *three)
{
    return one != NULL ? one : two != NULL ? two : three;
}

static struct auth_backend *new_cache(const struct config *config, char reason[AUTH_REASON_SIZE])
{
    const struct config_auth_cache *cache = &config->auth_cache;
    const char *authn = first_of(cache->authn, cache->backend, cache->authz);
    const char *authz = first_of(cache->authz, cache->backend, cache->authn);
    if (authn == NULL)
        authn = authz = "internal";
    struct auth_backend *first = new_simple(config, authn, reason);
    if (first == NULL || strcmp(authn, authz) == 0)
        return first != NULL ? backend_cache_new(config, first, first) : NULL;
    struct auth_backend *second = new_simple(config, authz, reason);
    if (second != NULL)
        return backend_cache_new(config, first, second);
    first->type->free(first);
    return NULL;
}

static struct auth_backend *need_backend(struct auth_chain *chain, const struct config *config,
                                         const char *name, char reason[AUTH_REASON_SIZE])
{
    struct auth_backend *backend = find_backend(chain, name);
    if (backend != NULL)
        return backend;
    backend =
        strcmp(name, "cache") == 0 ? new_cache(config, reason) : new_simple(config, name, reason);
    if (backend == NULL)
        return NULL;
    chain->backends = xgrow(chain->backends, &chain->backend_capacity, chain->backend_count + 1,
                            sizeof *chain->backends);
    chain->backends[chain->backend_count++] = backend;
    return backend;
}

static bool add_link(struct auth_chain *chain, const struct config *config, const char *authn,
                     const char *authz, char reason[AUTH_REASON_SIZE])
{
    struct link link = {.authn = need_backend(chain, config, authn, reason)};
    if (link.authn != NULL)
        link.authz = need_backend(chain, config, authz, reason);
    if (link.authz == NULL)
        return false;
    chain->links =
        xgrow(chain->links, &chain->link_capacity, chain->link_count + 1, sizeof *chain->links);
    chain->links[chain->link_count++] = link;
    return true;
}

static bool is_before(const char *left, const char *right)
{
    unsigned long a = strtoul(left, NULL, 10), b = strtoul(right, NULL, 10);
    return a != b ? a < b : strcmp(left, right) < 0;
}

/* The lowest number of the three lists that is above the last one; NULL at the end. */
static const char *next_number(const struct config *config, const char *last)
{
    const struct config_list *lists[] = {&config->auth_backends, &config->auth_authn,
                                         &config->auth_authz};
    const char *next = NULL;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        for (size_t k = 0; k < lists[i]->count; k++) {
            const char *name = lists[i]->entries[k].name;
            if ((last == NULL || is_before(last, name)) && (next == NULL || is_before(name, next)))
                next = name;
        }
    }
    return next;
}

struct auth_chain *auth_chain_new(const struct config *config, char reason[AUTH_REASON_SIZE])
{
    struct auth_chain *chain = xcalloc(1, sizeof *chain);
    chain->loopback_users = &config->loopback_users;
    for (const char *number = NULL; (number = next_number(config, number)) != NULL;) {
        const char *both = config_list_value(&config->auth_backends, number);
        const char *authn = config_list_value(&config->auth_authn, number);
        const char *authz = config_list_value(&config->auth_authz, number);
        if (!add_link(chain, config, first_of(authn, both, authz), first_of(authz, both, authn),
                      reason)) {
            auth_chain_free(chain);
            return NULL;
        }
    }
    return chain;
}

void auth_chain_free(struct auth_chain *chain)
{
    if (chain == NULL)
        return;
    for (size_t i = 0; i < chain->backend_count; i++)
        chain->backends[i]->type->free(chain->backends[i]);
    free(chain->backends);
    free(chain->links);
    free(chain);
}

static bool is_internal(const struct auth_backend *backend)
{
    return strcmp(backend->type->name, "internal") == 0;
}

void auth_chain_stop(struct auth_chain *chain)
{
    for (size_t i = 0; i < chain->backend_count; i++) {
        if (chain->backends[i]->type->stop != NULL)
            chain->backends[i]->type->stop(chain->backends[i]);
    }
}

bool auth_chain_is_internal(const struct auth_chain *chain)
{
    for (size_t i = 0; i < chain->backend_count; i++) {
        if (!is_internal(chain->backends[i]))
            return false;
    }
    return true;
}

/* --- logging in */

static struct auth_identity *new_identity(const char *user, const char *peer_address,
                                          struct auth_backend *backend)
{
    struct auth_identity *identity = xcalloc(1, sizeof *identity);
    atomic_init(&identity->references, 1);
    identity->user = xstrdup(user);
    identity->peer_address = xstrdup(peer_address);
    identity->backend = backend;
    return identity;
}

static struct auth_identity *identify(const struct link *link, const struct auth_login *login,
                                      const char *peer_address, struct auth_result *result,
                                      struct auth_result *second)
{
    struct auth_login known = *login;
    if (link->authn->type->log_in(link->authn, login, result) != AUTH_YES)
        return NULL;
    if (result->user != NULL)
        known.user = bytes_of_text(result->user);
    bool is_one = link->authz == link->authn;
    if (!is_one && link->authz->type->authorize(link->authz, &known, second) != AUTH_YES) {
        memcpy(result->reason, second->reason, sizeof result->reason);
        return NULL;
    }
    char *user = bytes_to_text(known.user);
    struct auth_identity *identity = new_identity(user, peer_address, link->authz);
    free(user);
    auth_tags_add_all(&identity->tags, &result->tags);
    auth_tags_add_all(&identity->tags, &second->tags);
    identity->lasting_tags = is_one ? 0 : result->tags.count;
    identity->state = auth_state_ref(is_one ? result->state : second->state);
    return identity;
}

static struct auth_identity *try_link(const struct link *link, const struct auth_login *login,
                                      const char *peer_address, char reason[AUTH_REASON_SIZE])
{
    struct auth_result result = {0}, second = {0};
    struct auth_identity *identity = identify(link, login, peer_address, &result, &second);
    if (identity == NULL)
        snprintf(reason, AUTH_REASON_SIZE, "%s", result.reason);
    auth_result_fini(&result);
    auth_result_fini(&second);
    return identity;
}

struct auth_identity *auth_chain_log_in(struct auth_chain *chain, const struct auth_login *login,
                                        const char *peer_address, char reason[AUTH_REASON_SIZE])
{
    struct auth_identity *identity = NULL;
    size_t size = 0;
    reason[0] = '\0';
    for (size_t i = 0; i < chain->link_count && identity == NULL; i++) {
        char why[AUTH_REASON_SIZE] = "";
        identity = try_link(&chain->links[i], login, peer_address, why);
        if (size < AUTH_REASON_SIZE)
            size += (size_t)snprintf(reason + size, AUTH_REASON_SIZE - size, "%s%s: %s",
                                     i > 0 ? "; " : "", chain->links[i].authn->type->name, why);
    }
    if (identity == NULL || login->is_loopback ||
        !config_list_has_name(chain->loopback_users, identity->user))
        return identity;
    snprintf(reason, AUTH_REASON_SIZE, "user '%s' can only connect via localhost", identity->user);
    auth_identity_unref(identity);
    return NULL;
}

/* --- identities */

struct auth_identity *auth_identity_ref(struct auth_identity *identity)
{
    atomic_fetch_add_explicit(&identity->references, 1, memory_order_relaxed);
    return identity;
}

void auth_identity_unref(struct auth_identity *identity)
{
    if (identity == NULL ||
        atomic_fetch_sub_explicit(&identity->references, 1, memory_order_acq_rel) > 1)
        return;
    free(identity->user);
    free(identity->peer_address);
    auth_tags_fini(&identity->tags);
    auth_state_unref(identity->state);
    free(identity);
}

const char *auth_identity_user(const struct auth_identity *identity)
{
    return identity->user;
}

bool auth_identity_has_tag(const struct auth_identity *identity, const char *tag)
{
    for (size_t i = 0; i < identity->tags.count; i++) {
        if (strcmp(identity->tags.names[i], tag) == 0)
            return true;
    }
    return false;
}

const char *auth_identity_tag(const struct auth_identity *identity, size_t number)
{
    return number < identity->tags.count ? identity->tags.names[number] : NULL;
}

bool auth_identity_is_internal(const struct auth_identity *identity)
{
    return is_internal(identity->backend);
}

uint64_t auth_identity_expires_s(const struct auth_identity *identity)
{
    return identity->state != NULL ? identity->state->expires_s : UINT64_MAX;
}

static struct auth_subject subject_of(const struct auth_identity *identity,
                                      const struct users *users)
{
    return (struct auth_subject){
        .user = bytes_of_text(identity->user),
        .tags = &identity->tags,
        .state = identity->state,
        .peer_address = identity->peer_address,
        .users = users,
    };
}

/* RabbitMQ's words: who said no, and why, where somebody told. */
static void describe(const struct auth_identity *identity, enum auth_verdict verdict,
                     const char *why, char reason[AUTH_REASON_SIZE])
{
    const char *module = identity->backend->type->module;
    reason[0] = '\0';
    if (verdict == AUTH_FAILED)
        snprintf(reason, AUTH_REASON_SIZE, ", backend %s returned an error: %s", module, why);
    else if (why[0] != '\0')
        snprintf(reason, AUTH_REASON_SIZE, " by backend %s: %s", module, why);
}

bool auth_identity_may_enter(const struct auth_identity *identity, const struct users *users,
                             struct bytes vhost, char reason[AUTH_REASON_SIZE])
{
    char why[AUTH_REASON_SIZE] = "";
    struct auth_subject subject = subject_of(identity, users);
    struct auth_backend *backend = identity->backend;
    enum auth_verdict verdict = backend->type->check_vhost(backend, &subject, vhost, why);
    describe(identity, verdict, why, reason);
    return verdict == AUTH_YES;
}

bool auth_identity_allows(const struct auth_identity *identity, const struct users *users,
                          struct bytes vhost, const struct access_subject *what,
                          char reason[AUTH_REASON_SIZE])
{
    char why[AUTH_REASON_SIZE] = "";
    struct auth_subject subject = subject_of(identity, users);
    struct auth_backend *backend = identity->backend;
    enum auth_verdict verdict = backend->type->check(backend, &subject, vhost, what, why);
    describe(identity, verdict, why, reason);
    return verdict == AUTH_YES;
}

static bool takes_secrets(const struct auth_backend *backend)
{
    return backend->type->renew != NULL &&
           (backend->type->takes_secrets == NULL || backend->type->takes_secrets(backend));
}

static struct auth_identity *renewed_identity(const struct auth_identity *identity,
                                              const struct auth_result *result)
{
    struct auth_identity *renewed =
        new_identity(identity->user, identity->peer_address, identity->backend);
    renewed->state = auth_state_ref(result->state);
    renewed->lasting_tags = identity->lasting_tags;
    for (size_t i = 0; i < identity->lasting_tags; i++)
        auth_tags_add(&renewed->tags, bytes_of_text(identity->tags.names[i]));
    auth_tags_add_all(&renewed->tags, &result->tags);
    return renewed;
}

struct auth_identity *auth_identity_renew(struct auth_identity *identity, const struct users *users,
                                          struct bytes secret, char reason[AUTH_REASON_SIZE],
                                          char log_reason[AUTH_REASON_SIZE])
{
    struct auth_backend *backend = identity->backend;
    struct auth_subject subject = subject_of(identity, users);
    struct auth_result result = {0};
    struct auth_identity *renewed = NULL;
    if (!takes_secrets(backend))
        return auth_identity_ref(identity);
    enum auth_verdict verdict = backend->type->renew(backend, &subject, secret, &result);
    if (verdict == AUTH_YES) {
        renewed = renewed_identity(identity, &result);
    } else {
        snprintf(reason, AUTH_REASON_SIZE, "%s",
                 verdict == AUTH_NO ? "New secret was refused by one of the backends"
                                    : "Secret update failed");
        snprintf(log_reason, AUTH_REASON_SIZE, "%s", result.reason);
    }
    auth_result_fini(&result);
    return renewed;
}
