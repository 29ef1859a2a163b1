/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every key of rabbitmq.conf, one row each: its pattern, how its value is read (config_apply.c),
 * where it goes in struct config, and what range or words it may have. A new key is a new row (and
 * a line in docs/configuration.md, which a test asks for).
 *
 * The rows are searched in order, so an exact key stands before the pattern that would catch it.
 * Rows that end in `**` are families that mean nothing here, such as the settings of a plug-in or
 * of the Erlang VM: known, so that a user's file loads without a warning, and said to have no
 * effect. What would be dangerous to ignore, such as an authentication back end that is not there,
 * is refused.
 *
 * A search over all rows per line of a file is cheap at this size, and it happens once, at start.
 */
#include "config/config_key.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/table.h"
#include "base/xmalloc.h"
#include "config/config_apply.h"

enum { MESSAGE_SIZE_MAX = 536870912, LOG_FILES_MAX = 10000 };

/* --- the words of values --- */

static const struct config_choice EVENT_PROTOCOLS[] = {{"amqp_0_9_1", 0}, {NULL, 0}};
static const struct config_choice FALSE_WORDS[] = {{"false", 0}, {"off", 0}, {NULL, 0}};

static const struct config_choice CLIENT_VERIFY[] = {
    {"verify_none", CONFIG_VERIFY_NONE}, {"verify_peer", CONFIG_VERIFY_PEER}, {NULL, 0}};

static const struct config_choice HOST_NAMES[] = {{"wildcard", 0}, {"none", 0}, {NULL, 0}};

static const struct config_choice HTTP_METHODS[] = {{"get", 0}, {"post", 1}, {NULL, 0}};

static const struct config_choice LDAP_BINDS[] = {
    {"as_user", CONFIG_LDAP_AS_USER}, {"anon", CONFIG_LDAP_ANON}, {NULL, 0}};

/* The field says the opposite of the key. */
static const struct config_choice FALSE_IS_SET[] = {{"true", 0}, {"false", 1}, {NULL, 0}};

static const struct config_choice SCOPE_SYNTAXES[] = {{"wildcard", 0}, {"regex", 1}, {NULL, 0}};

static const struct config_choice ALGORITHMS[] = {
    {"RS256", 1}, {"RS384", 1}, {"RS512", 1}, {"ES256", 1}, {"ES384", 1},
    {"ES512", 1}, {"HS256", 1}, {"HS384", 1}, {"HS512", 1}, {"PS256", 1},
    {"PS384", 1}, {"PS512", 1}, {"EdDSA", 0}, {NULL, 0}};

static const struct config_choice VERIFY[] = {{"verify_none", 0}, {"verify_peer", 1}, {NULL, 0}};

static const struct config_choice TLS_VERSIONS[] = {{"tlsv1.3", CONFIG_TLS_1_3},
                                                    {"tlsv1.2", CONFIG_TLS_1_2},
                                                    {"tlsv1.1", 0},
                                                    {"tlsv1", 0},
                                                    {"sslv3", 0},
                                                    {NULL, 0}};

static const struct config_choice CERT_LOGIN[] = {
    {"distinguished_name", CONFIG_CERT_LOGIN_DISTINGUISHED_NAME},
    {"common_name", CONFIG_CERT_LOGIN_COMMON_NAME},
    {"subject_alternative_name", CONFIG_CERT_LOGIN_SUBJECT_ALTERNATIVE_NAME},
    {"subject_alt_name", CONFIG_CERT_LOGIN_SUBJECT_ALTERNATIVE_NAME},
    {NULL, 0}};

static const struct config_choice SAN_TYPES[] = {{"dns", CONFIG_SAN_DNS},
                                                 {"ip", CONFIG_SAN_IP},
                                                 {"email", CONFIG_SAN_EMAIL},
                                                 {"uri", CONFIG_SAN_URI},
                                                 {"other_name", CONFIG_SAN_OTHER_NAME},
                                                 {NULL, 0}};

static const struct config_choice MECHANISMS[] = {{"PLAIN", 1},          {"AMQPLAIN", 1},
                                                  {"EXTERNAL", 1},       {"ANONYMOUS", 1},
                                                  {"RABBIT-CR-DEMO", 1}, {NULL, 0}};

static const struct config_choice HASHING[] = {
    {"rabbit_password_hashing_sha256", CONFIG_HASHING_SHA256},
    {"rabbit_password_hashing_sha512", CONFIG_HASHING_SHA512},
    {"rabbit_password_hashing_md5", CONFIG_HASHING_MD5},
    {NULL, 0}};

static const struct config_choice CREDENTIAL_VALIDATORS[] = {
    {"rabbit_credential_validator_accept_everything", CONFIG_CREDENTIALS_ACCEPT_EVERYTHING},
    {"rabbit_credential_validator_min_password_length", CONFIG_CREDENTIALS_MIN_LENGTH},
    {"rabbit_credential_validator_password_regexp", CONFIG_CREDENTIALS_REGEXP},
    {NULL, 0}};

static const struct config_choice QUEUE_TYPES[] = {{"classic", CONFIG_QUEUE_CLASSIC},
                                                   {"quorum", CONFIG_QUEUE_QUORUM},
                                                   {"stream", CONFIG_QUEUE_STREAM},
                                                   {"rabbit_classic_queue", CONFIG_QUEUE_CLASSIC},
                                                   {"rabbit_quorum_queue", CONFIG_QUEUE_QUORUM},
                                                   {"rabbit_stream_queue", CONFIG_QUEUE_STREAM},
                                                   {NULL, 0}};

/* Of an interceptor's key overwrite: that the key is there at all wants the interceptor. */
static const struct config_choice STAMPS[] = {{"false", CONFIG_STAMP_WHERE_MISSING},
                                              {"off", CONFIG_STAMP_WHERE_MISSING},
                                              {"true", CONFIG_STAMP_ALWAYS},
                                              {"on", CONFIG_STAMP_ALWAYS},
                                              {NULL, 0}};

static const struct config_choice LOG_LEVELS[] = {
    {"debug", CONFIG_LOG_DEBUG},   {"info", CONFIG_LOG_INFO},
    {"notice", CONFIG_LOG_NOTICE}, {"warning", CONFIG_LOG_WARNING},
    {"error", CONFIG_LOG_ERROR},   {"critical", CONFIG_LOG_CRITICAL},
    {"alert", CONFIG_LOG_ALERT},   {"emergency", CONFIG_LOG_EMERGENCY},
    {"none", CONFIG_LOG_NONE},     {NULL, 0}};

static const struct config_choice LOG_FORMATS[] = {
    {"plaintext", CONFIG_LOG_PLAINTEXT}, {"json", CONFIG_LOG_JSON}, {NULL, 0}};

static const struct config_choice LOG_TIME_FORMATS[] = {
    {"rfc3339_space", CONFIG_LOG_RFC3339_SPACE}, {"rfc3339_T", CONFIG_LOG_RFC3339_T},
    {"epoch_usecs", CONFIG_LOG_EPOCH_USECS},     {"epoch_secs", CONFIG_LOG_EPOCH_SECS},
    {"lager_default", CONFIG_LOG_LAGER_DEFAULT}, {NULL, 0}};

static const struct config_choice LOG_LEVEL_FORMATS[] = {{"lc", CONFIG_LOG_LC},
                                                         {"uc", CONFIG_LOG_UC},
                                                         {"lc3", CONFIG_LOG_LC3},
                                                         {"uc3", CONFIG_LOG_UC3},
                                                         {"lc4", CONFIG_LOG_LC4},
                                                         {"uc4", CONFIG_LOG_UC4},
                                                         {NULL, 0}};

static const struct config_choice LOG_STDIO[] = {{"stdout", 1}, {"stderr", 0}, {NULL, 0}};

static const struct config_choice LOG_TRANSPORTS[] = {
    {"udp", CONFIG_SYSLOG_UDP}, {"tcp", CONFIG_SYSLOG_TCP},     {"tls", CONFIG_SYSLOG_TLS},
    {"ssl", CONFIG_SYSLOG_TLS}, {"local", CONFIG_SYSLOG_LOCAL}, {NULL, 0}};

static const struct config_choice LOG_PROTOCOLS[] = {
    {"rfc3164", CONFIG_SYSLOG_RFC3164}, {"rfc5424", CONFIG_SYSLOG_RFC5424}, {NULL, 0}};

static const struct config_choice LOG_VERIFY[] = {
    {"verify_peer", 0}, {"verify_none", 1}, {NULL, 0}};

static const struct config_choice LOG_FACILITIES[] = {
    {"kern", 0},    {"kernel", 0},    {"user", 1},    {"mail", 2},    {"daemon", 3},
    {"auth", 4},    {"syslog", 5},    {"lpr", 6},     {"news", 7},    {"uucp", 8},
    {"cron", 9},    {"authpriv", 10}, {"ftp", 11},    {"ntp", 12},    {"audit", 13},
    {"alert", 14},  {"clock", 15},    {"local0", 16}, {"local1", 17}, {"local2", 18},
    {"local3", 19}, {"local4", 20},   {"local5", 21}, {"local6", 22}, {"local7", 23},
    {NULL, 0}};

static const struct config_choice IMPORT_BACKENDS[] = {
    {"local_filesystem", 0},
    {"local", 0},
    {"rabbit_definitions_import_local_filesystem", 0},
    {NULL, 0}};

/* --- the table --- */

#define FIELD(member)                                                                              \
    .offset = offsetof(struct config, member), .size = sizeof(((struct config *)0)->member)

static const char INLINE_TLS[] =
    "TLS material is read from files only (certfile, keyfile, cacertfile)";
static const char NO_IMPORT[] = "definitions are imported from files only";
static const char NO_SEED[] = "only default_user, default_vhost and their permissions are created";
static const char NO_PLUGIN[] = "this plug-in is not part of Leveret";
static const char NO_CLUSTER[] = "a Leveret node stands alone";
static const char NO_ERLANG[] = "it tunes RabbitMQ's own runtime";
static const char NO_DETAILS[] = "rates are those of rates_mode basic";
static const char NO_REQUEST_LOG[] = "requests over HTTP are not logged";
static const char NO_PREFIX[] = "the management API is at /api";
static const char NO_SESSIONS[] = "a login over HTTP lasts for one request";
static const char NO_EFFECT[] = "neither the management API nor the metrics use it";
static const char ONE_LINE[] = "a message is one line, whatever is in it";
static const char NO_OFFER[] = "known, but not offered";

/* The rows that listeners with TLS have in common. */
#define TLS_KEYS(prefix, member)                                                                   \
    {prefix ".cacertfile", apply_name, FIELD(member.cacertfile)},                                  \
        {prefix ".certfile", apply_name, FIELD(member.certfile)},                                  \
        {prefix ".keyfile", apply_name, FIELD(member.keyfile)},                                    \
        {prefix ".password", apply_text, FIELD(member.password)},                                  \
        {prefix ".dhfile", apply_name, FIELD(member.dhfile)},                                      \
        {prefix ".verify", apply_choice, FIELD(member.verify_peer), .choices = VERIFY},            \
        {prefix ".fail_if_no_peer_cert", apply_bool, FIELD(member.fail_if_no_peer_cert)},          \
        {prefix ".depth", apply_count, FIELD(member.depth)},                                       \
        {prefix ".versions.$version", apply_choice_entry, FIELD(member.versions),                  \
         .choices = TLS_VERSIONS, .note = "older than TLS 1.2, not offered"},                      \
        {prefix ".ciphers.$cipher", apply_entry, FIELD(member.ciphers)},                           \
        {prefix ".honor_cipher_order", apply_bool, FIELD(member.honor_cipher_order)},              \
        {prefix ".honor_ecc_order", apply_bool, FIELD(member.honor_ecc_order)},                    \
        {prefix ".crl_check", apply_only_words, .choices = FALSE_WORDS,                            \
         .note = "certificate revocation lists are not checked"},                                  \
        {prefix ".cacerts.$name", apply_refusal, .note = INLINE_TLS},                              \
        {prefix ".cert", apply_refusal, .note = INLINE_TLS},                                       \
        {prefix ".key.$type", apply_refusal, .note = INLINE_TLS},                                  \
        {prefix ".psk_identity", apply_refusal, .note = "pre-shared keys are not supported"},      \
        {prefix ".client_renegotiation", apply_nothing, .note = "clients cannot renegotiate"},     \
        {prefix ".secure_renegotiate", apply_nothing, .note = "clients cannot renegotiate"},       \
        {prefix ".dh", apply_nothing, .note = "dhfile is the way to give parameters"},             \
        {prefix ".reuse_sessions", apply_nothing, .note = NULL},                                   \
        {prefix ".log_level", apply_nothing, .note = NULL},                                        \
        {prefix ".log_alert", apply_nothing, .note = NULL},                                        \
    {                                                                                              \
        prefix ".bypass_pem_cache", apply_nothing, .note = NO_ERLANG                               \
    }

/* The rows that outputs of the log have in common. */
#define LOG_FORMATTER(prefix, member)                                                              \
    {prefix ".formatter", apply_choice, FIELD(member.format), .choices = LOG_FORMATS},             \
        {prefix ".formatter.time_format", apply_choice, FIELD(member.time_format),                 \
         .choices = LOG_TIME_FORMATS},                                                             \
        {prefix ".formatter.level_format", apply_choice, FIELD(member.level_format),               \
         .choices = LOG_LEVEL_FORMATS},                                                            \
        {prefix ".formatter.single_line", apply_nothing, .note = ONE_LINE},                        \
        {prefix ".formatter.plaintext.format", apply_checked, FIELD(member.plaintext),             \
         .check = config_log_check_plaintext},                                                     \
        {prefix ".formatter.json.field_map", apply_checked, FIELD(member.field_map),               \
         .check = config_log_check_field_map},                                                     \
    {                                                                                              \
        prefix ".formatter.json.verbosity_map", apply_checked, FIELD(member.verbosity_map),        \
            .check = config_log_check_verbosity_map                                                \
    }

#define LOG_ROTATION(prefix, member)                                                               \
    {prefix ".rotation.date", apply_checked, FIELD(member.date), .check = config_log_check_date},  \
        {prefix ".rotation.size", apply_size, FIELD(member.size_bytes)},                           \
        {prefix ".rotation.count", apply_log_count, FIELD(member), .max = LOG_FILES_MAX},          \
    {                                                                                              \
        prefix ".rotation.compress", apply_log_compress, FIELD(member)                             \
    }

#define LOG_ABOUT(prefix, category)                                                                \
    {prefix ".level", apply_choice, FIELD(log.about[category].level), .choices = LOG_LEVELS},      \
        {prefix ".file", apply_file_or_false, FIELD(log.about[category].file)},                    \
        LOG_ROTATION(prefix, log.about[category].rotation)

static const struct config_key KEYS[] = {
    /* listeners and sockets */
    {"listeners.tcp", apply_no_listeners, FIELD(tcp_listeners)},
    {"listeners.tcp.$name", apply_listener, FIELD(tcp_listeners)},
    {"listeners.ssl", apply_no_listeners, FIELD(tls_listeners)},
    {"listeners.ssl.$name", apply_listener, FIELD(tls_listeners)},
    {"handshake_timeout", apply_limit, FIELD(handshake_timeout_ms), .min = 1},
    {"ssl_handshake_timeout", apply_limit, FIELD(ssl_handshake_timeout_ms), .min = 1},
    {"tcp_listen_options", apply_only_none, .note = NULL},
    {"tcp_listen_options.backlog", apply_count, FIELD(socket.backlog), .min = 1, .max = INT_MAX},
    {"tcp_listen_options.nodelay", apply_bool, FIELD(socket.nodelay)},
    {"tcp_listen_options.keepalive", apply_bool, FIELD(socket.keepalive)},
    {"tcp_listen_options.linger.on", apply_bool, FIELD(socket.linger_on)},
    {"tcp_listen_options.linger.timeout", apply_count, FIELD(socket.linger_timeout_s),
     .max = INT_MAX},
    {"tcp_listen_options.recbuf", apply_size, FIELD(socket.recbuf_bytes), .max = INT_MAX},
    {"tcp_listen_options.sndbuf", apply_size, FIELD(socket.sndbuf_bytes), .max = INT_MAX},
    {"tcp_listen_options.**", apply_nothing, .note = NO_ERLANG},
    {"proxy_protocol", apply_bool, FIELD(proxy_protocol)},

    /* TLS */
    {"ssl_options", apply_only_none, .note = NULL},
    TLS_KEYS("ssl_options", tls),
    {"ssl_allow_poodle_attack", apply_nothing, .note = NULL},
    {"ssl_cert_login_from", apply_choice, FIELD(ssl_cert_login_from), .choices = CERT_LOGIN},
    {"ssl_cert_login_san_type", apply_choice, FIELD(ssl_cert_login_san_type), .choices = SAN_TYPES},
    {"ssl_cert_login_san_index", apply_count, FIELD(ssl_cert_login_san_index)},

    /* the protocol and its limits */
    {"heartbeat", apply_count, FIELD(heartbeat_s)},
    {"frame_max", apply_frame_size, FIELD(frame_max_bytes), .max = INT_MAX},
    {"initial_frame_max", apply_frame_size, FIELD(initial_frame_max_bytes), .min = FRAME_MAX_MIN,
     .max = INT_MAX},
    {"channel_max", apply_count, FIELD(channel_max)},
    {"max_channels_per_connection", apply_count, FIELD(channel_max)},
    {"max_message_size", apply_size, FIELD(max_message_size_bytes), .min = 1,
     .max = MESSAGE_SIZE_MAX},
    {"consumer_timeout", apply_limit, FIELD(consumer_timeout_ms), .min = 1},
    {"connection_max", apply_limit, FIELD(connection_max)},
    {"max_connections", apply_limit, FIELD(connection_max)},
    {"channel_max_per_node", apply_limit, FIELD(channel_max_per_node)},
    {"consumer_max_per_channel", apply_limit, FIELD(consumer_max_per_channel)},
    {"vhost_max", apply_limit, FIELD(vhost_max)},
    {"cluster_queue_limit", apply_limit, FIELD(cluster_queue_limit)},
    {"cluster_exchange_limit", apply_limit, FIELD(cluster_exchange_limit)},

    /* users */
    {"default_user", apply_name, FIELD(default_user)},
    {"default_pass", apply_text, FIELD(default_pass)},
    {"default_vhost", apply_name, FIELD(default_vhost)},
    {"default_permissions.configure", apply_text, FIELD(default_permissions_configure)},
    {"default_permissions.read", apply_text, FIELD(default_permissions_read)},
    {"default_permissions.write", apply_text, FIELD(default_permissions_write)},
    {"default_user_tags.$tag", apply_member, FIELD(default_user_tags)},
    {"loopback_users", apply_no_loopback_users, FIELD(loopback_users)},
    {"loopback_users.$user", apply_loopback_user, FIELD(loopback_users)},
    {"auth_mechanisms.$name", apply_choice_entry, FIELD(auth_mechanisms), .choices = MECHANISMS,
     .note = NO_OFFER},
    {"auth_backends.$num", apply_backend_entry, FIELD(auth_backends)},
    {"auth_backends.$num.authn", apply_backend_entry, FIELD(auth_authn)},
    {"auth_backends.$num.authz", apply_backend_entry, FIELD(auth_authz)},
    {"password_hashing_module", apply_choice, FIELD(password_hashing), .choices = HASHING},
    {"credential_validator.validation_backend", apply_choice, FIELD(credential_validator),
     .choices = CREDENTIAL_VALIDATORS},
    {"credential_validator.min_length", apply_count, FIELD(credential_min_length)},
    {"credential_validator.regexp", apply_text, FIELD(credential_regexp)},
    {"anonymous_login_user", apply_name, FIELD(anonymous_login_user)},
    {"anonymous_login_pass", apply_text, FIELD(anonymous_login_pass)},
    {"default_users.$name.vhost_pattern", apply_vhost_default, FIELD(vhost_defaults)},
    {"default_users.$name.password", apply_vhost_default, FIELD(vhost_defaults)},
    {"default_users.$name.configure", apply_vhost_default, FIELD(vhost_defaults)},
    {"default_users.$name.write", apply_vhost_default, FIELD(vhost_defaults)},
    {"default_users.$name.read", apply_vhost_default, FIELD(vhost_defaults)},
    {"default_users.$name.tags", apply_vhost_default, FIELD(vhost_defaults)},
    {"default_limits.vhosts.$name.pattern", apply_vhost_default, FIELD(vhost_defaults)},
    {"default_limits.vhosts.$name.max_connections", apply_vhost_count, FIELD(vhost_defaults)},
    {"default_limits.vhosts.$name.max_queues", apply_vhost_count, FIELD(vhost_defaults)},
    {"default_policies.operator.$name.vhost_pattern", apply_vhost_default, FIELD(vhost_defaults)},
    {"default_policies.operator.$name.queue_pattern", apply_vhost_default, FIELD(vhost_defaults)},
    {"default_policies.operator.$name.apply_to", apply_vhost_default, FIELD(vhost_defaults)},
    {"default_policies.operator.$name.expires", apply_vhost_duration, FIELD(vhost_defaults)},
    {"default_policies.operator.$name.message_ttl", apply_vhost_duration, FIELD(vhost_defaults)},
    {"default_policies.operator.$name.max_length", apply_vhost_count, FIELD(vhost_defaults)},
    {"default_policies.operator.$name.max_length_bytes", apply_vhost_size, FIELD(vhost_defaults)},
    {"default_policies.operator.$name.max_in_memory_length", apply_vhost_count,
     FIELD(vhost_defaults)},
    {"default_policies.operator.$name.max_in_memory_bytes", apply_vhost_size,
     FIELD(vhost_defaults)},
    {"default_policies.operator.$name.delivery_limit", apply_vhost_count, FIELD(vhost_defaults)},
    {"default_users.**", apply_not_yet, .note = NO_SEED},
    {"default_policies.**", apply_not_yet,
     .note = "only policies that are set on the server apply"},
    {"default_limits.**", apply_not_yet, .note = "only limits that are set on the server apply"},
    {"load_definitions", apply_text, FIELD(load_definitions)},
    {"management.load_definitions", apply_text, FIELD(load_definitions)},
    {"definitions.import_backend", apply_only_words, .choices = IMPORT_BACKENDS,
     .note = "expected local_filesystem"},
    {"definitions.local.path", apply_text, FIELD(definitions_local_path)},
    {"definitions.skip_if_unchanged", apply_bool, FIELD(definitions_skip_if_unchanged)},
    {"definitions.**", apply_not_yet, .note = NO_IMPORT},

    /* back ends */
    {"auth_http.http_method", apply_choice, FIELD(auth_http.is_post), .choices = HTTP_METHODS},
    {"auth_http.user_path", apply_name, FIELD(auth_http.user_path)},
    {"auth_http.vhost_path", apply_name, FIELD(auth_http.vhost_path)},
    {"auth_http.resource_path", apply_name, FIELD(auth_http.resource_path)},
    {"auth_http.topic_path", apply_name, FIELD(auth_http.topic_path)},
    {"auth_http.request_timeout", apply_count, FIELD(auth_http.request_timeout_ms), .min = 1,
     .max = INT_MAX},
    {"auth_http.connection_timeout", apply_count, FIELD(auth_http.connection_timeout_ms), .min = 1,
     .max = INT_MAX},
    {"auth_http.authorization_failure_disclosure", apply_bool, FIELD(auth_http.discloses_reasons)},
    {"auth_http.ssl_options", apply_only_none, .note = NULL},
    {"auth_http.ssl_options.cacertfile", apply_name, FIELD(auth_http.tls.cacertfile)},
    {"auth_http.ssl_options.certfile", apply_name, FIELD(auth_http.tls.certfile)},
    {"auth_http.ssl_options.keyfile", apply_name, FIELD(auth_http.tls.keyfile)},
    {"auth_http.ssl_options.password", apply_text, FIELD(auth_http.tls.password)},
    {"auth_http.ssl_options.verify", apply_choice, FIELD(auth_http.tls.verify),
     .choices = CLIENT_VERIFY},
    {"auth_http.ssl_options.depth", apply_nothing, .note = "OpenSSL's and GnuTLS's bounds hold"},
    {"auth_http.ssl_options.sni", apply_nothing, .note = "the name in the address is expected"},
    {"auth_http.ssl_options.versions.$version", apply_choice_entry, FIELD(auth_http.tls.versions),
     .choices = TLS_VERSIONS, .note = "older than TLS 1.2, not offered"},
    {"auth_http.ssl_options.hostname_verification", apply_only_words, .choices = HOST_NAMES,
     .note = "expected wildcard or none"},
    {"auth_http.ssl_options.crl_check", apply_only_words, .choices = FALSE_WORDS,
     .note = "certificate revocation lists are not checked"},
    {"auth_http.ssl_options.cacerts.$name", apply_refusal, .note = INLINE_TLS},
    {"auth_http.ssl_options.cert", apply_refusal, .note = INLINE_TLS},
    {"auth_http.ssl_options.key.$type", apply_refusal, .note = INLINE_TLS},
    {"auth_http.ssl_options.psk_identity", apply_refusal,
     .note = "pre-shared keys are not supported"},
    {"auth_http.ssl_options.**", apply_nothing, .note = "it concerns servers"},
    {"auth_ldap.servers", apply_only_none, .note = NULL},
    {"auth_ldap.servers.$server", apply_entry, FIELD(auth_ldap.servers)},
    {"auth_ldap.port", apply_count, FIELD(auth_ldap.port), .min = 1},
    {"auth_ldap.timeout", apply_limit, FIELD(auth_ldap.timeout_ms), .min = 1},
    {"auth_ldap.connection_pool_size", apply_nothing,
     .note = "connections are made as they are needed"},
    {"auth_ldap.idle_timeout", apply_nothing, .note = "every question has a connection of its own"},
    {"auth_ldap.log", apply_nothing, .note = "the log tells why a login was refused"},
    {"auth_ldap.user_bind_pattern", apply_or_none, FIELD(auth_ldap.user_bind_pattern)},
    {"auth_ldap.user_dn_pattern", apply_name, FIELD(auth_ldap.user_dn_pattern)},
    {"auth_ldap.dn_lookup_attribute", apply_or_none, FIELD(auth_ldap.dn_lookup_attribute)},
    {"auth_ldap.dn_lookup_base", apply_or_none, FIELD(auth_ldap.dn_lookup_base)},
    {"auth_ldap.dn_lookup_bind", apply_choice, FIELD(auth_ldap.dn_lookup_bind),
     .choices = LDAP_BINDS},
    {"auth_ldap.dn_lookup_bind.user_dn", apply_name, FIELD(auth_ldap.dn_lookup_bind_user)},
    {"auth_ldap.dn_lookup_bind.password", apply_text, FIELD(auth_ldap.dn_lookup_bind_password)},
    {"auth_ldap.other_bind", apply_choice, FIELD(auth_ldap.other_bind), .choices = LDAP_BINDS},
    {"auth_ldap.other_bind.user_dn", apply_name, FIELD(auth_ldap.other_bind_user)},
    {"auth_ldap.other_bind.password", apply_text, FIELD(auth_ldap.other_bind_password)},
    {"auth_ldap.group_lookup_base", apply_or_none, FIELD(auth_ldap.group_lookup_base)},
    {"auth_ldap.queries.vhost_access", apply_name, FIELD(auth_ldap.vhost_access_query)},
    {"auth_ldap.queries.resource_access", apply_name, FIELD(auth_ldap.resource_access_query)},
    {"auth_ldap.queries.topic_access", apply_name, FIELD(auth_ldap.topic_access_query)},
    {"auth_ldap.queries.tags", apply_name, FIELD(auth_ldap.tag_queries)},
    {"auth_ldap.use_ssl", apply_bool, FIELD(auth_ldap.use_ssl)},
    {"auth_ldap.use_starttls", apply_bool, FIELD(auth_ldap.use_starttls)},
    {"auth_ldap.ssl_options", apply_only_none, .note = NULL},
    {"auth_ldap.ssl_options.cacertfile", apply_name, FIELD(auth_ldap.tls.cacertfile)},
    {"auth_ldap.ssl_options.certfile", apply_name, FIELD(auth_ldap.tls.certfile)},
    {"auth_ldap.ssl_options.keyfile", apply_name, FIELD(auth_ldap.tls.keyfile)},
    {"auth_ldap.ssl_options.password", apply_refusal, .note = "the key file may not be encrypted"},
    {"auth_ldap.ssl_options.verify", apply_choice, FIELD(auth_ldap.tls.verify),
     .choices = CLIENT_VERIFY},
    {"auth_ldap.ssl_options.depth", apply_nothing, .note = "OpenSSL's and GnuTLS's bounds hold"},
    {"auth_ldap.ssl_options.sni", apply_nothing, .note = "the name in the address is expected"},
    {"auth_ldap.ssl_options.versions.$version", apply_choice_entry, FIELD(auth_ldap.tls.versions),
     .choices = TLS_VERSIONS, .note = "older than TLS 1.2, not offered"},
    {"auth_ldap.ssl_options.hostname_verification", apply_only_words, .choices = HOST_NAMES,
     .note = "expected wildcard or none"},
    {"auth_ldap.ssl_options.crl_check", apply_only_words, .choices = FALSE_WORDS,
     .note = "certificate revocation lists are not checked"},
    {"auth_ldap.ssl_options.cacerts.$name", apply_refusal, .note = INLINE_TLS},
    {"auth_ldap.ssl_options.cert", apply_refusal, .note = INLINE_TLS},
    {"auth_ldap.ssl_options.key.$type", apply_refusal, .note = INLINE_TLS},
    {"auth_ldap.ssl_options.psk_identity", apply_refusal,
     .note = "pre-shared keys are not supported"},
    {"auth_ldap.ssl_options.**", apply_nothing, .note = "it concerns servers"},
    {"auth_oauth2.resource_server_id", apply_name, FIELD(auth_oauth2.resource_server_id)},
    {"auth_oauth2.resource_server_type", apply_nothing,
     .note = "rich authorization requests are not read"},
    {"auth_oauth2.scope_prefix", apply_text, FIELD(auth_oauth2.scope_prefix)},
    {"auth_oauth2.additional_scopes_key", apply_name, FIELD(auth_oauth2.additional_scopes_key)},
    {"auth_oauth2.scope_aliases.$alias", apply_entry, FIELD(auth_oauth2.scope_aliases)},
    {"auth_oauth2.scope_aliases.$index.alias", apply_entry, FIELD(auth_oauth2.scope_alias_names)},
    {"auth_oauth2.scope_aliases.$index.scope", apply_entry, FIELD(auth_oauth2.scope_alias_scopes)},
    {"auth_oauth2.verify_aud", apply_choice, FIELD(auth_oauth2.skips_aud), .choices = FALSE_IS_SET},
    {"auth_oauth2.require_exp", apply_choice, FIELD(auth_oauth2.allows_eternity),
     .choices = FALSE_IS_SET},
    {"auth_oauth2.scope_pattern_syntax", apply_choice, FIELD(auth_oauth2.has_regex_scopes),
     .choices = SCOPE_SYNTAXES},
    {"auth_oauth2.preferred_username_claims.$claim", apply_entry,
     FIELD(auth_oauth2.preferred_username_claims)},
    {"auth_oauth2.default_key", apply_name, FIELD(auth_oauth2.default_key)},
    {"auth_oauth2.signing_keys.$name", apply_entry, FIELD(auth_oauth2.signing_keys)},
    {"auth_oauth2.issuer", apply_name, FIELD(auth_oauth2.issuer)},
    {"auth_oauth2.jwks_uri", apply_name, FIELD(auth_oauth2.jwks_uri)},
    {"auth_oauth2.jwks_url", apply_name, FIELD(auth_oauth2.jwks_uri)},
    {"auth_oauth2.discovery_endpoint_path", apply_name, FIELD(auth_oauth2.discovery_endpoint_path)},
    {"auth_oauth2.algorithms.$algorithm", apply_choice_entry, FIELD(auth_oauth2.algorithms),
     .choices = ALGORITHMS, .note = "not supported"},
    {"auth_oauth2.https.cacertfile", apply_name, FIELD(auth_oauth2.tls.cacertfile)},
    {"auth_oauth2.https.verify", apply_choice, FIELD(auth_oauth2.tls.verify),
     .choices = CLIENT_VERIFY},
    {"auth_oauth2.https.peer_verification", apply_choice, FIELD(auth_oauth2.tls.verify),
     .choices = CLIENT_VERIFY},
    {"auth_oauth2.https.depth", apply_nothing, .note = "OpenSSL's bounds hold"},
    {"auth_oauth2.https.hostname_verification", apply_only_words, .choices = HOST_NAMES,
     .note = "expected wildcard or none"},
    {"auth_oauth2.https.crl_check", apply_only_words, .choices = FALSE_WORDS,
     .note = "certificate revocation lists are not checked"},
    {"auth_oauth2.https.fail_if_no_peer_cert", apply_nothing, .note = "it concerns servers"},
    {"auth_oauth2.token_endpoint", apply_nothing, .note = NO_EFFECT},
    {"auth_oauth2.end_session_endpoint", apply_nothing, .note = NO_EFFECT},
    {"auth_oauth2.authorization_endpoint", apply_nothing, .note = NO_EFFECT},
    {"auth_oauth2.**", apply_refusal, .note = "one resource server and one provider are supported"},
    {"auth_cache.cached_backend", apply_backend, FIELD(auth_cache.backend)},
    {"auth_cache.cached_backend.authn", apply_backend, FIELD(auth_cache.authn)},
    {"auth_cache.cached_backend.authz", apply_backend, FIELD(auth_cache.authz)},
    {"auth_cache.cache_ttl", apply_count, FIELD(auth_cache.ttl_ms)},
    {"auth_cache.cache_refusals", apply_bool, FIELD(auth_cache.keeps_refusals)},
    {"auth_cache.cache_module", apply_nothing, .note = "there is one way to keep answers"},

    /* memory and disk */
    {"vm_memory_high_watermark.relative", apply_ratio, FIELD(memory_watermark_relative), .max = 1},
    {"vm_memory_high_watermark.absolute", apply_size, FIELD(memory_watermark_bytes), .min = 1},
    {"total_memory_available_override_value", apply_size, FIELD(memory_total_override_bytes)},
    {"memory_monitor_interval", apply_count, FIELD(memory_monitor_interval_ms), .min = 1},
    {"disk_free_limit.absolute", apply_size, FIELD(disk_free_limit_bytes)},
    {"disk_free_limit.relative", apply_ratio, FIELD(disk_free_limit_relative), .max = 1000},
    {"vm_memory_high_watermark_paging_ratio", apply_ratio, FIELD(memory_paging_ratio), .max = 100},
    {"vm_memory_calculation_strategy", apply_nothing, .note = NO_ERLANG},

    /* queues */
    {"default_queue_type", apply_choice, FIELD(default_queue_type), .choices = QUEUE_TYPES},
    {"quorum_queue.property_equivalence.relaxed_checks_on_redeclaration", apply_bool,
     FIELD(quorum_relaxed_redeclaration)},
    {"consumer_disconnected_timeout", apply_nothing, .note = NO_CLUSTER},
    {"classic_queue.default_version", apply_nothing, .note = "there is one way to store a queue"},
    {"queue_master_locator", apply_nothing, .note = NO_CLUSTER},
    {"queue_leader_locator", apply_nothing, .note = NO_CLUSTER},
    {"quorum_queue.**", apply_nothing, .note = NO_CLUSTER},
    {"quorum_commands_soft_limit", apply_nothing, .note = NO_CLUSTER},
    {"quorum_cluster_size", apply_nothing, .note = NO_CLUSTER},
    {"stream.**", apply_nothing, .note = NO_PLUGIN},
    {"message_interceptors.incoming.set_header_timestamp.overwrite", apply_choice,
     FIELD(stamps_time), .choices = STAMPS},
    {"message_interceptors.incoming.set_header_routing_node.overwrite", apply_choice,
     FIELD(stamps_node), .choices = STAMPS},
    {"message_interceptors.**", apply_not_yet, .note = "messages are passed on as they came"},

    /* identity */
    {"cluster_name", apply_text, FIELD(cluster_name)},
    {"product.name", apply_name, FIELD(product_name)},
    {"product.version", apply_name, FIELD(product_version)},
    {"motd_file", apply_nothing, .note = NULL},
    {"cluster_tags.$tag", apply_nothing, .note = NO_EFFECT},
    {"node_tags.$tag", apply_nothing, .note = NO_EFFECT},

    /* what the broker tells */
    {"event_exchange.vhost", apply_name, FIELD(event_exchange_vhost)},
    {"event_exchange.protocol", apply_only_words, .choices = EVENT_PROTOCOLS,
     .note = "expected amqp_0_9_1"},

    /* log */
    {"log.console", apply_bool, FIELD(log.console.output.is_on)},
    {"log.console.level", apply_choice, FIELD(log.console.output.level), .choices = LOG_LEVELS},
    {"log.console.stdio", apply_choice, FIELD(log.console.to_stdout), .choices = LOG_STDIO},
    {"log.console.use_colors", apply_bool, FIELD(log.console.has_colors)},
    {"log.console.color_esc_seqs.$level", apply_nothing, .note = "the usual colours are used"},
    LOG_FORMATTER("log.console", log.console.output.formatter),
    {"log.exchange", apply_bool, FIELD(log.exchange.is_on)},
    {"log.exchange.level", apply_choice, FIELD(log.exchange.level), .choices = LOG_LEVELS},
    LOG_FORMATTER("log.exchange", log.exchange.formatter),
    {"log.dir", apply_text, FIELD(log.dir)},
    {"log.file", apply_file_or_false, FIELD(log.file.path)},
    {"log.file.level", apply_choice, FIELD(log.file.level), .choices = LOG_LEVELS},
    LOG_FORMATTER("log.file", log.file.formatter),
    LOG_ROTATION("log.file", log.file.rotation),
    {"log.syslog", apply_bool, FIELD(log.syslog.output.is_on)},
    {"log.syslog.level", apply_choice, FIELD(log.syslog.output.level), .choices = LOG_LEVELS},
    LOG_FORMATTER("log.syslog", log.syslog.output.formatter),
    {"log.syslog.identity", apply_name, FIELD(log.syslog.identity)},
    {"log.syslog.facility", apply_choice, FIELD(log.syslog.facility), .choices = LOG_FACILITIES},
    {"log.syslog.multiline_mode", apply_nothing, .note = ONE_LINE},
    {"log.syslog.ip", apply_address, FIELD(log.syslog.host)},
    {"log.syslog.host", apply_name, FIELD(log.syslog.host)},
    {"log.syslog.port", apply_count, FIELD(log.syslog.port), .min = 1},
    {"log.syslog.transport", apply_choice, FIELD(log.syslog.transport), .choices = LOG_TRANSPORTS},
    {"log.syslog.protocol", apply_choice, FIELD(log.syslog.protocol), .choices = LOG_PROTOCOLS},
    {"log.syslog.ssl_options.cacertfile", apply_name, FIELD(log.syslog.cacertfile)},
    {"log.syslog.ssl_options.certfile", apply_name, FIELD(log.syslog.certfile)},
    {"log.syslog.ssl_options.keyfile", apply_name, FIELD(log.syslog.keyfile)},
    {"log.syslog.ssl_options.password", apply_text, FIELD(log.syslog.password)},
    {"log.syslog.ssl_options.verify", apply_choice, FIELD(log.syslog.verifies_not),
     .choices = LOG_VERIFY},
    {"log.syslog.ssl_options.cert", apply_refusal, .note = INLINE_TLS},
    {"log.syslog.ssl_options.key.$type", apply_refusal, .note = INLINE_TLS},
    {"log.syslog.ssl_options.cacerts.$name", apply_refusal, .note = INLINE_TLS},
    {"log.syslog.ssl_options.**", apply_nothing, .note = "OpenSSL's own choice holds"},
    {"log.journald", apply_bool, FIELD(log.journald.is_on)},
    {"log.journald.level", apply_choice, FIELD(log.journald.level), .choices = LOG_LEVELS},
    {"log.journald.fields", apply_checked, FIELD(log.journald.fields),
     .check = config_log_check_fields},
    {"log.default.level", apply_choice, FIELD(log.about[CONFIG_LOG_ABOUT_DEFAULT].level),
     .choices = LOG_LEVELS},
    LOG_ROTATION("log.default", log.file.rotation),
    LOG_ABOUT("log.connection", CONFIG_LOG_ABOUT_CONNECTION),
    LOG_ABOUT("log.channel", CONFIG_LOG_ABOUT_CHANNEL),
    LOG_ABOUT("log.queue", CONFIG_LOG_ABOUT_QUEUE),
    LOG_ABOUT("log.mirroring", CONFIG_LOG_ABOUT_MIRRORING),
    LOG_ABOUT("log.federation", CONFIG_LOG_ABOUT_FEDERATION),
    LOG_ABOUT("log.upgrade", CONFIG_LOG_ABOUT_UPGRADE),
    LOG_ABOUT("log.ra", CONFIG_LOG_ABOUT_RA),
    {"log.**", apply_nothing, .note = "there are no lines of this kind"},

    /* Leveret's own */
    {"leveret.node_name", apply_name, FIELD(node_name)},
    {"leveret.data_dir", apply_name, FIELD(data_dir)},
    {"leveret.server_properties.$name", apply_entry, FIELD(server_properties)},
    {"leveret.reactors", apply_auto_count, FIELD(reactors), .min = 1, .max = 256},
    {"leveret.store_writers", apply_auto_count, FIELD(store_writers), .min = 1, .max = 64},
    {"leveret.statistics_memory", apply_size, FIELD(statistics.memory_bytes), .min = 1 << 20},
    {"leveret.shutdown_drain_timeout", apply_count, FIELD(shutdown_drain_ms), .max = 86400000},
    {"leveret.lane_memory", apply_size, FIELD(lane_memory_bytes), .min = 1 << 20},
    {"leveret.connection_output_bytes", apply_size, FIELD(connection_output_bytes), .min = 4096},
    {"leveret.table_depth_max", apply_count, FIELD(table_depth_max), .min = 1,
     .max = AMQP_TABLE_DEPTH_MAX},
    {"leveret.header_bytes_max", apply_size, FIELD(header_bytes_max), .min = 1024},

    /* families that mean nothing here */
    {"num_acceptors.tcp", apply_nothing, .note = NO_ERLANG},
    {"num_acceptors.ssl", apply_nothing, .note = NO_ERLANG},
    {"socket_writer.gc_threshold", apply_nothing, .note = NO_ERLANG},
    {"reverse_dns_lookups", apply_nothing, .note = "addresses are shown as numbers"},
    {"erlang.**", apply_nothing, .note = NO_ERLANG},
    {"default_worker_pool_size", apply_nothing, .note = NO_ERLANG},
    {"cluster_partition_handling", apply_nothing, .note = NO_CLUSTER},
    {"cluster_partition_handling.**", apply_nothing, .note = NO_CLUSTER},
    {"cluster_formation.**", apply_nothing, .note = NO_CLUSTER},
    {"cluster_keepalive_interval", apply_nothing, .note = NO_CLUSTER},
    {"mirroring_sync_batch_size", apply_nothing, .note = NO_CLUSTER},
    {"mirroring_sync_max_throughput", apply_nothing, .note = NO_CLUSTER},
    {"net_ticktime", apply_nothing, .note = NO_CLUSTER},
    {"distribution.**", apply_nothing, .note = NO_CLUSTER},
    {"metadata_store.**", apply_nothing, .note = NO_CLUSTER},
    {"mnesia_table_loading_retry_timeout", apply_nothing, .note = NO_CLUSTER},
    {"mnesia_table_loading_retry_limit", apply_nothing, .note = NO_CLUSTER},
    {"raft.**", apply_nothing, .note = NO_CLUSTER},
    {"delegate_count", apply_nothing, .note = NO_ERLANG},
    {"hipe_compile", apply_nothing, .note = NO_ERLANG},
    {"background_gc_enabled", apply_nothing, .note = NO_ERLANG},
    {"background_gc_target_interval", apply_nothing, .note = NO_ERLANG},
    {"queue_explicit_gc_run_operation_threshold", apply_nothing, .note = NO_ERLANG},
    {"lazy_queue_explicit_gc_run_operation_threshold", apply_nothing, .note = NO_ERLANG},
    {"queue_index_embed_msgs_below", apply_nothing, .note = NO_ERLANG},
    {"msg_store_file_size_limit", apply_nothing, .note = NO_ERLANG},
    {"message_store_shutdown_timeout", apply_nothing, .note = NO_ERLANG},
    {"vhost_restart_strategy", apply_nothing, .note = NO_ERLANG},
    {"sysmon_handler.**", apply_nothing, .note = NO_ERLANG},
    {"runtime.**", apply_nothing, .note = NO_ERLANG},
    {"track_auth_attempt_source", apply_nothing, .note = NO_EFFECT},
    {"collect_statistics", apply_nothing, .note = NO_EFFECT},
    {"collect_statistics_interval", apply_count, FIELD(statistics.interval_ms), .min = 1000,
     .max = 3600000},
    {"management.tcp.port", apply_management_port, FIELD(management)},
    {"management.tcp.ip", apply_address, FIELD(management.address)},
    {"management.listener.port", apply_management_port, FIELD(management)},
    {"management.listener.ip", apply_address, FIELD(management.address)},
    {"management.listener.ssl", apply_bool, FIELD(management_listener_tls)},
    TLS_KEYS("management.listener.ssl_opts", management_tls),
    {"management.ssl.port", apply_management_port, FIELD(management_https)},
    {"management.ssl.ip", apply_address, FIELD(management_https.address)},
    TLS_KEYS("management.ssl", management_tls),
    {"management.http.max_body_size", apply_count, FIELD(management.body_bytes_max), .min = 1,
     .max = INT64_MAX},
    {"management.csp.policy", apply_text, FIELD(http_headers.csp)},
    {"management.hsts.policy", apply_text, FIELD(http_headers.hsts)},
    {"management.headers.content_type_options", apply_text,
     FIELD(http_headers.content_type_options)},
    {"management.headers.xss_protection", apply_text, FIELD(http_headers.xss_protection)},
    {"management.headers.frame_options", apply_text, FIELD(http_headers.frame_options)},
    {"management.headers.referrer_policy", apply_text, FIELD(http_headers.referrer_policy)},
    {"management.cors.allow_origins", apply_only_none, .note = NULL},
    {"management.cors.allow_origins.$name", apply_entry, FIELD(http_headers.cors_origins)},
    {"management.cors.max_age", apply_count, FIELD(http_headers.cors_max_age_s), .max = INT64_MAX},
    {"management.disable_stats", apply_bool, FIELD(statistics.is_disabled)},
    {"management.enable_queue_totals", apply_bool, FIELD(statistics.has_queue_totals)},
    {"management.sample_retention_policies.global.$interval", apply_retention,
     FIELD(statistics.retention_global)},
    {"management.sample_retention_policies.basic.$interval", apply_retention,
     FIELD(statistics.retention_basic)},
    {"management.sample_retention_policies.detailed.$interval", apply_nothing, .note = NO_DETAILS},
    {"management.rates_mode", apply_rates_mode, .note = NO_DETAILS},
    {"management.restrictions.operator_policy_changes.disabled", apply_bool,
     FIELD(operator_policies_fixed)},
    {"management.restrictions.quorum_queue_replica_operations.disabled", apply_bool,
     FIELD(quorum_replicas_fixed)},
    {"management.http_log_dir", apply_nothing, .note = NO_REQUEST_LOG},
    {"management.path_prefix", apply_not_yet, .note = NO_PREFIX},
    {"management.login_session_timeout", apply_nothing, .note = NO_SESSIONS},
    {"management.**", apply_nothing, .note = NO_EFFECT},
    {"management_agent.disable_metrics_collector", apply_bool,
     FIELD(statistics.is_collector_disabled)},
    {"management_agent.**", apply_nothing, .note = NO_EFFECT},
    {"prometheus.tcp.port", apply_management_port, FIELD(prometheus)},
    {"prometheus.tcp.ip", apply_address, FIELD(prometheus.address)},
    {"prometheus.return_per_object_metrics", apply_bool, FIELD(prometheus_per_object)},
    {"prometheus.**", apply_nothing, .note = NO_EFFECT},
    {"feature_flags.**", apply_nothing, .note = NULL},
    {"deprecated_features.**", apply_nothing, .note = "deprecated features are always permitted"},
    {"session_max_per_connection", apply_nothing, .note = NO_PLUGIN},
    {"link_max_per_session", apply_nothing, .note = NO_PLUGIN},
    {"amqp1_0.**", apply_nothing, .note = NO_PLUGIN},
    {"mqtt.**", apply_nothing, .note = NO_PLUGIN},
    {"stomp.**", apply_nothing, .note = NO_PLUGIN},
    {"web_mqtt.**", apply_nothing, .note = NO_PLUGIN},
    {"web_stomp.**", apply_nothing, .note = NO_PLUGIN},
    {"web_dispatch.**", apply_nothing, .note = NO_PLUGIN},
    {"trust_store.**", apply_nothing, .note = NO_PLUGIN},
    {"shovel.**", apply_nothing, .note = NO_PLUGIN},
    {"federation.**", apply_nothing, .note = NO_PLUGIN},
    {"tracing.**", apply_nothing, .note = NO_PLUGIN},
    {"aws.**", apply_nothing, .note = NO_PLUGIN},
};

#undef FIELD
#undef LOG_FORMATTER
#undef LOG_ROTATION
#undef LOG_ABOUT

const struct config_key *config_keys(size_t *count)
{
    *count = sizeof(KEYS) / sizeof(KEYS[0]);
    return KEYS;
}

/* --- keys and patterns --- */

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

/* Copies one segment of key to *out, unescaped and ended by NUL; returns what follows it in key,
 * NULL if it is empty or holds another character. */
static const char *read_segment(const char *key, char **out)
{
    char *to = *out;
    for (;;) {
        if (key[0] == '\\' && key[1] == '.')
            key++;
        else if (!is_word(*key))
            break;
        *to++ = *key++;
    }
    if (to == *out)
        return NULL;
    *to++ = '\0';
    *out = to;
    return key;
}

bool config_path_init(struct config_path *path, const char *key)
{
    /* A segment is never longer than its text in key, and its NUL takes the place of the dot. */
    *path = (struct config_path){.text = xmalloc(strlen(key) + 1)};
    char *out = path->text;
    while (path->count < CONFIG_KEY_SEGMENTS_MAX) {
        path->segments[path->count++] = out;
        key = read_segment(key, &out);
        if (key == NULL)
            break;
        if (*key == '\0')
            return true;
        if (*key++ != '.')
            break;
    }
    config_path_fini(path);
    return false;
}

void config_path_fini(struct config_path *path)
{
    free(path->text);
    *path = (struct config_path){0};
}

static bool is_segment(const char *pattern, size_t length, const char *segment)
{
    return strncmp(pattern, segment, length) == 0 && segment[length] == '\0';
}

static bool matches(const char *pattern, const struct config_path *path, const char **name)
{
    *name = NULL;
    for (size_t i = 0; i < path->count; i++) {
        size_t length = strcspn(pattern, ".");
        if (is_segment(pattern, length, "**"))
            return true;
        if (pattern[0] == '$')
            *name = path->segments[i];
        else if (!is_segment(pattern, length, path->segments[i]))
            return false;
        pattern += length;
        if (*pattern == '\0')
            return i + 1 == path->count;
        pattern++;
    }
    return false;
}

const struct config_key *config_key_find(const struct config_path *path, const char **name)
{
    for (size_t i = 0; i < sizeof(KEYS) / sizeof(KEYS[0]); i++) {
        if (matches(KEYS[i].pattern, path, name))
            return &KEYS[i];
    }
    return NULL;
}
