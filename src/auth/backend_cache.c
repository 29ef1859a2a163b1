/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Remembers what other back ends said, for auth_cache.cache_ttl: what they allowed, and what they
 * refused only where auth_cache.cache_refusals says so; never that they could not tell.
 *
 * An entry is found by everything that the question held. A password is in there as its HMAC under
 * a key that lives as long as the process. What a back end knows about a user is in there as its
 * address, and the entry holds a reference, so that no other user's can ever stand there.
 *
 * How many entries there are, and how long a question may be, is bounded: who has not logged in yet
 * can ask, too.
 *
 * All entries live equally long, so that a list in the order of their making is one in the order of
 * their ends.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth/backend.h"
#include "base/buffer.h"
#include "base/check.h"
#include "base/hash_table.h"
#include "base/list.h"
#include "base/xmalloc.h"
#include "config/config.h"

enum { entries_max = 20000, question_bytes_max = 2048, key_bytes = 32 };

struct entry {
    struct hash_node by_question;
    struct list_node by_age;
    uint64_t until_ms;
    enum auth_verdict verdict;
    struct auth_result result;  /* of a login; of a permission the reason alone */
    struct auth_state *subject; /* ref: whose address is part of the question */
    size_t size;
    uint8_t question[];
};

struct cache {
    struct auth_backend backend;
    const struct config_auth_cache *config; /* borrowed */
    struct auth_backend *authn, *authz;     /* owned; may be the same */
    uint8_t key[key_bytes];
    pthread_mutex_t mutex; /* guards what follows */
    struct hash_table entries;
    struct list by_age; /* the oldest first */
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- entries; the caller holds the mutex */

static void drop_entry_locked(struct cache *cache, struct entry *entry)
{
    hash_table_remove(&cache->entries, &entry->by_question);
    list_remove(&entry->by_age);
    auth_result_fini(&entry->result);
    auth_state_unref(entry->subject);
    free(entry);
}

static void drop_old_locked(struct cache *cache)
{
    struct list_node *node;
    uint64_t now = now_ms();
    while ((node = list_front(&cache->by_age)) != NULL) {
        struct entry *entry = list_entry(node, struct entry, by_age);
        if (entry->until_ms > now && cache->entries.count < entries_max)
            return;
        drop_entry_locked(cache, entry);
    }
}

static bool is_question(const struct hash_node *node, const void *key)
{
    const struct entry *entry = container_of(node, struct entry, by_question);
    return bytes_equal(bytes_of(entry->question, entry->size), *(const struct bytes *)key);
}

static struct entry *find_locked(struct cache *cache, struct bytes question)
{
    struct hash_node *node =
        hash_table_find(&cache->entries, bytes_hash(question, 0), is_question, &question);
    return node != NULL ? container_of(node, struct entry, by_question) : NULL;
}

static void copy_result(struct auth_result *to, const struct auth_result *from)
{
    to->user = from->user != NULL ? xstrdup(from->user) : NULL;
    auth_tags_add_all(&to->tags, &from->tags);
    to->state = auth_state_ref(from->state);
    memcpy(to->reason, from->reason, sizeof to->reason);
}

static bool has_expired(const struct auth_state *state)
{
    return state != NULL && state->expires_s <= (uint64_t)time(NULL);
}

/* --- what the back ends share */

static bool recall(struct cache *cache, const struct buffer *question, enum auth_verdict *verdict,
                   struct auth_result *result)
{
    pthread_mutex_lock(&cache->mutex);
    drop_old_locked(cache);
    const struct entry *entry = find_locked(cache, buffer_bytes(question));
    bool is_known = entry != NULL && !has_expired(entry->result.state);
    if (is_known) {
        *verdict = entry->verdict;
        copy_result(result, &entry->result);
    }
    pthread_mutex_unlock(&cache->mutex);
    return is_known;
}

static void remember(struct cache *cache, const struct buffer *question, enum auth_verdict verdict,
                     const struct auth_result *result, const struct auth_state *subject)
{
    bool is_kept = verdict == AUTH_YES || (verdict == AUTH_NO && cache->config->keeps_refusals);
    if (!is_kept || question->size > question_bytes_max)
        return;
    struct entry *entry = xcalloc(1, sizeof *entry + question->size);
    entry->until_ms = now_ms() + cache->config->ttl_ms;
    entry->verdict = verdict;
    copy_result(&entry->result, result);
    /* Only its count of references changes. */
    entry->subject = auth_state_ref((struct auth_state *)(uintptr_t)subject);
    entry->size = question->size;
    memcpy(entry->question, question->data, question->size);
    pthread_mutex_lock(&cache->mutex);
    struct entry *former = find_locked(cache, buffer_bytes(question));
    if (former != NULL)
        drop_entry_locked(cache, former);
    hash_table_insert(&cache->entries, &entry->by_question, bytes_hash(buffer_bytes(question), 0));
    list_push_back(&cache->by_age, &entry->by_age);
    pthread_mutex_unlock(&cache->mutex);
}

static void add_run(struct buffer *question, struct bytes run)
{
    buffer_append_u32(question, (uint32_t)run.size);
    buffer_append_bytes(question, run);
}

static void add_secret(const struct cache *cache, struct buffer *question, struct bytes secret)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    const uint8_t *data = secret.size > 0 ? secret.data : (const uint8_t *)"";
    CHECK(HMAC(EVP_sha256(), cache->key, key_bytes, data, secret.size, digest, &size) != NULL);
    add_run(question, bytes_of(digest, size));
}

/* --- logins */

static enum auth_verdict ask_both(struct cache *cache, const struct auth_login *login,
                                  struct auth_result *result)
{
    struct auth_result second = {0};
    struct auth_login known = *login;
    enum auth_verdict verdict = cache->authn->type->log_in(cache->authn, login, result);
    if (verdict != AUTH_YES || cache->authn == cache->authz)
        return verdict;
    if (result->user != NULL)
        known.user = bytes_of_text(result->user);
    verdict = cache->authz->type->authorize(cache->authz, &known, &second);
    memcpy(result->reason, second.reason, sizeof result->reason);
    auth_tags_add_all(&result->tags, &second.tags);
    auth_state_unref(result->state);
    result->state = auth_state_ref(second.state);
    auth_result_fini(&second);
    return verdict;
}

static enum auth_verdict log_in_with(struct cache *cache, uint8_t kind,
                                     const struct auth_login *login, struct auth_result *result)
{
    struct buffer question = {0};
    enum auth_verdict verdict;
    buffer_append_u8(&question, kind);
    buffer_append_u8(&question, login->has_password);
    buffer_append_u8(&question, login->is_loopback);
    add_run(&question, login->user);
    add_secret(cache, &question, login->password);
    if (!recall(cache, &question, &verdict, result)) {
        verdict = kind == 'l' ? ask_both(cache, login, result)
                              : cache->authz->type->authorize(cache->authz, login, result);
        remember(cache, &question, verdict, result, NULL);
    }
    buffer_fini(&question);
    return verdict;
}

static enum auth_verdict log_in(struct auth_backend *backend, const struct auth_login *login,
                                struct auth_result *result)
{
    return log_in_with((struct cache *)backend, 'l', login, result);
}

static enum auth_verdict authorize(struct auth_backend *backend, const struct auth_login *login,
                                   struct auth_result *result)
{
    return log_in_with((struct cache *)backend, 'a', login, result);
}

/* --- permissions */

static void add_subject(struct buffer *question, uint8_t kind, const struct auth_subject *subject,
                        struct bytes vhost)
{
    buffer_append_u8(question, kind);
    buffer_append_u64(question, (uint64_t)(uintptr_t)subject->state);
    add_run(question, subject->user);
    add_run(question, vhost);
    for (size_t i = 0; i < subject->tags->count; i++)
        add_run(question, bytes_of_text(subject->tags->names[i]));
}

/* what NULL: the vhost as a whole. */
static enum auth_verdict check_with(struct cache *cache, struct buffer *question,
                                    const struct auth_subject *subject, struct bytes vhost,
                                    const struct access_subject *what,
                                    char reason[AUTH_REASON_SIZE])
{
    struct auth_backend *authz = cache->authz;
    struct auth_result result = {0};
    enum auth_verdict verdict;
    if (!recall(cache, question, &verdict, &result)) {
        verdict = what == NULL ? authz->type->check_vhost(authz, subject, vhost, result.reason)
                               : authz->type->check(authz, subject, vhost, what, result.reason);
        remember(cache, question, verdict, &result, subject->state);
    }
    memcpy(reason, result.reason, AUTH_REASON_SIZE);
    auth_result_fini(&result);
    buffer_fini(question);
    return verdict;
}

static enum auth_verdict check_vhost(struct auth_backend *backend,
                                     const struct auth_subject *subject, struct bytes vhost,
                                     char reason[AUTH_REASON_SIZE])
{
    struct buffer question = {0};
    add_subject(&question, 'v', subject, vhost);
    add_run(&question, bytes_of_text(subject->peer_address));
    return check_with((struct cache *)backend, &question, subject, vhost, NULL, reason);
}

static enum auth_verdict check(struct auth_backend *backend, const struct auth_subject *subject,
                               struct bytes vhost, const struct access_subject *what,
                               char reason[AUTH_REASON_SIZE])
{
    struct buffer question = {0};
    add_subject(&question, 'p', subject, vhost);
    buffer_append_u8(&question, (uint8_t)what->kind);
    buffer_append_u8(&question, (uint8_t)what->permission);
    add_run(&question, what->name);
    add_run(&question, what->key);
    return check_with((struct cache *)backend, &question, subject, vhost, what, reason);
}

static enum auth_verdict renew(struct auth_backend *backend, const struct auth_subject *subject,
                               struct bytes secret, struct auth_result *result)
{
    struct auth_backend *authz = ((struct cache *)backend)->authz;
    return authz->type->renew(authz, subject, secret, result);
}

static bool takes_secrets(const struct auth_backend *backend)
{
    return ((const struct cache *)backend)->authz->type->renew != NULL;
}

/* --- making one */

static void stop(struct auth_backend *backend)
{
    struct cache *cache = (struct cache *)backend;
    struct auth_backend *const both[] = {cache->authn, cache->authz};
    for (size_t i = 0; i < 2; i++) {
        if (both[i]->type->stop != NULL)
            both[i]->type->stop(both[i]);
    }
}

static void free_backend(struct auth_backend *backend)
{
    struct cache *cache = (struct cache *)backend;
    struct list_node *node;
    while ((node = list_front(&cache->by_age)) != NULL)
        drop_entry_locked(cache, list_entry(node, struct entry, by_age));
    hash_table_fini(&cache->entries);
    pthread_mutex_destroy(&cache->mutex);
    if (cache->authz != cache->authn)
        cache->authz->type->free(cache->authz);
    cache->authn->type->free(cache->authn);
    free(cache);
}

static const struct auth_backend_type type = {
    .name = "cache",
    .module = "rabbit_auth_backend_cache",
    .log_in = log_in,
    .authorize = authorize,
    .check_vhost = check_vhost,
    .check = check,
    .renew = renew,
    .takes_secrets = takes_secrets,
    .stop = stop,
    .free = free_backend,
};

struct auth_backend *backend_cache_new(const struct config *config, struct auth_backend *authn,
                                       struct auth_backend *authz)
{
    struct cache *cache = xcalloc(1, sizeof *cache);
    cache->backend.type = &type;
    cache->config = &config->auth_cache;
    cache->authn = authn;
    cache->authz = authz;
    CHECK(RAND_bytes(cache->key, key_bytes) == 1);
    CHECK(pthread_mutex_init(&cache->mutex, NULL) == 0);
    hash_table_init(&cache->entries);
    list_init(&cache->by_age);
    return &cache->backend;
}
