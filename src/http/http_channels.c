/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Channels: all of them, those of a vhost or of a connection, and one alone. Who does not monitor
 * sees its own.
 */
#include <string.h>

#include "base/buffer.h"
#include "broker/status_rows.h"
#include "broker/vhost.h"
#include "config/config.h"
#include "http/http_call.h"
#include "http/http_job.h"
#include "http/http_objects.h"
#include "http/http_resources.h"
#include "http/http_row.h"
#include "http/http_stats.h"

/* --- a row */

static void fill_name(const struct channel_status *status, struct http_row *row)
{
    struct buffer name = {0};
    http_append_channel_name(&name, status->connection_name, status->number);
    http_row_text(row, "name", buffer_bytes(&name));
    buffer_fini(&name);
}

static void fill_stats(const struct http_objects *objects, const struct channel_status *status,
                       struct http_row *row)
{
    struct http_ages ages;
    uint64_t values[STATS_WIDTH_MAX];
    const struct stats_number number = {status->connection_number, status->serial};
    http_ages_read(&ages, objects->job->call);
    stats_of_channel(values, &status->counters);
    const struct http_stats stats = {.statistics = objects->job->context->statistics,
                                     .kind = STATS_CHANNEL,
                                     .name = stats_name_of(&number),
                                     .values = values,
                                     .ages = &ages};
    http_stats_fill_row(&stats, row);
}

static void fill_row(const void *context, size_t number, struct http_row *row)
{
    const struct http_objects *objects = context;
    const struct http_object *object = http_object_at(context, number);
    const struct channel_status *status = object->status;
    if (http_row_wants(row, "name"))
        fill_name(status, row);
    http_row_number(row, "number", status->number);
    http_row_text(row, "user", status->user);
    http_row_text(row, "user_who_performed_action", status->user);
    http_row_text(row, "vhost", bytes_of_text(object->vhost));
    http_row_text(row, "node", bytes_of_text(objects->job->context->config->node_name));
    http_row_text(row, "state", bytes_of_text(status->is_slowed ? "flow" : "running"));
    http_row_flag(row, "confirm", status->has_confirms);
    http_row_flag(row, "transactional", status->has_transactions);
    http_row_number(row, "consumer_count", status->consumers);
    http_row_number(row, "messages_unacknowledged", status->unacked);
    http_row_number(row, "messages_unconfirmed", status->unconfirmed);
    http_row_number(row, "messages_uncommitted", status->uncommitted);
    http_row_number(row, "acks_uncommitted", status->acks_uncommitted);
    http_row_number(row, "prefetch_count", status->prefetch_count);
    http_row_number(row, "global_prefetch_count", status->prefetch_global);
    http_row_number(row, "pending_raft_commands", 0);
    http_row_idle_since(row, status->idle_since_ms);
    if (http_stats_are_wanted(objects->job->context, objects->job->call))
        fill_stats(objects, status, row);
    if (http_row_wants(row, "connection_details"))
        http_row_put(row, "connection_details", http_connection_details(status->connection_name));
}

/* --- which ones */

struct filter {
    const struct http_call *call;
    const char *connection; /* NULL: all */
    struct bytes channel;   /* its name; no data: all */
    struct vhost_visitor keeper;
    bool has_others; /* some were not for the user */
};

static const char others[] = "User not authorised to access object";

static bool is_wanted(const struct filter *filter, struct bytes connection, uint16_t number)
{
    if (filter->connection != NULL && !bytes_equal_text(connection, filter->connection))
        return false;
    if (filter->channel.data == NULL)
        return true;
    if (filter->channel.size < connection.size ||
        memcmp(filter->channel.data, connection.data, connection.size) != 0)
        return false;
    struct buffer name = {0};
    http_append_channel_name(&name, connection, number);
    bool is_same = bytes_equal(buffer_bytes(&name), filter->channel);
    buffer_fini(&name);
    return is_same;
}

static void visit_channel(void *context, const struct channel_status *status)
{
    struct filter *filter = context;
    if (!is_wanted(filter, status->connection_name, status->number))
        return;
    if (http_call_sees_user(filter->call, status->user))
        filter->keeper.channel(filter->keeper.context, status);
    else
        filter->has_others = true;
}

static void visit_consumer(void *context, const struct consumer_status *status)
{
    const struct filter *filter = context;
    if (is_wanted(filter, status->connection_name, status->channel))
        filter->keeper.consumer(filter->keeper.context, status);
}

static int compare(const void *a, const void *b)
{
    const struct channel_status *x = ((const struct http_object *)a)->status;
    const struct channel_status *y = ((const struct http_object *)b)->status;
    int order = bytes_compare(x->connection_name, y->connection_name);
    return order != 0 ? order : x->number - y->number;
}

static void gather(struct http_objects *objects, struct filter *filter)
{
    const struct vhost_visitor visitor = {.channel = visit_channel, .context = filter};
    filter->keeper = status_rows_of_channels(&objects->kept);
    for (size_t i = 0; i < objects->job->vhost_count; i++) {
        size_t first = objects->count;
        http_objects_list(objects, &objects->job->vhosts[i], &visitor);
        http_objects_sort(objects, first, compare);
    }
}

/* --- lists */

/* By the connection: two channels of it are told apart by their numbers alone. */
static struct bytes name_of(const void *context, size_t number)
{
    const struct channel_status *status = http_object_at(context, number)->status;
    return status->connection_name;
}

static void answer(struct http_job *job, const char *connection, bool has_pages)
{
    struct http_objects *objects = http_objects_new(job);
    struct filter filter = {.call = job->call, .connection = connection};
    gather(objects, &filter);
    const struct http_list list = http_objects_as_list(objects, name_of, fill_row);
    if (connection != NULL && filter.has_others) {
        http_objects_free(objects);
        http_not_authorised(job->call, others);
    } else if (has_pages) {
        http_reply_row_pages(job->call, &list);
    } else {
        http_reply_rows(job->call, &list);
    }
}

static void run_list(struct http_job *job)
{
    answer(job, NULL, true);
}

static void run_of_connection(struct http_job *job)
{
    answer(job, http_call_parameter(job->call, "name"), false);
}

/* --- one */

static json_t *consumers_of(const struct http_job *job, const struct http_job_vhost *vhost,
                            struct filter *filter)
{
    json_t *details = json_array();
    struct status_rows consumers = {0};
    const struct vhost_visitor visitor = {.consumer = visit_consumer, .context = filter};
    filter->keeper = status_rows_of_consumers(&consumers);
    http_job_list(job, vhost->gate, &visitor, &consumers);
    for (size_t i = 0; i < consumers.count; i++)
        json_array_append_new(details, http_consumer_json(job, vhost->name, consumers.rows[i]));
    status_rows_fini(&consumers);
    return details;
}

static const struct http_job_vhost *vhost_named(const struct http_job *job, const char *name)
{
    size_t i = 0;
    while (strcmp(job->vhosts[i].name, name) != 0)
        i++;
    return &job->vhosts[i];
}

static void run_one(struct http_job *job)
{
    struct http_objects objects = {.job = job};
    struct filter filter = {.call = job->call,
                            .channel = bytes_of_text(http_call_parameter(job->call, "name"))};
    gather(&objects, &filter);
    if (objects.count > 0) {
        struct http_row row = {json_object(), NULL};
        fill_row(&objects, 0, &row);
        http_row_put(&row, "consumer_details",
                     consumers_of(job, vhost_named(job, objects.rows[0].vhost), &filter));
        http_row_put(&row, "deliveries", json_array());
        http_row_put(&row, "publishes", json_array());
        http_reply(job->call, row.json);
    } else if (filter.has_others) {
        http_not_authorised(job->call, others);
    } else {
        http_not_found(job->call);
    }
    http_objects_fini(&objects);
}

static void get_channels(const struct http_context *context, struct http_call *call)
{
    http_job_answer_all(context, call, run_list);
}

static void get_channels_of_connection(const struct http_context *context, struct http_call *call)
{
    http_job_answer_all(context, call, run_of_connection);
}

static void get_channel(const struct http_context *context, struct http_call *call)
{
    http_job_answer_all(context, call, run_one);
}

static void get_channels_of_vhost(const struct http_context *context, struct http_call *call)
{
    http_job_answer(context, call, run_list);
}

const struct http_route http_channel_routes[] = {
    {"/channels", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .age_error = "bad_request", .get = get_channels},
    {"/channels/:name", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .age_error = "bad_request", .get = get_channel},
    {"/connections/:name/channels", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .age_error = "bad_request", .get = get_channels_of_connection},
    {"/vhosts/:vhost/channels", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .age_error = "bad_request", .get = get_channels_of_vhost},
    {.pattern = NULL},
};
