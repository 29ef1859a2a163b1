/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The defaults, and the way of a setting into struct config: recorded first, applied after.
 *
 * A source (a file with all that it includes) is recorded as a whole before any of it is applied,
 * for two reasons of rabbitmq.conf: of two lines with the same key only the last counts, so a
 * mistake in the first is none; and $(key) may refer to a line further down. What was recorded
 * stays: it is what later sources refer to, and it tells a cross check in which line the key was
 * set.
 *
 * $(name) is the value of another key if there is one, else a variable of the environment, as in
 * RabbitMQ; a name that is neither is a mistake. Values that refer to each other in a circle, or
 * grow without end, are caught by a bound on the depth and on the length.
 */
#include "config/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/utf8.h"
#include "base/xmalloc.h"
#include "config/config_internal.h"
#include "config/config_key.h"
#include "config/config_list.h"

enum {
    REFERENCE_DEPTH_MAX = 16,
    VALUE_BYTES_MAX = 65536,
};

/* --- messages --- */

void config_messages_init(struct config_messages *messages)
{
    *messages = (struct config_messages){0};
}

void config_messages_fini(struct config_messages *messages)
{
    for (size_t i = 0; i < messages->count; i++)
        free(messages->messages[i].text);
    free(messages->messages);
    config_messages_init(messages);
}

void config_report(struct config_messages *messages, enum config_message_level level,
                   const char *source, int line, const char *format, ...)
{
    struct buffer text;
    buffer_init(&text);
    if (source != NULL && line > 0)
        buffer_append_format(&text, "%s:%d: ", source, line);
    else if (source != NULL)
        buffer_append_format(&text, "%s: ", source);
    char body[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(body, sizeof(body), format, arguments);
    va_end(arguments);
    buffer_append(&text, body, strlen(body) + 1);
    messages->messages = xgrow(messages->messages, &messages->capacity, messages->count + 1,
                               sizeof(*messages->messages));
    messages->messages[messages->count++] =
        (struct config_message){.level = level, .text = (char *)text.data};
}

/* --- defaults --- */

static char *default_node_name(void)
{
    char host[256];
    if (gethostname(host, sizeof(host)) != 0 || host[0] == '\0')
        snprintf(host, sizeof(host), "localhost");
    host[sizeof(host) - 1] = '\0';
    host[strcspn(host, ".")] = '\0';
    struct buffer name;
    buffer_init(&name);
    buffer_append_format(&name, "rabbit@%s", host);
    buffer_append_u8(&name, '\0');
    return (char *)name.data;
}

static void init_texts(struct config *config)
{
    config->node_name = default_node_name();
    config->cluster_name = xstrdup("");
    config->http_headers.csp = xstrdup("");
    config->http_headers.hsts = xstrdup("");
    config->http_headers.content_type_options = xstrdup("");
    config->http_headers.xss_protection = xstrdup("");
    config->http_headers.frame_options = xstrdup("");
    config->http_headers.referrer_policy = xstrdup("");
    config->product_name = xstrdup("RabbitMQ");
    config->product_version = xstrdup("3.13.7");
    config->data_dir = xstrdup("data");
    config->load_definitions = xstrdup("");
    config->definitions_local_path = xstrdup("");
    config->default_user = xstrdup("guest");
    config->default_pass = xstrdup("guest");
    config->default_vhost = xstrdup("/");
    config->default_permissions_configure = xstrdup(".*");
    config->default_permissions_read = xstrdup(".*");
    config->default_permissions_write = xstrdup(".*");
    config->credential_regexp = xstrdup("");
    config->anonymous_login_user = xstrdup("");
    config->anonymous_login_pass = xstrdup("guest");
    config->auth_http.user_path = xstrdup("http://localhost:8000/auth/user");
    config->auth_http.vhost_path = xstrdup("http://localhost:8000/auth/vhost");
    config->auth_http.resource_path = xstrdup("http://localhost:8000/auth/resource");
    config->auth_http.topic_path = xstrdup("http://localhost:8000/auth/topic");
    config->auth_ldap.user_dn_pattern = xstrdup("${username}");
    config->event_exchange_vhost = xstrdup("");
    config->management.address = xstrdup("");
    config->management_https.address = xstrdup("");
    config->prometheus.address = xstrdup("");
}

static void init_tls(struct config_tls *tls, const char *prefix)
{
    tls->prefix = prefix;
    tls->depth = 10;
    tls->version_mask = CONFIG_TLS_1_2 | CONFIG_TLS_1_3;
    config_list_add_default(&tls->versions, "1", "tlsv1.3");
    config_list_add_default(&tls->versions, "2", "tlsv1.2");
}

static void init_lists(struct config *config)
{
    config_listeners_add_default(&config->tcp_listeners, 5672);
    config_list_add_default(&config->default_user_tags, "administrator", "true");
    config_list_add_default(&config->loopback_users, "guest", "true");
    config_list_add_default(&config->auth_mechanisms, "1", "PLAIN");
    config_list_add_default(&config->auth_mechanisms, "2", "AMQPLAIN");
    config_list_add_default(&config->auth_mechanisms, "3", "ANONYMOUS");
    config_list_add_default(&config->auth_backends, "1", "internal");
}

void config_init(struct config *config)
{
    *config = (struct config){
        .management = {.port = 15672, .body_bytes_max = 10000000},
        .management_https = {.port = CONFIG_UNLIMITED},
        .prometheus = {.port = 15692},
        .statistics = {.interval_ms = 5000, .memory_bytes = 32 << 20},
        .socket = {.backlog = 128, .nodelay = true, .linger_on = true},
        .handshake_timeout_ms = 10000,
        .ssl_handshake_timeout_ms = 5000,
        .heartbeat_s = 60,
        .channel_max = 2047,
        .frame_max_bytes = 131072,
        .initial_frame_max_bytes = 16384,
        .max_message_size_bytes = 134217728,
        .consumer_timeout_ms = 1800000,
        .connection_max = CONFIG_UNLIMITED,
        .channel_max_per_node = CONFIG_UNLIMITED,
        .consumer_max_per_channel = CONFIG_UNLIMITED,
        .vhost_max = CONFIG_UNLIMITED,
        .cluster_queue_limit = CONFIG_UNLIMITED,
        .cluster_exchange_limit = CONFIG_UNLIMITED,
        .credential_min_length = 8,
        .auth_http = {.request_timeout_ms = 15000, .connection_timeout_ms = 15000},
        .auth_ldap = {.port = 389, .timeout_ms = CONFIG_UNLIMITED},
        .auth_cache = {.ttl_ms = 15000},
        .memory_watermark_relative = 0.6,
        .memory_paging_ratio = 0.5,
        .memory_monitor_interval_ms = 2500,
        .disk_free_limit_bytes = 50000000,
        .http_headers.cors_max_age_s = 1800,
        .lane_memory_bytes = 50331648,
        .connection_output_bytes = 1048576,
        .table_depth_max = 32,
        .header_bytes_max = 131072,
    };
    config_log_init(&config->log);
    init_texts(config);
    init_lists(config);
    init_tls(&config->tls, "ssl_options");
    init_tls(&config->management_tls, "management.ssl");
}

static void fini_texts(struct config *config)
{
    char *texts[] = {config->node_name,
                     config->event_exchange_vhost,
                     config->cluster_name,
                     config->http_headers.csp,
                     config->http_headers.hsts,
                     config->http_headers.content_type_options,
                     config->http_headers.xss_protection,
                     config->http_headers.frame_options,
                     config->http_headers.referrer_policy,
                     config->product_name,
                     config->product_version,
                     config->data_dir,
                     config->load_definitions,
                     config->definitions_local_path,
                     config->default_user,
                     config->default_pass,
                     config->default_vhost,
                     config->default_permissions_configure,
                     config->default_permissions_read,
                     config->default_permissions_write,
                     config->credential_regexp,
                     config->anonymous_login_user,
                     config->anonymous_login_pass,
                     config->management.address,
                     config->management_https.address,
                     config->prometheus.address};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        free(texts[i]);
}

static void fini_tls(struct config_tls *tls)
{
    free(tls->cacertfile);
    free(tls->certfile);
    free(tls->keyfile);
    free(tls->password);
    free(tls->dhfile);
    config_list_fini(&tls->versions);
    config_list_fini(&tls->ciphers);
}

static void fini_tls_client(struct config_tls_client *tls)
{
    free(tls->cacertfile);
    free(tls->certfile);
    free(tls->keyfile);
    free(tls->password);
    config_list_fini(&tls->versions);
}

static void fini_auth_http(struct config_auth_http *http)
{
    free(http->user_path);
    free(http->vhost_path);
    free(http->resource_path);
    free(http->topic_path);
    fini_tls_client(&http->tls);
}

static void fini_auth_ldap(struct config_auth_ldap *ldap)
{
    char *texts[] = {ldap->user_dn_pattern,     ldap->user_bind_pattern,
                     ldap->dn_lookup_attribute, ldap->dn_lookup_base,
                     ldap->group_lookup_base,   ldap->dn_lookup_bind_user,
                     ldap->other_bind_user,     ldap->dn_lookup_bind_password,
                     ldap->other_bind_password, ldap->vhost_access_query,
                     ldap->tag_queries,         ldap->resource_access_query,
                     ldap->topic_access_query};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        free(texts[i]);
    config_list_fini(&ldap->servers);
    fini_tls_client(&ldap->tls);
}

static void fini_auth_oauth2(struct config_auth_oauth2 *oauth2)
{
    char *texts[] = {oauth2->resource_server_id,
                     oauth2->scope_prefix,
                     oauth2->additional_scopes_key,
                     oauth2->default_key,
                     oauth2->jwks_uri,
                     oauth2->issuer,
                     oauth2->discovery_endpoint_path};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        free(texts[i]);
    config_list_fini(&oauth2->signing_keys);
    config_list_fini(&oauth2->preferred_username_claims);
    config_list_fini(&oauth2->scope_aliases);
    config_list_fini(&oauth2->scope_alias_names);
    config_list_fini(&oauth2->scope_alias_scopes);
    config_list_fini(&oauth2->algorithms);
    fini_tls_client(&oauth2->tls);
}

static void fini_auth(struct config *config)
{
    config_list_fini(&config->auth_backends);
    config_list_fini(&config->auth_authn);
    config_list_fini(&config->auth_authz);
    fini_auth_http(&config->auth_http);
    fini_auth_ldap(&config->auth_ldap);
    fini_auth_oauth2(&config->auth_oauth2);
    free(config->auth_cache.backend);
    free(config->auth_cache.authn);
    free(config->auth_cache.authz);
}

static void fini_lists(struct config *config)
{
    config_listeners_fini(&config->tcp_listeners);
    config_listeners_fini(&config->tls_listeners);
    config_list_fini(&config->server_properties);
    fini_tls(&config->tls);
    fini_tls(&config->management_tls);
    config_list_fini(&config->default_user_tags);
    config_list_fini(&config->vhost_defaults);
    config_list_fini(&config->loopback_users);
    config_list_fini(&config->auth_mechanisms);
}

static void setting_fini(struct config_setting *setting)
{
    free(setting->key);
    free(setting->value);
    free(setting->source);
}

void config_fini(struct config *config)
{
    config_list_fini(&config->http_headers.cors_origins);
    config_list_fini(&config->statistics.retention_global);
    config_list_fini(&config->statistics.retention_basic);
    config_log_fini(&config->log);
    fini_texts(config);
    fini_lists(config);
    fini_auth(config);
    for (size_t i = 0; i < config->setting_count; i++)
        setting_fini(&config->settings[i]);
    free(config->settings);
    *config = (struct config){0};
}

bool config_has_anonymous(const struct config *config)
{
    return config->anonymous_login_user[0] != '\0' &&
           strcmp(config->anonymous_login_user, "none") != 0;
}

/* --- recording --- */

/* Where key stands in the settings; their count if it does not. */
static size_t setting_index(const struct config *config, const char *key)
{
    size_t i = 0;
    while (i < config->setting_count && strcmp(config->settings[i].key, key) != 0)
        i++;
    return i;
}

const struct config_setting *config_setting_of(const struct config *config, const char *key)
{
    size_t i = setting_index(config, key);
    return i < config->setting_count ? &config->settings[i] : NULL;
}

static void remove_setting(struct config *config, size_t i)
{
    if (i >= config->setting_count)
        return;
    setting_fini(&config->settings[i]);
    config->setting_count--;
    memmove(&config->settings[i], &config->settings[i + 1],
            (config->setting_count - i) * sizeof(*config->settings));
}

/* Says so if key is not in the table, unless it has been said for an earlier source. */
static bool is_known(const struct config *config, const struct config_path *path, const char *key,
                     const char *source, int line, struct config_messages *messages)
{
    const char *name;
    if (config_key_find(path, &name) != NULL)
        return true;
    if (config_setting_of(config, key) == NULL)
        config_report(messages, CONFIG_WARNING, source, line, "%.80s: unknown key, ignored", key);
    return false;
}

bool config_record(struct config *config, const char *key, const char *value, const char *source,
                   int line, struct config_messages *messages)
{
    struct config_path path;
    if (!config_path_init(&path, key)) {
        config_report(messages, CONFIG_ERROR, source, line, "%.80s: this is not a key", key);
        return false;
    }
    if (!utf8_is_valid(bytes_of_text(value))) { /* what is told of it is JSON */
        config_report(messages, CONFIG_ERROR, source, line, "%.80s: its value is not text in UTF-8",
                      key);
        config_path_fini(&path);
        return false;
    }
    bool known = is_known(config, &path, key, source, line, messages);
    config_path_fini(&path);
    remove_setting(config, setting_index(config, key));
    config->settings = xgrow(config->settings, &config->setting_capacity, config->setting_count + 1,
                             sizeof(*config->settings));
    config->settings[config->setting_count++] = (struct config_setting){
        .key = xstrdup(key),
        .value = xstrdup(value),
        .source = xstrdup(source),
        .line = line,
        .pending = known,
    };
    return true;
}

/* --- $(name) --- */

struct expansion {
    const struct config *config;
    struct buffer text;
    char reason[128]; /* why it failed */
};

static bool expand(struct expansion *expansion, const char *value, int depth);

static bool expand_failed(struct expansion *expansion, const char *name, size_t size,
                          const char *reason)
{
    int shown = size < 60 ? (int)size : 60;
    snprintf(expansion->reason, sizeof(expansion->reason), "$(%.*s) %s", shown, name, reason);
    return false;
}

/* Appends what the name of size bytes stands for. A value of the environment is taken as it is: who
 * put a password there did not write rabbitmq.conf syntax. */
static bool expand_name(struct expansion *expansion, const char *name, size_t size, int depth)
{
    if (depth >= REFERENCE_DEPTH_MAX)
        return expand_failed(expansion, name, size, "refers to itself");
    char *key = xstrndup(name, size);
    const struct config_setting *setting = config_setting_of(expansion->config, key);
    const char *variable = config_environment_value(expansion->config->envp, key);
    free(key);
    if (setting != NULL && !setting->is_literal)
        return expand(expansion, setting->value, depth + 1);
    const char *value = setting != NULL ? setting->value : variable;
    if (value == NULL)
        return expand_failed(expansion, name, size,
                             "is neither a key that is set nor a variable of the environment");
    buffer_append(&expansion->text, value, strlen(value));
    return true;
}

static bool expand(struct expansion *expansion, const char *value, int depth)
{
    for (;;) {
        const char *start = strstr(value, "$(");
        const char *end = start == NULL ? NULL : strchr(start, ')');
        if (end == NULL)
            break;
        buffer_append(&expansion->text, value, (size_t)(start - value));
        start += 2;
        start += strspn(start, " \t");
        size_t size = (size_t)(end - start);
        while (size > 0 && (start[size - 1] == ' ' || start[size - 1] == '\t'))
            size--;
        if (!expand_name(expansion, start, size, depth))
            return false;
        if (expansion->text.size > VALUE_BYTES_MAX)
            return expand_failed(expansion, start, size, "grows too long");
        value = end + 1;
    }
    buffer_append(&expansion->text, value, strlen(value));
    return true;
}

/* --- applying --- */

static void report_outcome(const struct config_setting *setting, const struct config_key *key,
                           enum config_outcome outcome, const struct config_assignment *assignment,
                           struct config_messages *messages)
{
    static const enum config_message_level LEVELS[] = {
        [CONFIG_NO_EFFECT] = CONFIG_INFO,
        [CONFIG_NOT_YET] = CONFIG_WARNING,
        [CONFIG_REFUSED] = CONFIG_ERROR,
    };
    if (outcome == CONFIG_APPLIED)
        return;
    const char *reason = outcome == CONFIG_REFUSED ? assignment->reason : key->note;
    /* A value may be a secret unless it is one of a few words or a number that did not fit. */
    bool is_shown = !assignment->is_secret && (key->choices != NULL || outcome == CONFIG_REFUSED);
    config_report(messages, LEVELS[outcome], setting->source, setting->line, "%.80s%s%.60s: %s%s%s",
                  setting->key, is_shown ? " = " : "", is_shown ? assignment->value : "",
                  outcome == CONFIG_REFUSED ? "" : "has no effect",
                  outcome == CONFIG_REFUSED || reason == NULL ? "" : ": ",
                  reason == NULL ? "" : reason);
}

static bool apply_value(struct config *config, const struct config_setting *setting,
                        const char *value, struct config_messages *messages)
{
    struct config_path path;
    struct config_assignment assignment = {.config = config, .key = setting->key, .value = value};
    if (!config_path_init(&path, setting->key))
        return false;
    const struct config_key *key = config_key_find(&path, &assignment.name);
    enum config_outcome outcome = key->apply(key, &assignment);
    report_outcome(setting, key, outcome, &assignment, messages);
    config_path_fini(&path);
    return outcome != CONFIG_REFUSED;
}

/* Makes the final value of a setting. */
static bool expand_setting(struct expansion *expansion, const struct config_setting *setting)
{
    static const char ENCRYPTED[] = "encrypted:";
    if (setting->is_literal) {
        buffer_append(&expansion->text, setting->value, strlen(setting->value));
        return true;
    }
    if (strncmp(setting->value, ENCRYPTED, sizeof(ENCRYPTED) - 1) == 0) {
        snprintf(expansion->reason, sizeof(expansion->reason), "encrypted values cannot be read");
        return false;
    }
    return expand(expansion, setting->value, 0);
}

static bool apply_setting(struct config *config, const struct config_setting *setting,
                          struct config_messages *messages)
{
    struct expansion expansion = {.config = config};
    bool ok = expand_setting(&expansion, setting);
    buffer_append_u8(&expansion.text, '\0');
    if (ok)
        ok = apply_value(config, setting, (const char *)expansion.text.data, messages);
    else
        config_report(messages, CONFIG_ERROR, setting->source, setting->line, "%.80s: %s",
                      setting->key, expansion.reason);
    buffer_fini(&expansion.text);
    return ok;
}

bool config_apply_pending(struct config *config, struct config_messages *messages)
{
    bool ok = true;
    for (size_t i = 0; i < config->setting_count; i++) {
        struct config_setting *setting = &config->settings[i];
        if (!setting->pending)
            continue;
        setting->pending = false;
        ok = apply_setting(config, setting, messages) && ok;
    }
    return ok;
}

bool config_set(struct config *config, const char *key, const char *value, const char *source,
                int line, struct config_messages *messages)
{
    return config_record(config, key, value, source, line, messages) &&
           config_apply_pending(config, messages);
}

bool config_set_option(struct config *config, const char *assignment,
                       struct config_messages *messages)
{
    static const char SOURCE[] = "command line";
    const char *equals = strchr(assignment, '=');
    if (equals == NULL) {
        config_report(messages, CONFIG_ERROR, SOURCE, 0, "%.80s: KEY=VALUE is expected",
                      assignment);
        return false;
    }
    char *key = xstrndup(assignment, (size_t)(equals - assignment));
    bool ok = config_set(config, key, equals + 1, SOURCE, 0, messages);
    free(key);
    return ok;
}

uint64_t config_retention_age_s(const char *interval)
{
    static const struct {
        const char *name;
        uint64_t age_s;
    } names[] = {{"minute", 60}, {"hour", 3600}, {"day", 86400}};
    enum { AGE_MAX_S = 10 * 366 * 86400 };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(interval, names[i].name) == 0)
            return names[i].age_s;
    }
    char *end;
    unsigned long long age_s = strtoull(interval, &end, 10);
    bool is_number = interval[0] >= '1' && interval[0] <= '9' && *end == '\0';
    return is_number && age_s <= AGE_MAX_S ? age_s : 0;
}
