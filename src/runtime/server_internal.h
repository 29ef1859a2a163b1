/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_SERVER_INTERNAL_H
#define LEVERET_RUNTIME_SERVER_INTERNAL_H

/* What the files server*.c share. */

#include <pthread.h>
#include <stdint.h>

#include "auth/directory.h"
#include "auth/login_counts.h"
#include "base/list.h"
#include "net/settings.h"
#include "queue/message_cache.h"
#include "runtime/alarm.h"
#include "runtime/server.h"

struct control_call;
struct control_work;
struct gate;
struct http_certificate;
struct json_t;

enum { SERVER_SIGNALS = 4 };

struct server_vhost {
    struct server_vhost *next;
    char *name; /* owned */
    uint64_t id;
    struct gate *gate; /* owned */
    size_t references; /* the list's, and one per reactor that uses it */
    bool is_deleted;
};

/* Threads beside the reactors that have sessions: the main one, for clients of HTTP. */
enum { SERVER_GUESTS = 1 };

struct server_listener {
    struct listener *listener; /* owned; NULL: closed, while the server is drained */
    const char *address;       /* borrowed from the configuration */
    uint16_t port;             /* once it was bound */
    bool is_tls;
};

struct server {
    const struct config *config; /* borrowed */
    struct config *last_config;  /* owned; what was read since, NULL: nothing */
    server_loader *load;
    void *load_context;
    uint64_t started_ms;
    uint64_t started_wall_ms;
    uint64_t alarms_checked_ms;
    struct alarm_limits alarm_limits;
    unsigned alarms;         /* enum vhost_alarm: those of resources that are in effect */
    bool is_draining;        /* until it is revived */
    bool is_suspended;       /* no new clients, until the listeners are resumed */
    struct drain *drain;     /* while deliveries are waited for */
    struct reload *reload;   /* while the configuration is read */
    struct event_base *base; /* of the main thread */
    struct event *signals[SERVER_SIGNALS], *mail_event, *tick_event;
    struct event *watchdog_event; /* NULL: nobody asked for one */
    struct watchdog *watchdog;    /* owned, likewise */
    struct mailbox mailbox;       /* of the main thread */
    struct wake *wake;            /* owned */

    struct data_folder *folder;
    struct directory *directory;
    struct users *users; /* a reference: what the vhosts check by */
    struct users_current *current_users;
    struct auth_chain *auth_chain; /* owned */
    struct login_counts logins;
    struct worker_pool *workers; /* owned */
    struct worker_pool *jobs;    /* owned */
    struct list unfinished_jobs;
    struct list definitions_line; /* of HTTP's clients */
    bool definitions_under_way;   /* one of them */
    _Atomic bool is_ending;       /* jobs come to their end */

    pthread_mutex_t mutex; /* guards both lists; the main thread may read them without */
    struct server_vhost *vhosts;
    struct server_vhost *deleted_vhosts;
    char *cluster_name;         /* owned; guarded by mutex */
    struct vhost_totals totals; /* of those that are not deleted */

    struct net_settings settings;
    size_t reactor_count;
    struct mailbox *mailboxes; /* of the reactors, and behind them of the guests */
    struct reactor **reactors;
    struct store_pool *pool;
    struct message_pool messages;          /* of the reactors and of the pool's threads */
    struct user_totals_table *user_totals; /* owned */
    struct event_bus *events;              /* owned, as the next */
    struct event_bus *log_lines;
    _Atomic uint64_t connections_accepted;

    struct tls_context *tls, *management_tls; /* owned; NULL: no listener has it */
    struct server_listener *listeners;        /* owned */
    size_t listener_count, listener_capacity;
    struct control *control;
    struct server_http *http;            /* owned; NULL: it does not listen */
    struct http_sessions *http_sessions; /* owned */
    struct server_stats *stats;          /* owned */
    struct server_top *top;              /* owned */
    struct list event_streams;           /* owned; those of leveretctl */
    size_t event_stream_count;
    long long last_event_stream;    /* its number */
    struct server_backup *backup;   /* owned; the last one, which may be under way */
    struct server_metrics *metrics; /* owned; NULL: nobody asks for any */
};

/* Takes the cluster's name from the directory, for connections that come from now on. */
void server_take_cluster_name(struct server *server);

/* --- server_vhosts.c; main thread */

/* Starts those that the directory has. False with a reason where one cannot be opened. */
bool server_start_vhosts(struct server *server, char *reason, size_t reason_size)
    __attribute__((warn_unused_result));
/* The gates of all vhosts, with a reference each; the caller frees the array. */
size_t server_take_gates(struct server *server, struct gate ***gates);
/* What the directory calls when something changes. */
struct directory_events server_directory_events(struct server *server);
/* An event for amq.rabbitmq.event; context is the server. */
void server_tell_event(void *context, const char *key, struct buffer *headers);
/* What the directory has to say of a vhost (enum directory_change) goes to its core. context is the
 * server. */
void server_vhost_changed(void *context, const char *vhost, unsigned changes);
/* Nothing more goes to the reactors, which are about to end. */
void server_stop_handing_over(struct server *server);
void server_free_vhosts(struct server *server);

/* --- server_listeners.c; main thread */

/* Opens the sockets, which accept nothing yet. False with a reason where one cannot be. */
bool server_open_listeners(struct server *server, char *reason, size_t reason_size)
    __attribute__((warn_unused_result));
void server_start_listeners(struct server *server);
void server_free_listeners(struct server *server);
/* Closes the sockets, and opens them again at the same ports: false with a reason where that cannot
 * be; then they stay closed. */
void server_close_listeners(struct server *server);
bool server_reopen_listeners(struct server *server, char *reason, size_t reason_size)
    __attribute__((warn_unused_result));
/* Calls visit with each that is open, those of HTTP included. protocol as RabbitMQ has it: amqp,
 * amqp/ssl, http, http/prometheus; address "::": any. */
typedef void server_listener_visitor(void *visitor, const char *protocol, const char *address,
                                     uint16_t port);
void server_each_listener(const struct server *server, server_listener_visitor *visit,
                          void *visitor);
/* Of an acceptor, for the log. */
void server_tell_trouble(void *context, const char *text);

/* --- server_http.c: the management API, a thread of its own */

/* Binds its socket. False with a reason where it was told a port and cannot have it. */
bool server_open_http(struct server *server, char *reason, size_t reason_size)
    __attribute__((warn_unused_result));
/* Begins to serve: everything else is there. */
void server_start_http(struct server *server);
/* Of the one without TLS; 0: it is not there. */
uint16_t server_http_port(const struct server *server);
/* Each of its listeners, with TLS and without. */
void server_each_http_listener(const struct server *server, server_listener_visitor *visit,
                               void *visitor);
/* Calls visit with the certificates of each listener with TLS, those of clients included; context
 * is the server. */
void server_each_certificate(void *context,
                             void (*visit)(void *visitor,
                                           const struct http_certificate *certificate),
                             void *visitor);
/* Every key of the configuration that has an effect, with its value as of the last reload; context
 * is the server. */
void server_each_setting(void *context,
                         void (*visit)(void *visitor, const char *key, const char *value),
                         void *visitor);
/* Returns when its thread has ended; what it asked for may still be under way. */
void server_stop_http(struct server *server);
/* Nothing is under way any more. */
void server_free_http(struct server *server);

/* --- server_http_vhosts.c: what handlers ask about vhosts; main thread, context is the server */

bool server_has_vhost(void *context, const char *vhost);
bool server_has_queue(void *context, const char *vhost, const char *queue);
struct server_queue_facts {
    const char *type; /* "classic", "quorum" */
    uint64_t ready;
};
bool server_queue_facts(struct server *server, const char *vhost, const char *queue,
                        struct server_queue_facts *facts);
bool server_has_exchange(void *context, const char *vhost, const char *exchange);

/* --- server_jobs.c: what takes long, on other threads */

void server_start_jobs(struct server *server);
/* Main thread; context is the server. run is called on another thread, then done on the main one;
 * where jobs have been ended both are at once. */
void server_submit_job(void *context, struct control_work *work);
/* Any thread: a job that can be left undone is to end now. */
bool server_is_ending(const struct server *server);
/* Returns when none runs any more; some of their done may still be in the main thread's mailbox. */
void server_end_jobs(struct server *server);

/* --- server_drain.c; main thread */

/* Takes the server out of service: waits for deliveries to be settled, wait_ms at most, then
 * answers the call (NULL: none) and closes all connections, or stops. False: that is under way
 * already. */
bool server_drain(struct server *server, uint64_t wait_ms, bool stops_then,
                  struct control_call *call);
/* No count of it is under way any more. */
void server_end_drain(struct server *server);
/* enum vhost_alarm: those of resources, and whether it is being drained. */
unsigned server_alarms(const struct server *server);
/* drain, revive. */
void server_add_drain_commands(struct server *server);

/* --- server_diagnosis.c */

/* What is wrong, or soon will be: appends {"name", "problem", "advice"} for each to an array. Main
 * thread. */
void server_diagnose(struct server *server, struct json_t *problems);
/* The same of the store of a vhost; any thread. */
void server_diagnose_store(const struct gate *gate, struct json_t *problems);
/* Rows of those that are open: {"node", "interface", "port", "protocol", "purpose"}. Main thread.
 */
struct json_t *server_listener_rows(const struct server *server);
/* What the memory is used for: names and bytes. Main thread. */
struct json_t *server_memory_parts(const struct server *server);
/* Those in effect, as an array: "disk", "memory". Main thread. */
struct json_t *server_alarm_names(const struct server *server);
/* diagnosis: what the check_* commands of leveretctl look at. */
void server_add_diagnosis_commands(struct server *server);

/* --- server_reload.c; main thread */

/* Reads the configuration again, and once more until it does not change meanwhile; the call (which
 * may be NULL: a signal) is then told which keys changed, or the reasons, in lines, where there is
 * a mistake: then nothing changes. The log is told either way. */
void server_reload(struct server *server, struct control_call *call);
/* Does a reload change what this key says? */
bool server_is_live_key(const char *key);
/* Of a reload that waits when the server ends. */
void server_end_reload(struct server *server);
void server_free_reloaded(struct server *server);

/* Main thread. */
void server_stop(struct server *server);
/* Looks for alarms now and tells the vhosts what changed. */
void server_check_alarms(struct server *server);
/* Tells all vhosts how much memory transient messages may take. */
void server_set_transient_max(struct server *server);
/* What load_definitions names. False with a reason where it cannot be read or imported. */
bool server_load_definitions(struct server *server, char *reason, size_t reason_size)
    __attribute__((warn_unused_result));
void server_add_definitions_commands(struct server *server);
/* The command export_definitions; context is the server. */
void server_export_definitions(void *context, struct control_call *call);
/* The same for others; vhost NULL: all. done gets a new object. */
void server_export_to(void *context, const char *vhost,
                      void (*done)(void *done_context, struct json_t *definitions),
                      void *done_context);
/* Imports in the name of the user; vhost is that of what names none. Both are borrowed until it is
 * done. done is told what is wrong, or NULL. */
void server_import(void *context, struct json_t *definitions, const char *vhost, const char *user,
                   void (*done)(void *done_context, const struct directory_error *error),
                   void *done_context);
/* The same for clients of HTTP, one at a time. */
void server_http_export(void *context, const char *vhost,
                        void (*done)(void *done_context, struct json_t *definitions),
                        void *done_context);
void server_http_import(void *context, struct json_t *definitions, const char *vhost,
                        const char *user,
                        void (*done)(void *done_context, const struct directory_error *error),
                        void *done_context);
/* The global parameter by which RabbitMQ remembers its last import. */
#define SERVER_IMPORT_HASH "imported_definition_hash_value"
/* list_queues, list_exchanges, list_bindings. */
void server_add_listing_commands(struct server *server);
/* close_connection, close_all_connections, close_all_user_connections. */
void server_add_closing_commands(struct server *server);
/* suspend_listeners, resume_listeners. */
void server_add_listener_commands(struct server *server);
/* os_env, command_line_arguments, environment, tls_versions, cipher_suites,
 * list_node_auth_attempt_stats, reset_node_auth_attempt_metrics, list_feature_flags,
 * enable_feature_flag. */
void server_add_fact_commands(struct server *server);
/* event_stream, event_stream_next, event_stream_end. */
void server_add_event_stream_commands(struct server *server);
/* rebalance. */
void server_add_quorum_commands(struct server *server);
/* peek. */
void server_add_peek_command(struct server *server);
/* purge_queue, delete_queue, move_messages, queue_facts. */
void server_add_queue_commands(struct server *server);
/* Where the log goes: paths, or names of other places. */
struct json_t *server_log_places(void);
/* status. */
void server_add_status_command(struct server *server);
/* A path as whoever asks can use it, in whatever folder it is. */
struct json_t *server_absolute_path(const char *path);
/* rotate_logs, set_log_level, log_location. */
void server_add_log_commands(struct server *server);
/* backup, backup_status, backup_cancel. */
void server_add_backup_commands(struct server *server);
/* Its job has ended, or never began; NULL: nothing. */
void server_free_backup(struct server_backup *backup);
/* Adds the commands of leveretctl that are about the server itself. */
void server_add_commands(struct server *server);

#endif
