/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The management API's thread. It reads requests and writes answers, so that whatever a client of
 * it does is done to this thread alone; the answers themselves are made by the main thread, which
 * has the directory. Who the client is it finds out by itself where the users of this server are
 * asked alone (a look into their snapshot), else by a worker, as reactors do.
 *
 * A call is carried as an errand: to a worker, to the main thread, and back. When the server ends,
 * this thread is the first to go; errands that are then under way come back into a mailbox that
 * nobody reads any more, and end there.
 */
#include "runtime/server_internal.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "auth/identity.h"
#include "base/check.h"
#include "base/list.h"
#include "base/xmalloc.h"
#include "broker/access.h"
#include "config/config.h"
#include "http/http_crowd.h"
#include "http/http_server.h"
#include "net/control.h"
#include "net/listener.h"
#include "net/tls.h"
#include "runtime/clock.h"
#include "runtime/event_loop.h"
#include "runtime/gate.h"
#include "runtime/http_sessions.h"
#include "runtime/log.h"
#include "runtime/mailbox.h"
#include "runtime/reactor.h"
#include "runtime/server_stats.h"
#include "runtime/worker_pool.h"

/* Where it listens. */
struct door {
    struct listener *listener; /* owned, until the thread has its socket */
    const struct config_management *place;
    struct tls_context *tls; /* borrowed; NULL: without */
    uint16_t port;
};

struct server_http {
    struct server *server;
    struct door doors[HTTP_DOORS_MAX];
    size_t door_count;
    pthread_t thread;
    bool is_started;
    struct event_base *base;     /* owned; of the thread */
    struct event *mail_event;    /* owned */
    struct mailbox mailbox;      /* of the thread */
    struct list logins;          /* of errands that a worker has */
    struct list waiting_jobs;    /* main thread: of struct http_work, */
    size_t running_jobs;         /* while so many run */
    struct task ending;          /* the thread's last */
    struct http_server *http;    /* owned */
    struct http_context context; /* for handlers */
};

struct errand {
    struct work work;
    struct task task;
    struct list_node in_logins;
    struct server_http *http;
    struct http_call *call;
    const struct http_login *login; /* the call's */
    struct users *users;            /* ref, of a login */
    struct auth_identity *identity; /* ref; NULL: turned away, or the snapshot of users tells */
    char reason[AUTH_REASON_SIZE];
};

static struct errand *errand_of(struct task *task)
{
    return container_of(task, struct errand, task);
}

static struct errand *new_errand(struct server_http *http, struct http_call *call)
{
    struct errand *errand = xcalloc(1, sizeof *errand);
    list_node_init(&errand->in_logins);
    errand->http = http;
    errand->call = call;
    http_call_set_carrier(call, errand);
    return errand;
}

static void free_errand(struct errand *errand)
{
    list_remove(&errand->in_logins);
    users_unref(errand->users);
    auth_identity_unref(errand->identity);
    free(errand);
}

/* --- logins */

/* reason NULL: the call is let in. */
static void note_login(struct server_http *http, const struct http_login *login, const char *reason)
{
    login_counts_add(&http->server->logins, LOGIN_BY_HTTP, reason == NULL);
    if (reason == NULL)
        return;
    log_write(LOG_CONNECTION, CONFIG_LOG_WARNING, "HTTP access denied: user '%.*s' - %s",
              (int)login->user.size, (const char *)login->user.data, reason);
}

struct permitted {
    struct http_call *call;
    const struct users *users;
    struct bytes user;
    const struct auth_identity *identity; /* NULL: users know */
};

static void add_vhost(void *context, const char *vhost)
{
    const struct permitted *permitted = context;
    char reason[AUTH_REASON_SIZE];
    if (!http_call_asks_for_vhost(permitted->call, vhost))
        return;
    bool may_enter = permitted->identity != NULL
                         ? auth_identity_may_enter(permitted->identity, permitted->users,
                                                   bytes_of_text(vhost), reason)
                         : access_may_enter(users_access(permitted->users), permitted->user,
                                            bytes_of_text(vhost));
    if (may_enter)
        http_call_add_vhost(permitted->call, vhost);
}

/* Everything is seen by who may everything, which is not to cost anything. */
static void find_vhosts(struct permitted *permitted)
{
    if (http_call_lists_vhosts(permitted->call) &&
        !http_call_has_tag(permitted->call, "administrator"))
        users_each_vhost(permitted->users, add_vhost, permitted);
}

static void check_user(struct server_http *http, struct http_call *call,
                       const struct http_login *login)
{
    char reason[AUTH_REASON_SIZE];
    struct users *users = server_users(http->server);
    if (users_login(users, login->user, login->password, login->is_loopback, reason,
                    sizeof reason)) {
        const char *tag;
        for (size_t i = 0; (tag = users_tag(users, login->user, i)) != NULL; i++)
            http_call_add_tag(call, tag);
        struct permitted permitted = {call, users, login->user, NULL};
        find_vhosts(&permitted);
        char *user = xstrndup((const char *)login->user.data, login->user.size);
        note_login(http, login, NULL);
        http_call_let_in(call, user);
        free(user);
    } else {
        note_login(http, login, reason);
        http_call_turn_away(call);
    }
    users_unref(users);
}

static void end_login(struct task *task)
{
    struct errand *errand = errand_of(task);
    if (errand->identity != NULL) {
        note_login(errand->http, errand->login, NULL);
        http_call_let_in(errand->call, auth_identity_user(errand->identity));
    } else {
        note_login(errand->http, errand->login, errand->reason);
        http_call_turn_away(errand->call);
    }
    free_errand(errand);
}

/* On a worker. The call waits meanwhile, so that nobody else has it in hand. */
static void work_on_login(struct work *work)
{
    struct errand *errand = container_of(work, struct errand, work);
    const struct http_login *given = errand->login;
    struct server *server = errand->http->server;
    errand->users = server_users(server);
    struct auth_login login = {.user = given->user,
                               .password = given->password,
                               .has_password = true,
                               .is_loopback = given->is_loopback,
                               .users = errand->users};
    errand->identity =
        auth_chain_log_in(server->auth_chain, &login, given->peer_address, errand->reason);
    if (errand->identity != NULL) {
        const char *tag;
        for (size_t i = 0; (tag = auth_identity_tag(errand->identity, i)) != NULL; i++)
            http_call_add_tag(errand->call, tag);
        struct permitted permitted = {errand->call, errand->users,
                                      bytes_of_text(auth_identity_user(errand->identity)),
                                      errand->identity};
        find_vhosts(&permitted);
    }
    errand->task.run = end_login;
    mailbox_post_task(&errand->http->mailbox, &errand->task);
}

static void log_in(void *context, struct http_call *call, const struct http_login *login)
{
    struct server_http *http = context;
    if (login->user.size > 0 && memchr(login->user.data, '\0', login->user.size) != NULL) {
        http_call_turn_away(call);
        return;
    }
    if (auth_chain_is_internal(http->server->auth_chain)) {
        check_user(http, call, login);
        return;
    }
    struct errand *errand = new_errand(http, call);
    errand->login = login;
    list_push_back(&http->logins, &errand->in_logins);
    errand->work = (struct work){.rank = WORK_FOR_STRANGERS, .run = work_on_login};
    if (worker_pool_submit(http->server->workers, &errand->work))
        return;
    note_login(http, login, "too many logins wait for the back ends");
    free_errand(errand);
    http_call_turn_away(call);
}

/* --- what handlers ask about the server */

static unsigned alarms_of(void *context)
{
    return server_alarms(context);
}

static void each_listener(void *context, server_listener_visitor *visit, void *visitor)
{
    server_each_listener(context, visit, visitor);
}

struct certificates {
    const struct server *server;
    const struct config *config;
    void (*visit)(void *visitor, const struct http_certificate *certificate);
    void *visitor;
};

static void visit_certificate(void *context, const char *protocol, const char *address,
                              uint16_t port)
{
    const struct certificates *certificates = context;
    const struct server *server = certificates->server;
    bool is_https = strcmp(protocol, "https") == 0;
    const struct config_tls *tls =
        is_https ? &certificates->config->management_tls : &certificates->config->tls;
    if (!is_https && strcmp(protocol, "amqp/ssl") != 0)
        return;
    struct tls_ends ends = tls_context_ends(is_https ? server->management_tls : server->tls);
    const struct http_certificate certificate = {
        .protocol = protocol,
        .address = address,
        .port = port,
        .certfile = tls->certfile,
        .cacertfile = tls->cacertfile,
        .certificate_end_s = ends.certificate_s,
        .authority_end_s = ends.authority_s,
    };
    certificates->visit(certificates->visitor, &certificate);
}

/* Its files are those that were read last. */
void server_each_certificate(void *context,
                             void (*visit)(void *visitor,
                                           const struct http_certificate *certificate),
                             void *visitor)
{
    const struct server *server = context;
    const struct config *config =
        server->last_config != NULL ? server->last_config : server->config;
    struct certificates certificates = {server, config, visit, visitor};
    each_listener(context, visit_certificate, &certificates);
}

static int64_t unix_time_s(void *context)
{
    (void)context;
    return (int64_t)(clock_wall_ms() / 1000);
}

static struct http_session *open_session(void *context, struct http_call *call, const char *vhost,
                                         bool is_uncounted,
                                         const struct http_session_events *events,
                                         void *events_context)
{
    const struct server *server = context;
    const struct errand *errand = http_call_carrier(call);
    const struct http_session_user user = {
        .name = http_call_user(call),
        .identity = errand->identity,
        .can_impersonate = http_call_has_tag(call, "impersonator"),
    };
    return http_sessions_open(server->http_sessions, &user, vhost, is_uncounted, events,
                              events_context);
}

static const struct http_session_host session_host = {
    open_session, http_session_send, http_session_publish, http_session_move, http_session_close};
/* --- jobs */

/* So many at a time: the others of the server's jobs are for commands of leveretctl. */
enum { JOBS_MAX = 2 };

struct http_work {
    struct control_work work;
    struct control_work *content; /* frees itself */
    struct list_node in_waiting;
    struct server_http *http;
};

static void run_job(struct control_work *work)
{
    struct http_work *job = container_of(work, struct http_work, work);
    job->content->run(job->content);
}

static void start_jobs(struct server_http *http)
{
    struct list_node *node;
    while (http->running_jobs < JOBS_MAX && (node = list_pop_front(&http->waiting_jobs)) != NULL) {
        http->running_jobs++;
        server_submit_job(http->server, &list_entry(node, struct http_work, in_waiting)->work);
    }
}

static void end_job(struct control_work *work)
{
    struct http_work *job = container_of(work, struct http_work, work);
    struct server_http *http = job->http;
    job->content->done(job->content);
    free(job);
    http->running_jobs--;
    start_jobs(http);
}

static void submit_job(void *context, struct control_work *content)
{
    struct server *server = context;
    struct http_work *job = xcalloc(1, sizeof *job);
    job->work = (struct control_work){run_job, end_job};
    job->content = content;
    job->http = server->http;
    list_push_back(&server->http->waiting_jobs, &job->in_waiting);
    start_jobs(server->http);
}

static struct gate *take_vhost(void *context, const char *vhost)
{
    return server_find_gate(context, bytes_of_text(vhost));
}

static void release_vhost(void *context, struct gate *vhost)
{
    server_release_gate(context, vhost);
}

static void ask_vhost(void *context, struct gate *vhost, gate_function *function,
                      void *function_context)
{
    (void)context;
    gate_ask(vhost, function, function_context);
}

static void list_peers(void *context, struct status_rows *peers)
{
    const struct server *server = context;
    for (size_t i = 0; i < server->reactor_count; i++)
        reactor_list(server->reactors[i], peers);
}

static bool is_ending(void *context)
{
    return server_is_ending(context);
}

static void node_facts(void *context, struct http_node_facts *facts)
{
    const struct server *server = context;
    server_stats_node(server->stats, facts);
}

static bool counters_of(void *context, const char *vhost, struct vhost_counters *counters)
{
    const struct server *server = context;
    if (vhost != NULL)
        return server_stats_vhost(server->stats, vhost, counters);
    server_stats_total(server->stats, counters);
    return true;
}

/* --- handlers */

static void run_handler(struct task *task)
{
    struct errand *errand = errand_of(task);
    http_call_handle(&errand->http->context, errand->call);
}

/* Who came by a worker is known by more than a name. */
static void handle(void *context, struct http_call *call)
{
    struct server_http *http = context;
    const struct errand *login = http_call_carrier(call);
    struct errand *errand = new_errand(http, call);
    if (login != NULL)
        errand->identity = auth_identity_ref(login->identity);
    errand->task.run = run_handler;
    mailbox_post_task(&http->server->mailbox, &errand->task);
}

static void end_call(struct task *task)
{
    struct errand *errand = errand_of(task);
    http_call_set_carrier(errand->call, NULL); /* of a long answer there is more to be carried */
    http_call_finish(errand->call);
    free_errand(errand);
}

static void finish(void *context, struct http_call *call)
{
    struct server_http *http = context;
    struct errand *errand = http_call_carrier(call);
    errand->task.run = end_call;
    mailbox_post_task(&http->mailbox, &errand->task);
}

/* --- the thread */

static void take_mail(struct server_http *http)
{
    struct mail mail = mailbox_take(&http->mailbox);
    while (mail.tasks != NULL) {
        struct task *task = mail.tasks;
        mail.tasks = task->next;
        task->run(task);
    }
}

static void on_mail(evutil_socket_t fd, short what, void *context)
{
    struct server_http *http = context;
    (void)fd, (void)what;
    mailbox_clear_event(&http->mailbox);
    do {
        take_mail(http);
    } while (!mailbox_fall_asleep(&http->mailbox));
}

static void end_thread(struct task *task)
{
    struct server_http *http = container_of(task, struct server_http, ending);
    event_base_loopbreak(http->base);
}

static void *run(void *context)
{
    struct server_http *http = context;
    prctl(PR_SET_NAME, "http");
    event_base_dispatch(http->base);
    http_server_free(http->http);
    return NULL;
}

uint16_t server_http_port(const struct server *server)
{
    for (size_t i = 0; server->http != NULL && i < server->http->door_count; i++) {
        if (server->http->doors[i].tls == NULL)
            return server->http->doors[i].port;
    }
    return 0;
}

void server_each_http_listener(const struct server *server, server_listener_visitor *visit,
                               void *visitor)
{
    for (size_t i = 0; server->http != NULL && i < server->http->door_count; i++) {
        const struct door *door = &server->http->doors[i];
        visit(visitor, door->tls != NULL ? "https" : "http",
              door->place->address[0] != '\0' ? door->place->address : "::", door->port);
    }
}

static struct server_http *new_http(struct server *server)
{
    struct server_http *http = xcalloc(1, sizeof *http);
    http->server = server;
    return http;
}

static bool open_door(struct server *server, const struct config_management *place,
                      struct tls_context *tls, char *reason, size_t reason_size)
{
    char why[LISTENER_REASON_SIZE];
    if (place->port == CONFIG_UNLIMITED)
        return true;
    const char *address = place->address[0] != '\0' ? place->address : NULL;
    struct listener *listener =
        listener_new_lasting(address, (uint16_t)place->port, &server->config->socket, why);
    if (listener == NULL && !place->is_port_chosen) {
        log_warning("the management API is not there: %s", why);
        return true;
    }
    if (listener == NULL) {
        snprintf(reason, reason_size, "%s", why);
        return false;
    }
    if (server->http == NULL)
        server->http = new_http(server);
    server->http->doors[server->http->door_count++] =
        (struct door){listener, place, tls, listener_port(listener)};
    return true;
}

bool server_open_http(struct server *server, char *reason, size_t reason_size)
{
    char why[TLS_REASON_SIZE];
    const struct config *config = server->config;
    if (config->management_https.port != CONFIG_UNLIMITED) {
        server->management_tls = tls_context_new(config, &config->management_tls, why);
        if (server->management_tls == NULL) {
            snprintf(reason, reason_size, "%s", why);
            return false;
        }
    }
    return open_door(server, &config->management, NULL, reason, reason_size) &&
           open_door(server, &config->management_https, server->management_tls, reason,
                     reason_size);
}

/* The thread gets the sockets. */
static struct http_server *make_server(struct server_http *http, const struct http_hooks *hooks)
{
    struct http_socket sockets[HTTP_DOORS_MAX];
    for (size_t i = 0; i < http->door_count; i++) {
        struct door *door = &http->doors[i];
        sockets[i] = (struct http_socket){listener_give_away(door->listener), door->tls};
        door->listener = NULL;
    }
    return http_server_new(http->base, sockets, http->door_count, http->server->config, hooks);
}

void server_start_http(struct server *server)
{
    struct server_http *http = server->http;
    if (http == NULL)
        return;
    const struct http_hooks hooks = {log_in, handle, finish, http};
    static const struct http_host host = {
        .alarms = alarms_of,
        .each_listener = each_listener,
        .each_certificate = server_each_certificate,
        .unix_time_s = unix_time_s,
        .has_vhost = server_has_vhost,
        .has_queue = server_has_queue,
        .has_exchange = server_has_exchange,
        .sessions = &session_host,
        .export_definitions = server_http_export,
        .import_definitions = server_http_import,
        .submit = submit_job,
        .take_vhost = take_vhost,
        .release_vhost = release_vhost,
        .ask = ask_vhost,
        .list_peers = list_peers,
        .each_setting = server_each_setting,
        .is_ending = is_ending,
        .node = node_facts,
        .counters = counters_of,
    };
    http->context = (struct http_context){
        server->directory, server->config, &host, server, server_stats_statistics(server->stats),
        &server->logins};
    http->base = event_loop_new();
    list_init(&http->logins);
    list_init(&http->waiting_jobs);
    mailbox_init(&http->mailbox);
    http->mail_event =
        event_new(http->base, http->mailbox.event_fd, EV_READ | EV_PERSIST, on_mail, http);
    CHECK(http->mail_event != NULL && event_add(http->mail_event, NULL) == 0);
    CHECK(mailbox_fall_asleep(&http->mailbox));
    http->http = make_server(http, &hooks);
    http->is_started = true;
    CHECK(pthread_create(&http->thread, NULL, run, http) == 0);
    for (size_t i = 0; i < http->door_count; i++) {
        const struct door *door = &http->doors[i];
        log_info("started management %slistener on %s:%u", door->tls != NULL ? "TLS " : "",
                 door->place->address[0] != '\0' ? door->place->address : "*",
                 (unsigned)door->port);
    }
}

void server_stop_http(struct server *server)
{
    struct server_http *http = server->http;
    if (http == NULL || !http->is_started)
        return;
    http->ending.run = end_thread;
    mailbox_post_task(&http->mailbox, &http->ending);
    CHECK(pthread_join(http->thread, NULL) == 0);
    list_for_each(&http->logins, node)
    {
        struct errand *errand = list_entry(node, struct errand, in_logins);
        if (!worker_pool_cancel(server->workers, &errand->work))
            continue;
        http_call_turn_away(errand->call);
        free_errand(errand);
    }
}

void server_free_http(struct server *server)
{
    struct server_http *http = server->http;
    if (http == NULL)
        return;
    if (http->is_started) {
        take_mail(http);
        event_free(http->mail_event);
        event_base_free(http->base);
        mailbox_fini(&http->mailbox);
    }
    for (size_t i = 0; i < http->door_count; i++)
        listener_free(http->doors[i].listener);
    free(http);
}
