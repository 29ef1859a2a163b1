/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OAuth 2: the password is a JSON Web Token, and whoever has signed it is trusted with what it
 * says: who the user is, until when, and what it may do (oauth2_scope.c).
 *
 * A token is taken apart for what says which key it is signed with; nothing else of it counts
 * before it is verified with that key (oauth2_jws.c).
 *
 * Keys come from files, and from a key set that is fetched when a token names a key that is not
 * known: at the first token, and when the keys have changed. A token that nobody has verified yet
 * decides about that, so it is not done more often than once a second.
 */
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth/backend.h"
#include "auth/http_client.h"
#include "auth/oauth2_jws.h"
#include "auth/oauth2_keys.h"
#include "auth/oauth2_scope.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "config/config.h"

enum { request_timeout_ms = 15000, refresh_pause_s = 1, token_bytes_max = 1 << 16 };

struct oauth2 {
    struct auth_backend backend;
    const struct config_auth_oauth2 *config; /* borrowed */
    struct http_client *client;              /* owned */
    pthread_mutex_t mutex;                   /* guards what follows */
    struct oauth2_keys own_keys;             /* of files */
    struct oauth2_keys fetched_keys;
    uint64_t fetched_s; /* monotonic; 0: never */
    bool is_fetching;   /* somebody is; the others wait */
    uint64_t fetch_count;
    pthread_cond_t is_fetched;
};

/* A token that was verified. */
struct token {
    struct auth_state state;
    json_t *claims; /* owned, as the next one; never changed */
    json_t *scopes;
};

static void free_token(struct auth_state *state)
{
    struct token *token = (struct token *)state;
    json_decref(token->claims);
    json_decref(token->scopes);
    free(token);
}

/* --- keys */

static bool fetch(struct oauth2 *oauth2, const char *url, struct buffer *body,
                  char reason[AUTH_REASON_SIZE])
{
    char why[256] = "";
    long status = http_client_request(oauth2->client, url, NULL, body, why, sizeof why);
    if (status == 200)
        return true;
    if (status == 0)
        snprintf(reason, AUTH_REASON_SIZE, "%.200s: %s", url, why);
    else
        snprintf(reason, AUTH_REASON_SIZE, "%.200s answered with status %ld", url, status);
    return false;
}

/* The address of the key set as the issuer's configuration tells it (RFC 8414); the caller frees
 * it. */
static char *discover(struct oauth2 *oauth2, char reason[AUTH_REASON_SIZE])
{
    const char *path = oauth2->config->discovery_endpoint_path;
    struct buffer url = {0}, body = {0};
    char *found = NULL;
    if (path == NULL)
        path = ".well-known/openid-configuration";
    size_t issuer_size = strlen(oauth2->config->issuer);
    bool has_slash = issuer_size > 0 && oauth2->config->issuer[issuer_size - 1] == '/';
    buffer_append_format(&url, "%s%s%s", oauth2->config->issuer, has_slash ? "" : "/",
                         path[0] == '/' ? path + 1 : path);
    buffer_append_u8(&url, '\0');
    if (fetch(oauth2, (const char *)url.data, &body, reason)) {
        json_t *document = json_loadb((const char *)body.data, body.size, 0, NULL);
        const char *text = json_string_value(json_object_get(document, "jwks_uri"));
        if (text != NULL)
            found = xstrdup(text);
        else
            snprintf(reason, AUTH_REASON_SIZE, "%.200s names no jwks_uri", (const char *)url.data);
        json_decref(document);
    }
    buffer_fini(&url);
    buffer_fini(&body);
    return found;
}

static bool fetch_keys(struct oauth2 *oauth2, struct oauth2_keys *keys,
                       char reason[AUTH_REASON_SIZE])
{
    struct buffer body = {0};
    char *url = oauth2->config->jwks_uri != NULL ? xstrdup(oauth2->config->jwks_uri)
                                                 : discover(oauth2, reason);
    bool is_fetched = url != NULL && fetch(oauth2, url, &body, reason) &&
                      oauth2_keys_add_set(keys, (const char *)body.data, body.size, reason);
    buffer_fini(&body);
    free(url);
    return is_fetched;
}

static bool may_fetch_locked(struct oauth2 *oauth2)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t now_s = (uint64_t)now.tv_sec;
    bool may = oauth2->fetched_s == 0 || now_s > oauth2->fetched_s + refresh_pause_s;
    if (may)
        oauth2->fetched_s = now_s;
    return may;
}

/* True for who is to fetch the keys. Who comes while somebody does waits for that, and then looks
 * again: after a start all clients come at once. */
static bool begin_fetch(struct oauth2 *oauth2)
{
    pthread_mutex_lock(&oauth2->mutex);
    bool is_mine = !oauth2->is_fetching && may_fetch_locked(oauth2);
    uint64_t count = oauth2->fetch_count;
    while (oauth2->is_fetching && oauth2->fetch_count == count)
        pthread_cond_wait(&oauth2->is_fetched, &oauth2->mutex);
    if (is_mine)
        oauth2->is_fetching = true;
    pthread_mutex_unlock(&oauth2->mutex);
    return is_mine;
}

/* What could not be fetched leaves the keys as they were. */
static void refresh_keys(struct oauth2 *oauth2, char reason[AUTH_REASON_SIZE])
{
    struct oauth2_keys keys = {0};
    bool has_server = oauth2->config->jwks_uri != NULL || oauth2->config->issuer != NULL;
    if (!has_server || !begin_fetch(oauth2))
        return;
    bool is_fetched = fetch_keys(oauth2, &keys, reason);
    pthread_mutex_lock(&oauth2->mutex);
    if (is_fetched) {
        struct oauth2_keys former = oauth2->fetched_keys;
        oauth2->fetched_keys = keys;
        keys = former;
    }
    oauth2->is_fetching = false;
    oauth2->fetch_count++;
    pthread_cond_broadcast(&oauth2->is_fetched);
    pthread_mutex_unlock(&oauth2->mutex);
    oauth2_keys_fini(&keys);
}

/* A copy, because the list may be replaced. */
static bool copy_key(struct oauth2 *oauth2, const char *id, struct oauth2_key *copy)
{
    pthread_mutex_lock(&oauth2->mutex);
    const struct oauth2_key *key = oauth2_keys_find(&oauth2->own_keys, id);
    if (key == NULL)
        key = oauth2_keys_find(&oauth2->fetched_keys, id);
    if (key != NULL)
        oauth2_key_copy(copy, key);
    pthread_mutex_unlock(&oauth2->mutex);
    return key != NULL;
}

static bool find_key(struct oauth2 *oauth2, const char *id, struct oauth2_key *key,
                     char reason[AUTH_REASON_SIZE])
{
    if (copy_key(oauth2, id, key))
        return true;
    snprintf(reason, AUTH_REASON_SIZE, "there is no signing key '%.100s'", id);
    refresh_keys(oauth2, reason);
    return copy_key(oauth2, id, key);
}

/* --- verifying */

static bool is_allowed(const struct config_list *algorithms, const char *name)
{
    for (size_t i = 0; name != NULL && i < algorithms->count; i++) {
        if (strcmp(algorithms->entries[i].value, name) == 0)
            return true;
    }
    return algorithms->count == 0;
}

static bool is_for_us(const struct config_auth_oauth2 *config, const json_t *claims)
{
    const json_t *audience = json_object_get(claims, "aud");
    const char *words = json_string_value(audience);
    size_t id_size = strlen(config->resource_server_id);
    for (size_t i = 0; i < json_array_size(audience); i++) {
        const char *member = json_string_value(json_array_get(audience, i));
        if (member != NULL && strcmp(member, config->resource_server_id) == 0)
            return true;
    }
    while (words != NULL && *words != '\0') {
        size_t size = strcspn(words, " ");
        if (size == id_size && memcmp(words, config->resource_server_id, size) == 0)
            return true;
        words += size + (words[size] != '\0');
    }
    return config->skips_aud;
}

/* When it ends, or has ended; false where it tells no end and must. */
static bool read_expiry(const struct oauth2 *oauth2, const json_t *claims, uint64_t *expires_s,
                        char reason[AUTH_REASON_SIZE])
{
    const json_t *claim = json_object_get(claims, "exp");
    *expires_s = UINT64_MAX;
    if (claim == NULL && oauth2->config->allows_eternity)
        return true;
    double seconds = json_number_value(claim);
    if (!json_is_number(claim) || seconds < 0 || seconds > 1e15) {
        snprintf(reason, AUTH_REASON_SIZE, "the token has no expiry that is a time");
        return false;
    }
    *expires_s = (uint64_t)seconds;
    return true;
}

static bool is_live(const struct token *token, char reason[AUTH_REASON_SIZE])
{
    uint64_t now_s = (uint64_t)time(NULL);
    if (token->state.expires_s > now_s)
        return true;
    snprintf(reason, AUTH_REASON_SIZE,
             "\"Provided JWT token has expired at timestamp %llu (validated at %llu)\"",
             (unsigned long long)token->state.expires_s, (unsigned long long)now_s);
    return false;
}

static struct token *accept(struct oauth2 *oauth2, json_t *claims, char reason[AUTH_REASON_SIZE])
{
    uint64_t expires_s;
    if (!is_for_us(oauth2->config, claims)) {
        snprintf(reason, AUTH_REASON_SIZE, "the token is not meant for '%.100s'",
                 oauth2->config->resource_server_id);
        return NULL;
    }
    if (!read_expiry(oauth2, claims, &expires_s, reason))
        return NULL;
    struct token *token = xcalloc(1, sizeof *token);
    atomic_init(&token->state.references, 1);
    token->state.free = free_token;
    token->state.expires_s = expires_s;
    token->claims = json_incref(claims);
    token->scopes = oauth2_scopes(claims, oauth2->config);
    return token;
}

static bool verify(struct oauth2 *oauth2, const struct jws *jws, char reason[AUTH_REASON_SIZE])
{
    struct oauth2_key key = {0};
    const char *id = jws_header(jws, "kid");
    if (id == NULL)
        id = oauth2->config->default_key != NULL ? oauth2->config->default_key : "";
    bool is_right = find_key(oauth2, id, &key, reason);
    if (is_right && !is_allowed(&oauth2->config->algorithms, jws_header(jws, "alg"))) {
        snprintf(reason, AUTH_REASON_SIZE, "the token's algorithm is not allowed");
        is_right = false;
    } else if (is_right && !jws_is_signed_with(jws, &key)) {
        snprintf(reason, AUTH_REASON_SIZE, "the token's signature is wrong");
        is_right = false;
    }
    oauth2_key_fini(&key);
    return is_right;
}

static struct token *read_token(struct oauth2 *oauth2, struct bytes secret,
                                char reason[AUTH_REASON_SIZE])
{
    struct jws jws;
    struct token *token = NULL;
    snprintf(reason, AUTH_REASON_SIZE, "provided token is invalid");
    if (secret.size >= token_bytes_max || !jws_read(&jws, secret))
        return NULL;
    if (verify(oauth2, &jws, reason))
        token = accept(oauth2, jws.claims, reason);
    jws_fini(&jws);
    return token;
}

/* --- the back end */

static const char *user_of(const struct oauth2 *oauth2, const json_t *claims)
{
    static const char *const usual[] = {"sub", "client_id"};
    const struct config_list *preferred = &oauth2->config->preferred_username_claims;
    const char *user = NULL;
    for (size_t i = 0; user == NULL && i < preferred->count; i++)
        user = json_string_value(json_object_get(claims, preferred->entries[i].value));
    for (size_t i = 0; user == NULL && i < sizeof usual / sizeof usual[0]; i++)
        user = json_string_value(json_object_get(claims, usual[i]));
    return user != NULL ? user : "unknown";
}

static enum auth_verdict log_in(struct auth_backend *backend, const struct auth_login *login,
                                struct auth_result *result)
{
    struct oauth2 *oauth2 = (struct oauth2 *)backend;
    if (!login->has_password) {
        snprintf(result->reason, sizeof result->reason, "no token was given");
        return AUTH_NO;
    }
    struct token *token = read_token(oauth2, login->password, result->reason);
    if (token == NULL)
        return AUTH_NO;
    if (!is_live(token, result->reason)) {
        auth_state_unref(&token->state);
        return AUTH_NO;
    }
    result->user = xstrdup(user_of(oauth2, token->claims));
    oauth2_scope_tags(token->scopes, &result->tags);
    result->state = &token->state;
    return AUTH_YES;
}

/* The name is that of the login; RabbitMQ asks for a token here as well. */
static enum auth_verdict authorize(struct auth_backend *backend, const struct auth_login *login,
                                   struct auth_result *result)
{
    enum auth_verdict verdict = log_in(backend, login, result);
    free(result->user);
    result->user = NULL;
    return verdict;
}

static enum auth_verdict check_vhost(struct auth_backend *backend,
                                     const struct auth_subject *subject, struct bytes vhost,
                                     char reason[AUTH_REASON_SIZE])
{
    const struct oauth2 *oauth2 = (const struct oauth2 *)backend;
    const struct token *token = (const struct token *)subject->state;
    if (!is_live(token, reason))
        return AUTH_FAILED;
    bool may =
        oauth2_scopes_enter(token->scopes, token->claims, oauth2->config->has_regex_scopes, vhost);
    return may ? AUTH_YES : AUTH_NO;
}

static enum auth_verdict check(struct auth_backend *backend, const struct auth_subject *subject,
                               struct bytes vhost, const struct access_subject *what,
                               char reason[AUTH_REASON_SIZE])
{
    const struct oauth2 *oauth2 = (const struct oauth2 *)backend;
    const struct token *token = (const struct token *)subject->state;
    if (!is_live(token, reason))
        return AUTH_FAILED;
    bool may = oauth2_scopes_allow(token->scopes, token->claims, oauth2->config->has_regex_scopes,
                                   vhost, what);
    return may ? AUTH_YES : AUTH_NO;
}

/* RabbitMQ takes a token that has ended, and then acts on its end. */
static enum auth_verdict renew(struct auth_backend *backend, const struct auth_subject *subject,
                               struct bytes secret, struct auth_result *result)
{
    struct oauth2 *oauth2 = (struct oauth2 *)backend;
    const struct token *former = (const struct token *)subject->state;
    struct token *token = read_token(oauth2, secret, result->reason);
    if (token == NULL)
        return AUTH_NO;
    if (strcmp(user_of(oauth2, token->claims), user_of(oauth2, former->claims)) != 0) {
        snprintf(result->reason, sizeof result->reason,
                 "Not allowed to change username on refreshed token");
        auth_state_unref(&token->state);
        return AUTH_NO;
    }
    oauth2_scope_tags(token->scopes, &result->tags);
    result->state = &token->state;
    return AUTH_YES;
}

/* --- making one */

static void stop(struct auth_backend *backend)
{
    http_client_stop(((struct oauth2 *)backend)->client);
}

static void free_backend(struct auth_backend *backend)
{
    struct oauth2 *oauth2 = (struct oauth2 *)backend;
    oauth2_keys_fini(&oauth2->own_keys);
    oauth2_keys_fini(&oauth2->fetched_keys);
    http_client_free(oauth2->client);
    pthread_cond_destroy(&oauth2->is_fetched);
    pthread_mutex_destroy(&oauth2->mutex);
    free(oauth2);
}

static const struct auth_backend_type type = {
    .name = "oauth2",
    .module = "rabbit_auth_backend_oauth2",
    .log_in = log_in,
    .authorize = authorize,
    .check_vhost = check_vhost,
    .check = check,
    .renew = renew,
    .stop = stop,
    .free = free_backend,
};

static bool is_https(const char *key, const char *url, char reason[AUTH_REASON_SIZE])
{
    if (url == NULL || strncmp(url, "https://", 8) == 0)
        return true;
    snprintf(reason, AUTH_REASON_SIZE, "auth_oauth2.%s must be an https address", key);
    return false;
}

static bool is_sensible(const struct config_auth_oauth2 *config, char reason[AUTH_REASON_SIZE])
{
    if (config->resource_server_id == NULL) {
        snprintf(reason, AUTH_REASON_SIZE, "auth_oauth2.resource_server_id is not set");
        return false;
    }
    if (config->signing_keys.count == 0 && config->jwks_uri == NULL && config->issuer == NULL) {
        snprintf(reason, AUTH_REASON_SIZE,
                 "auth_oauth2 has no keys: set signing_keys, jwks_uri or "
                 "issuer");
        return false;
    }
    return is_https("jwks_uri", config->jwks_uri, reason) &&
           is_https("issuer", config->issuer, reason);
}

struct auth_backend *backend_oauth2_new(const struct config *config, char reason[AUTH_REASON_SIZE])
{
    if (!is_sensible(&config->auth_oauth2, reason))
        return NULL;
    struct oauth2 *oauth2 = xcalloc(1, sizeof *oauth2);
    oauth2->backend.type = &type;
    oauth2->config = &config->auth_oauth2;
    oauth2->client =
        http_client_new(&config->auth_oauth2.tls, request_timeout_ms, request_timeout_ms);
    CHECK(pthread_mutex_init(&oauth2->mutex, NULL) == 0);
    CHECK(pthread_cond_init(&oauth2->is_fetched, NULL) == 0);
    const struct config_list *files = &config->auth_oauth2.signing_keys;
    for (size_t i = 0; i < files->count; i++) {
        if (oauth2_keys_add_file(&oauth2->own_keys, files->entries[i].name, files->entries[i].value,
                                 reason))
            continue;
        free_backend(&oauth2->backend);
        return NULL;
    }
    return &oauth2->backend;
}
