/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exchanges: those of all vhosts, of one, and one alone. In a path the default exchange, whose name
 * is empty, is amq.default.
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

/* Samples only of one exchange, as of queues. */
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
                                     .ages = objects->count == 0 ? &ages : NULL};
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
    if (status->policy.data != NULL)
        http_row_text(row, "policy", status->policy);
    if (!http_call_says(objects->job->call, "disable_stats", "true"))
        fill_stats(objects, object, row);
}

static struct bytes name_of(const void *context, size_t number)
{
    const struct exchange_status *status = http_object_at(context, number)->status;
    return status->name;
}

static int compare_names(const void *a, const void *b)
{
    const struct exchange_status *x = ((const struct http_object *)a)->status;
    const struct exchange_status *y = ((const struct http_object *)b)->status;
    return bytes_compare(x->name, y->name);
}

static void run_list(struct http_job *job)
{
    struct http_objects objects = {.job = job};
    struct vhost_visitor visitor = status_rows_of_exchanges(&objects.kept);
    for (size_t i = 0; i < job->vhost_count; i++) {
        size_t first = objects.count;
        http_objects_list(&objects, &job->vhosts[i], &visitor);
        http_objects_sort(&objects, first, compare_names);
    }
    const struct http_list list = {objects.count, name_of, fill_row, &objects};
    http_reply_row_pages(job->call, &list);
    http_objects_fini(&objects);
}

static void get_exchanges(const struct http_context *context, struct http_call *call)
{
    http_job_answer(context, call, run_list);
}

struct bytes http_exchange_name(const char *segment)
{
    return bytes_of_text(strcmp(segment, "amq.default") == 0 ? "" : segment);
}

struct search {
    struct bytes name;
    struct vhost_visitor keeper;
};

static void find_exchange(struct vhost *vhost, uint64_t now_ms, void *context)
{
    struct search *search = context;
    struct exchange_status status;
    (void)now_ms;
    if (vhost_exchange_status(vhost, search->name, &status))
        search->keeper.exchange(search->keeper.context, &status);
}

static void run_one(struct http_job *job)
{
    struct http_objects objects = {.job = job};
    struct search search = {http_exchange_name(http_call_parameter(job->call, "name")),
                            status_rows_of_exchanges(&objects.kept)};
    for (size_t i = 0; i < job->vhost_count; i++)
        http_job_ask(job, job->vhosts[i].gate, find_exchange, &search);
    if (objects.kept.count == 0) {
        http_not_found(job->call);
        return;
    }
    struct http_row row = {json_object(), NULL};
    struct http_object object = {job->vhosts[0].name, objects.kept.rows[0]};
    objects.rows = &object;
    fill_row(&objects, 0, &row);
    http_row_put(&row, "incoming", json_array());
    http_row_put(&row, "outgoing", json_array());
    http_reply(job->call, row.json);
    status_rows_fini(&objects.kept);
}

static void get_exchange(const struct http_context *context, struct http_call *call)
{
    http_job_answer(context, call, run_one);
}

const struct http_route http_exchange_routes[] = {
    {"/exchanges", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .get = get_exchanges},
    {"/exchanges/:vhost", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .get = get_exchanges},
    {"/exchanges/:vhost/:name", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .get = get_exchange, .put = http_put_exchange, .delete = http_delete_exchange},
    {"/exchanges/:vhost/:name/publish", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT,
     .lists_vhosts = true, .post = http_publish},
    {.pattern = NULL},
};
