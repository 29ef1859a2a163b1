/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An LDAP server as a back end. A login is a bind as the user, whose DN comes from a pattern or is
 * looked up; what the user may do is what queries (ldap_query.c) say, which are asked over a
 * connection that is bound as other_bind has it.
 *
 * Each question has a connection of its own: nothing is shared between threads, a server that was
 * restarted is no special case, and sessions keep the answers anyway.
 */
#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/backend.h"
#include "auth/ldap_query.h"
#include "auth/ldap_timeout.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "config/config.h"

/* "infinity" is taken as this: a thread that waits for ever is lost. */
enum { timeout_ms_max = 30000 };

struct ldap_backend {
    struct auth_backend backend;
    const struct config_auth_ldap *config; /* borrowed */
    char *addresses;                       /* owned; with a blank between */
    struct ldap_timeout timeout;
    struct ldap_query *vhost_query; /* owned, as the next three */
    struct ldap_query *resource_query;
    struct ldap_query *topic_query;
    struct ldap_query *tag_queries;
};

/* A user that has bound. */
struct ldap_user {
    struct auth_state state;
    char *dn;       /* owned */
    char *password; /* owned; NULL: somebody else has proven who it is */
    size_t password_size;
};

static void free_user(struct auth_state *state)
{
    struct ldap_user *user = (struct ldap_user *)state;
    if (user->password != NULL)
        explicit_bzero(user->password, user->password_size);
    free(user->password);
    free(user->dn);
    free(user);
}

static struct ldap_user *new_user(const char *dn, const struct auth_login *login)
{
    struct ldap_user *user = xcalloc(1, sizeof *user);
    atomic_init(&user->state.references, 1);
    user->state.free = free_user;
    user->state.expires_s = UINT64_MAX;
    user->dn = xstrdup(dn);
    if (login->has_password) {
        user->password = bytes_to_text(login->password);
        user->password_size = login->password.size;
    }
    return user;
}

/* --- connections */

static void set_text(LDAP *ldap, int option, const char *text)
{
    if (text != NULL)
        ldap_set_option(ldap, option, text);
}

static void set_tls(LDAP *ldap, const struct config_tls_client *tls)
{
    int demand = tls->verify == CONFIG_VERIFY_NONE ? LDAP_OPT_X_TLS_NEVER : LDAP_OPT_X_TLS_DEMAND;
    int version = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2, is_client = 0;
    if (tls->versions.count == 1 && strcmp(tls->versions.entries[0].value, "tlsv1.3") == 0)
        version = LDAP_OPT_X_TLS_PROTOCOL_TLS1_3;
    set_text(ldap, LDAP_OPT_X_TLS_CACERTFILE, tls->cacertfile);
    set_text(ldap, LDAP_OPT_X_TLS_CERTFILE, tls->certfile);
    set_text(ldap, LDAP_OPT_X_TLS_KEYFILE, tls->keyfile);
    ldap_set_option(ldap, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand);
    ldap_set_option(ldap, LDAP_OPT_X_TLS_PROTOCOL_MIN, &version);
    ldap_set_option(ldap, LDAP_OPT_X_TLS_NEWCTX, &is_client);
}

static enum auth_verdict failed(int code, char reason[AUTH_REASON_SIZE])
{
    snprintf(reason, AUTH_REASON_SIZE, "%s", ldap_err2string(code));
    return AUTH_FAILED;
}

/* NULL where none of the servers can be reached. */
static LDAP *connect_server(struct ldap_backend *backend, char reason[AUTH_REASON_SIZE])
{
    const struct config_auth_ldap *config = backend->config;
    int ms = backend->timeout.timeout_ms;
    struct timeval timeout = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    int version = LDAP_VERSION3, deref = LDAP_DEREF_ALWAYS; /* as Erlang's client does */
    LDAP *ldap = NULL;
    int code = ldap_timeout_is_stopped(&backend->timeout)
                   ? LDAP_USER_CANCELLED
                   : ldap_initialize(&ldap, backend->addresses);
    if (code == LDAP_SUCCESS) {
        ldap_set_option(ldap, LDAP_OPT_PROTOCOL_VERSION, &version);
        ldap_set_option(ldap, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
        ldap_set_option(ldap, LDAP_OPT_DEREF, &deref);
        ldap_set_option(ldap, LDAP_OPT_NETWORK_TIMEOUT, &timeout);
        ldap_set_option(ldap, LDAP_OPT_TIMEOUT, &timeout);
        ldap_timeout_install(&backend->timeout, ldap);
        if (config->use_ssl || config->use_starttls)
            set_tls(ldap, &config->tls);
        if (config->use_starttls)
            code = ldap_start_tls_s(ldap, NULL, NULL);
    }
    if (code == LDAP_SUCCESS)
        return ldap;
    failed(code, reason);
    if (ldap != NULL)
        ldap_unbind_ext_s(ldap, NULL, NULL);
    return NULL;
}

static void close_server(LDAP *ldap)
{
    if (ldap != NULL)
        ldap_unbind_ext_s(ldap, NULL, NULL);
}

static enum auth_verdict bind_as(LDAP *ldap, const char *dn, const char *password,
                                 size_t password_size, char reason[AUTH_REASON_SIZE])
{
    /* Only read by libldap. */
    struct berval credentials = {.bv_len = password_size, .bv_val = (char *)(uintptr_t)password};
    int code = ldap_sasl_bind_s(ldap, dn, LDAP_SASL_SIMPLE, &credentials, NULL, NULL, NULL);
    if (code == LDAP_SUCCESS)
        return AUTH_YES;
    failed(code, reason);
    return code == LDAP_INVALID_CREDENTIALS ? AUTH_NO : AUTH_FAILED;
}

/* A connection that is bound as a configured user, or not at all. */
static enum auth_verdict connect_as(struct ldap_backend *backend, const char *dn,
                                    const char *password, LDAP **ldap,
                                    char reason[AUTH_REASON_SIZE])
{
    *ldap = connect_server(backend, reason);
    if (*ldap == NULL)
        return AUTH_FAILED;
    if (dn == NULL)
        return AUTH_YES;
    return bind_as(*ldap, dn, password, strlen(password), reason) == AUTH_YES ? AUTH_YES
                                                                              : AUTH_FAILED;
}

static bool has_other_user(const struct config_auth_ldap *config)
{
    return config->other_bind_user != NULL && config->other_bind_password != NULL;
}

static bool is_other_the_user(const struct config_auth_ldap *config)
{
    return !has_other_user(config) && config->other_bind == CONFIG_LDAP_AS_USER;
}

/* The connection that queries are asked over. */
static enum auth_verdict connect_other(struct ldap_backend *backend, const struct ldap_user *user,
                                       LDAP **ldap, char reason[AUTH_REASON_SIZE])
{
    const struct config_auth_ldap *config = backend->config;
    if (!is_other_the_user(config))
        return connect_as(backend, has_other_user(config) ? config->other_bind_user : NULL,
                          config->other_bind_password, ldap, reason);
    if (user == NULL || user->password == NULL) {
        snprintf(reason, AUTH_REASON_SIZE,
                 "'other_bind' set to 'as_user' but no password supplied");
        return AUTH_FAILED;
    }
    *ldap = connect_server(backend, reason);
    return *ldap != NULL ? bind_as(*ldap, user->dn, user->password, user->password_size, reason)
                         : AUTH_FAILED;
}

/* --- what queries ask
 *
 * Erlang's client, and with it RabbitMQ, has the entries of an answer the other way round: the last
 * one counts as the first. */

struct search {
    LDAPMessage *result; /* owned */
    int count;
};

static enum auth_verdict run_search(LDAP *ldap, const char *base, int scope, const char *filter,
                                    const char *attribute, struct search *search)
{
    /* Only read by libldap. */
    char *attributes[] = {(char *)(uintptr_t)attribute, NULL};
    int code = ldap_search_ext_s(ldap, base, scope, filter, attributes, 0, NULL, NULL, NULL,
                                 LDAP_NO_LIMIT, &search->result);
    if (code != LDAP_SUCCESS)
        return AUTH_FAILED;
    search->count = ldap_count_entries(ldap, search->result);
    return AUTH_YES;
}

/* "(attribute=value)", quoted (RFC 4515); the caller frees it. */
static char *make_filter(const char *attribute, const char *value)
{
    struct buffer filter = {0};
    struct berval raw = {.bv_len = strlen(value), .bv_val = (char *)(uintptr_t)value}, quoted;
    CHECK(ldap_bv2escaped_filter_value(&raw, &quoted) == 0);
    buffer_append_format(&filter, "(%s=%.*s)", attribute, (int)quoted.bv_len, quoted.bv_val);
    buffer_append_u8(&filter, '\0');
    ldap_memfree(quoted.bv_val);
    return (char *)filter.data;
}

static enum auth_verdict exists(void *context, const char *dn, const char *attribute,
                                const char *value)
{
    struct search search = {0};
    char *filter = attribute != NULL ? make_filter(attribute, value) : xstrdup("(objectClass=*)");
    enum auth_verdict verdict =
        run_search(context, dn, LDAP_SCOPE_BASE, filter, "objectClass", &search);
    if (verdict == AUTH_YES && search.count == 0)
        verdict = AUTH_NO;
    ldap_msgfree(search.result);
    free(filter);
    return verdict;
}

/* What is in values stays where the entry has none. */
static void read_values(LDAP *ldap, LDAPMessage *entry, const char *name,
                        struct ldap_values *values)
{
    struct berval **found = ldap_get_values_len(ldap, entry, name);
    if (found != NULL && found[0] != NULL)
        ldap_values_fini(values);
    for (size_t i = 0; found != NULL && found[i] != NULL; i++)
        ldap_values_add(values, bytes_of(found[i]->bv_val, found[i]->bv_len));
    ldap_value_free_len(found);
}

/* Of the last object that has any. */
static enum auth_verdict attribute(void *context, const char *dn, const char *name,
                                   struct ldap_values *values)
{
    LDAP *ldap = context;
    struct search search = {0};
    enum auth_verdict verdict =
        run_search(ldap, dn, LDAP_SCOPE_SUBTREE, "(objectClass=*)", name, &search);
    for (LDAPMessage *entry = ldap_first_entry(ldap, search.result);
         verdict == AUTH_YES && entry != NULL; entry = ldap_next_entry(ldap, entry))
        read_values(ldap, entry, name, values);
    ldap_msgfree(search.result);
    return verdict;
}

static enum auth_verdict search_dns(void *context, const char *base, bool is_one_level,
                                    const char *name, const char *value, struct ldap_values *dns)
{
    LDAP *ldap = context;
    struct search search = {0};
    char *filter = make_filter(name, value);
    enum auth_verdict verdict =
        run_search(ldap, base, is_one_level ? LDAP_SCOPE_ONELEVEL : LDAP_SCOPE_SUBTREE, filter,
                   LDAP_NO_ATTRS, &search);
    for (LDAPMessage *entry = ldap_first_entry(ldap, search.result);
         verdict == AUTH_YES && entry != NULL; entry = ldap_next_entry(ldap, entry)) {
        char *dn = ldap_get_dn(ldap, entry);
        ldap_values_add(dns, bytes_of_text(dn));
        ldap_memfree(dn);
    }
    ldap_values_reverse(dns);
    ldap_msgfree(search.result);
    free(filter);
    return verdict;
}

static struct ldap_directory directory_of(const struct ldap_backend *backend, LDAP *ldap)
{
    const struct config_auth_ldap *config = backend->config;
    return (struct ldap_directory){
        .context = ldap,
        .group_base =
            config->group_lookup_base != NULL ? config->group_lookup_base : config->dn_lookup_base,
        .exists = exists,
        .attribute = attribute,
        .search = search_dns,
    };
}

/* --- names */

/* "DOMAIN\user", as Active Directory has it, is two variables more. */
static void add_user(struct ldap_variables *variables, struct bytes user)
{
    const uint8_t *slash = user.size > 0 ? memchr(user.data, '\\', user.size) : NULL;
    ldap_variables_add(variables, "username", user);
    if (slash == NULL || slash == user.data)
        return;
    size_t size = (size_t)(slash - user.data);
    struct bytes name = bytes_of(slash + 1, user.size - size - 1);
    if (name.size == 0 || memchr(name.data, '\\', name.size) != NULL)
        return;
    ldap_variables_add(variables, "ad_domain", bytes_of(user.data, size));
    ldap_variables_add(variables, "ad_user", name);
}

static char *fill(const char *pattern, struct bytes user, bool is_dn)
{
    struct ldap_variables variables = {0};
    struct buffer text = {0};
    add_user(&variables, user);
    ldap_fill(&text, pattern, &variables, is_dn);
    ldap_variables_fini(&variables);
    return (char *)text.data;
}

/* The DN found by the attribute that holds the name; where there is not exactly one, the pattern's.
 * NULL where the search fails. */
static char *look_up(const struct ldap_backend *backend, LDAP *ldap, struct bytes user,
                     char reason[AUTH_REASON_SIZE])
{
    const struct config_auth_ldap *config = backend->config;
    struct ldap_values dns = {0};
    char *name = fill(config->user_dn_pattern, user, false);
    char *dn = NULL;
    const char *base = config->dn_lookup_base != NULL ? config->dn_lookup_base : "";
    if (search_dns(ldap, base, false, config->dn_lookup_attribute, name, &dns) != AUTH_YES)
        snprintf(reason, AUTH_REASON_SIZE, "the DN of the user cannot be looked up");
    else
        dn = dns.count == 1 ? xstrdup(dns.texts[0]) : fill(config->user_dn_pattern, user, true);
    ldap_values_fini(&dns);
    free(name);
    return dn;
}

static bool looks_up_before(const struct config_auth_ldap *config)
{
    bool has_user = config->dn_lookup_bind_user != NULL && config->dn_lookup_bind_password != NULL;
    return config->dn_lookup_attribute != NULL &&
           (has_user || config->dn_lookup_bind == CONFIG_LDAP_ANON);
}

static char *look_up_before(struct ldap_backend *backend, struct bytes user,
                            char reason[AUTH_REASON_SIZE])
{
    const struct config_auth_ldap *config = backend->config;
    bool has_user = config->dn_lookup_bind_user != NULL && config->dn_lookup_bind_password != NULL;
    LDAP *ldap = NULL;
    char *dn = NULL;
    if (connect_as(backend, has_user ? config->dn_lookup_bind_user : NULL,
                   config->dn_lookup_bind_password, &ldap, reason) == AUTH_YES)
        dn = look_up(backend, ldap, user, reason);
    close_server(ldap);
    return dn;
}

/* --- the login */

static void find_tags(const struct ldap_backend *backend, LDAP *ldap, struct bytes name,
                      const char *dn, struct auth_tags *tags)
{
    struct ldap_variables variables = {0};
    struct ldap_directory directory = directory_of(backend, ldap);
    add_user(&variables, name);
    ldap_variables_add(&variables, "user_dn", bytes_of_text(dn));
    ldap_query_tags(backend->tag_queries, &variables, &directory, tags);
    ldap_variables_fini(&variables);
}

/* What is known of a user whose DN is known and who has proven to be it. */
static enum auth_verdict finish_login(struct ldap_backend *backend, LDAP *as_user, const char *dn,
                                      const struct auth_login *login, struct auth_result *result)
{
    struct ldap_user *user = new_user(dn, login);
    LDAP *other = NULL;
    enum auth_verdict verdict = AUTH_YES;
    if (!is_other_the_user(backend->config))
        verdict = connect_other(backend, user, &other, result->reason);
    if (verdict == AUTH_YES)
        find_tags(backend, other != NULL ? other : as_user, login->user, dn, &result->tags);
    close_server(other);
    if (verdict == AUTH_YES)
        result->state = &user->state;
    else
        auth_state_unref(&user->state);
    return verdict;
}

static enum auth_verdict log_in_bound(struct ldap_backend *backend, const char *dn, bool looks_up,
                                      const struct auth_login *login, struct auth_result *result)
{
    const struct config_auth_ldap *config = backend->config;
    LDAP *ldap = connect_server(backend, result->reason);
    if (ldap == NULL)
        return AUTH_FAILED;
    enum auth_verdict verdict =
        bind_as(ldap, dn, (const char *)login->password.data, login->password.size, result->reason);
    if (verdict == AUTH_YES) {
        char *own = looks_up                  ? look_up(backend, ldap, login->user, result->reason)
                    : looks_up_before(config) ? xstrdup(dn)
                                              : fill(config->user_dn_pattern, login->user, true);
        verdict = own != NULL ? finish_login(backend, ldap, own, login, result) : AUTH_FAILED;
        free(own);
    }
    close_server(ldap);
    return verdict;
}

static enum auth_verdict log_in_with_password(struct ldap_backend *backend,
                                              const struct auth_login *login,
                                              struct auth_result *result)
{
    const struct config_auth_ldap *config = backend->config;
    bool is_before = looks_up_before(config);
    const char *pattern =
        config->user_bind_pattern != NULL ? config->user_bind_pattern : config->user_dn_pattern;
    char *dn = is_before ? look_up_before(backend, login->user, result->reason)
                         : fill(pattern, login->user, true);
    if (dn == NULL)
        return AUTH_FAILED;
    enum auth_verdict verdict =
        log_in_bound(backend, dn, !is_before && config->dn_lookup_attribute != NULL, login, result);
    free(dn);
    return verdict;
}

static enum auth_verdict log_in_without_password(struct ldap_backend *backend,
                                                 const struct auth_login *login,
                                                 struct auth_result *result)
{
    const struct config_auth_ldap *config = backend->config;
    LDAP *ldap = NULL;
    if (connect_other(backend, NULL, &ldap, result->reason) != AUTH_YES) {
        close_server(ldap);
        return AUTH_FAILED;
    }
    char *dn = config->dn_lookup_attribute != NULL
                   ? look_up(backend, ldap, login->user, result->reason)
                   : fill(config->user_dn_pattern, login->user, true);
    enum auth_verdict verdict =
        dn != NULL ? finish_login(backend, ldap, dn, login, result) : AUTH_FAILED;
    free(dn);
    close_server(ldap);
    return verdict;
}

static enum auth_verdict log_in(struct auth_backend *head, const struct auth_login *login,
                                struct auth_result *result)
{
    struct ldap_backend *backend = (struct ldap_backend *)head;
    if (!login->has_password)
        return log_in_without_password(backend, login, result);
    /* A bind without a password succeeds, as nobody. */
    if (login->password.size == 0 ||
        memchr(login->password.data, '\0', login->password.size) != NULL) {
        snprintf(result->reason, sizeof result->reason, "unauthenticated bind not allowed");
        return AUTH_NO;
    }
    return log_in_with_password(backend, login, result);
}

/* --- permissions */

static enum auth_verdict ask(struct ldap_backend *backend, const struct ldap_query *query,
                             const struct auth_subject *subject,
                             const struct ldap_variables *variables, char reason[AUTH_REASON_SIZE])
{
    LDAP *ldap = NULL;
    const struct ldap_user *user = (const struct ldap_user *)subject->state;
    if (ldap_variables_have_nul(variables)) {
        reason[0] = '\0';
        return AUTH_NO;
    }
    enum auth_verdict verdict = connect_other(backend, user, &ldap, reason);
    if (verdict == AUTH_YES) {
        struct ldap_directory directory = directory_of(backend, ldap);
        verdict = ldap_query_evaluate(query, variables, &directory);
        snprintf(reason, AUTH_REASON_SIZE, "%s",
                 verdict == AUTH_FAILED ? "ldap_evaluate_error" : "");
    } else if (verdict == AUTH_FAILED) {
        snprintf(reason, AUTH_REASON_SIZE, "ldap_connect_error");
    } else {
        reason[0] = '\0';
    }
    close_server(ldap);
    return verdict;
}

static void add_subject(struct ldap_variables *variables, const struct auth_subject *subject,
                        struct bytes vhost)
{
    const struct ldap_user *user = (const struct ldap_user *)subject->state;
    add_user(variables, subject->user);
    ldap_variables_add(variables, "user_dn",
                       user != NULL ? bytes_of_text(user->dn) : bytes_of(NULL, 0));
    ldap_variables_add(variables, "vhost", vhost);
}

static enum auth_verdict check_vhost(struct auth_backend *head, const struct auth_subject *subject,
                                     struct bytes vhost, char reason[AUTH_REASON_SIZE])
{
    struct ldap_backend *backend = (struct ldap_backend *)head;
    struct ldap_variables variables = {0};
    add_subject(&variables, subject, vhost);
    enum auth_verdict verdict = ask(backend, backend->vhost_query, subject, &variables, reason);
    ldap_variables_fini(&variables);
    return verdict;
}

static enum auth_verdict check(struct auth_backend *head, const struct auth_subject *subject,
                               struct bytes vhost, const struct access_subject *what,
                               char reason[AUTH_REASON_SIZE])
{
    static const char *const kinds[] = {"queue", "exchange", "topic"};
    struct ldap_backend *backend = (struct ldap_backend *)head;
    struct ldap_variables variables = {0};
    bool is_topic = what->kind == ACCESS_TOPIC;
    add_subject(&variables, subject, vhost);
    ldap_variables_add(&variables, "resource", bytes_of_text(kinds[what->kind]));
    ldap_variables_add(&variables, "name", what->name);
    ldap_variables_add(&variables, "permission",
                       bytes_of_text(auth_permission_word(what->permission)));
    if (is_topic) {
        ldap_variables_add(&variables, "routing_key", what->key);
        ldap_variables_add(&variables, "variable_map.username", subject->user);
        ldap_variables_add(&variables, "variable_map.vhost", vhost);
    }
    enum auth_verdict verdict =
        ask(backend, is_topic ? backend->topic_query : backend->resource_query, subject, &variables,
            reason);
    ldap_variables_fini(&variables);
    return verdict;
}

/* --- making one */

static void stop(struct auth_backend *head)
{
    ldap_timeout_stop(&((struct ldap_backend *)head)->timeout);
}

static void free_backend(struct auth_backend *head)
{
    struct ldap_backend *backend = (struct ldap_backend *)head;
    ldap_query_free(backend->vhost_query);
    ldap_query_free(backend->resource_query);
    ldap_query_free(backend->topic_query);
    ldap_query_free(backend->tag_queries);
    free(backend->addresses);
    free(backend);
}

static const struct auth_backend_type type = {
    .name = "ldap",
    .module = "rabbit_auth_backend_ldap",
    .log_in = log_in,
    .authorize = log_in,
    .check_vhost = check_vhost,
    .check = check,
    .stop = stop,
    .free = free_backend,
};

static struct ldap_query *parse(const char *key, const char *text, const char *usual, bool is_tags,
                                char reason[AUTH_REASON_SIZE])
{
    char why[AUTH_REASON_SIZE] = "";
    struct ldap_query *query = ldap_query_parse(text != NULL ? text : usual, is_tags, why);
    if (query == NULL)
        snprintf(reason, AUTH_REASON_SIZE, "auth_ldap.queries.%s: %.400s", key, why);
    return query;
}

static bool parse_queries(struct ldap_backend *backend, char reason[AUTH_REASON_SIZE])
{
    const struct config_auth_ldap *config = backend->config;
    static const char everybody[] = "{constant, true}";
    backend->vhost_query =
        parse("vhost_access", config->vhost_access_query, everybody, false, reason);
    backend->resource_query =
        parse("resource_access", config->resource_access_query, everybody, false, reason);
    backend->topic_query =
        parse("topic_access", config->topic_access_query, everybody, false, reason);
    backend->tag_queries = parse("tags", config->tag_queries, "[]", true, reason);
    return backend->vhost_query != NULL && backend->resource_query != NULL &&
           backend->topic_query != NULL && backend->tag_queries != NULL;
}

static char *write_addresses(const struct config_auth_ldap *config)
{
    struct buffer text = {0};
    for (size_t i = 0; i < config->servers.count; i++) {
        const char *host = config->servers.entries[i].value;
        bool is_v6 = strchr(host, ':') != NULL;
        buffer_append_format(&text, "%s%s://%s%s%s:%u", i > 0 ? " " : "",
                             config->use_ssl ? "ldaps" : "ldap", is_v6 ? "[" : "", host,
                             is_v6 ? "]" : "", config->port);
    }
    buffer_append_u8(&text, '\0');
    return (char *)text.data;
}

/* libldap gets ready when it is used first, which several threads may not do at once. */
static void init_library(void)
{
    int version = LDAP_VERSION3;
    CHECK(ldap_set_option(NULL, LDAP_OPT_PROTOCOL_VERSION, &version) == LDAP_OPT_SUCCESS);
}

struct auth_backend *backend_ldap_new(const struct config *config, char reason[AUTH_REASON_SIZE])
{
    if (config->auth_ldap.servers.count == 0) {
        snprintf(reason, AUTH_REASON_SIZE, "auth_ldap.servers is not set");
        return NULL;
    }
    struct ldap_backend *backend = xcalloc(1, sizeof *backend);
    init_library();
    backend->backend.type = &type;
    backend->config = &config->auth_ldap;
    backend->addresses = write_addresses(&config->auth_ldap);
    uint64_t ms = config->auth_ldap.timeout_ms;
    ldap_timeout_init(&backend->timeout, (int)(ms < timeout_ms_max ? ms : timeout_ms_max));
    if (parse_queries(backend, reason))
        return &backend->backend;
    free_backend(&backend->backend);
    return NULL;
}
