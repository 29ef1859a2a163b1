/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exchanges: those of all vhosts, of one, and one alone. In a path the default exchange, whose name
 * is empty, is amq.default, or nothing between two slashes.
 */
#include <string.h>

#include "broker/status_rows.h"
#include "broker/vhost.h"
#include "http/http_call.h"
#include "http/http_job.h"
#include "http/http_objects.h"
#include "http/http_resources.h"
#include "http/http_row.h"
#include "http/http_stats.h"

static void fill_stats(const struct http_objects *objects, const struct http_object *object,
                       struct http_row *row)
{
    struct http_ages ages;
    uint64_t values[STATS_WIDTH_MAX];
    const struct exchange_status *status = object->status;
    http_ages_read(&ages, objects->job->call);
    stats_of_exchange(values, &status->counters);
    const struct http_stats stats = {.statistics = objects->job->context->statistics,
                                     .kind = STATS_EXCHANGE,
                                     .vhost = bytes_of_text(object->vhost),
                                     .name = status->name,
                                     .values = values,
                                     .ages = &ages};
    http_stats_fill_row(&stats, row);
}

static void fill_row(const void *context, size_t number, struct http_row *row)
{
    const struct http_objects *objects = context;
    const struct http_object *object = http_object_at(context, number);
    const struct exchange_status *status = object->status;
    http_row_text(row, "name", status->name);
    http_row_text(row, "vhost", bytes_of_text(object->vhost));
    http_row_text(row, "type", status->type);
    http_row_flag(row, "durable", status->is_durable);
    http_row_flag(row, "auto_delete", status->is_auto_delete);
    http_row_flag(row, "internal", status->is_internal);
    http_row_table(row, "arguments", status->arguments);
    if (status->user.size > 0)
        http_row_text(row, "user_who_performed_action", status->user);
    if (status->policy.data != NULL)
        http_row_text(row, "policy", status->policy);
    if (http_stats_are_wanted(objects->job->context, objects->job->call))
        fill_stats(objects, object, row);
}

static struct bytes name_of(const void *exchange)
{
    const struct exchange_status *status = exchange;
    return status->name;
}

static void find(const struct vhost *vhost, struct bytes name, const struct vhost_visitor *visitor)
{
    struct exchange_status status;
    if (vhost_exchange_status(vhost, name, &status))
        visitor->exchange(visitor->context, &status);
}

static const struct http_named_kind exchanges = {status_rows_of_exchanges, name_of, find, fill_row};

static void run_list(struct http_job *job)
{
    http_objects_reply_named(job, &exchanges);
}

static void get_exchanges(const struct http_context *context, struct http_call *call)
{
    http_job_answer(context, call, run_list);
}

struct bytes http_exchange_name(const char *segment)
{
    return bytes_of_text(strcmp(segment, "amq.default") == 0 ? "" : segment);
}

static void run_one(struct http_job *job)
{
    struct http_objects objects = {.job = job};
    struct bytes name = http_exchange_name(http_call_parameter(job->call, "exchange"));
    if (http_objects_need_named(&objects, &exchanges, name)) {
        struct http_row row = {json_object(), NULL};
        fill_row(&objects, 0, &row);
        http_row_put(&row, "incoming", json_array());
        http_row_put(&row, "outgoing", json_array());
        http_reply(job->call, row.json);
    }
    http_objects_fini(&objects);
}

static void get_exchange(const struct http_context *context, struct http_call *call)
{
    http_job_answer(context, call, run_one);
}

const struct http_route http_exchange_routes[] = {
    {"/exchanges", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .age_error = "invalid_range_parameters", .get = get_exchanges},
    {"/exchanges/:vhost", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .age_error = "invalid_range_parameters", .get = get_exchanges},
    {"/exchanges/:vhost/:exchange", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .age_error = "bad_request", .get = get_exchange, .put = http_put_exchange,
     .delete = http_delete_exchange},
    {"/exchanges/:vhost/:exchange/publish", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT,
     .lists_vhosts = true, .post = http_publish},
    {.pattern = NULL},
};
