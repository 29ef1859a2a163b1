/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections: all of them, those of a vhost or of a user, and one alone. What is of the socket the
 * reactors know, what is of the protocol the vhosts: both are asked, one after the other, and put
 * together by the connection's number. Who does not monitor sees its own.
 */
#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"
#include "broker/status_rows.h"
#include "broker/vhost.h"
#include "config/config.h"
#include "http/http_call.h"
#include "http/http_job.h"
#include "http/http_peer.h"
#include "http/http_resources.h"
#include "http/http_row.h"
#include "http/http_stats.h"

struct known {
    const char *vhost;
    const struct http_peer *peer;
    const struct session_status *session; /* NULL: it has just ended */
};

struct connections {
    const struct http_job *job;
    struct status_rows peers, sessions;
    struct known *rows; /* owned */
    size_t count;
    bool is_one; /* of it what is not there is "" */
};

/* --- gathering */

static const char *vhost_of(const struct http_job *job, const struct gate *gate)
{
    for (size_t i = 0; i < job->vhost_count; i++) {
        if (job->vhosts[i].gate == gate)
            return job->vhosts[i].name;
    }
    return NULL;
}

static int compare_names(const void *a, const void *b)
{
    const struct known *x = a, *y = b;
    int order = strcmp(x->vhost, y->vhost);
    return order != 0 ? order : bytes_compare(x->peer->name, y->peer->name);
}

/* Of this user or this name alone, where they are not NULL. */
static void gather(struct connections *connections, const char *user, const char *name)
{
    const struct http_job *job = connections->job;
    struct vhost_visitor visitor = status_rows_of_sessions(&connections->sessions);
    job->context->host->list_peers(job->context->host_context, &connections->peers);
    for (size_t i = 0; i < job->vhost_count; i++)
        http_job_list(job, job->vhosts[i].gate, &visitor, &connections->sessions);
    http_peer_sort_sessions(&connections->sessions);
    connections->rows = xcalloc(connections->peers.count + 1, sizeof connections->rows[0]);
    for (size_t i = 0; i < connections->peers.count; i++) {
        const struct http_peer *peer = connections->peers.rows[i];
        const char *vhost = vhost_of(job, peer->gate);
        if (vhost == NULL || (name == NULL && !http_call_sees_user(job->call, peer->user)) ||
            (user != NULL && !bytes_equal_text(peer->user, user)) ||
            (name != NULL && !bytes_equal_text(peer->name, name)))
            continue;
        connections->rows[connections->count++] =
            (struct known){vhost, peer, http_peer_session(peer, &connections->sessions)};
    }
    qsort(connections->rows, connections->count, sizeof connections->rows[0], compare_names);
}

static void fini(struct connections *connections)
{
    status_rows_fini(&connections->peers);
    status_rows_fini(&connections->sessions);
    free(connections->rows);
}

/* --- a row */

static void fill_tls(const struct http_peer *peer, bool is_one, struct http_row *row)
{
    const struct {
        const char *name;
        struct bytes text;
    } fields[] = {
        {"ssl_protocol", peer->protocol},
        {"ssl_cipher", peer->cipher},
        {"ssl_hash", peer->hash},
        {"ssl_key_exchange", peer->key_exchange},
        {"peer_cert_subject", peer->subject},
        {"peer_cert_issuer", peer->issuer},
        {"peer_cert_validity", peer->validity},
    };
    http_row_flag(row, "ssl", peer->is_tls);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        bool is_empty = is_one && fields[i].text.data == NULL;
        http_row_text(row, fields[i].name, is_empty ? bytes_of_text("") : fields[i].text);
    }
}

static void fill_socket(const struct http_peer *peer, struct http_row *row)
{
    http_row_text(row, "peer_host", peer->peer_host);
    http_row_number(row, "peer_port", peer->peer_port);
    http_row_text(row, "host", peer->host);
    http_row_number(row, "port", peer->port);
    http_row_number(row, "recv_oct", peer->read_bytes);
    http_row_number(row, "recv_cnt", peer->reads);
    http_row_number(row, "send_oct", peer->written_bytes);
    http_row_number(row, "send_cnt", peer->writes);
    http_row_number(row, "send_pend", peer->unwritten_bytes);
}

static void fill_stats(const struct connections *connections, const struct http_peer *peer,
                       struct http_row *row)
{
    struct http_ages ages;
    uint64_t values[STATS_WIDTH_MAX];
    const struct octets octets = {peer->read_bytes, peer->written_bytes};
    const struct stats_number number = {.connection = peer->number};
    http_ages_read(&ages, connections->job->call);
    stats_of_octets(values, &octets);
    const struct http_stats stats = {.statistics = connections->job->context->statistics,
                                     .kind = STATS_CONNECTION,
                                     .name = stats_name_of(&number),
                                     .values = values,
                                     .ages = &ages};
    http_stats_fill_row(&stats, row);
}

static void fill_row(const void *context, size_t number, struct http_row *row)
{
    const struct connections *connections = context;
    const struct known *known = &connections->rows[number];
    const struct http_peer *peer = known->peer;
    http_row_text(row, "name", peer->name);
    http_row_text(row, "user", peer->user);
    http_row_text(row, "user_who_performed_action", peer->user);
    http_row_text(row, "vhost", bytes_of_text(known->vhost));
    http_row_text(row, "node", bytes_of_text(connections->job->context->config->node_name));
    http_row_text(row, "state", http_peer_state(peer, known->session));
    http_row_text(row, "type", bytes_of_text("network"));
    http_row_text(row, "protocol", bytes_of_text("AMQP 0-9-1"));
    http_row_text(row, "auth_mechanism", peer->mechanism);
    http_row_number(row, "channels", known->session != NULL ? known->session->channels : 0);
    http_row_number(row, "channel_max", peer->channel_max);
    http_row_number(row, "frame_max", peer->frame_max);
    http_row_number(row, "timeout", peer->heartbeat_s);
    http_row_number(row, "connected_at", peer->connected_ms);
    http_row_table(row, "client_properties", peer->client_properties);
    if (peer->client_name.size > 0)
        http_row_text(row, "user_provided_name", peer->client_name);
    fill_socket(peer, row);
    if (http_stats_are_wanted(connections->job->context, connections->job->call))
        fill_stats(connections, peer, row);
    fill_tls(peer, connections->is_one, row);
}

/* --- lists */

static struct bytes name_of(const void *context, size_t number)
{
    return ((const struct connections *)context)->rows[number].peer->name;
}

static struct connections *new_connections(const struct http_job *job)
{
    struct connections *connections = xcalloc(1, sizeof *connections);
    connections->job = job;
    return connections;
}

static void free_connections(void *connections)
{
    fini(connections);
    free(connections);
}

static struct http_list as_list(struct connections *connections,
                                void (*fill)(const void *connections, size_t number,
                                             struct http_row *row))
{
    size_t bytes = connections->peers.bytes + connections->sessions.bytes +
                   connections->count * sizeof connections->rows[0];
    return (struct http_list){connections->count, name_of,          fill,
                              connections,        free_connections, bytes};
}

static void run_list(struct http_job *job)
{
    struct connections *connections = new_connections(job);
    gather(connections, NULL, NULL);
    const struct http_list list = as_list(connections, fill_row);
    http_reply_row_pages(job->call, &list);
}

/* RabbitMQ tells little more than the names there. */
static void fill_brief_row(const void *context, size_t number, struct http_row *row)
{
    const struct connections *connections = context;
    const struct known *known = &connections->rows[number];
    http_row_text(row, "name", known->peer->name);
    http_row_text(row, "user", known->peer->user);
    http_row_text(row, "vhost", bytes_of_text(known->vhost));
    http_row_text(row, "node", bytes_of_text(connections->job->context->config->node_name));
}

static void run_of_user(struct http_job *job)
{
    struct connections *connections = new_connections(job);
    gather(connections, http_call_parameter(job->call, "user"), NULL);
    const struct http_list list = as_list(connections, fill_brief_row);
    http_reply_rows(job->call, &list);
}

/* Of the path's connection alone; false, answered, where it is not there or not for the user. */
static bool need_one(struct connections *connections)
{
    struct http_call *call = connections->job->call;
    gather(connections, NULL, http_call_parameter(call, "name"));
    if (connections->count == 0)
        http_not_found(call);
    else if (!http_call_sees_user(call, connections->rows[0].peer->user))
        http_not_authorised(call, "User not authorised to access object");
    else
        return true;
    return false;
}

static void run_one(struct http_job *job)
{
    struct connections connections = {.job = job, .is_one = true};
    if (need_one(&connections)) {
        struct http_row row = {json_object(), NULL};
        fill_row(&connections, 0, &row);
        http_reply(job->call, row.json);
    }
    fini(&connections);
}

/* Sessions are AMQP 1.0's. */
static void run_sessions(struct http_job *job)
{
    struct connections connections = {.job = job};
    if (need_one(&connections))
        http_bad_request(job->call, "connection does not use AMQP 1.0");
    fini(&connections);
}

static void get_connections(const struct http_context *context, struct http_call *call)
{
    http_job_answer_all(context, call, run_list);
}

static void get_connection(const struct http_context *context, struct http_call *call)
{
    http_job_answer_all(context, call, run_one);
}

static void get_sessions(const struct http_context *context, struct http_call *call)
{
    http_job_answer_all(context, call, run_sessions);
}

static void get_connections_of_user(const struct http_context *context, struct http_call *call)
{
    http_job_answer_all(context, call, run_of_user);
}

static void get_connections_of_vhost(const struct http_context *context, struct http_call *call)
{
    http_job_answer(context, call, run_list);
}

const struct http_route http_connection_routes[] = {
    {"/connections", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .age_error = "bad_request", .get = get_connections},
    {"/connections/username/:user", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .get = get_connections_of_user, .delete = http_close_connections_of},
    {"/connections/:name", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .age_error = "bad_request", .get = get_connection, .delete = http_close_connection},
    {"/connections/:name/sessions", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .get = get_sessions},
    {"/vhosts/:vhost/connections", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .age_error = "bad_request", .get = get_connections_of_vhost},
    {.pattern = NULL},
};
