/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a visitor is shown is borrowed for the visit, while the core is in somebody's hand: there it
 * is only copied. A table for each kind of row says where its texts are, behind which they stand in
 * the copy.
 *
 * Copies are made by whoever holds the gate and are freed by who asked. With a piece of malloc's
 * memory for each, a hundred thousand of them were given back to the arena of a reactor, which then
 * waited for the arena's lock as often as the other thread lost its processor in between: 5 to 20
 * ms, and once for the 64 MiB that malloc returned to the system with the lock in its hand. So who
 * asks makes room before, in blocks, and neither of them touches the other's arena.
 */
#include "broker/status_rows.h"

#include <stdalign.h>
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

/* Behind it are its rows. */
struct status_block {
    struct status_block *next; /* owned */
    size_t size, used;         /* bytes, with this head */
};

static size_t aligned(size_t size)
{
    return (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
}

static void add_block(struct status_rows *rows, size_t room)
{
    size_t head = aligned(sizeof(struct status_block));
    struct status_block *block = xmalloc(head + room);
    *block = (struct status_block){rows->blocks, head + room, head};
    rows->blocks = block;
}

static size_t room_of(const struct status_block *block)
{
    return block != NULL ? block->size - block->used : 0;
}

static void *take_room(struct status_rows *rows, size_t size)
{
    enum { BLOCK_BYTES_MIN = 4096 };
    if (room_of(rows->blocks) < size)
        add_block(rows, size > BLOCK_BYTES_MIN ? size : BLOCK_BYTES_MIN);
    struct status_block *block = rows->blocks;
    void *room = (uint8_t *)block + block->used;
    block->used += size;
    return room;
}

/* The system gives memory when it is touched: that, too, is done before. */
void status_rows_reserve(struct status_rows *rows, size_t count)
{
    enum { ROW_BYTES = 640, BLOCK_SHARE = 4 }; /* a queue with its texts; a block is for so often */
    size_t room = aligned(count * ROW_BYTES);
    rows->rows = xgrow(rows->rows, &rows->capacity, rows->count + count, sizeof rows->rows[0]);
    if (room_of(rows->blocks) >= room)
        return;
    add_block(rows, BLOCK_SHARE * room);
    memset((uint8_t *)rows->blocks + rows->blocks->used, 0, BLOCK_SHARE * room);
}

static void fill_copy(const struct status_row_kind *kind, const void *row, uint8_t *copy)
{
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
}

void *status_row_copy(const struct status_row_kind *kind, const void *row)
{
    void *copy = xmalloc(kind->size + texts_size(kind, row));
    fill_copy(kind, row, copy);
    return copy;
}

void status_rows_keep(struct status_rows *rows, const struct status_row_kind *kind, const void *row)
{
    size_t size = aligned(kind->size + texts_size(kind, row));
    void *copy = take_room(rows, size);
    fill_copy(kind, row, copy);
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

static void free_blocks(struct status_block *block)
{
    while (block != NULL) {
        struct status_block *next = block->next;
        free(block);
        block = next;
    }
}

/* The last block stays for the next rows. */
void status_rows_clear(struct status_rows *rows)
{
    struct status_block *block = rows->blocks;
    for (size_t i = 0; i < rows->count && rows->kind->let_go != NULL; i++)
        rows->kind->let_go(rows->rows[i]);
    rows->count = 0;
    rows->bytes = 0;
    if (block == NULL)
        return;
    free_blocks(block->next);
    block->next = NULL;
    block->used = aligned(sizeof *block);
}

void status_rows_fini(struct status_rows *rows)
{
    status_rows_clear(rows);
    free_blocks(rows->blocks);
    free(rows->rows);
    *rows = (struct status_rows){.rows = NULL};
}
