/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Consumers: those of all vhosts, or of one. Who does not monitor sees its own.
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
#include "net/control.h"

/* --- names */

static const uint8_t *find_arrow(struct bytes name)
{
    for (size_t i = 0; i + 4 <= name.size; i++) {
        if (memcmp(name.data + i, " -> ", 4) == 0)
            return name.data + i;
    }
    return NULL;
}

/* The peer's port stands behind the last colon before the arrow. */
static void add_peer(struct http_row *row, struct bytes name)
{
    const uint8_t *arrow = find_arrow(name);
    size_t size = arrow != NULL ? (size_t)(arrow - name.data) : 0, colon = size;
    uint64_t port = 0;
    while (colon > 0 && name.data[colon - 1] != ':')
        colon--;
    for (size_t i = colon; i < size; i++)
        port = port * 10 + (uint64_t)(name.data[i] - '0');
    struct bytes host = bytes_of(name.data, colon > 0 ? colon - 1 : 0);
    if (host.size > 1 && host.data[0] == '[')
        host = bytes_of(host.data + 1, host.size - 2);
    http_row_text(row, "peer_host", host);
    http_row_number(row, "peer_port", port);
}

json_t *http_connection_details(struct bytes name)
{
    struct http_row row = {json_object(), NULL};
    http_row_text(&row, "name", name);
    add_peer(&row, name);
    return row.json;
}

void http_append_channel_name(struct buffer *text, struct bytes connection, uint16_t number)
{
    buffer_append_bytes(text, connection);
    buffer_append_format(text, " (%u)", (unsigned)number);
}

/* --- a row */

static json_t *channel_details(const struct http_job *job, const struct consumer_status *status)
{
    struct http_row row = {json_object(), NULL};
    struct buffer name = {0};
    http_append_channel_name(&name, status->connection_name, status->channel);
    http_row_text(&row, "name", buffer_bytes(&name));
    http_row_number(&row, "number", status->channel);
    http_row_text(&row, "user", status->user);
    http_row_text(&row, "connection_name", status->connection_name);
    add_peer(&row, status->connection_name);
    http_row_text(&row, "node", bytes_of_text(job->context->config->node_name));
    buffer_fini(&name);
    return row.json;
}

static void fill(const struct http_job *job, const char *vhost,
                 const struct consumer_status *status, struct http_row *row)
{
    http_row_text(row, "consumer_tag", status->tag);
    http_row_flag(row, "ack_required", status->is_ack_required);
    http_row_flag(row, "active", status->is_active);
    http_row_text(row, "activity_status", bytes_of_text(status->activity));
    http_row_flag(row, "exclusive", status->is_exclusive);
    http_row_number(row, "prefetch_count", status->prefetch_count);
    http_row_put(row, "arguments",
                 status->priority != 0 ? json_pack("{s:i}", "x-priority", (int)status->priority)
                                       : json_object());
    http_row_put(row, "queue",
                 json_pack("{s:o, s:s}", "name", control_json_text(status->queue), "vhost", vhost));
    if (http_row_wants(row, "channel_details"))
        http_row_put(row, "channel_details", channel_details(job, status));
}

json_t *http_consumer_json(const struct http_job *job, const char *vhost,
                           const struct consumer_status *status)
{
    struct http_row row = {json_object(), NULL};
    fill(job, vhost, status, &row);
    return row.json;
}

static void fill_row(const void *context, size_t number, struct http_row *row)
{
    const struct http_objects *objects = context;
    const struct http_object *object = http_object_at(context, number);
    fill(objects->job, object->vhost, object->status, row);
}

/* --- lists */

static int compare(const void *a, const void *b)
{
    const struct consumer_status *x = ((const struct http_object *)a)->status;
    const struct consumer_status *y = ((const struct http_object *)b)->status;
    int order = bytes_compare(x->connection_name, y->connection_name);
    if (order == 0)
        order = x->channel - y->channel;
    return order != 0 ? order : bytes_compare(x->tag, y->tag);
}

struct filter {
    const struct http_call *call;
    struct vhost_visitor keeper;
};

static void visit(void *context, const struct consumer_status *status)
{
    const struct filter *filter = context;
    if (http_call_sees_user(filter->call, status->user))
        filter->keeper.consumer(filter->keeper.context, status);
}

static void run_list(struct http_job *job)
{
    struct http_objects *objects = http_objects_new(job);
    struct filter filter = {job->call, status_rows_of_consumers(&objects->kept)};
    const struct vhost_visitor visitor = {.consumer = visit, .context = &filter};
    for (size_t i = 0; i < job->vhost_count; i++) {
        size_t first = objects->count;
        http_objects_list(objects, &job->vhosts[i], &visitor);
        http_objects_sort(objects, first, compare);
    }
    const struct http_list list = http_objects_as_list(objects, NULL, fill_row);
    http_reply_rows(job->call, &list);
}

static void get_consumers(const struct http_context *context, struct http_call *call)
{
    http_job_answer_all(context, call, run_list);
}

const struct http_route http_consumer_routes[] = {
    {"/consumers", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .get = get_consumers},
    {"/consumers/:vhost", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .get = get_consumers},
    {.pattern = NULL},
};
