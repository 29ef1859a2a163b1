/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CONFIG_CONFIG_H
#define LEVERET_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config_log.h"

/* The configuration of a node: rabbitmq.conf, the environment and the command line end as the plain
 * values of struct config. It is filled at start by one thread and only read afterwards.
 *
 * The usual order is config_init, config_load, config_set_option for every -o, config_validate;
 * each later source wins over the earlier ones. A function that returns false has said why in
 * messages; it went on as far as it could, so that one start shows every mistake. */

/* What "infinity" becomes in a limit, so that `count >= limit` needs no special case. */
#define CONFIG_UNLIMITED UINT64_MAX

enum config_message_level {
    CONFIG_INFO,
    CONFIG_WARNING,
    CONFIG_ERROR, /* the node must not start */
};

struct config_message {
    enum config_message_level level;
    char *text; /* owned; one line, "file:line: key = value: reason" */
};

struct config_messages {
    struct config_message *messages; /* owned, in the order they were found */
    size_t count;
    size_t capacity;
};

/* A list of `prefix.NAME = value` lines, ordered by NAME with numbers by their value. The first
 * line in a configuration replaces the defaults as a whole. */
struct config_entry {
    char *name;  /* owned; the NAME of the key, dots unescaped */
    char *value; /* owned */
};

struct config_list {
    struct config_entry *entries; /* owned */
    size_t count;
    size_t capacity;
    bool is_default; /* nothing but the defaults yet */
};

struct config_listener {
    char *name;    /* owned; NAME of listeners.tcp.NAME, for messages */
    char *address; /* owned; a numeric IPv4 or IPv6 address, NULL: every address of the machine */
    uint16_t port; /* 0: any free port */
};

struct config_listeners {
    struct config_listener *entries; /* owned, in the order they were first named */
    size_t count;
    size_t capacity;
    bool is_default; /* nothing but the defaults yet */
    bool is_none;    /* `listeners.tcp = none` was said: stays empty */
};

/* Where the management API listens. */
struct config_management {
    char *address;       /* owned; "": every address of the machine */
    uint64_t port;       /* 0: any free port; CONFIG_UNLIMITED: it does not listen */
    bool is_port_chosen; /* not the default, which may be another server's */
    uint64_t body_bytes_max;
};

/* Headers of HTTP that tell browsers what pages may do; texts are owned, "": not sent, or as it is
 * without the key. */
struct config_http_headers {
    char *csp, *hsts, *content_type_options, *xss_protection, *frame_options, *referrer_policy;
    struct config_list cors_origins; /* values: of other sites' pages that may call, or "*" */
    uint64_t cors_max_age_s;
};

/* Rates and histories, and who gives them to Prometheus. */
struct config_statistics {
    uint64_t interval_ms;
    uint64_t memory_bytes;
    /* Of samples: minute, hour, day or seconds, to the seconds between; empty: as RabbitMQ's. */
    struct config_list retention_global, retention_basic;
    bool is_disabled; /* in answers */
    bool is_collector_disabled;
    bool has_queue_totals; /* all the same */
};

/* One key as it was last set: what $(key) refers to, and where a message points. */
struct config_setting {
    char *key;       /* owned */
    char *value;     /* owned; as written, before $(...) */
    char *source;    /* owned; a file name, "command line" or "environment" */
    int line;        /* 0: the source has no lines */
    bool pending;    /* read, not yet applied */
    bool is_literal; /* $(...) in it means nothing */
};

enum config_tls_version {
    CONFIG_TLS_1_2 = 1,
    CONFIG_TLS_1_3 = 2,
};

enum config_cert_login {
    CONFIG_CERT_LOGIN_DISTINGUISHED_NAME,
    CONFIG_CERT_LOGIN_COMMON_NAME,
    CONFIG_CERT_LOGIN_SUBJECT_ALTERNATIVE_NAME,
};

enum config_san_type {
    CONFIG_SAN_DNS,
    CONFIG_SAN_IP,
    CONFIG_SAN_EMAIL,
    CONFIG_SAN_URI,
    CONFIG_SAN_OTHER_NAME,
};

enum config_password_hashing {
    CONFIG_HASHING_SHA256,
    CONFIG_HASHING_SHA512,
    CONFIG_HASHING_MD5,
};

enum config_credential_validator {
    CONFIG_CREDENTIALS_ACCEPT_EVERYTHING,
    CONFIG_CREDENTIALS_MIN_LENGTH,
    CONFIG_CREDENTIALS_REGEXP,
};

/* Whether an interceptor writes its header, and whether over one that is there. */
enum config_stamp { CONFIG_STAMP_NEVER, CONFIG_STAMP_WHERE_MISSING, CONFIG_STAMP_ALWAYS };

enum config_queue_type {
    CONFIG_QUEUE_CLASSIC,
    CONFIG_QUEUE_QUORUM,
    CONFIG_QUEUE_STREAM,
};

/* ssl_options.*, or management.ssl.*; strings are owned, NULL if not set. */
struct config_tls {
    const char *prefix; /* borrowed: what its keys begin with, without the dot */
    char *cacertfile;
    char *certfile;
    char *keyfile; /* config_validate makes it certfile if it was not set, as RabbitMQ does */
    char *password;
    char *dhfile;
    bool verify_peer; /* false: client certificates are not asked for */
    bool fail_if_no_peer_cert;
    bool honor_cipher_order;
    bool honor_ecc_order;
    uint8_t depth;
    struct config_list versions; /* values: tlsv1.2, tlsv1.3 */
    unsigned version_mask;       /* of enum config_tls_version; set by config_validate */
    struct config_list ciphers;  /* values: OpenSSL's names, best first; empty: OpenSSL's default */
};

enum config_verify {
    CONFIG_VERIFY_DEFAULT, /* as CONFIG_VERIFY_PEER */
    CONFIG_VERIFY_PEER,
    CONFIG_VERIFY_NONE,
};

/* TLS towards a server that is asked about users; strings are owned, NULL if not set. */
struct config_tls_client {
    char *cacertfile; /* NULL: the system's */
    char *certfile;
    char *keyfile;
    char *password;
    enum config_verify verify;
    struct config_list versions; /* values: tlsv1.2, tlsv1.3 */
};

/* auth_http.*; strings are owned and never NULL. */
struct config_auth_http {
    char *user_path; /* URLs */
    char *vhost_path;
    char *resource_path;
    char *topic_path;
    bool is_post;
    bool discloses_reasons; /* why it was denied is told to the client */
    uint64_t request_timeout_ms;
    uint64_t connection_timeout_ms;
    struct config_tls_client tls;
};

/* Who binds: as_user and anon, or a DN and its password. */
enum config_ldap_bind {
    CONFIG_LDAP_AS_USER,
    CONFIG_LDAP_ANON,
};

/* auth_ldap.*; strings are owned, NULL if not set. */
struct config_auth_ldap {
    struct config_list servers; /* values: hosts */
    uint16_t port;
    uint64_t timeout_ms; /* may be CONFIG_UNLIMITED */
    char *user_dn_pattern;
    char *user_bind_pattern;
    char *dn_lookup_attribute; /* "none": NULL */
    char *dn_lookup_base;
    char *group_lookup_base;
    enum config_ldap_bind dn_lookup_bind;
    char *dn_lookup_bind_user; /* a DN; instead of dn_lookup_bind if both are there */
    char *dn_lookup_bind_password;
    enum config_ldap_bind other_bind;
    char *other_bind_user;
    char *other_bind_password;
    char *vhost_access_query; /* Erlang terms */
    char *resource_access_query;
    char *topic_access_query;
    char *tag_queries;
    bool use_ssl;
    bool use_starttls;
    struct config_tls_client tls;
};

/* auth_oauth2.*; strings are owned, NULL if not set. */
struct config_auth_oauth2 {
    char *resource_server_id;
    char *scope_prefix; /* NULL: resource_server_id and a dot */
    char *additional_scopes_key;
    char *default_key;
    char *jwks_uri;
    char *issuer;
    char *discovery_endpoint_path;
    bool skips_aud;       /* verify_aud = false */
    bool allows_eternity; /* require_exp = false */
    bool has_regex_scopes;
    struct config_list signing_keys;              /* values: files in PEM */
    struct config_list preferred_username_claims; /* values, in order */
    struct config_list scope_aliases;             /* name to scopes */
    struct config_list scope_alias_names;         /* by index: the alias, */
    struct config_list scope_alias_scopes;        /* and its scopes */
    struct config_list algorithms;                /* values; empty: all that a key can have */
    struct config_tls_client tls;
};

/* auth_cache.* */
struct config_auth_cache {
    char *backend; /* owned, as the next two; NULL if not set */
    char *authn;
    char *authz;
    uint64_t ttl_ms;
    bool keeps_refusals;
};

/* tcp_listen_options.*: given to each listening or accepted socket. */
struct config_socket_options {
    uint32_t backlog;
    uint32_t recbuf_bytes; /* 0: the system's default */
    uint32_t sndbuf_bytes; /* 0: the system's default */
    uint32_t linger_timeout_s;
    bool linger_on;
    bool nodelay;
    bool keepalive;
};

struct config {
    /* Where $(VAR) and config_load look names up; borrowed from the caller until config_fini, NULL:
     * no environment. config_load sets it. */
    const char *const *envp;
    uint64_t files_hash;             /* of the names and contents of all files that were read */
    bool lacks_end;                  /* one of them ends in the middle of a line */
    struct config_setting *settings; /* owned; every known or unknown key that was set */
    size_t setting_count;
    size_t setting_capacity;

    /* --- identity; all strings are owned and never NULL --- */
    char *node_name;       /* rabbit@HOST */
    char *cluster_name;    /* what server-properties say; config_validate: node_name if not set */
    char *product_name;    /* server-properties "product" */
    char *product_version; /* server-properties "version" */
    struct config_list server_properties; /* more of them: name, value */
    char *data_dir;
    /* --- definitions that are imported at every start; "" where there are none */
    char *load_definitions; /* a file, or a folder of files */
    char *definitions_local_path;
    bool definitions_skip_if_unchanged;

    /* --- listeners and sockets --- */
    struct config_listeners tcp_listeners;
    struct config_listeners tls_listeners;
    struct config_socket_options socket;
    struct config_management management;
    struct config_management management_https; /* no body_bytes_max of its own */
    bool management_listener_tls;              /* management is what management_https is to be */
    struct config_http_headers http_headers;
    bool operator_policies_fixed; /* nobody changes them over HTTP */
    bool quorum_replicas_fixed;   /* likewise */
    struct config_statistics statistics;
    struct config_management prometheus; /* where Prometheus asks */
    bool prometheus_per_object;
    bool proxy_protocol;           /* every connection starts with a header of the PROXY protocol */
    uint64_t handshake_timeout_ms; /* from accept to connection.open-ok; may be CONFIG_UNLIMITED */
    uint64_t ssl_handshake_timeout_ms; /* may be CONFIG_UNLIMITED */

    /* --- TLS --- */
    struct config_tls tls;
    struct config_tls management_tls;
    enum config_cert_login ssl_cert_login_from;
    enum config_san_type ssl_cert_login_san_type;
    uint32_t ssl_cert_login_san_index;

    /* --- the protocol --- */
    uint16_t heartbeat_s;             /* offered in connection.tune; 0: none */
    uint16_t channel_max;             /* offered in connection.tune; 0: no limit */
    uint32_t frame_max_bytes;         /* offered in connection.tune; 0: no limit */
    uint32_t initial_frame_max_bytes; /* accepted before connection.tune-ok */
    uint64_t max_message_size_bytes;  /* body */
    uint64_t consumer_timeout_ms;     /* may be CONFIG_UNLIMITED */

    /* --- limits; each may be CONFIG_UNLIMITED --- */
    uint64_t connection_max;
    uint64_t channel_max_per_node;
    uint64_t consumer_max_per_channel;
    uint64_t vhost_max;
    uint64_t cluster_queue_limit;
    uint64_t cluster_exchange_limit;

    /* --- users --- */
    char *default_user; /* owned, never NULL, as all strings of this block */
    char *default_pass;
    char *default_vhost;
    char *default_permissions_configure;
    char *default_permissions_read;
    char *default_permissions_write;
    struct config_list vhost_defaults; /* what new vhosts begin with: by key, numbers in digits */
    struct config_list default_user_tags; /* the names count */
    struct config_list loopback_users;    /* the names count: these log in from loopback only */
    struct config_list auth_mechanisms;   /* values: PLAIN and so on; in order */
    char *anonymous_login_user;           /* "" or "none": there is no ANONYMOUS */
    char *anonymous_login_pass;
    struct config_list auth_backends; /* by number: the back end for both, */
    struct config_list auth_authn;    /* or one that tells who it is, */
    struct config_list auth_authz;    /* and one that tells what it may do */
    struct config_auth_http auth_http;
    struct config_auth_ldap auth_ldap;
    struct config_auth_oauth2 auth_oauth2;
    struct config_auth_cache auth_cache;
    enum config_password_hashing password_hashing;
    enum config_credential_validator credential_validator;
    uint32_t credential_min_length;
    char *credential_regexp; /* "" if not set */

    /* --- memory and disk --- */
    double memory_watermark_relative;     /* of the machine's memory, 0..1 */
    uint64_t memory_watermark_bytes;      /* 0: use the relative one */
    double memory_paging_ratio;           /* of the watermark: transient messages in memory */
    uint64_t memory_total_override_bytes; /* instead of the machine's memory; 0: ask the machine */
    uint64_t memory_monitor_interval_ms;
    double disk_free_limit_relative; /* of the machine's memory; 0: use the absolute one */
    uint64_t disk_free_limit_bytes;

    /* --- queues --- */
    enum config_queue_type default_queue_type;
    bool quorum_relaxed_redeclaration; /* a redeclaration may differ in what quorum queues ignore */

    /* --- message interceptors: when a header is written into what is published --- */
    enum config_stamp stamps_time, stamps_node;

    /* --- what the broker tells --- */
    char *event_exchange_vhost; /* owned; where amq.rabbitmq.event is; config_validate:
                                   default_vhost if not set */

    struct config_log log;

    /* --- Leveret's own, `leveret.` in the file --- */
    uint32_t reactors;                /* event loop threads; 0: chosen for the machine ("auto") */
    uint32_t store_writers;           /* threads that commit; 0: chosen for the machine ("auto") */
    uint64_t shutdown_drain_ms;       /* on SIGTERM deliveries are waited for so long; 0: not */
    uint64_t lane_memory_bytes;       /* messages held in memory by the queues of each vhost */
    uint64_t connection_output_bytes; /* unwritten output of one connection */
    uint32_t table_depth_max;         /* nesting of field tables and arrays */
    uint32_t header_bytes_max;        /* property bytes of one message */
};

/* Fills in the defaults. */
void config_init(struct config *config);
void config_fini(struct config *config);

/* Everything but the command line: path (or, if it is NULL, the environment's
 * RABBITMQ_CONFIG_FILE), then RABBITMQ_CONFIG_FILES, then the other variables of the environment.
 * envp may be NULL and is kept, see struct config. */
bool config_load(struct config *config, const char *path, const char *const *envp,
                 struct config_messages *messages) __attribute__((warn_unused_result));

/* Reads one file in rabbitmq.conf's syntax with its includes; of a folder, every *.conf in it, in
 * alphabetical order. Fails on a file that cannot be read, a line that is no setting, a wrong
 * value. */
bool config_load_file(struct config *config, const char *path, struct config_messages *messages)
    __attribute__((warn_unused_result));

/* Applies RABBITMQ_NODENAME, RABBITMQ_NODE_PORT, RABBITMQ_DEFAULT_USER and the like, a
 * NULL-terminated array of "NAME=value"; empty variables count as not set. */
bool config_load_environment(struct config *config, const char *const *envp,
                             struct config_messages *messages) __attribute__((warn_unused_result));

/* Sets one key. source and line (0: none) only say in messages where it came from. An unknown key
 * is a warning, once, and no failure. */
bool config_set(struct config *config, const char *key, const char *value, const char *source,
                int line, struct config_messages *messages) __attribute__((warn_unused_result));

/* As config_set for one "KEY=VALUE" of the command line. */
bool config_set_option(struct config *config, const char *assignment,
                       struct config_messages *messages) __attribute__((warn_unused_result));

/* The checks that need more than one key or the file system, and the values that follow from
 * others. Call it once, last. */
bool config_validate(struct config *config, struct config_messages *messages)
    __attribute__((warn_unused_result));

void config_messages_init(struct config_messages *messages);
void config_messages_fini(struct config_messages *messages);

/* Is there a user for SASL ANONYMOUS? */
bool config_has_anonymous(const struct config *config);

/* How long the samples of a retention policy are kept, by their interval; 0: it is none. */
uint64_t config_retention_age_s(const char *interval);
enum { RETENTION_INTERVALS_MAX = 4 };

/* Whether one of the entries has this name (loopback_users, default_user_tags). */
bool config_list_has_name(const struct config_list *list, const char *name);
/* The value of the entry with this name; NULL: there is none. */
const char *config_list_value(const struct config_list *list, const char *name);

#endif
