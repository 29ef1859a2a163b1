/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vhosts of the server: each is a core with its store behind a gate. The main thread starts and
 * ends them as the directory says, and tells them what changes: users, permissions, events.
 * Reactors hold references, so that a deleted vhost goes when its last connection has.
 */
#include "runtime/server_internal.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "auth/directory.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "broker/event_message.h"
#include "net/control.h"
#include "runtime/clock.h"
#include "runtime/event_bus.h"
#include "runtime/log.h"
#include "runtime/notify.h"
#include "store/data_folder.h"

enum { reason_max = 1024 };

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
    struct control_work work;
    struct server *server;
    struct server_vhost *vhost;
};

static void free_elsewhere(struct control_work *work)
{
    struct farewell *farewell = container_of(work, struct farewell, work);
    free_vhost(farewell->server, farewell->vhost);
}

static void end_farewell(struct control_work *work)
{
    free(container_of(work, struct farewell, work));
}

/* Both lists change on the main thread alone, which may therefore walk them without the mutex. What
 * was in the vhost goes as a job: nobody uses it any more, and its file may be large. */
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
    server_submit_job(server, &farewell->work);
}

/* The last reference to a deleted vhost may end on a reactor: the main thread frees it. */
static void release_locked(struct server *server, struct server_vhost *vhost)
{
    if (--vhost->references > 0)
        return;
    struct farewell *farewell = xmalloc(sizeof *farewell);
    *farewell =
        (struct farewell){{.run = run_farewell}, {free_elsewhere, end_farewell}, server, vhost};
    mailbox_post_task(&server->mailbox, &farewell->task);
}

void server_release_gate(struct server *server, struct gate *gate)
{
    pthread_mutex_lock(&server->mutex);
    release_locked(server, gate_owner(gate));
    pthread_mutex_unlock(&server->mutex);
}

size_t server_take_gates(struct server *server, struct gate ***gates)
{
    size_t count = 0, capacity = 0;
    *gates = NULL;
    pthread_mutex_lock(&server->mutex);
    for (struct server_vhost *vhost = server->vhosts; vhost != NULL; vhost = vhost->next) {
        vhost->references++;
        *gates = xgrow(*gates, &capacity, count + 1, sizeof **gates);
        (*gates)[count++] = vhost->gate;
    }
    pthread_mutex_unlock(&server->mutex);
    return count;
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
    return server->config->log.exchange.is_on && strcmp(vhost, server->config->default_vhost) == 0;
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
    vhost_config.totals = &server->totals;
    vhost_config.hash_seed = random_seed();
    vhost_config.name_seed = random_seed();
    vhost_config.reactor_count = server->reactor_count + SERVER_GUESTS;
    vhost_config.message_bytes_max = (size_t)config->max_message_size_bytes;
    vhost_config.window_bytes_max = (size_t)config->lane_memory_bytes;
    vhost_config.transient_bytes_max = (size_t)server->alarm_limits.transient_bytes;
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

static struct gate *make_gate(struct server *server, struct server_vhost *owner, char *reason,
                              size_t reason_size)
{
    const char *name = owner->name;
    struct store_opened opened;
    char *path = data_folder_vhost(server->folder, owner->id, reason, reason_size);
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
        .reactor_count = server->reactor_count + SERVER_GUESTS,
        .guest_count = SERVER_GUESTS,
        .events = server->events,
        .owner = owner,
        .wake = server->wake,
    };
    log_info("vhost '%s': %zu durable queues", name, count_queues(&opened));
    store_opened_fini(&opened);
    return gate_new(&gate_config);
}

static bool start_vhost(struct server *server, const char *name, uint64_t id, char *reason,
                        size_t reason_size)
{
    struct server_vhost *vhost = xcalloc(1, sizeof *vhost);
    *vhost = (struct server_vhost){.name = xstrdup(name), .id = id, .references = 1};
    struct gate *gate = vhost->gate = make_gate(server, vhost, reason, reason_size);
    if (gate == NULL) {
        free(vhost->name);
        free(vhost);
        return false;
    }
    pthread_mutex_lock(&server->mutex);
    vhost->next = server->vhosts;
    server->vhosts = vhost;
    pthread_mutex_unlock(&server->mutex);
    if (has_event_exchange(server, name))
        event_bus_attach(server->events, gate);
    if (has_log_exchange(server, name))
        event_bus_attach(server->log_lines, gate);
    /* The policies first: what is due at once goes by them. */
    server_vhost_changed(server, name, DIRECTORY_POLICIES | DIRECTORY_SETTINGS);
    gate_set_alarms(gate, server_alarms(server));
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

bool server_start_vhosts(struct server *server, char *reason, size_t reason_size)
{
    size_t count = directory_vhost_count(server->directory);
    size_t orphans = data_folder_remove_orphans(server->folder, is_known_vhost, server);
    if (orphans > 0)
        log_info("%zu folders of deleted vhosts were removed", orphans);
    for (size_t i = 0; i < count; i++) {
        struct directory_vhost vhost = directory_vhost(server->directory, i);
        notify_extend("opening virtual hosts");
        if (!start_vhost(server, vhost.name, vhost.id, reason, reason_size))
            return false;
    }
    malloc_trim(0); /* what was read of very many queues lies below what was made of it */
    return true;
}

/* --- what a core has to know of its vhost */

struct vhost_news {
    unsigned changes;
    struct policies *policies;
    struct vhost_limits limits;
    enum queue_type default_queue_type;
    bool is_tracing;
};

static void hear(struct vhost *vhost, uint64_t now_ms, void *context)
{
    struct vhost_news *news = context;
    if ((news->changes & DIRECTORY_POLICIES) != 0)
        vhost_set_policies(vhost, news->policies);
    if ((news->changes & DIRECTORY_SETTINGS) != 0) {
        vhost_set_limits(vhost, &news->limits);
        vhost_set_default_queue_type(vhost, news->default_queue_type);
        vhost_set_tracing(vhost, news->is_tracing);
    }
    if ((news->changes & DIRECTORY_POLICIES) != 0)
        vhost_obey_policies(vhost, now_ms);
}

static enum queue_type queue_type_of(const struct server *server, const char *name)
{
    static const enum queue_type types[] = {
        [CONFIG_QUEUE_CLASSIC] = QUEUE_CLASSIC,
        [CONFIG_QUEUE_QUORUM] = QUEUE_QUORUM,
        [CONFIG_QUEUE_STREAM] = QUEUE_STREAM,
    };
    if (name == NULL)
        return types[server->config->default_queue_type];
    return strcmp(name, "quorum") == 0   ? QUEUE_QUORUM
           : strcmp(name, "stream") == 0 ? QUEUE_STREAM
                                         : QUEUE_CLASSIC;
}

void server_vhost_changed(void *context, const char *name, unsigned changes)
{
    struct server *server = context;
    struct directory_vhost_settings settings;
    struct gate *gate = server_find_gate(server, bytes_of_text(name));
    if (gate == NULL)
        return;
    directory_vhost_settings(server->directory, name, &settings);
    struct vhost_news news = {
        .changes = changes,
        .limits = {.queues_max = settings.queues_max,
                   .connections_max = settings.connections_max,
                   .cluster_queues_max = server->config->cluster_queue_limit,
                   .cluster_exchanges_max = server->config->cluster_exchange_limit},
        .default_queue_type = queue_type_of(server, settings.default_queue_type),
        .is_tracing = settings.is_tracing,
    };
    if ((changes & DIRECTORY_POLICIES) != 0)
        news.policies = directory_policies(server->directory, name);
    gate_call(gate, hear, &news);
    server_release_gate(server, gate);
}

static void set_transient_max(struct vhost *vhost, uint64_t now_ms, void *context)
{
    const struct server *server = context;
    (void)now_ms;
    vhost_set_transient_bytes_max(vhost, (size_t)server->alarm_limits.transient_bytes);
}

void server_set_transient_max(struct server *server)
{
    for (struct server_vhost *vhost = server->vhosts; vhost != NULL; vhost = vhost->next)
        gate_call(vhost->gate, set_transient_max, server);
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

static void leave_totals(struct vhost *vhost, uint64_t now_ms, void *context)
{
    (void)now_ms, (void)context;
    vhost_leave_totals(vhost);
}

void server_tell_event(void *context, const char *key, struct buffer *headers)
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
    gate_call(vhost->gate, leave_totals, NULL);
    detach_buses(server, vhost->gate);
    server_release_gate(server, vhost->gate);
}

static void on_cluster_name(void *context)
{
    server_take_cluster_name(context);
}

struct directory_events server_directory_events(struct server *server)
{
    return (struct directory_events){
        .on_users = on_users,
        .on_user_deleted = on_user_deleted,
        .on_vhost_added = on_vhost_added,
        .on_vhost_deleted = on_vhost_deleted,
        .on_vhost_changed = server_vhost_changed,
        .on_cluster_name = on_cluster_name,
        .on_event = server_tell_event,
        .context = server,
    };
}

/* --- ending */

void server_stop_handing_over(struct server *server)
{
    for (struct server_vhost *vhost = server->vhosts; vhost != NULL; vhost = vhost->next)
        gate_stop_handing_over(vhost->gate);
    for (struct server_vhost *vhost = server->deleted_vhosts; vhost != NULL; vhost = vhost->next)
        gate_stop_handing_over(vhost->gate);
}

void server_free_vhosts(struct server *server)
{
    while (server->vhosts != NULL) {
        struct server_vhost *vhost = server->vhosts;
        server->vhosts = vhost->next;
        free_vhost(server, vhost);
    }
}
