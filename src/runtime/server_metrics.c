/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics for Prometheus, over HTTP, on a thread of their own. /metrics is made of what the last
 * sampling found and asks nobody. What each object has is made metric by metric and slice by slice:
 * the core is asked for some objects when the client has taken what was there before, so that a
 * hundred thousand queues take as long as they take, in little memory, and clients that do not read
 * cost a timeout.
 *
 * As in RabbitMQ nobody has to log in: the listener can be bound to an address of its own.
 */
#include "runtime/server_metrics.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/check.h"
#include "base/list.h"
#include "base/xmalloc.h"
#include "config/config.h"
#include "http/http_crowd.h"
#include "http/http_gzip.h"
#include "http/http_query.h"
#include "net/listener.h"
#include "runtime/clock.h"
#include "runtime/event_loop.h"
#include "runtime/gate.h"
#include "runtime/log.h"
#include "runtime/metrics_objects.h"
#include "runtime/metrics_text.h"
#include "runtime/reactor.h"
#include "runtime/server_internal.h"
#include "runtime/server_stats.h"
#include "stats/statistics.h"

enum {
    SLICE_OBJECTS = 128,
    CHUNK_BYTES = 64 << 10,
    CLIENTS_MAX = 64,
    WAITING_BYTES_MAX = 4 << 20,
    REQUEST_S = 120, /* more than TIMEOUT_S, which ends who is silent between two scrapes */
    SCRAPES_MAX = 8, /* under way at a time */
    HEADERS_MAX = 16 << 10,
    BODY_MAX = 1024,
    TIMEOUT_S = 60,
};

struct server_metrics {
    struct server *server;     /* borrowed */
    struct listener *listener; /* owned, until the thread has its socket */
    uint16_t port;
    pthread_t thread;
    bool is_started;
    struct event_base *base;  /* owned */
    struct evhttp *http;      /* owned */
    struct http_crowd *crowd; /* owned; its clients */
    int end_fd;               /* what ends the thread is written here */
    struct event *end_event;  /* owned */
    struct list scrapes;      /* under way */
    size_t scrape_count;
};

/* An answer that is made piece by piece. */
struct scrape {
    struct list_node in_scrapes;
    struct server_metrics *metrics;
    struct evhttp_request *request; /* borrowed: evhttp's */
    const char *prefix;
    struct evkeyvalq query; /* owned */
    bool has_started;       /* the answer */
    bool has_families;      /* the query names some */
    struct gate **gates;    /* owned, with a reference each */
    size_t gate_count;
    size_t metric, gate;          /* where it stands, */
    struct vhost_listing listing; /* in that gate's objects; */
    size_t reactor, slot;         /* of connections, which vhosts do not know */
    bool has_begun;               /* with the metric */
    struct buffer text;           /* owned: the next piece */
    struct http_gzip *gzip;       /* owned; NULL: the client wants it as it is */
};

/* --- what is asked for */

static bool has_value(const struct evkeyvalq *query, const char *name, const char *value)
{
    for (const struct evkeyval *pair = query->tqh_first; pair != NULL; pair = pair->next.tqe_next) {
        if (strcmp(pair->key, name) == 0 && strcmp(pair->value, value) == 0)
            return true;
    }
    return false;
}

static bool wants_metric(const struct scrape *scrape, const struct object_metric *metric)
{
    if (!scrape->has_families)
        return !metrics_is_detailed(metric);
    const struct evkeyval *pair = scrape->query.tqh_first;
    while (pair != NULL &&
           (strcmp(pair->key, "family") != 0 || !metrics_is_of_family(metric, pair->value)))
        pair = pair->next.tqe_next;
    return pair != NULL;
}

static bool wants_vhost(const struct scrape *scrape, const char *name)
{
    return http_query_find(&scrape->query, "vhost") == NULL ||
           has_value(&scrape->query, "vhost", name);
}

/* --- pieces */

struct piece {
    struct scrape *scrape;
    const struct object_metric *metric;
    struct bytes vhost;
    bool has_more;
};

static void add(const struct piece *piece, const void *object)
{
    const struct metrics_out out = {&piece->scrape->text, piece->scrape->prefix};
    metrics_add(&out, piece->metric, piece->vhost, object);
}

static void add_queue(void *context, const struct queue_view *view)
{
    add(context, view);
}

static void add_channel(void *context, const struct channel_status *status)
{
    add(context, status);
}

static void add_session(void *context, const struct session_status *status)
{
    add(context, status);
}

/* As in RabbitMQ not the default exchange, and none that nobody publishes to. */
static void add_exchange(void *context, const struct exchange_status *status)
{
    if (status->name.size > 0 && !status->is_internal)
        add(context, status);
}

static void list_slice(const struct vhost *vhost, struct piece *piece,
                       const struct vhost_visitor *visitor)
{
    struct vhost_listing *listing = &piece->scrape->listing;
    vhost_list(vhost, listing, visitor, SLICE_OBJECTS);
    piece->has_more = !listing->is_done;
}

static void view_slice(struct vhost *vhost, uint64_t now_ms, void *context)
{
    struct piece *piece = context;
    (void)now_ms;
    switch (metrics_kind(piece->metric)) {
    case METRIC_QUEUE:
        piece->has_more = vhost_view_queues(vhost, &piece->scrape->listing.cursor, add_queue, piece,
                                            SLICE_OBJECTS);
        break;
    case METRIC_CHANNEL:
        list_slice(vhost, piece, &(struct vhost_visitor){.channel = add_channel, .context = piece});
        break;
    case METRIC_SESSION:
        list_slice(vhost, piece, &(struct vhost_visitor){.session = add_session, .context = piece});
        break;
    case METRIC_EXCHANGE:
        list_slice(vhost, piece,
                   &(struct vhost_visitor){.exchange = add_exchange, .context = piece});
        break;
    case METRIC_VHOST:
        add(piece, NULL);
        break;
    case METRIC_CONNECTION:
        CHECK(false); /* no vhost knows of it */
    }
}

/* In the thread of its reactor, while this one waits. */
static void add_connection(void *context, const struct connection_traffic *connection)
{
    const struct piece *piece = context;
    if (wants_vhost(piece->scrape, gate_name(connection->gate)))
        add(piece, connection);
}

/* Some connections of one reactor; false where the metric is done. */
static bool add_connections(struct scrape *scrape, const struct object_metric *metric)
{
    const struct server *server = scrape->metrics->server;
    struct piece piece = {scrape, metric, bytes_of(NULL, 0), false};
    if (scrape->reactor == server->reactor_count)
        return false;
    if (!reactor_visit_traffic(server->reactors[scrape->reactor], &scrape->slot, add_connection,
                               &piece)) {
        scrape->reactor++;
        scrape->slot = 0;
    }
    return true;
}

/* One slice of one vhost; false where the metric is done. */
static bool add_slice(struct scrape *scrape, const struct object_metric *metric)
{
    if (metrics_kind(metric) == METRIC_CONNECTION)
        return add_connections(scrape, metric);
    if (scrape->gate == scrape->gate_count)
        return false;
    struct gate *gate = scrape->gates[scrape->gate];
    struct piece piece = {scrape, metric, bytes_of_text(gate_name(gate)), false};
    if (wants_vhost(scrape, gate_name(gate)))
        gate_ask(gate, view_slice, &piece);
    if (!piece.has_more) {
        scrape->gate++;
        scrape->listing = (struct vhost_listing){0};
    }
    return true;
}

/* Makes the next piece; false where all is said. */
static bool make_piece(struct scrape *scrape)
{
    const struct metrics_out out = {&scrape->text, scrape->prefix};
    const struct object_metric *metric;
    while (scrape->text.size < CHUNK_BYTES && !server_is_ending(scrape->metrics->server)) {
        metric = metrics_of_objects(scrape->metric);
        if (metric == NULL)
            return false;
        bool is_wanted = wants_metric(scrape, metric);
        if (is_wanted && !scrape->has_begun)
            metrics_begin(&out, metric);
        scrape->has_begun = true;
        if (is_wanted && add_slice(scrape, metric))
            continue;
        scrape->metric++;
        scrape->gate = scrape->reactor = 0;
        scrape->listing = (struct vhost_listing){0};
        scrape->has_begun = false;
    }
    return !server_is_ending(scrape->metrics->server);
}

static void free_scrape(struct scrape *scrape)
{
    struct server *server = scrape->metrics->server;
    for (size_t i = 0; i < scrape->gate_count; i++)
        server_release_gate(server, scrape->gates[i]);
    free(scrape->gates);
    evhttp_clear_headers(&scrape->query);
    buffer_fini(&scrape->text);
    http_gzip_free(scrape->gzip);
    list_remove(&scrape->in_scrapes);
    scrape->metrics->scrape_count--;
    free(scrape);
}

/* A request that libevent has taken from its connection belongs to whoever answers it: to end the
 * answer frees it. */
static void on_gone(struct evhttp_connection *connection, void *context)
{
    struct scrape *scrape = context;
    struct evhttp_request *request = scrape->request;
    (void)connection;
    free_scrape(scrape);
    if (evhttp_request_get_connection(request) == NULL)
        evhttp_send_reply_end(request);
}

/* The last piece, which may be the first one. */
static void send_last(struct evhttp_connection *connection, struct scrape *scrape,
                      struct evbuffer *out)
{
    struct evhttp_request *request = scrape->request;
    bool has_started = scrape->has_started;
    evhttp_connection_set_closecb(connection, NULL, NULL);
    free_scrape(scrape);
    if (!has_started) {
        evhttp_send_reply(request, 200, "OK", out);
        return;
    }
    if (evbuffer_get_length(out) > 0)
        evhttp_send_reply_chunk(request, out);
    evhttp_send_reply_end(request);
}

static void send_piece(struct evhttp_connection *connection, void *context)
{
    struct scrape *scrape = context;
    bool has_more = make_piece(scrape);
    struct evbuffer *out = evbuffer_new();
    if (scrape->gzip != NULL)
        http_gzip_run(scrape->gzip, &scrape->text, !has_more);
    CHECK(out != NULL && evbuffer_add(out, scrape->text.data, scrape->text.size) == 0);
    buffer_clear(&scrape->text);
    if (!has_more) {
        send_last(connection, scrape, out);
    } else {
        if (!scrape->has_started)
            evhttp_send_reply_start(scrape->request, 200, "OK");
        scrape->has_started = true;
        evhttp_send_reply_chunk_with_cb(scrape->request, out, send_piece, scrape);
    }
    evbuffer_free(out);
}

/* --- answers */

/* cluster: server_cluster_name, which outlives the facts; endpoint: the name of what was asked for,
 * as RabbitMQ 4 has it. */
static void fill_facts(struct server *server, const char *cluster, const char *endpoint,
                       struct metrics_facts *facts)
{
    *facts = (struct metrics_facts){
        .node = server->config->node_name,
        .cluster = cluster,
        .endpoint = endpoint,
        .product_name = server->config->product_name,
        .product_version = server->config->product_version,
        .alarms = server_stats_alarms(server->stats),
        .octets = server_stats_octets(server->stats),
        .started_s = server->started_wall_ms / 1000,
        .statistics_bytes = statistics_bytes(server_stats_statistics(server->stats)),
    };
    for (int i = 0; i < LOGIN_PROTOCOLS; i++)
        login_counts_read(server_logins(server), (enum login_protocol)i,
                          &facts->logins[i].succeeded, &facts->logins[i].failed);
    server_stats_total(server->stats, &facts->counters);
    server_stats_node(server->stats, &facts->facts);
}

/* Those of /metrics/detailed that are about the whole server. */
static void put_server_families(struct scrape *scrape, const struct metrics_facts *facts)
{
    const struct metrics_out out = {&scrape->text, scrape->prefix};
    const char *name;
    void (*put)(const struct metrics_out *out, const struct metrics_facts *facts);
    for (size_t i = 0; metrics_server_family(i, &name, &put); i++) {
        if (has_value(&scrape->query, "family", name))
            put(&out, facts);
    }
}

/* What the answer is, and how it is compressed: the caller's, or NULL. */
static struct http_gzip *begin_text(struct evhttp_request *request)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    evhttp_add_header(headers, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    if (!http_gzip_is_wanted(request))
        return NULL;
    evhttp_add_header(headers, "Content-Encoding", "gzip");
    return http_gzip_new();
}

static void answer_totals(struct server_metrics *metrics, struct evhttp_request *request,
                          bool is_memory)
{
    struct metrics_facts facts;
    struct buffer text = {0};
    struct evbuffer *out = evbuffer_new();
    char *cluster = server_cluster_name(metrics->server);
    const struct metrics_out lines = {&text, "rabbitmq_"};
    fill_facts(metrics->server, cluster, is_memory ? "memory-breakdown" : "aggregated", &facts);
    metrics_put_identity(&text, &facts);
    if (is_memory)
        metrics_put_memory(&lines, &facts);
    else
        metrics_put_server(&lines, &facts, true);
    free(cluster);
    struct http_gzip *gzip = begin_text(request);
    if (gzip != NULL)
        http_gzip_run(gzip, &text, true);
    http_gzip_free(gzip);
    CHECK(out != NULL && evbuffer_add(out, text.data, text.size) == 0);
    evhttp_send_reply(request, 200, "OK", out);
    evbuffer_free(out);
    buffer_fini(&text);
}

static void answer_objects(struct server_metrics *metrics, struct evhttp_request *request,
                           bool is_detailed)
{
    struct metrics_facts facts;
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
    if (metrics->scrape_count >= SCRAPES_MAX) {
        evhttp_send_error(request, 503, "Too many at a time");
        return;
    }
    struct scrape *scrape = xcalloc(1, sizeof *scrape);
    TAILQ_INIT(&scrape->query);
    if (query != NULL && !http_query_parse(query, &scrape->query)) {
        free(scrape);
        evhttp_send_error(request, 400, "Bad Request");
        return;
    }
    scrape->metrics = metrics;
    scrape->request = request;
    scrape->prefix = is_detailed ? "rabbitmq_detailed_" : "rabbitmq_";
    scrape->has_families = is_detailed; /* where none is named there is none */
    scrape->gate_count = server_take_gates(metrics->server, &scrape->gates);
    list_push_back(&metrics->scrapes, &scrape->in_scrapes);
    metrics->scrape_count++;
    char *cluster = server_cluster_name(metrics->server);
    fill_facts(metrics->server, cluster, is_detailed ? "detailed" : "per-object", &facts);
    metrics_put_identity(&scrape->text, &facts);
    const struct metrics_out out = {&scrape->text, scrape->prefix};
    if (is_detailed)
        put_server_families(scrape, &facts);
    else
        metrics_put_server(&out, &facts, false);
    free(cluster);
    scrape->gzip = begin_text(request);
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    evhttp_connection_set_closecb(connection, on_gone, scrape);
    send_piece(connection, scrape);
}

/* Whoever only asks whether somebody is there has nothing made for it. */
static void answer_without_text(struct evhttp_request *request)
{
    if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD) {
        evhttp_send_reply(request, 204, "No Content", NULL);
        return;
    }
    evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", "HEAD, GET");
    evhttp_send_error(request, 405, "Method Not Allowed");
}

static void on_request(struct evhttp_request *request, void *context)
{
    struct server_metrics *metrics = context;
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
    bool has_objects = metrics->server->config->prometheus_per_object;
    http_crowd_forget_request(metrics->crowd, request);
    if (evhttp_request_get_command(request) != EVHTTP_REQ_GET)
        answer_without_text(request);
    else if (strcmp(path, "/metrics/detailed") == 0)
        answer_objects(metrics, request, true);
    else if (strcmp(path, "/metrics/per-object") == 0 ||
             (strcmp(path, "/metrics") == 0 && has_objects))
        answer_objects(metrics, request, false);
    else if (strcmp(path, "/metrics") == 0)
        answer_totals(metrics, request, false);
    else if (strcmp(path, "/metrics/memory-breakdown") == 0)
        answer_totals(metrics, request, true);
    else
        evhttp_send_error(request, 404, "Not Found");
}

/* --- the thread */

static void on_end(evutil_socket_t fd, short what, void *context)
{
    struct server_metrics *metrics = context;
    (void)fd, (void)what;
    event_base_loopbreak(metrics->base);
}

/* Scrapes that are under way end with their connections. */
static void *run(void *context)
{
    struct server_metrics *metrics = context;
    prctl(PR_SET_NAME, "metrics");
    event_base_dispatch(metrics->base);
    evhttp_free(metrics->http);
    http_crowd_free(metrics->crowd);
    CHECK(metrics->scrape_count == 0);
    return NULL;
}

bool server_metrics_open(struct server *server, struct server_metrics **metrics, char *reason,
                         size_t reason_size)
{
    char why[LISTENER_REASON_SIZE];
    const struct config_management *config = &server->config->prometheus;
    *metrics = NULL;
    if (config->port == CONFIG_UNLIMITED)
        return true;
    struct listener *listener =
        listener_new_lasting(config->address[0] != '\0' ? config->address : NULL,
                             (uint16_t)config->port, &server->config->socket, why);
    if (listener == NULL && !config->is_port_chosen) {
        log_warning("there are no metrics for Prometheus: %s", why);
        return true;
    }
    if (listener == NULL) {
        snprintf(reason, reason_size, "%s", why);
        return false;
    }
    *metrics = xcalloc(1, sizeof **metrics);
    (*metrics)->server = server;
    (*metrics)->listener = listener;
    (*metrics)->port = listener_port(listener);
    list_init(&(*metrics)->scrapes);
    return true;
}

void server_metrics_start(struct server_metrics *metrics)
{
    static const struct http_bounds bounds = {CLIENTS_MAX, REQUEST_S, WAITING_BYTES_MAX};
    if (metrics == NULL)
        return;
    metrics->base = event_loop_new();
    metrics->http = evhttp_new(metrics->base);
    CHECK(metrics->http != NULL);
    evhttp_set_gencb(metrics->http, on_request, metrics);
    evhttp_set_timeout(metrics->http, TIMEOUT_S);
    evhttp_set_max_headers_size(metrics->http, HEADERS_MAX);
    evhttp_set_max_body_size(metrics->http, BODY_MAX);
    metrics->crowd = http_crowd_new(metrics->base, &bounds);
    http_crowd_open(metrics->crowd, metrics->http, listener_give_away(metrics->listener), NULL);
    metrics->listener = NULL;
    metrics->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(metrics->end_fd >= 0);
    metrics->end_event = event_new(metrics->base, metrics->end_fd, EV_READ, on_end, metrics);
    CHECK(metrics->end_event != NULL && event_add(metrics->end_event, NULL) == 0);
    metrics->is_started = true;
    CHECK(pthread_create(&metrics->thread, NULL, run, metrics) == 0);
    log_info("started metrics listener on port %u", (unsigned)metrics->port);
}

void server_metrics_stop(struct server_metrics *metrics)
{
    if (metrics == NULL || !metrics->is_started)
        return;
    CHECK(eventfd_write(metrics->end_fd, 1) == 0);
    CHECK(pthread_join(metrics->thread, NULL) == 0);
    event_free(metrics->end_event);
    close(metrics->end_fd);
    event_base_free(metrics->base);
    metrics->is_started = false;
}

void server_metrics_free(struct server_metrics *metrics)
{
    if (metrics == NULL)
        return;
    CHECK(!metrics->is_started);
    listener_free(metrics->listener);
    free(metrics);
}

uint16_t server_metrics_port(const struct server_metrics *metrics)
{
    return metrics != NULL ? metrics->port : 0;
}
