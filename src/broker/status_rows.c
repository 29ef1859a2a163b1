/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a visitor is shown is borrowed for the visit, while the core is in somebody's hand: there it
 * is only copied, one piece of memory for a row. A table for each kind of row says where its texts
 * are, behind which they stand in the copy.
 */
#include "broker/status_rows.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"
#include "broker/policy.h"

static struct bytes *text_at(void *row, size_t offset)
{
    return (struct bytes *)(void *)((uint8_t *)row + offset);
}

static size_t texts_size(const struct status_row_kind *kind, const void *row)
{
    size_t size = 0;
    for (size_t i = 0; i < kind->text_count; i++) {
        struct bytes text;
        memcpy(&text, (const uint8_t *)row + kind->texts[i], sizeof text);
        size += text.size;
    }
    return size;
}

void status_rows_keep(struct status_rows *rows, const struct status_row_kind *kind, const void *row)
{
    size_t size = kind->size + texts_size(kind, row);
    uint8_t *copy = xmalloc(size);
    uint8_t *place = copy + kind->size;
    memcpy(copy, row, kind->size);
    for (size_t i = 0; i < kind->text_count; i++) {
        struct bytes *text = text_at(copy, kind->texts[i]);
        if (text->data == NULL)
            continue;
        if (text->size > 0)
            memcpy(place, text->data, text->size);
        text->data = place;
        place += text->size;
    }
    if (kind->share != NULL)
        kind->share(copy);
    rows->kind = kind;
    rows->rows = xgrow(rows->rows, &rows->capacity, rows->count + 1, sizeof rows->rows[0]);
    rows->rows[rows->count++] = copy;
    rows->bytes += size + sizeof rows->rows[0];
}

#define ROW_KIND(type, texts)                                                                      \
    {                                                                                              \
        sizeof(struct type), sizeof(texts) / sizeof(texts)[0], texts, NULL, NULL                   \
    }

/* A definition may be a megabyte, and concern all queues. */
static void share_policies(void *row)
{
    const struct queue_status *status = row;
    (void)policy_ref(status->policy);
    (void)policy_ref(status->operator_policy);
}

static void let_go_of_policies(void *row)
{
    const struct queue_status *status = row;
    policy_unref(status->policy);
    policy_unref(status->operator_policy);
}

static void keep_queue(void *context, const struct queue_status *status)
{
    static const size_t texts[] = {
        offsetof(struct queue_status, name), offsetof(struct queue_status, arguments),
        offsetof(struct queue_status, exclusive_tag), offsetof(struct queue_status, single_tag),
        offsetof(struct queue_status, owner)};
    static const struct status_row_kind kind = {sizeof *status, sizeof texts / sizeof texts[0],
                                                texts, share_policies, let_go_of_policies};
    status_rows_keep(context, &kind, status);
}

static void keep_exchange(void *context, const struct exchange_status *status)
{
    static const size_t texts[] = {
        offsetof(struct exchange_status, name), offsetof(struct exchange_status, type),
        offsetof(struct exchange_status, arguments), offsetof(struct exchange_status, user),
        offsetof(struct exchange_status, policy)};
    static const struct status_row_kind kind = ROW_KIND(exchange_status, texts);
    status_rows_keep(context, &kind, status);
}

static void keep_binding(void *context, const struct binding_status *status)
{
    static const size_t texts[] = {
        offsetof(struct binding_status, source), offsetof(struct binding_status, destination),
        offsetof(struct binding_status, key), offsetof(struct binding_status, arguments)};
    static const struct status_row_kind kind = ROW_KIND(binding_status, texts);
    status_rows_keep(context, &kind, status);
}

static void keep_session(void *context, const struct session_status *status)
{
    static const size_t texts[] = {offsetof(struct session_status, user),
                                   offsetof(struct session_status, name)};
    static const struct status_row_kind kind = ROW_KIND(session_status, texts);
    status_rows_keep(context, &kind, status);
}

static void keep_channel(void *context, const struct channel_status *status)
{
    static const size_t texts[] = {offsetof(struct channel_status, user),
                                   offsetof(struct channel_status, connection_name)};
    static const struct status_row_kind kind = ROW_KIND(channel_status, texts);
    status_rows_keep(context, &kind, status);
}

static void keep_consumer(void *context, const struct consumer_status *status)
{
    static const size_t texts[] = {
        offsetof(struct consumer_status, tag), offsetof(struct consumer_status, queue),
        offsetof(struct consumer_status, user), offsetof(struct consumer_status, connection_name)};
    static const struct status_row_kind kind = ROW_KIND(consumer_status, texts);
    status_rows_keep(context, &kind, status);
}

struct vhost_visitor status_rows_of_sessions(struct status_rows *rows)
{
    return (struct vhost_visitor){.session = keep_session, .context = rows};
}

struct vhost_visitor status_rows_of_channels(struct status_rows *rows)
{
    return (struct vhost_visitor){.channel = keep_channel, .context = rows};
}

struct vhost_visitor status_rows_of_consumers(struct status_rows *rows)
{
    return (struct vhost_visitor){.consumer = keep_consumer, .context = rows};
}

struct vhost_visitor status_rows_of_queues(struct status_rows *rows)
{
    return (struct vhost_visitor){.queue = keep_queue, .context = rows};
}

struct vhost_visitor status_rows_of_exchanges(struct status_rows *rows)
{
    return (struct vhost_visitor){.exchange = keep_exchange, .context = rows};
}

struct vhost_visitor status_rows_of_bindings(struct status_rows *rows)
{
    return (struct vhost_visitor){.binding = keep_binding, .context = rows};
}

void status_rows_clear(struct status_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        if (rows->kind->let_go != NULL)
            rows->kind->let_go(rows->rows[i]);
        free(rows->rows[i]);
    }
    rows->count = 0;
    rows->bytes = 0;
}

void status_rows_fini(struct status_rows *rows)
{
    status_rows_clear(rows);
    free(rows->rows);
    *rows = (struct status_rows){.rows = NULL};
}
