/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server: what there is once per process, started and stopped in order.
 *
 * The main thread owns what changes rarely: listeners, the control socket, users, the list of
 * vhosts. Accepted sockets go to the reactor with the fewest connections. Ending goes the other way
 * round: no new connections, a close to every client, everything to disk, and only then the
 * threads.
 */
#include "runtime/server.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "amqp/table.h"
#include "auth/directory.h"
#include "auth/directory_commands.h"
#include "auth/identity.h"
#include "auth/parameter_commands.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "broker/event_message.h"
#include "net/control.h"
#include "net/listener.h"
#include "net/settings.h"
#include "net/tls.h"
#include "runtime/clock.h"
#include "runtime/event_bus.h"
#include "runtime/log.h"
#include "runtime/reactor.h"
#include "runtime/server_internal.h"
#include "runtime/store_pool.h"
#include "runtime/wake.h"
#include "runtime/worker_pool.h"
#include "store/data_folder.h"

enum { workers_max = 64 };
enum { tick_ms = 500, farewell_ms = 3000, reason_max = 1024 };

/* --- vhosts */

static struct server_vhost *find_vhost(struct server *server, struct bytes name)
{
    struct server_vhost *vhost = server->vhosts;
    while (vhost != NULL && !bytes_equal_text(name, vhost->name))
        vhost = vhost->next;
    return vhost;
}

struct gate *server_find_gate(struct server *server, struct bytes name)
{
    pthread_mutex_lock(&server->mutex);
    struct server_vhost *vhost = find_vhost(server, name);
    if (vhost != NULL)
        vhost->references++;
    pthread_mutex_unlock(&server->mutex);
    return vhost != NULL ? vhost->gate : NULL;
}

static void detach_buses(struct server *server, const struct gate *gate)
{
    event_bus_detach(server->events, gate);
    event_bus_detach(server->log_lines, gate);
}

static void free_vhost(struct server *server, struct server_vhost *vhost)
{
    char reason[reason_max];
    detach_buses(server, vhost->gate);
    gate_drain(vhost->gate);
    gate_free(vhost->gate);
    if (vhost->is_deleted &&
        !data_folder_remove_vhost(server->folder, vhost->id, reason, sizeof reason))
        log_error("vhost '%s': %s", vhost->name, reason);
    free(vhost->name);
    free(vhost);
}

struct farewell {
    struct task task;
    struct server *server;
    struct server_vhost *vhost;
};

/* Both lists change on the main thread alone, which may therefore walk them without the mutex. */
static void run_farewell(struct task *task)
{
    struct farewell *farewell = container_of(task, struct farewell, task);
    struct server *server = farewell->server;
    pthread_mutex_lock(&server->mutex);
    struct server_vhost **place = &server->deleted_vhosts;
    while (*place != farewell->vhost)
        place = &(*place)->next;
    *place = farewell->vhost->next;
    pthread_mutex_unlock(&server->mutex);
    free_vhost(server, farewell->vhost);
    free(farewell);
}

/* The last reference to a deleted vhost may end on a reactor: the main thread frees it. */
static void release_locked(struct server *server, struct server_vhost *vhost)
{
    if (--vhost->references > 0)
        return;
    struct farewell *farewell = xmalloc(sizeof *farewell);
    *farewell = (struct farewell){{.run = run_farewell}, server, vhost};
    mailbox_post_task(&server->mailbox, &farewell->task);
}

void server_release_gate(struct server *server, struct gate *gate)
{
    pthread_mutex_lock(&server->mutex);
    struct server_vhost *lists[] = {server->vhosts, server->deleted_vhosts};
    for (size_t i = 0; i < 2; i++) {
        struct server_vhost *vhost = lists[i];
        while (vhost != NULL && vhost->gate != gate)
            vhost = vhost->next;
        if (vhost != NULL) {
            release_locked(server, vhost);
            break;
        }
    }
    pthread_mutex_unlock(&server->mutex);
}

static uint64_t random_seed(void)
{
    uint64_t seed;
    CHECK(getrandom(&seed, sizeof seed, 0) == sizeof seed);
    return seed;
}

static bool has_event_exchange(const struct server *server, const char *vhost)
{
    return strcmp(vhost, server->config->event_exchange_vhost) == 0;
}

static bool has_log_exchange(const struct server *server, const char *vhost)
{
    return server->config->log_exchange && strcmp(vhost, server->config->default_vhost) == 0;
}

static struct vhost *make_vhost(struct server *server, const char *name,
                                const struct store_opened *opened)
{
    const struct config *config = server->config;
    struct vhost_config vhost_config;
    vhost_config_init(&vhost_config);
    vhost_config.name = name;
    vhost_config.node_name = config->node_name;
    vhost_config.started_s = server->started_wall_ms / 1000;
    vhost_config.event_interest = event_bus_interest(server->events);
    vhost_config.has_event_exchange = has_event_exchange(server, name);
    vhost_config.log_interest = event_bus_interest(server->log_lines);
    vhost_config.has_log_exchange = has_log_exchange(server, name);
    vhost_config.hash_seed = random_seed();
    vhost_config.name_seed = random_seed();
    vhost_config.reactor_count = server->reactor_count;
    vhost_config.message_bytes_max = (size_t)config->max_message_size_bytes;
    vhost_config.window_bytes_max = (size_t)config->lane_memory_bytes;
    vhost_config.consumer_timeout_ms = config->consumer_timeout_ms;
    vhost_config.consumers_max = config->consumer_max_per_channel > UINT32_MAX
                                     ? 0
                                     : (uint32_t)config->consumer_max_per_channel;
    vhost_config.quorum_relaxed_redeclaration = config->quorum_relaxed_redeclaration;
    vhost_config.stamps_time = (enum stamp)config->stamps_time;
    vhost_config.stamps_node = (enum stamp)config->stamps_node;
    struct vhost *vhost = vhost_new(&vhost_config, users_access(server->users));
    vhost_restore(vhost, opened);
    return vhost;
}

static size_t count_queues(const struct store_opened *opened)
{
    size_t count = 0;
    for (size_t i = 0; i < opened->definitions->count; i++)
        count += opened->definitions->operations[i].kind == STORE_QUEUE_PUT;
    return count;
}

static struct gate *make_gate(struct server *server, const char *name, uint64_t id, char *reason,
                              size_t reason_size)
{
    struct store_opened opened;
    char *path = data_folder_vhost(server->folder, id, reason, reason_size);
    if (path == NULL)
        return NULL;
    struct store *store = store_open(path, &opened, reason, reason_size);
    free(path);
    if (store == NULL)
        return NULL;
    struct gate_config gate_config = {
        .vhost = make_vhost(server, name, &opened),
        .store = store,
        .pool = server->pool,
        .mailboxes = server->mailboxes,
        .reactor_count = server->reactor_count,
        .events = server->events,
        .wake = server->wake,
    };
    log_info("vhost '%s': %zu durable queues", name, count_queues(&opened));
    store_opened_fini(&opened);
    return gate_new(&gate_config);
}

static bool start_vhost(struct server *server, const char *name, uint64_t id, char *reason,
                        size_t reason_size)
{
    struct gate *gate = make_gate(server, name, id, reason, reason_size);
    if (gate == NULL)
        return false;
    struct server_vhost *vhost = xcalloc(1, sizeof *vhost);
    *vhost = (struct server_vhost){.name = xstrdup(name), .id = id, .gate = gate, .references = 1};
    pthread_mutex_lock(&server->mutex);
    vhost->next = server->vhosts;
    server->vhosts = vhost;
    pthread_mutex_unlock(&server->mutex);
    if (has_event_exchange(server, name))
        event_bus_attach(server->events, gate);
    if (has_log_exchange(server, name))
        event_bus_attach(server->log_lines, gate);
    gate_set_alarms(gate, server->alarms);
    server_vhost_changed(server, name, DIRECTORY_POLICIES | DIRECTORY_SETTINGS);
    return true;
}

static bool is_known_vhost(void *context, uint64_t id)
{
    const struct server *server = context;
    size_t count = directory_vhost_count(server->directory);
    for (size_t i = 0; i < count; i++) {
        if (directory_vhost(server->directory, i).id == id)
            return true;
    }
    return false;
}

static bool start_vhosts(struct server *server, char *reason, size_t reason_size)
{
    size_t count = directory_vhost_count(server->directory);
    size_t orphans = data_folder_remove_orphans(server->folder, is_known_vhost, server);
    if (orphans > 0)
        log_info("%zu folders of deleted vhosts were removed", orphans);
    for (size_t i = 0; i < count; i++) {
        struct directory_vhost vhost = directory_vhost(server->directory, i);
        if (!start_vhost(server, vhost.name, vhost.id, reason, reason_size))
            return false;
    }
    return true;
}

/* --- what the directory tells */

static void set_access(struct vhost *vhost, uint64_t now_ms, void *context)
{
    (void)now_ms;
    vhost_set_access(vhost, users_access(context));
}

static void on_users(void *context, struct users *users)
{
    struct server *server = context;
    struct users *old = server->users;
    server->users = users_ref(users);
    users_current_set(server->current_users, users);
    for (struct server_vhost *vhost = server->vhosts; vhost != NULL; vhost = vhost->next)
        gate_call(vhost->gate, set_access, users);
    for (struct server_vhost *vhost = server->deleted_vhosts; vhost != NULL; vhost = vhost->next)
        gate_call(vhost->gate, set_access, users);
    users_unref(old);
}

struct ending {
    const char *user; /* NULL: all */
    struct amqp_error error;
};

static void end_sessions(struct vhost *vhost, uint64_t now_ms, void *context)
{
    struct ending *ending = context;
    vhost_end_sessions(vhost, ending->user, &ending->error, now_ms);
}

static void on_user_deleted(void *context, const char *user)
{
    struct server *server = context;
    struct ending ending = {.user = user};
    amqp_error_set(&ending.error, AMQP_CONNECTION_FORCED, "user '%s' is deleted", user);
    for (struct server_vhost *vhost = server->vhosts; vhost != NULL; vhost = vhost->next)
        gate_call(vhost->gate, end_sessions, &ending);
}

static void announce(struct vhost *vhost, uint64_t now_ms, void *context)
{
    const bool *is_created = context;
    vhost_announce(vhost, *is_created, now_ms);
}

static void on_event(void *context, const char *key, struct buffer *headers)
{
    struct server *server = context;
    if (event_bus_is_wanted(server->events))
        event_bus_post_one(server->events, event_message_new(key, headers, clock_wall_ms()));
}

static bool on_vhost_added(void *context, const char *vhost, uint64_t id, char *reason,
                           size_t reason_size)
{
    struct server *server = context;
    bool is_created = true;
    if (!start_vhost(server, vhost, id, reason, reason_size))
        return false;
    gate_call(server->vhosts->gate, announce, &is_created);
    return true;
}

static void on_vhost_deleted(void *context, const char *name, uint64_t id)
{
    struct server *server = context;
    struct ending ending = {.user = NULL};
    bool is_created = false;
    amqp_error_set(&ending.error, AMQP_CONNECTION_FORCED, "vhost '%s' is deleted", name);
    pthread_mutex_lock(&server->mutex);
    struct server_vhost **place = &server->vhosts;
    while (*place != NULL && (*place)->id != id)
        place = &(*place)->next;
    struct server_vhost *vhost = *place;
    CHECK(vhost != NULL);
    *place = vhost->next;
    vhost->next = server->deleted_vhosts;
    server->deleted_vhosts = vhost;
    vhost->is_deleted = true;
    pthread_mutex_unlock(&server->mutex);
    gate_call(vhost->gate, end_sessions, &ending);
    gate_call(vhost->gate, announce, &is_created);
    detach_buses(server, vhost->gate);
    server_release_gate(server, vhost->gate);
}

/* --- listeners */

static void accept_to(struct server *server, int fd, struct tls_context *tls)
{
    size_t best = 0;
    for (size_t i = 1; i < server->reactor_count; i++) {
        if (reactor_connection_count(server->reactors[i]) <
            reactor_connection_count(server->reactors[best]))
            best = i;
    }
    reactor_adopt(server->reactors[best], fd, tls);
}

static void on_accept(void *context, int fd)
{
    accept_to(context, fd, NULL);
}

static void on_tls_accept(void *context, int fd)
{
    struct server *server = context;
    accept_to(server, fd, server->tls);
}

static void on_trouble(void *context, const char *text)
{
    (void)context;
    log_warning("%s", text);
}

static bool listen_on(struct server *server, const struct config_listeners *entries, bool is_tls,
                      char *reason, size_t reason_size)
{
    char why[LISTENER_REASON_SIZE];
    for (size_t i = 0; i < entries->count; i++) {
        const struct config_listener *entry = &entries->entries[i];
        struct listener *listener =
            listener_new(entry->address, entry->port, &server->config->socket, why);
        if (listener == NULL) {
            snprintf(reason, reason_size, "%s", why);
            return false;
        }
        server->listeners = xgrow(server->listeners, &server->listener_capacity,
                                  server->listener_count + 1, sizeof *server->listeners);
        server->listeners[server->listener_count++] =
            (struct server_listener){listener, entry->address, is_tls};
    }
    return true;
}

static bool open_listeners(struct server *server, char *reason, size_t reason_size)
{
    char why[TLS_REASON_SIZE];
    const struct config *config = server->config;
    if (config->tls_listeners.count > 0) {
        server->tls = tls_context_new(config, why);
        if (server->tls == NULL) {
            snprintf(reason, reason_size, "%s", why);
            return false;
        }
    }
    return listen_on(server, &config->tcp_listeners, false, reason, reason_size) &&
           listen_on(server, &config->tls_listeners, true, reason, reason_size);
}

static void start_listeners(struct server *server)
{
    for (size_t i = 0; i < server->listener_count; i++) {
        struct server_listener *entry = &server->listeners[i];
        listener_start(entry->listener, server->base, entry->is_tls ? on_tls_accept : on_accept,
                       on_trouble, server);
        log_info("started %s listener on %s:%u", entry->is_tls ? "TLS" : "TCP",
                 entry->address != NULL ? entry->address : "*",
                 (unsigned)listener_port(entry->listener));
    }
}

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
    on_event(server, is_set ? "alarm.set" : "alarm.cleared", &headers);
    buffer_fini(&headers);
}

void server_check_alarms(struct server *server)
{
    static const char *const texts[] = {"none", "low on memory", "low on disk",
                                        "low on disk & memory"};
    unsigned alarms = alarm_check(&server->alarm_limits);
    unsigned former = server->alarms;
    server->alarms_checked_ms = clock_steady_ms();
    if (alarms == former)
        return;
    server->alarms = alarms;
    log_warning("alarms in effect: %s", texts[alarms & 3]);
    for (struct server_vhost *vhost = server->vhosts; vhost != NULL; vhost = vhost->next)
        gate_set_alarms(vhost->gate, alarms);
    tell_alarm(server, former, VHOST_ALARM_MEMORY, "memory");
    tell_alarm(server, former, VHOST_ALARM_DISK, "disk");
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct server *server = context;
    (void)fd, (void)what;
    if (clock_steady_ms() >= server->alarms_checked_ms + server->config->memory_monitor_interval_ms)
        server_check_alarms(server);
    server_count_definitions(server);
    for (struct server_vhost *vhost = server->vhosts; vhost != NULL; vhost = vhost->next)
        gate_tick(vhost->gate);
}

void server_reload(struct server *server)
{
    char why[TLS_REASON_SIZE];
    log_reopen();
    if (server->tls == NULL)
        return;
    if (tls_context_reload(server->tls, why))
        log_info("TLS certificates were read again");
    else
        log_error("TLS certificates stay as they were: %s", why);
}

void server_stop(struct server *server)
{
    event_base_loopbreak(server->base);
}

static void on_signal(evutil_socket_t number, short what, void *context)
{
    (void)what;
    if (number == SIGHUP) {
        server_reload(context);
        return;
    }
    log_info("stopping: %s", number == SIGINT ? "SIGINT" : "SIGTERM");
    server_stop(context);
}

static void init_loop(struct server *server)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    struct timeval tick = {.tv_usec = tick_ms * 1000};
    signal(SIGPIPE, SIG_IGN);
    server->base = event_base_new();
    CHECK(server->base != NULL);
    for (size_t i = 0; i < 3; i++) {
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
    _exit(1);
}

static size_t default_reactor_count(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores >= 4 ? (size_t)cores / 2 : 1;
}

static bool open_data(struct server *server, char *reason, size_t reason_size)
{
    const struct directory_events events = {
        .on_users = on_users,
        .on_user_deleted = on_user_deleted,
        .on_vhost_added = on_vhost_added,
        .on_vhost_deleted = on_vhost_deleted,
        .on_vhost_changed = server_vhost_changed,
        .on_event = on_event,
        .context = server,
    };
    const char *path = server->config->data_dir;
    server->folder = data_folder_open(path, reason, reason_size);
    if (server->folder == NULL)
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
    server->workers = worker_pool_new(workers_max);
    server->reactor_count = config->reactors > 0 ? config->reactors : default_reactor_count();
    server->mailboxes = xcalloc(server->reactor_count, sizeof *server->mailboxes);
    server->reactors = xcalloc(server->reactor_count, sizeof *server->reactors);
    net_settings_init(&server->settings, config);
    server->pool =
        store_pool_new(config->store_writers > 0 ? config->store_writers : 2, on_store_failure);
    for (size_t i = 0; i < server->reactor_count; i++) {
        mailbox_init(&server->mailboxes[i]);
        server->reactors[i] = reactor_new(server, i, &server->mailboxes[i], &server->settings);
    }
}

static bool start(struct server *server, char *reason, size_t reason_size)
{
    char why[AUTH_REASON_SIZE] = "";
    server->auth_chain = auth_chain_new(server->config, why);
    if (server->auth_chain == NULL) {
        snprintf(reason, reason_size, "%s", why);
        return false;
    }
    if (!open_data(server, reason, reason_size) || !open_listeners(server, reason, reason_size))
        return false;
    start_threads(server);
    if (!start_vhosts(server, reason, reason_size) ||
        !server_load_definitions(server, reason, reason_size))
        return false;
    server->control = control_open(server->base, server->config->data_dir, reason, reason_size);
    if (server->control == NULL)
        return false;
    alarm_limits_init(&server->alarm_limits, server->config);
    server_check_alarms(server);
    directory_add_commands(server->directory, server->control);
    directory_add_parameter_commands(server->directory, server->control);
    server_add_listing_commands(server);
    server_add_definitions_commands(server);
    server_add_commands(server);
    start_listeners(server);
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
    server->events = event_bus_new();
    server->log_lines = event_bus_new();
    if (config->log_exchange)
        log_publish_to(publish_log_line, server, config);
    CHECK(pthread_mutex_init(&server->mutex, NULL) == 0);
    init_loop(server);
    if (start(server, reason, reason_size))
        return server;
    server_free(server);
    return NULL;
}

void server_run(struct server *server)
{
    event_base_dispatch(server->base);
}

const struct config *server_config(const struct server *server)
{
    return server->config;
}

struct auth_chain *server_auth_chain(struct server *server)
{
    return server->auth_chain;
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

struct worker_pool *server_workers(struct server *server)
{
    return server->workers;
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
    for (size_t i = 0; i < server->listener_count; i++)
        listener_free(server->listeners[i].listener);
    free(server->listeners);
    if (server->control != NULL)
        control_close(server->control);
}

static void stop_handing_over(struct server *server)
{
    for (struct server_vhost *vhost = server->vhosts; vhost != NULL; vhost = vhost->next)
        gate_stop_handing_over(vhost->gate);
    for (struct server_vhost *vhost = server->deleted_vhosts; vhost != NULL; vhost = vhost->next)
        gate_stop_handing_over(vhost->gate);
}

static void stop_threads(struct server *server)
{
    if (server->reactors == NULL)
        return;
    say_farewell(server);
    worker_pool_end(server->workers);
    stop_handing_over(server);
    for (size_t i = 0; i < server->reactor_count; i++)
        reactor_free(server->reactors[i]);
    on_mail(-1, 0, server);
    while (server->vhosts != NULL) {
        struct server_vhost *vhost = server->vhosts;
        server->vhosts = vhost->next;
        free_vhost(server, vhost);
    }
    store_pool_free(server->pool);
    worker_pool_free(server->workers);
    for (size_t i = 0; i < server->reactor_count; i++)
        mailbox_fini(&server->mailboxes[i]);
    net_settings_fini(&server->settings);
    free(server->mailboxes);
    free(server->reactors);
}

static void free_loop(struct server *server)
{
    for (size_t i = 0; i < 3; i++)
        event_free(server->signals[i]);
    on_mail(-1, 0, server);
    wake_free(server->wake);
    event_free(server->mail_event);
    event_free(server->tick_event);
    event_base_free(server->base);
    mailbox_fini(&server->mailbox);
}

void server_free(struct server *server)
{
    stop_accepting(server);
    stop_threads(server);
    if (server->tls != NULL)
        tls_context_free(server->tls);
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
    pthread_mutex_destroy(&server->mutex);
    free(server);
}
