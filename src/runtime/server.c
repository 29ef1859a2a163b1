/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server: what there is once per process, started and stopped in order.
 *
 * The main thread owns what changes rarely: listeners, the control socket, users, the list of
 * vhosts. Ending goes the other way round: no new connections, a close to every client, everything
 * to disk, and only then the threads.
 */
#include "runtime/server.h"

#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "amqp/table.h"
#include "auth/directory_commands.h"
#include "auth/identity.h"
#include "auth/parameter_commands.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "broker/event_message.h"
#include "net/control.h"
#include "net/settings.h"
#include "net/tls.h"
#include "runtime/clock.h"
#include "runtime/event_bus.h"
#include "runtime/http_sessions.h"
#include "runtime/log.h"
#include "runtime/notify.h"
#include "runtime/reactor.h"
#include "runtime/server_internal.h"
#include "runtime/server_metrics.h"
#include "runtime/server_stats.h"
#include "runtime/server_top.h"
#include "runtime/store_pool.h"
#include "runtime/user_totals.h"
#include "runtime/wake.h"
#include "runtime/watchdog.h"
#include "runtime/worker_pool.h"
#include "store/data_folder.h"

/* With 24 ms for each that is what 48 threads can do in the usual handshake_timeout: who comes
 * behind them could not be served in time. */
static const struct worker_pool_limits worker_limits = {
    .thread_name = "logins",
    .threads_max = 64,
    .stranger_threads_max = 48,
    .strangers_max = 20000,
};
enum { tick_ms = 500, farewell_ms = 3000, last_words_ms = 2000 };

/* --- the main loop */

static void on_mail(evutil_socket_t fd, short what, void *context)
{
    struct server *server = context;
    (void)fd, (void)what;
    mailbox_clear_event(&server->mailbox);
    do {
        struct mail mail = mailbox_take(&server->mailbox);
        while (mail.tasks != NULL) {
            struct task *task = mail.tasks;
            mail.tasks = task->next;
            task->run(task);
        }
    } while (!mailbox_fall_asleep(&server->mailbox));
}

static void tell_alarm(struct server *server, unsigned former, unsigned alarm, const char *source)
{
    struct buffer headers = {0};
    bool is_set = (server->alarms & alarm) != 0;
    if (is_set == ((former & alarm) != 0))
        return;
    amqp_table_add_text(&headers, "node", server->config->node_name);
    amqp_table_add_text(&headers, "source", source);
    server_tell_event(server, is_set ? "alarm.set" : "alarm.cleared", &headers);
    buffer_fini(&headers);
}

void server_check_alarms(struct server *server)
{
    static const char *const texts[] = {"none", "low on memory", "low on disk",
                                        "low on disk & memory"};
    unsigned former = server->alarms;
    unsigned alarms = alarm_check(&server->alarm_limits, former);
    server->alarms_checked_ms = clock_steady_ms();
    if (alarms == former)
        return;
    server->alarms = alarms;
    log_warning("alarms in effect: %s", texts[alarms & 3]);
    for (struct server_vhost *vhost = server->vhosts; vhost != NULL; vhost = vhost->next)
        gate_set_alarms(vhost->gate, server_alarms(server));
    tell_alarm(server, former, VHOST_ALARM_MEMORY, "memory");
    tell_alarm(server, former, VHOST_ALARM_DISK, "disk");
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct server *server = context;
    (void)fd, (void)what;
    if (clock_steady_ms() >= server->alarms_checked_ms + server->config->memory_monitor_interval_ms)
        server_check_alarms(server);
    for (struct server_vhost *vhost = server->vhosts; vhost != NULL; vhost = vhost->next)
        gate_tick(vhost->gate);
    server_stats_tick(server->stats);
    server_top_tick(server->top);
}

void server_stop(struct server *server)
{
    event_base_loopbreak(server->base);
}

static void on_signal(evutil_socket_t number, short what, void *context)
{
    (void)what;
    if (number == SIGUSR1) {
        log_reopen();
        return;
    }
    if (number == SIGHUP) {
        server_reload(context, NULL);
        return;
    }
    struct server *server = context;
    uint64_t wait_ms = server->config->shutdown_drain_ms;
    log_info("stopping: %s", number == SIGINT ? "SIGINT" : "SIGTERM");
    /* The second one does not wait. */
    if (number == SIGTERM && wait_ms > 0 && server_drain(server, wait_ms, true, NULL))
        return;
    server_stop(server);
}

static void init_loop(struct server *server)
{
    static const int numbers[SERVER_SIGNALS] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    struct timeval tick = {.tv_usec = tick_ms * 1000};
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit of the size of files is a failed write, and no end */
    server->base = event_base_new();
    CHECK(server->base != NULL);
    for (size_t i = 0; i < SERVER_SIGNALS; i++) {
        server->signals[i] = evsignal_new(server->base, numbers[i], on_signal, server);
        CHECK(server->signals[i] != NULL && event_add(server->signals[i], NULL) == 0);
    }
    mailbox_init(&server->mailbox);
    server->mail_event =
        event_new(server->base, server->mailbox.event_fd, EV_READ | EV_PERSIST, on_mail, server);
    server->tick_event = event_new(server->base, -1, EV_PERSIST, on_tick, server);
    CHECK(server->mail_event != NULL && event_add(server->mail_event, NULL) == 0);
    CHECK(server->tick_event != NULL && event_add(server->tick_event, &tick) == 0);
    CHECK(mailbox_fall_asleep(&server->mailbox));
    server->wake = wake_new(server->base, &server->mailbox);
}

/* --- starting */

/* What the disk holds after a failed write is unknown: only a new start can tell. */
static void on_store_failure(const char *vhost, const char *reason)
{
    log_error("vhost '%s': the store failed, and the server ends: %s", vhost, reason);
    log_flush(last_words_ms);
    _exit(1);
}

static size_t default_reactor_count(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores >= 4 ? (size_t)cores / 2 : 1;
}

static bool open_data(struct server *server, char *reason, size_t reason_size)
{
    const struct directory_events events = server_directory_events(server);
    const char *path = server->config->data_dir;
    server->folder = data_folder_open(path, reason, reason_size);
    if (server->folder == NULL ||
        !data_folder_check_definitions(server->folder, reason, reason_size))
        return false;
    server->directory = directory_open(path, server->config, &events, reason, reason_size);
    if (server->directory == NULL)
        return false;
    server->users = users_ref(directory_users(server->directory));
    server->current_users = users_current_new(server->users);
    return true;
}

static void start_threads(struct server *server)
{
    const struct config *config = server->config;
    server->workers = worker_pool_new(&worker_limits);
    server_start_jobs(server);
    server->reactor_count = config->reactors > 0 ? config->reactors : default_reactor_count();
    server->mailboxes = xcalloc(server->reactor_count + SERVER_GUESTS, sizeof *server->mailboxes);
    server->reactors = xcalloc(server->reactor_count, sizeof *server->reactors);
    net_settings_init(&server->settings, config);
    server->pool = store_pool_new(config->store_writers > 0 ? config->store_writers : 2,
                                  server_messages(server), on_store_failure);
    for (size_t i = 0; i < server->reactor_count; i++) {
        mailbox_init(&server->mailboxes[i]);
        server->reactors[i] = reactor_new(server, i, &server->mailboxes[i], &server->settings);
    }
    server->http_sessions = http_sessions_new(server);
}

static bool start(struct server *server, char *reason, size_t reason_size)
{
    char why[AUTH_REASON_SIZE] = "";
    server->auth_chain = auth_chain_new(server->config, why);
    if (server->auth_chain == NULL) {
        snprintf(reason, reason_size, "%s", why);
        return false;
    }
    if (!open_data(server, reason, reason_size) ||
        !server_open_listeners(server, reason, reason_size) ||
        !server_open_http(server, reason, reason_size) ||
        !server_metrics_open(server, &server->metrics, reason, reason_size))
        return false;
    alarm_limits_init(&server->alarm_limits, server->config);
    server_take_cluster_name(server);
    start_threads(server);
    if (!server_start_vhosts(server, reason, reason_size) ||
        !server_load_definitions(server, reason, reason_size))
        return false;
    server->control = control_open(server->base, server->config->data_dir, server_tell_trouble,
                                   server, reason, reason_size);
    if (server->control == NULL)
        return false;
    server_check_alarms(server);
    control_set_node(server->control, server->config->node_name);
    control_set_helper(server->control, server_submit_job, server);
    directory_add_commands(server->directory, server->control);
    directory_add_parameter_commands(server->directory, server->control);
    server_add_listing_commands(server);
    server_add_definitions_commands(server);
    server_add_commands(server);
    server_add_diagnosis_commands(server);
    server_add_fact_commands(server);
    server_add_status_command(server);
    server_add_listener_commands(server);
    server_add_quorum_commands(server);
    server_add_peek_command(server);
    server_add_event_stream_commands(server);
    server_add_closing_commands(server);
    server_add_queue_commands(server);
    server_add_log_commands(server);
    server_add_backup_commands(server);
    server_add_drain_commands(server);
    server_start_listeners(server);
    server->stats = server_stats_new(server);
    server->top = server_top_new(server);
    server_start_http(server);
    server_metrics_start(server->metrics);
    return true;
}

static void publish_log_line(void *context, const char *level, struct bytes line, bool is_json)
{
    struct server *server = context;
    if (event_bus_is_wanted(server->log_lines))
        event_bus_post_one(
            server->log_lines,
            log_message_new(level, line, is_json, server->config->node_name, clock_wall_ms()));
}

struct server *server_start(const struct config *config, char *reason, size_t reason_size)
{
    struct server *server = xcalloc(1, sizeof *server);
    server->config = config;
    server->started_ms = clock_steady_ms();
    server->started_wall_ms = clock_wall_ms();
    server->user_totals = user_totals_table_new();
    server->events = event_bus_new();
    server->log_lines = event_bus_new();
    if (config->log.exchange.is_on)
        log_publish_to(publish_log_line, server, config);
    CHECK(pthread_mutex_init(&server->mutex, NULL) == 0);
    init_loop(server);
    if (start(server, reason, reason_size))
        return server;
    server_free(server);
    return NULL;
}

static void on_watchdog(evutil_socket_t fd, short what, void *context)
{
    struct server *server = context;
    (void)fd, (void)what;
    if (watchdog_ask(server->watchdog))
        notify_send("WATCHDOG=1");
}

/* Four times in the interval: a question, its answer, and some time for a busy machine. */
static void start_watchdog(struct server *server)
{
    uint64_t every_us = notify_watchdog_us() / 4;
    struct timeval every = {.tv_sec = (time_t)(every_us / 1000000),
                            .tv_usec = (suseconds_t)(every_us % 1000000)};
    if (every_us == 0)
        return;
    server->watchdog = watchdog_new(server->mailboxes, server->reactor_count);
    server->watchdog_event = event_new(server->base, -1, EV_PERSIST, on_watchdog, server);
    CHECK(server->watchdog_event != NULL && event_add(server->watchdog_event, &every) == 0);
}

void server_run(struct server *server)
{
    start_watchdog(server);
    notify_send("READY=1\nSTATUS=serving\nMAINPID=%ld", (long)getpid());
    event_base_dispatch(server->base);
    notify_send("STOPPING=1\nSTATUS=stopping");
}

const struct config *server_config(const struct server *server)
{
    return server->config;
}

struct auth_chain *server_auth_chain(struct server *server)
{
    return server->auth_chain;
}

struct user_totals_table *server_user_totals(struct server *server)
{
    return server->user_totals;
}

struct login_counts *server_logins(struct server *server)
{
    return &server->logins;
}

struct event_bus *server_events(struct server *server)
{
    return server->events;
}

uint64_t server_number_connection(struct server *server)
{
    return atomic_fetch_add_explicit(&server->connections_accepted, 1, memory_order_relaxed) + 1;
}

uint64_t server_started_s(const struct server *server)
{
    return server->started_wall_ms / 1000;
}

void server_take_cluster_name(struct server *server)
{
    char *name = directory_cluster_name(server->directory);
    pthread_mutex_lock(&server->mutex);
    free(server->cluster_name);
    server->cluster_name = name;
    pthread_mutex_unlock(&server->mutex);
}

char *server_cluster_name(struct server *server)
{
    pthread_mutex_lock(&server->mutex);
    char *name = xstrdup(server->cluster_name);
    pthread_mutex_unlock(&server->mutex);
    return name;
}

void server_append_properties(struct server *server, struct buffer *table)
{
    char *name = server_cluster_name(server);
    net_append_server_properties(table, server->config, name);
    free(name);
}

struct worker_pool *server_workers(struct server *server)
{
    return server->workers;
}

/* A sanitizer is to see every message come and go. */
struct message_pool *server_messages(struct server *server)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    (void)server;
    return NULL;
#else
    return &server->messages;
#endif
}

struct users *server_users(struct server *server)
{
    return users_current_get(server->current_users);
}

/* --- ending */

static void stop_vhost(struct vhost *vhost, uint64_t now_ms, void *context)
{
    vhost_stop(vhost, context, now_ms);
}

size_t server_connection_count(const struct server *server)
{
    size_t count = 0;
    for (size_t i = 0; i < server->reactor_count; i++)
        count += reactor_connection_count(server->reactors[i]);
    return count;
}

size_t server_channel_count(const struct server *server)
{
    size_t count = 0;
    for (size_t i = 0; i < server->reactor_count; i++)
        count += reactor_channel_count(server->reactors[i]);
    return count;
}

/* Clients get some time to take their close. */
static void say_farewell(struct server *server)
{
    struct amqp_error reason = {0};
    struct timespec pause = {.tv_nsec = 5 * 1000000};
    notify_extend("closing connections");
    uint64_t deadline_ms = clock_steady_ms() + farewell_ms;
    amqp_error_set(&reason, AMQP_CONNECTION_FORCED,
                   "broker forced connection closure with reason 'shutdown'");
    for (size_t i = 0; i < server->reactor_count; i++)
        reactor_shut(server->reactors[i]);
    for (struct server_vhost *vhost = server->vhosts; vhost != NULL; vhost = vhost->next)
        gate_call(vhost->gate, stop_vhost, &reason);
    while (server_connection_count(server) > 0 && clock_steady_ms() < deadline_ms)
        nanosleep(&pause, NULL);
}

static void stop_accepting(struct server *server)
{
    server_free_listeners(server);
    server_stop_http(server);
    if (server->control != NULL)
        control_close(server->control);
}

static void stop_threads(struct server *server)
{
    if (server->reactors == NULL)
        return;
    server_end_jobs(server);
    server_end_drain(server);
    server_end_reload(server);
    server_metrics_stop(server->metrics);
    say_farewell(server);
    auth_chain_stop(server->auth_chain);
    worker_pool_end(server->workers);
    server_stop_handing_over(server);
    for (size_t i = 0; i < server->reactor_count; i++)
        reactor_stop(server->reactors[i]);
    for (size_t i = 0; i < server->reactor_count; i++)
        reactor_free(server->reactors[i]);
    http_sessions_end(server->http_sessions);
    on_mail(-1, 0, server);
    notify_extend("bringing everything to disk");
    server_free_vhosts(server);
    store_pool_free(server->pool);
    message_pool_fini(&server->messages);
    if (server->watchdog != NULL)
        watchdog_free(server->watchdog);
    worker_pool_free(server->workers);
    worker_pool_free(server->jobs);
    http_sessions_free(server->http_sessions);
    server_free_backup(server->backup);
    for (size_t i = 0; i < server->reactor_count; i++)
        mailbox_fini(&server->mailboxes[i]);
    free(server->mailboxes);
    free(server->reactors);
}

static void free_loop(struct server *server)
{
    for (size_t i = 0; i < SERVER_SIGNALS; i++)
        event_free(server->signals[i]);
    on_mail(-1, 0, server);
    wake_free(server->wake);
    event_free(server->mail_event);
    if (server->watchdog_event != NULL)
        event_free(server->watchdog_event);
    event_free(server->tick_event);
    event_base_free(server->base);
    mailbox_fini(&server->mailbox);
}

void server_free(struct server *server)
{
    stop_accepting(server);
    stop_threads(server);
    server_free_http(server);
    server_metrics_free(server->metrics);
    server_stats_free(server->stats);
    server_top_free(server->top);
    tls_context_free(server->tls);
    tls_context_free(server->management_tls);
    if (server->directory != NULL)
        directory_close(server->directory);
    if (server->current_users != NULL)
        users_current_free(server->current_users);
    users_unref(server->users);
    auth_chain_free(server->auth_chain);
    if (server->folder != NULL)
        data_folder_close(server->folder);
    free_loop(server);
    log_publish_to(NULL, NULL, server->config);
    event_bus_free(server->events);
    event_bus_free(server->log_lines);
    user_totals_table_free(server->user_totals);
    server_free_reloaded(server);
    pthread_mutex_destroy(&server->mutex);
    free(server->cluster_name);
    free(server);
}
