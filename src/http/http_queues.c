/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues: those of all vhosts, of one, and one alone. Rows are made in a job, of copies.
 */
#include <jansson.h>
#include <stdio.h>

#include "broker/policy.h"
#include "broker/status_rows.h"
#include "broker/vhost.h"
#include "config/config.h"
#include "config/json_table.h"
#include "http/http_call.h"
#include "http/http_job.h"
#include "http/http_objects.h"
#include "http/http_resources.h"
#include "http/http_row.h"
#include "http/http_stats.h"

enum { DEFINITIONS_MAX = 16 }; /* that a list keeps for its next rows */

/* --- a row */

static void fill_definition(const struct http_job *job, const char *vhost,
                            const struct queue_status *status, struct http_row *row)
{
    http_row_text(row, "name", status->name);
    http_row_text(row, "vhost", bytes_of_text(vhost));
    http_row_text(row, "type", bytes_of_text(status->type));
    http_row_text(row, "node", bytes_of_text(job->context->config->node_name));
    http_row_text(row, "state", bytes_of_text("running"));
    http_row_flag(row, "durable", status->is_durable);
    http_row_flag(row, "auto_delete", status->is_auto_delete);
    http_row_flag(row, "exclusive", status->is_exclusive);
    http_row_table(row, "arguments", status->arguments);
}

static void fill_totals(const struct queue_status *status, struct http_row *row)
{
    http_row_number(row, "messages", status->ready + status->unacked);
    http_row_number(row, "messages_ready", status->ready);
    http_row_number(row, "messages_unacknowledged", status->unacked);
}

/* What both policies together say: of two numbers the smaller one. */
static json_t *merged_definition(const struct queue_status *status)
{
    json_t *merged = json_of_table(policy_definition(status->policy)), *operators, *value;
    const char *key;
    operators = json_of_table(policy_definition(status->operator_policy));
    json_object_foreach(operators, key, value)
    {
        const json_t *own = json_object_get(merged, key);
        if (!json_is_integer(own) || !json_is_integer(value) ||
            json_integer_value(value) < json_integer_value(own))
            json_object_set(merged, key, value);
    }
    json_decref(operators);
    return merged;
}

/* A definition may be large, and that of all queues of a list. */
static json_t *effective_definition(const struct http_objects *objects,
                                    const struct queue_status *status)
{
    char key[64];
    snprintf(key, sizeof key, "%p %p", (const void *)status->policy,
             (const void *)status->operator_policy);
    json_t *definition = json_object_get(objects->definitions, key);
    if (definition != NULL)
        return json_incref(definition);
    if (json_object_size(objects->definitions) >= DEFINITIONS_MAX)
        json_object_clear(objects->definitions);
    definition = merged_definition(status);
    json_object_set(objects->definitions, key, definition);
    return definition;
}

static void fill_policies(const struct http_objects *objects, const struct queue_status *status,
                          struct http_row *row)
{
    http_row_text(row, "policy", policy_name(status->policy));
    http_row_text(row, "operator_policy", policy_name(status->operator_policy));
    if (http_row_wants(row, "effective_policy_definition"))
        http_row_put(row, "effective_policy_definition", effective_definition(objects, status));
}

static void fill_bytes(const struct queue_status *status, struct http_row *row)
{
    uint64_t paged_out = status->ready - status->ram;
    uint64_t paged_out_bytes = status->ready_bytes - status->ram_bytes;
    uint64_t bytes = status->ready_bytes + status->unacked_bytes;
    http_row_number(row, "message_bytes", bytes);
    http_row_number(row, "message_bytes_ready", status->ready_bytes);
    http_row_number(row, "message_bytes_unacknowledged", status->unacked_bytes);
    http_row_number(row, "message_bytes_persistent", status->persistent_bytes);
    http_row_number(row, "message_bytes_paged_out", paged_out_bytes);
    http_row_number(row, "message_bytes_ram", bytes - paged_out_bytes);
    http_row_number(row, "messages_persistent", status->persistent);
    http_row_number(row, "messages_paged_out", paged_out);
    http_row_number(row, "messages_ready_ram", status->ram);
    http_row_number(row, "messages_unacknowledged_ram", status->unacked);
    http_row_number(row, "messages_ram", status->ram + status->unacked);
    http_row_number(row, "memory", status->memory_bytes);
}

static void fill_consumers(const struct queue_status *status, struct http_row *row)
{
    http_row_number(row, "consumers", status->consumers);
    http_row_put(row, "consumer_capacity", json_real(status->taker_share));
    http_row_put(row, "consumer_utilisation", json_real(status->taker_share));
    http_row_text(row, "exclusive_consumer_tag", status->exclusive_tag);
    http_row_text(row, "single_active_consumer_tag", status->single_tag);
}

static void fill_state(const struct http_objects *objects, const struct queue_status *status,
                       struct http_row *row)
{
    fill_policies(objects, status, row);
    fill_bytes(status, row);
    fill_consumers(status, row);
    http_row_idle_since(row, status->idle_since_ms);
    http_row_put(row, "head_message_timestamp",
                 status->head_timestamp_s > 0 ? json_integer((json_int_t)status->head_timestamp_s)
                                              : json_null());
    http_row_put(row, "recoverable_slaves", json_null());
}

static void fill_stats(const struct http_objects *objects, const struct http_object *object,
                       struct http_row *row)
{
    struct http_ages ages;
    uint64_t values[STATS_WIDTH_MAX];
    const struct queue_status *status = object->status;
    http_ages_read(&ages, objects->job->call);
    stats_of_queue(values, &status->counters, status->ready, status->unacked);
    const struct http_stats stats = {.statistics = objects->job->context->statistics,
                                     .kind = STATS_QUEUE,
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
    const struct http_call *call = objects->job->call;
    const struct queue_status *status = object->status;
    bool is_brief = !http_stats_are_wanted(objects->job->context, call);
    fill_definition(objects->job, object->vhost, status, row);
    if (!is_brief || http_totals_are_wanted(objects->job->context, call))
        fill_totals(status, row);
    if (!is_brief)
        fill_stats(objects, object, row);
    if (!is_brief)
        fill_state(objects, status, row);
    else if (status->policy != NULL)
        http_row_text(row, "policy", policy_name(status->policy));
}

static struct bytes name_of(const void *queue)
{
    const struct queue_status *status = queue;
    return status->name;
}

static void find(const struct vhost *vhost, struct bytes name, const struct vhost_visitor *visitor)
{
    struct queue_status status;
    if (vhost_queue_status(vhost, name, &status))
        visitor->queue(visitor->context, &status);
}

static const struct http_named_kind queues = {status_rows_of_queues, name_of, find, fill_row};

/* --- lists */

static void run_list(struct http_job *job)
{
    http_objects_reply_named(job, &queues);
}

static void get_queues(const struct http_context *context, struct http_call *call)
{
    http_job_answer(context, call, run_list);
}

/* --- one */

struct consumer_search {
    struct bytes name; /* of the queue */
    struct vhost_visitor keeper;
};

/* Of very many consumers so many are shown. */
enum { CONSUMERS_MAX = 1000 };

static void find_consumers(struct vhost *vhost, uint64_t now_ms, void *context)
{
    const struct consumer_search *search = context;
    (void)now_ms;
    vhost_list_consumers(vhost, search->name, &search->keeper, CONSUMERS_MAX);
}

static void add_consumers(const struct http_job *job, struct bytes name, struct http_row *row)
{
    struct status_rows consumers = {0};
    struct consumer_search search = {name, status_rows_of_consumers(&consumers)};
    json_t *details = json_array();
    http_job_ask(job, job->vhosts[0].gate, find_consumers, &search);
    for (size_t i = 0; i < consumers.count; i++)
        json_array_append_new(details,
                              http_consumer_json(job, job->vhosts[0].name, consumers.rows[i]));
    http_row_put(row, "consumer_details", details);
    status_rows_fini(&consumers);
}

static void run_one(struct http_job *job)
{
    struct http_objects objects = {.job = job};
    struct bytes name = bytes_of_text(http_call_parameter(job->call, "name"));
    if (http_objects_need_named(&objects, &queues, name)) {
        const struct queue_status *status = objects.rows[0].status;
        struct http_row row = {json_object(), NULL};
        fill_row(&objects, 0, &row);
        add_consumers(job, name, &row);
        http_row_put(&row, "deliveries", json_array());
        http_row_put(&row, "incoming", json_array());
        if (status->owner.data != NULL)
            http_row_put(&row, "owner_pid_details", http_connection_details(status->owner));
        http_reply(job->call, row.json);
    }
    http_objects_fini(&objects);
}

void http_get_queue(const struct http_context *context, struct http_call *call)
{
    http_job_answer(context, call, run_one);
}

/* What is at the path of one queue is in http_queue_changes.c. */
const struct http_route http_queue_list_routes[] = {
    {"/queues", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .age_error = "invalid_range_parameters", .get = get_queues},
    {"/queues/detailed", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .age_error = "invalid_range_parameters",
     .get = get_queues}, /* of later versions, whose /queues has less */
    {"/queues/:vhost", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .age_error = "invalid_range_parameters", .get = get_queues},
    {.pattern = NULL},
};
