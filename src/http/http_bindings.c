/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bindings: all of them, those of a queue or an exchange, and those between two. Each queue has one
 * to the default exchange, by its name, which is kept nowhere.
 *
 * A binding is named by its properties key: its routing key as in a query string, and, where it has
 * arguments, a hash of them behind a "~".
 *
 * Unlike RabbitMQ's, these lists come in pages for who asks for one, with what they are filtered by
 * made of all that names a binding; and without those to the default exchange, one for each queue,
 * for who says so.
 */
#include <string.h>

#include "amqp/erlang_hash.h"
#include "base/buffer.h"
#include "broker/status_rows.h"
#include "broker/vhost.h"
#include "http/http_call.h"
#include "http/http_job.h"
#include "http/http_objects.h"
#include "http/http_resources.h"
#include "http/http_row.h"

/* --- properties keys */

static void append_quoted(struct buffer *text, struct bytes key)
{
    for (size_t i = 0; i < key.size; i++) {
        uint8_t c = key.data[i];
        bool is_plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                        (c >= 'a' && c <= 'z') || c == '.' || c == '-' || c == '_';
        if (is_plain)
            buffer_append_u8(text, c);
        else if (c == ' ')
            buffer_append_u8(text, '+');
        else
            buffer_append_format(text, "%%%02X", (unsigned)c);
    }
}

/* The hash in base64url. */
static void append_hash(struct buffer *text, struct bytes arguments)
{
    uint32_t hash = erlang_hash_table(arguments);
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (int shift = 26; shift > 0; shift -= 6)
        buffer_append_u8(text, (uint8_t)digits[hash >> shift & 63]);
    buffer_append_u8(text, (uint8_t)digits[hash << 4 & 63]);
}

void http_binding_append_properties_key(struct buffer *text, const struct binding_status *status)
{
    if (status->key.size == 0 && status->arguments.size == 0)
        buffer_append_u8(text, '~');
    append_quoted(text, status->key);
    if (status->arguments.size == 0)
        return;
    buffer_append_u8(text, '~');
    append_hash(text, status->arguments);
}

/* --- rows */

static void fill_row(const void *context, size_t number, struct http_row *row)
{
    const struct http_object *object = http_object_at(context, number);
    const struct binding_status *status = object->status;
    http_row_text(row, "source", status->source);
    http_row_text(row, "vhost", bytes_of_text(object->vhost));
    http_row_text(row, "destination", status->destination);
    http_row_text(row, "destination_type", bytes_of_text(status->to_queue ? "queue" : "exchange"));
    http_row_text(row, "routing_key", status->key);
    http_row_table(row, "arguments", status->arguments);
    if (http_row_wants(row, "properties_key")) {
        struct buffer key = {0};
        http_binding_append_properties_key(&key, status);
        http_row_text(row, "properties_key", buffer_bytes(&key));
        buffer_fini(&key);
    }
}

/* Of what stands in the properties key behind the routing key. */
static int compare_hashes(struct bytes a, struct bytes b)
{
    struct buffer x = {0}, y = {0};
    if (a.size > 0)
        append_hash(&x, a);
    if (b.size > 0)
        append_hash(&y, b);
    int order = bytes_compare(buffer_bytes(&x), buffer_bytes(&y));
    buffer_fini(&x);
    buffer_fini(&y);
    return order;
}

static int compare(const void *a, const void *b)
{
    const struct binding_status *x = ((const struct http_object *)a)->status;
    const struct binding_status *y = ((const struct http_object *)b)->status;
    int order = bytes_compare(x->source, y->source);
    if (order == 0)
        order = bytes_compare(x->destination, y->destination);
    if (order == 0)
        order = bytes_compare(x->key, y->key);
    return order != 0 ? order : compare_hashes(x->arguments, y->arguments);
}

/* --- which ones */

enum scope { ALL, FROM_EXCHANGE, TO_EXCHANGE, TO_QUEUE, BETWEEN };

struct filter {
    enum scope scope;
    bool without_own; /* those to the default exchange */
    struct bytes source, destination;
    bool to_queue;
    struct vhost_visitor keeper;
};

static bool is_wanted(const struct filter *filter, const struct binding_status *status)
{
    bool has_source = bytes_equal(status->source, filter->source);
    bool has_destination = status->to_queue == filter->to_queue &&
                           bytes_equal(status->destination, filter->destination);
    switch (filter->scope) {
    case ALL:
        return true;
    case FROM_EXCHANGE:
        return has_source;
    case TO_EXCHANGE:
    case TO_QUEUE:
        return has_destination;
    case BETWEEN:
        return has_source && has_destination;
    }
    return false;
}

static void visit_binding(void *context, const struct binding_status *status)
{
    struct filter *filter = context;
    if (is_wanted(filter, status))
        filter->keeper.binding(filter->keeper.context, status);
}

static void visit_queue(void *context, const struct queue_status *status)
{
    const struct binding_status binding = binding_status_of_default(status);
    visit_binding(context, &binding);
}

static void add_own_binding(struct vhost *vhost, uint64_t now_ms, void *context)
{
    struct filter *filter = context;
    struct queue_status status;
    (void)now_ms;
    if (vhost_queue_status(vhost, filter->destination, &status))
        visit_queue(filter, &status);
}

/* To one queue there is one binding from the default exchange, which need not be looked for. */
static void gather_own(struct http_objects *objects, const struct http_job_vhost *vhost,
                       struct filter *filter)
{
    const struct vhost_visitor queues = {.queue = visit_queue, .context = filter};
    bool has_one = filter->scope == TO_QUEUE || filter->scope == BETWEEN;
    bool has_any = filter->scope == ALL || filter->source.size == 0;
    if (filter->without_own)
        return;
    if (has_one && has_any && filter->to_queue)
        http_job_ask(objects->job, vhost->gate, add_own_binding, filter);
    else if (has_any && filter->scope != TO_EXCHANGE)
        http_job_list(objects->job, vhost->gate, &queues, &objects->kept);
}

static void gather(struct http_objects *objects, struct filter *filter)
{
    const struct http_job *job = objects->job;
    const struct vhost_visitor bindings = {.binding = visit_binding, .context = filter};
    filter->keeper = status_rows_of_bindings(&objects->kept);
    for (size_t i = 0; i < job->vhost_count; i++) {
        size_t first = objects->count;
        gather_own(objects, &job->vhosts[i], filter);
        http_objects_list(objects, &job->vhosts[i], &bindings);
        http_objects_sort(objects, first, compare);
    }
}

/* "source destination key": a client looks for any of them. */
static struct bytes name_of(const void *context, size_t number)
{
    const struct http_objects *objects = context;
    const struct binding_status *status = http_object_at(objects, number)->status;
    struct buffer *name = objects->name;
    buffer_clear(name);
    buffer_append_bytes(name, status->source);
    buffer_append_u8(name, ' ');
    buffer_append_bytes(name, status->destination);
    buffer_append_u8(name, ' ');
    buffer_append_bytes(name, status->key);
    return buffer_bytes(name);
}

static void answer(struct http_job *job, struct filter filter)
{
    struct http_objects *objects = http_objects_new(job);
    filter.without_own = http_call_says(job->call, "default_exchange", "false");
    gather(objects, &filter);
    const struct http_list list = http_objects_as_list(objects, name_of, fill_row);
    http_reply_row_pages(job->call, &list);
}

static struct bytes name_in_path(const struct http_job *job, const char *parameter)
{
    return bytes_of_text(http_call_parameter(job->call, parameter));
}

static struct bytes exchange_in_path(const struct http_job *job, const char *parameter)
{
    return http_exchange_name(http_call_parameter(job->call, parameter));
}

static void run_all(struct http_job *job)
{
    answer(job, (struct filter){.scope = ALL});
}

static void run_to_queue(struct http_job *job)
{
    answer(job, (struct filter){
                    .scope = TO_QUEUE, .to_queue = true, .destination = name_in_path(job, "name")});
}

static void run_from_exchange(struct http_job *job)
{
    answer(job,
           (struct filter){.scope = FROM_EXCHANGE, .source = exchange_in_path(job, "exchange")});
}

static void run_to_exchange(struct http_job *job)
{
    answer(job,
           (struct filter){.scope = TO_EXCHANGE, .destination = exchange_in_path(job, "exchange")});
}

static struct filter between(const struct http_job *job, bool to_queue)
{
    return (struct filter){.scope = BETWEEN,
                           .to_queue = to_queue,
                           .source = exchange_in_path(job, "source"),
                           .destination = to_queue ? name_in_path(job, "destination")
                                                   : exchange_in_path(job, "destination")};
}

static void run_exchange_to_queue(struct http_job *job)
{
    answer(job, between(job, true));
}

static void run_exchange_to_exchange(struct http_job *job)
{
    answer(job, between(job, false));
}

/* --- one of them */

static int digit_of(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Clients quote as they like: what counts is what it means. The routing key; *hash is what stands
 * behind the "~". */
static void read_properties_key(const char *key, struct buffer *routing_key, const char **hash)
{
    size_t size = strcspn(key, "~");
    *hash = key[size] == '~' ? key + size + 1 : "";
    for (size_t i = 0; i < size; i++) {
        int high = key[i] == '%' && i + 2 < size ? digit_of((uint8_t)key[i + 1]) : -1;
        int low = high >= 0 ? digit_of((uint8_t)key[i + 2]) : -1;
        if (low >= 0) {
            buffer_append_u8(routing_key, (uint8_t)(high * 16 + low));
            i += 2;
        } else {
            buffer_append_u8(routing_key, key[i] == '+' ? ' ' : (uint8_t)key[i]);
        }
    }
}

bool http_binding_has_properties_key(const struct binding_status *status, const char *key)
{
    struct buffer routing_key = {0}, own_hash = {0};
    const char *hash;
    read_properties_key(key, &routing_key, &hash);
    if (status->arguments.size > 0)
        append_hash(&own_hash, status->arguments);
    bool is_same = bytes_equal(buffer_bytes(&routing_key), status->key) &&
                   bytes_equal_text(buffer_bytes(&own_hash), hash);
    buffer_fini(&routing_key);
    buffer_fini(&own_hash);
    return is_same;
}

/* The number of the path's binding in what was gathered; their count where there is none. */
static size_t find_one(const struct http_job *job, struct http_objects *objects,
                       struct filter filter)
{
    const char *key = http_call_parameter(job->call, "props");
    size_t number = 0;
    gather(objects, &filter);
    while (number < objects->count &&
           !http_binding_has_properties_key(objects->rows[number].status, key))
        number++;
    return number;
}

static void answer_one(struct http_job *job, struct filter filter)
{
    struct http_objects objects = {.job = job};
    size_t number = find_one(job, &objects, filter);
    if (number < objects.count) {
        struct http_row row = {json_object(), NULL};
        fill_row(&objects, number, &row);
        http_reply(job->call, row.json);
    } else {
        http_not_found(job->call);
    }
    http_objects_fini(&objects);
}

bool http_binding_find(const struct http_job *job, bool to_queue, struct buffer *key,
                       struct buffer *arguments)
{
    struct http_objects objects = {.job = job};
    size_t number = find_one(job, &objects, between(job, to_queue));
    bool is_there = number < objects.count;
    if (is_there) {
        const struct binding_status *status = objects.rows[number].status;
        buffer_append_bytes(key, status->key);
        buffer_append_bytes(arguments, status->arguments);
    }
    http_objects_fini(&objects);
    return is_there;
}

static void run_one_to_queue(struct http_job *job)
{
    answer_one(job, between(job, true));
}

static void run_one_to_exchange(struct http_job *job)
{
    answer_one(job, between(job, false));
}

/* --- handlers */

static void get_bindings(const struct http_context *context, struct http_call *call)
{
    http_job_answer(context, call, run_all);
}

static void get_to_queue(const struct http_context *context, struct http_call *call)
{
    http_job_answer(context, call, run_to_queue);
}

static void get_from_exchange(const struct http_context *context, struct http_call *call)
{
    http_job_answer(context, call, run_from_exchange);
}

static void get_to_exchange(const struct http_context *context, struct http_call *call)
{
    http_job_answer(context, call, run_to_exchange);
}

static void get_exchange_to_queue(const struct http_context *context, struct http_call *call)
{
    http_job_answer(context, call, run_exchange_to_queue);
}

static void get_exchange_to_exchange(const struct http_context *context, struct http_call *call)
{
    http_job_answer(context, call, run_exchange_to_exchange);
}

static void get_one_to_queue(const struct http_context *context, struct http_call *call)
{
    http_job_answer(context, call, run_one_to_queue);
}

static void get_one_to_exchange(const struct http_context *context, struct http_call *call)
{
    http_job_answer(context, call, run_one_to_exchange);
}

const struct http_route http_binding_routes[] = {
    {"/bindings", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .get = get_bindings},
    {"/bindings/:vhost", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .get = get_bindings},
    {"/bindings/:vhost/e/:source/q/:destination", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT,
     .lists_vhosts = true, .get = get_exchange_to_queue, .post = http_bind_queue},
    {"/bindings/:vhost/e/:source/e/:destination", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT,
     .lists_vhosts = true, .get = get_exchange_to_exchange, .post = http_bind_exchange},
    {"/bindings/:vhost/e/:source/q/:destination/:props", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT,
     .lists_vhosts = true, .get = get_one_to_queue, .delete = http_unbind_queue},
    {"/bindings/:vhost/e/:source/e/:destination/:props", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT,
     .lists_vhosts = true, .get = get_one_to_exchange, .delete = http_unbind_exchange},
    {"/queues/:vhost/:name/bindings", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT,
     .lists_vhosts = true, .get = get_to_queue},
    {"/exchanges/:vhost/:exchange/bindings/source", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT,
     .lists_vhosts = true, .get = get_from_exchange},
    {"/exchanges/:vhost/:exchange/bindings/destination", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT,
     .lists_vhosts = true, .get = get_to_exchange},
    {.pattern = NULL},
};
