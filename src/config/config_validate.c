/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only the whole configuration can tell: keys that need each other, files that must be there,
 * and values that follow from others. Each check points at the line that asked for what cannot be
 * had, and all of them run, so that one start shows every mistake.
 *
 * Whether a file holds a usable certificate is for the TLS code to find out; here it must only be
 * readable, which catches the common mistakes (a wrong path, a key that only root may read) with
 * the name of the key beside them.
 */
#include "config/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "config/config_internal.h"

/* The last setting of key or of a key below it, such as listeners.ssl.default below listeners.ssl.
 */
static const struct config_setting *setting_under(const struct config *config, const char *key)
{
    size_t size = strlen(key);
    for (size_t i = config->setting_count; i > 0; i--) {
        const struct config_setting *setting = &config->settings[i - 1];
        if (strncmp(setting->key, key, size) == 0 &&
            (setting->key[size] == '\0' || setting->key[size] == '.'))
            return setting;
    }
    return NULL;
}

/* Reports at the place where key was set, if it was. */
static bool fail_at(const struct config *config, struct config_messages *messages, const char *key,
                    const char *reason)
{
    const struct config_setting *setting = setting_under(config, key);
    config_report(messages, CONFIG_ERROR, setting == NULL ? NULL : setting->source,
                  setting == NULL ? 0 : setting->line, "%s: %s",
                  setting == NULL ? key : setting->key, reason);
    return false;
}

static bool check_readable(const struct config *config, struct config_messages *messages,
                           const char *key, const char *path)
{
    if (path == NULL || access(path, R_OK) == 0)
        return true;
    char reason[320];
    snprintf(reason, sizeof(reason), "%.200s cannot be read: %s", path, strerror(errno));
    return fail_at(config, messages, key, reason);
}

/* The key of these options; a size of TLS_KEY_SIZE is enough for all. */
enum { TLS_KEY_SIZE = 64 };

static const char *tls_key(const struct config_tls *tls, const char *name, char key[TLS_KEY_SIZE])
{
    snprintf(key, TLS_KEY_SIZE, "%s.%s", tls->prefix, name);
    return key;
}

static bool check_tls_files(const struct config *config, const struct config_tls *tls,
                            struct config_messages *messages)
{
    const struct {
        const char *name, *path;
    } files[] = {{"cacertfile", tls->cacertfile},
                 {"certfile", tls->certfile},
                 {"keyfile", tls->keyfile},
                 {"dhfile", tls->dhfile}};
    char key[TLS_KEY_SIZE];
    bool ok = true;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        ok =
            check_readable(config, messages, tls_key(tls, files[i].name, key), files[i].path) && ok;
    return ok;
}

/* A listener that the key asks for has what it needs. */
static bool check_tls(const struct config *config, const struct config_tls *tls,
                      const char *listener, struct config_messages *messages)
{
    bool ok = true;
    char key[TLS_KEY_SIZE], reason[128];
    if (tls->certfile == NULL) {
        snprintf(reason, sizeof reason, "a TLS listener needs %s", tls_key(tls, "certfile", key));
        ok = fail_at(config, messages, listener, reason);
    }
    if (tls->verify_peer && tls->cacertfile == NULL) {
        snprintf(reason, sizeof reason, "verify_peer needs %s", tls_key(tls, "cacertfile", key));
        ok = fail_at(config, messages, tls_key(tls, "verify", key), reason);
    }
    if (tls->version_mask == 0)
        ok = fail_at(config, messages, tls_key(tls, "versions", key),
                     "a TLS listener needs tlsv1.2 or tlsv1.3");
    return ok;
}

static bool check_tls_listeners(const struct config *config, struct config_messages *messages)
{
    bool ok = config->tls_listeners.count == 0 ||
              check_tls(config, &config->tls, "listeners.ssl", messages);
    if (config->management_https.port != CONFIG_UNLIMITED)
        ok = check_tls(config, &config->management_tls,
                       config->management_listener_tls ? "management.listener.ssl"
                                                       : "management.ssl",
                       messages) &&
             ok;
    ok = check_tls_files(config, &config->tls, messages) && ok;
    return check_tls_files(config, &config->management_tls, messages) && ok;
}

static void derive_tls(struct config_tls *tls)
{
    tls->version_mask = 0;
    for (size_t i = 0; i < tls->versions.count; i++) {
        bool is_1_3 = strcmp(tls->versions.entries[i].value, "tlsv1.3") == 0;
        tls->version_mask |= is_1_3 ? CONFIG_TLS_1_3 : CONFIG_TLS_1_2;
    }
    if (tls->keyfile == NULL && tls->certfile != NULL)
        tls->keyfile = xstrdup(tls->certfile);
}

/* The listener as older configurations have it, with "ssl" beside its port, is the one with TLS;
 * not where newer keys say what there is, as in RabbitMQ. */
static void derive_management_listener(struct config *config)
{
    struct config_management *plain = &config->management, *https = &config->management_https;
    if (!config->management_listener_tls || setting_under(config, "management.tcp") != NULL ||
        setting_under(config, "management.ssl") != NULL)
        return;
    config->management_tls.prefix = "management.listener.ssl_opts";
    https->port = plain->port;
    https->is_port_chosen = true;
    free(https->address);
    https->address = plain->address;
    plain->address = xstrdup("");
    plain->port = CONFIG_UNLIMITED;
}

/* As in RabbitMQ: whoever says something of TLS alone does not want it without. */
static void derive_management(struct config *config)
{
    enum { HTTPS_PORT = 15671 };
    struct config_management *plain = &config->management, *https = &config->management_https;
    derive_management_listener(config);
    if (setting_under(config, "management.ssl") == NULL)
        return;
    if (!https->is_port_chosen)
        https->port = HTTPS_PORT;
    https->is_port_chosen = true;
    if (https->port != CONFIG_UNLIMITED && setting_under(config, "management.tcp") == NULL &&
        setting_under(config, "management.listener") == NULL)
        plain->port = CONFIG_UNLIMITED;
}

static void warn_of_peer_cert(const struct config *config, const struct config_tls *tls,
                              struct config_messages *messages)
{
    char key[TLS_KEY_SIZE];
    const struct config_setting *setting =
        config_setting_of(config, tls_key(tls, "fail_if_no_peer_cert", key));
    if (setting != NULL && tls->fail_if_no_peer_cert && !tls->verify_peer)
        config_report(messages, CONFIG_WARNING, setting->source, setting->line,
                      "%s: has no effect without %s.verify = verify_peer", key, tls->prefix);
}

/* Another listener of the list, or of the other list, with the same address and port. */
static bool is_same_endpoint(const struct config_listener *a, const struct config_listener *b)
{
    bool same_address = a->address == NULL || b->address == NULL
                            ? a->address == b->address
                            : strcmp(a->address, b->address) == 0;
    return a->port != 0 && a->port == b->port && same_address;
}

static bool check_distinct(const struct config_listeners *left,
                           const struct config_listeners *right, struct config_messages *messages)
{
    bool ok = true;
    for (size_t i = 0; i < left->count; i++) {
        for (size_t k = left == right ? i + 1 : 0; k < right->count; k++) {
            if (!is_same_endpoint(&left->entries[i], &right->entries[k]))
                continue;
            config_report(messages, CONFIG_ERROR, NULL, 0,
                          "listeners %.40s and %.40s have the same address and port %u",
                          left->entries[i].name, right->entries[k].name, left->entries[i].port);
            ok = false;
        }
    }
    return ok;
}

static bool check_listeners(const struct config *config, struct config_messages *messages)
{
    const struct config_listeners *tcp = &config->tcp_listeners;
    const struct config_listeners *tls = &config->tls_listeners;
    if (tcp->count + tls->count == 0)
        config_report(messages, CONFIG_WARNING, NULL, 0,
                      "there is neither a TCP nor a TLS listener: no client can connect");
    bool ok = check_distinct(tcp, tcp, messages);
    ok = check_distinct(tls, tls, messages) && ok;
    return check_distinct(tcp, tls, messages) && ok;
}

static bool check_users(const struct config *config, struct config_messages *messages)
{
    bool is_anonymous_alone = config->auth_mechanisms.count == 1 &&
                              strcmp(config->auth_mechanisms.entries[0].value, "ANONYMOUS") == 0;
    if (config->auth_mechanisms.count == 0 || (is_anonymous_alone && !config_has_anonymous(config)))
        return fail_at(config, messages, "auth_mechanisms", "no mechanism is left to log in with");
    if (config->credential_validator == CONFIG_CREDENTIALS_REGEXP &&
        config->credential_regexp[0] == '\0')
        return fail_at(config, messages, "credential_validator.validation_backend",
                       "needs credential_validator.regexp");
    return true;
}

/* Of an absolute and a relative limit, RabbitMQ takes the relative one if both are set. */
static void derive_limits(struct config *config)
{
    if (config_setting_of(config, "vm_memory_high_watermark.relative") != NULL)
        config->memory_watermark_bytes = 0;
}

static void derive_names(struct config *config)
{
    const struct {
        char **name;
        const char *other; /* where it was not set */
    } derived[] = {
        {&config->cluster_name, config->node_name},
        {&config->event_exchange_vhost, config->default_vhost},
    };
    for (size_t i = 0; i < sizeof derived / sizeof derived[0]; i++) {
        if ((*derived[i].name)[0] != '\0')
            continue;
        free(*derived[i].name);
        *derived[i].name = xstrdup(derived[i].other);
    }
}

static bool check_log(const struct config *config, struct config_messages *messages)
{
    const struct config_log_syslog *syslog = &config->log.syslog;
    if (syslog->transport == CONFIG_SYSLOG_TLS && syslog->protocol == CONFIG_SYSLOG_RFC3164)
        return fail_at(config, messages, "log.syslog.protocol",
                       "rfc3164 does not go over TLS, rfc5424 does");
    return true;
}

bool config_validate(struct config *config, struct config_messages *messages)
{
    derive_tls(&config->tls);
    derive_tls(&config->management_tls);
    derive_management(config);
    derive_limits(config);
    derive_names(config);
    warn_of_peer_cert(config, &config->tls, messages);
    warn_of_peer_cert(config, &config->management_tls, messages);
    bool ok = check_listeners(config, messages);
    ok = check_tls_listeners(config, messages) && ok;
    ok = check_log(config, messages) && ok;
    return check_users(config, messages) && ok;
}
