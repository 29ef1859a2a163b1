/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first of all queues, connections or channels in the order of a column, for `leveretctl top`:
 * it asks every few seconds, for as many as a screen shows. All are looked at, a slice at a time
 * between which the core serves its clients, and only those that are shown are kept.
 *
 * Rates are those since the look before, whoever's that was: of the last two of each view the
 * counters stay here for a minute, and of these the younger one counts that is old enough to make a
 * rate of. The statistics (src/stats/statistics.h) have no rates of connections, and theirs of
 * queues are of the last five seconds.
 */
#include "runtime/server_top.h"

#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "broker/event_message.h"
#include "broker/vhost.h"
#include "config.h"
#include "config/config.h"
#include "http/http_call.h"
#include "http/http_peer.h"
#include "net/control.h"
#include "runtime/clock.h"
#include "runtime/gate.h"
#include "runtime/server_internal.h"
#include "runtime/server_listing.h"
#include "runtime/server_stats.h"
#include "stats/ranking.h"

enum {
    ROWS_MAX = 1000,
    PAST_MS_MIN = 500, /* a rate needs that much time to be one */
    PAST_MS_MAX = 60000,
    PASTS = 2,
};

/* The columns of a view, by what they are called in requests and answers. */
struct view {
    const char *name;
    const char *texts[RANKING_TEXTS + 1];
    const char *numbers[RANKING_NUMBERS + 1];
    const char *rates[RANKING_COUNTERS + 1];
};

enum { VIEW_QUEUES, VIEW_CONNECTIONS, VIEW_CHANNELS, VIEWS };

static const struct view views[VIEWS] = {
    {"queues",
     {"name", "vhost", "type"},
     {"messages_ready", "messages_unacknowledged", "messages", "consumers", "memory"},
     {"publish_rate", "deliver_rate", "ack_rate"}},
    {"connections",
     {"name", "user", "vhost", "state"},
     {"channels", "send_pend", "recv_oct", "send_oct"},
     {"recv_rate", "send_rate"}},
    {"channels",
     {"name", "user", "vhost"},
     {"consumers", "messages_unacknowledged", "messages_unconfirmed", "prefetch_count"},
     {"publish_rate", "deliver_rate", "ack_rate"}},
};

struct server_top {
    struct server *server; /* borrowed */
    pthread_mutex_t mutex; /* of the look that is under way, and of what follows */
    struct ranking_past *pasts[VIEWS][PASTS]; /* owned, the younger first; NULL: none */
};

struct top_job {
    struct control_work work;
    struct server_top *top;
    struct control_call *call; /* its arguments are those that the next ones borrow */
    size_t view;
    struct ranking ranking;
    struct gate **gates; /* owned, with a reference each */
    size_t gate_count;
    const char *vhost; /* that is looked at */
    uint64_t ready, unacked;
    json_t *answer;      /* owned, until it is printed */
    struct buffer reply; /* owned */
};

/* --- rows */

static uint64_t taken(const struct delivery_counters *deliveries)
{
    return deliveries->deliver + deliveries->deliver_no_ack + deliveries->get +
           deliveries->get_no_ack;
}

static void add_queue(void *context, const struct queue_status *status)
{
    struct top_job *job = context;
    struct bytes vhost = bytes_of_text(job->vhost);
    struct ranking_row row = {
        .key = bytes_hash(status->name, bytes_hash(vhost, 0)),
        .texts = {status->name, vhost, bytes_of_text(status->type)},
        .numbers = {status->ready, status->unacked, status->ready + status->unacked,
                    status->consumers, status->memory_bytes},
        .counters = {status->counters.publish, taken(&status->counters.deliveries),
                     status->counters.deliveries.ack},
    };
    job->ready += status->ready;
    job->unacked += status->unacked;
    ranking_add(&job->ranking, &row);
}

static void add_channel(void *context, const struct channel_status *status)
{
    struct top_job *job = context;
    struct buffer name = {0};
    buffer_append_bytes(&name, status->connection_name);
    buffer_append_format(&name, " (%u)", (unsigned)status->number);
    struct ranking_row row = {
        .key = bytes_hash(bytes_of(&status->connection_number, sizeof status->connection_number),
                          status->serial),
        .texts = {buffer_bytes(&name), status->user, bytes_of_text(job->vhost)},
        .numbers = {status->consumers, status->unacked, status->unconfirmed,
                    status->prefetch_count},
        .counters = {status->counters.publish, taken(&status->counters.deliveries),
                     status->counters.deliveries.ack},
    };
    ranking_add(&job->ranking, &row);
    buffer_fini(&name);
}

static void add_connection(void *context, const struct http_peer *peer,
                           const struct session_status *session)
{
    struct top_job *job = context;
    struct ranking_row row = {
        .key = peer->number,
        .texts = {peer->name, peer->user, bytes_of_text(gate_name(peer->gate)),
                  http_peer_state(peer, session)},
        .numbers = {session->channels, peer->unwritten_bytes, peer->read_bytes,
                    peer->written_bytes},
        .counters = {peer->read_bytes, peer->written_bytes},
    };
    ranking_add(&job->ranking, &row);
}

static void look_at_rows(struct top_job *job)
{
    const struct server *server = job->top->server;
    static const struct vhost_visitor visitors[VIEWS] = {
        [VIEW_QUEUES] = {.queue = add_queue},
        [VIEW_CHANNELS] = {.channel = add_channel},
    };
    struct vhost_visitor visitor = visitors[job->view];
    visitor.context = job;
    if (job->view == VIEW_CONNECTIONS)
        server_list_peers(server, job->gates, job->gate_count, add_connection, job);
    for (size_t i = 0; i < job->gate_count && job->view != VIEW_CONNECTIONS; i++) {
        job->vhost = gate_name(job->gates[i]);
        server_list(server, job->gates[i], &visitor);
    }
}

/* --- the past */

static const struct ranking_past *choose_past(const struct server_top *top, size_t view,
                                              uint64_t now_ms)
{
    for (size_t i = 0; i < PASTS; i++) {
        const struct ranking_past *past = top->pasts[view][i];
        if (past != NULL && ranking_past_ms(past) + PAST_MS_MIN <= now_ms)
            return past;
    }
    return NULL;
}

/* Two who look at the same time do not take the past from each other: a young one stays. */
static void keep_past(struct server_top *top, size_t view, struct ranking_past *past)
{
    struct ranking_past **pasts = top->pasts[view];
    if (pasts[0] != NULL && ranking_past_ms(pasts[0]) + PAST_MS_MIN > ranking_past_ms(past)) {
        ranking_past_free(past);
        return;
    }
    ranking_past_free(pasts[1]);
    pasts[1] = pasts[0];
    pasts[0] = past;
}

/* --- the answer */

static json_t *json_of_row(const struct view *view, const struct ranking_row *row)
{
    json_t *object = json_object();
    for (size_t i = 0; view->texts[i] != NULL; i++)
        json_object_set_new(object, view->texts[i], control_json_text(row->texts[i]));
    for (size_t i = 0; view->numbers[i] != NULL; i++)
        json_object_set_new(object, view->numbers[i], json_integer((json_int_t)row->numbers[i]));
    for (size_t i = 0; view->rates[i] != NULL; i++)
        json_object_set_new(object, view->rates[i],
                            row->rates[i] < 0 ? json_null() : json_real(row->rates[i]));
    return object;
}

static void put_rows(struct top_job *job)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < job->ranking.rows.count; i++)
        json_array_append_new(rows, json_of_row(&views[job->view], job->ranking.rows.rows[i]));
    json_object_set_new(job->answer, "rows", rows);
    json_object_set_new(job->answer, "seen_count",
                        json_integer((json_int_t)job->ranking.seen_count));
    json_object_set_new(job->answer, "matching_count",
                        json_integer((json_int_t)job->ranking.matching_count));
}

static void count(struct vhost *vhost, uint64_t now_ms, void *context)
{
    (void)now_ms;
    vhost_count_quickly(vhost, context);
}

/* All of it is of now, but for the messages where it is not queues that were looked at. */
static void put_totals(struct top_job *job)
{
    struct vhost_counters last, sum = {0};
    server_stats_total(job->top->server->stats, &last);
    for (size_t i = 0; i < job->gate_count; i++) {
        struct vhost_counters counters;
        gate_ask(job->gates[i], count, &counters);
        sum.sessions += counters.sessions;
        sum.channels += counters.channels;
        sum.consumers += counters.consumers;
        sum.queues += counters.queues;
        sum.published += counters.published;
        sum.delivered += counters.delivered + counters.got;
        sum.acked += counters.acked;
    }
    bool is_fresh = job->view == VIEW_QUEUES;
    json_object_set_new(
        job->answer, "totals",
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "connections",
                  (json_int_t)sum.sessions, "channels", (json_int_t)sum.channels, "consumers",
                  (json_int_t)sum.consumers, "queues", (json_int_t)sum.queues, "messages_ready",
                  (json_int_t)(is_fresh ? job->ready : last.ready), "messages_unacknowledged",
                  (json_int_t)(is_fresh ? job->unacked : last.unacked), "published",
                  (json_int_t)sum.published, "delivered", (json_int_t)sum.delivered, "acked",
                  (json_int_t)sum.acked));
}

static void put_node(struct top_job *job)
{
    struct http_node_facts facts;
    server_stats_node(job->top->server->stats, &facts);
    json_object_set_new(
        job->answer, "node",
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "mem_used", (json_int_t)facts.mem_used,
                  "mem_limit", (json_int_t)facts.mem_limit, "disk_free",
                  (json_int_t)facts.disk_free, "disk_free_limit", (json_int_t)facts.disk_free_limit,
                  "fd_used", (json_int_t)facts.fd_used, "fd_total", (json_int_t)facts.fd_total,
                  "uptime", (json_int_t)facts.uptime_ms));
}

static void run_top(struct control_work *work)
{
    struct top_job *job = container_of(work, struct top_job, work);
    struct server_top *top = job->top;
    pthread_mutex_lock(&top->mutex);
    uint64_t now_ms = clock_steady_ms();
    job->ranking.past = choose_past(top, job->view, now_ms);
    ranking_begin(&job->ranking, now_ms);
    look_at_rows(job);
    put_rows(job);
    keep_past(top, job->view, ranking_end(&job->ranking));
    pthread_mutex_unlock(&top->mutex);
    put_totals(job);
    put_node(job);
    json_object_set_new(job->answer, "time_ms", json_integer((json_int_t)now_ms));
    control_print_reply(job->answer, &job->reply);
}

static void end_top(struct control_work *work)
{
    struct top_job *job = container_of(work, struct top_job, work);
    for (size_t i = 0; i < job->gate_count; i++)
        server_release_gate(job->top->server, job->gates[i]);
    free(job->gates);
    control_reply_printed(job->call, &job->reply);
    free(job);
}

/* --- the command: {"view", "sort", "ascending", "filter", "count"} */

static bool find_name(const char *const *names, const char *name, size_t *index)
{
    for (*index = 0; names[*index] != NULL; (*index)++) {
        if (strcmp(names[*index], name) == 0)
            return true;
    }
    return false;
}

static bool find_column(const struct view *view, const char *name, struct ranking_column *column)
{
    if (find_name(view->texts, name, &column->index))
        column->kind = RANKING_TEXT;
    else if (find_name(view->numbers, name, &column->index))
        column->kind = RANKING_NUMBER;
    else if (find_name(view->rates, name, &column->index))
        column->kind = RANKING_RATE;
    else
        return false;
    return true;
}

/* False where the request is wrong, which was answered. */
static bool read_request(struct top_job *job, struct control_call *call)
{
    const json_t *arguments = control_arguments(call);
    const char *view = control_text(call, "view"), *sort = control_text(call, "sort");
    const char *filter = control_text(call, "filter");
    json_int_t rows = json_integer_value(json_object_get(arguments, "count"));
    while (job->view < VIEWS && (view == NULL || strcmp(views[job->view].name, view) != 0))
        job->view++;
    if (job->view == VIEWS) {
        control_fail(call, CONTROL_USAGE, "there is no view '%s'", view != NULL ? view : "");
        return false;
    }
    if (sort == NULL || !find_column(&views[job->view], sort, &job->ranking.order)) {
        control_fail(call, CONTROL_USAGE, "the view '%s' has no column '%s'", view,
                     sort != NULL ? sort : "");
        return false;
    }
    job->ranking.is_ascending = json_is_true(json_object_get(arguments, "ascending"));
    job->ranking.filter = bytes_of_text(filter != NULL ? filter : "");
    job->ranking.count_max = rows < 1 ? 1 : rows > ROWS_MAX ? ROWS_MAX : (size_t)rows;
    return true;
}

static void handle_top(void *context, struct control_call *call)
{
    struct server_top *top = context;
    const struct server *server = top->server;
    struct top_job *job = xcalloc(1, sizeof *job);
    job->top = top;
    job->call = call;
    job->work = (struct control_work){run_top, end_top};
    if (!read_request(job, call)) {
        free(job);
        return;
    }
    job->answer =
        json_pack("{s:s, s:s, s:s, s:o, s:b}", "view", views[job->view].name, "node_name",
                  server->config->node_name, "leveret_version", PACKAGE_VERSION, "alarms",
                  server_alarm_names(server), "is_under_maintenance", server->is_draining ? 1 : 0);
    job->gate_count = server_take_gates(top->server, &job->gates);
    server_submit_job(top->server, &job->work);
}

/* --- its life */

struct server_top *server_top_new(struct server *server)
{
    static const struct control_command commands[] = {{"top", handle_top}};
    struct server_top *top = xcalloc(1, sizeof *top);
    top->server = server;
    CHECK(pthread_mutex_init(&top->mutex, NULL) == 0);
    control_add_commands(server->control, commands, sizeof commands / sizeof commands[0], top);
    return top;
}

void server_top_tick(struct server_top *top)
{
    uint64_t now_ms = clock_steady_ms();
    if (pthread_mutex_trylock(&top->mutex) != 0)
        return;
    for (size_t i = 0; i < VIEWS * PASTS; i++) {
        struct ranking_past **past = &top->pasts[i / PASTS][i % PASTS];
        if (*past == NULL || ranking_past_ms(*past) + PAST_MS_MAX >= now_ms)
            continue;
        ranking_past_free(*past);
        *past = NULL;
    }
    pthread_mutex_unlock(&top->mutex);
}

void server_top_free(struct server_top *top)
{
    if (top == NULL)
        return;
    for (size_t i = 0; i < VIEWS * PASTS; i++)
        ranking_past_free(top->pasts[i / PASTS][i % PASTS]);
    pthread_mutex_destroy(&top->mutex);
    free(top);
}
