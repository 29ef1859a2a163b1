/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lane is a FIFO whose messages have positions that only grow. What is ready lies in four places,
 * each in ascending order of position:
 *
 *     returned    given back by consumers; few, and with low positions
 *     paged       the head window: read from the store
 *     stretch     in the store alone, known by two positions and two counters
 *     tail        the tail window: the newest messages
 *
 * The next message is the one with the lowest position among the fronts of the three rings, unless
 * the stretch begins below it. A lane that its consumers keep up with uses the tail alone. When it
 * may hold no more memory, the first half of what it may hold moves from the tail to paged (it is
 * wanted next), and from then on the oldest messages of the tail go to the stretch as soon as their
 * batch is committed.
 *
 * Transient messages stay in memory until there is too much of them in all lanes together, or until
 * they stand between messages that go to the stretch. Then they are spilled: given to the store,
 * which forgets them at its end, in ascending order from the front of the tail on. From then on
 * nothing distinguishes them. What is transient in the other rings stays in memory: the head window
 * is small, and what was given back was in memory before.
 *
 * A message is redelivered exactly when its position is below delivered_below: in a FIFO everything
 * below the highest delivered position has been delivered. That costs one number instead of a flag
 * per message, in memory and on disk.
 */
#include "queue/lane.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/xmalloc.h"

void lane_init(struct lane *lane, uint64_t id)
{
    *lane = (struct lane){.id = id, .next_position = 1};
    list_node_init(&lane->memory_node);
    list_node_init(&lane->read_node);
}

const struct fetch_list *lane_fetches(const struct lane *lane)
{
    static const struct fetch_list none;
    return lane->fetches != NULL ? lane->fetches : &none;
}

void lane_fini(struct lane *lane)
{
    list_remove(&lane->memory_node);
    list_remove(&lane->read_node);
    const struct fetch_list *list = lane_fetches(lane);
    for (size_t i = list->first; i < list->count; i++)
        message_unref(list->items[i].entry.message);
    free(list->items);
    free(lane->fetches);
    entry_ring_fini(&lane->returned);
    entry_ring_fini(&lane->paged);
    entry_ring_fini(&lane->tail);
}

/* Tells those who look at all lanes, where it had so much before. */
static void note_level_of_several(struct lane *lane, uint64_t count_before, uint64_t bytes_before)
{
    struct lane_levels *levels = lane->levels;
    uint64_t *word = &levels->occupied[lane->priority / 64];
    uint64_t bit = UINT64_C(1) << lane->priority % 64;
    levels->ready_count += lane->ready_count - count_before;
    levels->ready_bytes += lane->ready_bytes - bytes_before;
    *word = lane->ready_count > 0 ? *word | bit : *word & ~bit;
}

static inline void note_level(struct lane *lane, uint64_t count_before, uint64_t bytes_before)
{
    if (lane->levels != NULL)
        note_level_of_several(lane, count_before, bytes_before);
}

void lane_restore(struct lane *lane, const struct store_lane_state *state)
{
    CHECK(lane->next_position == 1 && state->end >= state->first);
    lane->next_position = state->end > 0 ? state->end : 1;
    lane->stretch_first = state->first;
    lane->stretch_end = state->end;
    lane->stretch_count = lane->ready_count = state->count;
    lane->stretch_bytes = lane->ready_bytes = state->bytes;
    lane->marked_below = lane->marked_before = state->delivered_below;
    lane->delivered_below =
        state->delivered_below < state->end ? state->delivered_below : state->end;
    note_level(lane, 0, 0);
}

static inline void count_in(struct lane *lane, const struct entry *entry)
{
    const struct message *message = entry->message;
    lane->ready_count++;
    lane->ready_bytes += entry->body_bytes;
    if (entry->fate.is_fleeting) {
        lane->fleeting_count++;
        lane->fleeting_bytes += entry->body_bytes;
    }
    if (message != NULL) {
        size_t footprint = message_footprint(message);
        lane->memory_bytes += footprint;
        if (entry->batch == 0)
            lane->transient_bytes += footprint;
    }
    note_level(lane, lane->ready_count - 1, lane->ready_bytes - entry->body_bytes);
}

static inline void count_out(struct lane *lane, const struct entry *entry)
{
    const struct message *message = entry->message;
    lane->ready_count--;
    lane->ready_bytes -= entry->body_bytes;
    if (entry->fate.is_fleeting) {
        lane->fleeting_count--;
        lane->fleeting_bytes -= entry->body_bytes;
    }
    if (message != NULL) {
        size_t footprint = message_footprint(message);
        lane->memory_bytes -= footprint;
        if (entry->batch == 0)
            lane->transient_bytes -= footprint;
    }
    note_level(lane, lane->ready_count + 1, lane->ready_bytes + entry->body_bytes);
}

void lane_push(struct lane *lane, const struct entry *entry)
{
    CHECK(entry->position == lane->next_position - 1 && entry->message != NULL);
    count_in(lane, entry);
    entry_ring_push(&lane->tail, entry);
}

/* The ring whose front is the next message, or NULL where all are empty. */
static struct entry_ring *lowest_ring(const struct lane *lane)
{
    const struct entry_ring *rings[] = {&lane->returned, &lane->paged, &lane->tail};
    const struct entry_ring *lowest = NULL;
    for (size_t i = 0; i < sizeof rings / sizeof rings[0]; i++) {
        if (rings[i]->count > 0 && (lowest == NULL || entry_ring_front(rings[i])->position <
                                                          entry_ring_front(lowest)->position))
            lowest = rings[i];
    }
    return (struct entry_ring *)lowest;
}

static struct entry_ring *head_ring(const struct lane *lane)
{
    if (lane->ready_count == lane->tail.count)
        return (struct entry_ring *)&lane->tail;
    return lowest_ring(lane);
}

enum lane_head lane_peek(const struct lane *lane, struct entry **entry)
{
    if (lane->ready_count == 0)
        return LANE_EMPTY;
    struct entry_ring *ring = head_ring(lane);
    struct entry *front = ring != NULL ? entry_ring_front(ring) : NULL;
    if (lane->stretch_count > 0 && (front == NULL || front->position >= lane->stretch_first))
        return LANE_IN_STORE;
    CHECK(front != NULL);
    if (front->message == NULL)
        return LANE_IN_STORE;
    *entry = front;
    return LANE_READY;
}

static void note_led(struct lane *lane, const struct entry *entry)
{
    if (lane->led_count == 0)
        return;
    lane->led_count--;
    lane->led_bytes -= message_footprint(entry->message);
}

static struct entry pop_tail(struct lane *lane)
{
    entry_ring_prefetch(&lane->tail);
    struct entry entry = entry_ring_pop(&lane->tail);
    note_led(lane, &entry);
    return entry;
}

/* The head window keeps no room: of very many deep lanes each has one now and then. */
static void leave_empty(const struct lane *lane, struct entry_ring *ring)
{
    if (ring == &lane->paged)
        entry_ring_fini(ring);
    else
        entry_ring_empty(ring);
}

void lane_pop(struct lane *lane, struct entry *entry)
{
    struct entry_ring *ring = head_ring(lane);
    entry_ring_prefetch(ring);
    *entry = *entry_ring_at_slot(ring, ring->head);
    entry_ring_drop(ring);
    CHECK(entry->message != NULL);
    if (ring == &lane->tail)
        note_led(lane, entry);
    count_out(lane, entry);
    if (ring == &lane->returned && entry->batch != 0)
        lane->returned_bytes -= message_footprint(entry->message);
    if (ring->count == 0)
        leave_empty(lane, ring);
}

void lane_return(struct lane *lane, const struct entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        CHECK(i == 0 || entries[i].position > entries[i - 1].position);
        count_in(lane, &entries[i]);
        if (entries[i].message != NULL && entries[i].batch != 0)
            lane->returned_bytes += message_footprint(entries[i].message);
    }
    if (count == 1)
        entry_ring_insert(&lane->returned, entries[0]);
    else
        entry_ring_merge(&lane->returned, entries, count);
}

/* --- reading */

enum {
    read_count_max = 4096,
    prefetched = 8,
    own_read_bytes = 1 << 20, /* a lane that may have so much of a read shares it with few others */
};

/* A run of returned messages that are in the store alone, from the front of returned. */
static bool read_returned(const struct lane *lane, struct store_read *read)
{
    struct entry *front = entry_ring_front(&lane->returned);
    if (front == NULL || front->message != NULL)
        return false;
    size_t run = 1;
    while (run < lane->returned.count && run < read_count_max) {
        struct entry *next = entry_ring_at(&lane->returned, run);
        if (next->message != NULL || next->position != front->position + run)
            break;
        run++;
    }
    read->first = front->position;
    read->end = front->position + run;
    return true;
}

/* A run of messages whose fate waits for them, from the first that was not read. */
static bool read_fetches(const struct lane *lane, struct store_read *read)
{
    const struct fetch_list *list = lane_fetches(lane);
    if (list->first == list->count || list->items[list->first].entry.message != NULL)
        return false;
    read->first = list->items[list->first].entry.position;
    read->end = read->first + 1;
    for (size_t i = list->first + 1; i < list->count && i < list->first + read_count_max; i++) {
        if (list->items[i].entry.position != read->end || list->items[i].entry.message != NULL)
            break;
        read->end++;
    }
    return true;
}

/* Reading goes on ahead of the consumers. */
static bool read_stretch(const struct lane *lane, struct store_read *read)
{
    if (lane->stretch_count == 0 || lane->paged.count > lane->read_at)
        return false;
    read->first = lane->stretch_first;
    read->end = lane->stretch_end;
    return true;
}

static enum lane_read choose_read(const struct lane *lane, struct store_read *read)
{
    if (lane->read_token != 0)
        return LANE_READ_NOTHING;
    if (read_fetches(lane, read))
        return LANE_READ_FETCHES;
    if (read_returned(lane, read))
        return LANE_READ_RETURNED;
    return read_stretch(lane, read) ? LANE_READ_STRETCH : LANE_READ_NOTHING;
}

bool lane_lacks_messages(const struct lane *lane)
{
    struct store_read read;
    return choose_read(lane, &read) != LANE_READ_NOTHING;
}

bool lane_wants_read(struct lane *lane, uint64_t token, size_t bytes_max, struct store_read *read)
{
    struct store_read wanted = {
        .lane = lane->id, .token = token, .count_max = read_count_max, .bytes_max = bytes_max};
    enum lane_read kind = choose_read(lane, &wanted);
    if (kind == LANE_READ_NOTHING)
        return false;
    *read = wanted;
    lane->read_kind = (uint8_t)kind;
    lane->read_token = token;
    return true;
}

bool lane_wants_probe(struct lane *lane, uint64_t token, struct store_read *read)
{
    if (!lane_wants_read(lane, token, 1, read))
        return false;
    read->count_max = 1;
    read->is_probe = true;
    return true;
}

/* What is transient in the stretch was spilled, and of a durable queue it is fleeting. */
static struct entry take_row(const struct lane *lane, struct store_row *row)
{
    struct entry entry = {
        .position = row->position,
        .fate = {.expiry_ms = ENTRY_EXPIRY(row->expiry_ms),
                 .is_fleeting = lane->fleeting_count > 0 && !row->message->is_persistent,
                 .failures = row->delivery_count},
        .message = row->message,
        .batch = STORE_BATCH_BEFORE, /* what was read is in the store */
        .body_bytes = (uint32_t)row->message->body_size,
    };
    row->message = NULL;
    return entry;
}

static bool fill_returned(struct lane *lane, struct store_read_result *result)
{
    for (size_t i = 0; i < result->count; i++) {
        size_t index = entry_ring_search(&lane->returned, result->rows[i].position);
        if (index >= lane->returned.count)
            continue;
        struct entry *entry = entry_ring_at(&lane->returned, index);
        if (entry->position != result->rows[i].position || entry->message != NULL)
            continue;
        entry->message = result->rows[i].message;
        result->rows[i].message = NULL;
        lane->memory_bytes += message_footprint(entry->message);
        lane->returned_bytes += message_footprint(entry->message);
    }
    struct entry *front = entry_ring_front(&lane->returned);
    return front == NULL || front->message != NULL || front->position != result->read.first ||
           front->position >= result->read.end;
}

/* The rows are in the order of the fetches that asked for them. */
static bool fill_fetches(struct lane *lane, struct store_read_result *result)
{
    struct fetch_list *list = lane->fetches;
    size_t row = 0;
    for (size_t i = list->first; i < list->count && row < result->count; i++, row++) {
        struct entry *entry = &list->items[i].entry;
        if (entry->position != result->rows[row].position || entry->message != NULL)
            return false;
        entry->message = result->rows[row].message;
        result->rows[row].message = NULL;
    }
    return row > 0;
}

void lane_fetch(struct lane *lane, struct entry entry, uint8_t purpose)
{
    if (lane->fetches == NULL)
        lane->fetches = xcalloc(1, sizeof *lane->fetches);
    struct fetch_list *list = lane->fetches;
    if (list->first > list->count / 2) { /* what is gone makes room */
        memmove(list->items, list->items + list->first,
                (list->count - list->first) * sizeof list->items[0]);
        list->count -= list->first;
        list->first = 0;
    }
    list->items = xgrow(list->items, &list->capacity, list->count + 1, sizeof list->items[0]);
    list->items[list->count++] = (struct fetch){entry, purpose};
}

bool lane_take_fetched(struct lane *lane, struct fetch *fetch)
{
    struct fetch_list *list = lane->fetches;
    if (!lane_has_fetches(lane) || list->items[list->first].entry.message == NULL)
        return false;
    *fetch = list->items[list->first++];
    list->taken++;
    return true;
}

/* The disk reads the next of a large answer while consumers take this one. Lanes that share their
 * reads wait until half is used up, so that neighbours, whose messages lie in the same segments,
 * ask for the next together. */
static uint32_t next_read_at(const struct store_read_result *answer)
{
    size_t count = answer->count;
    return (uint32_t)(answer->read.bytes_max >= own_read_bytes ? count : count / 2);
}

/* A complete answer leaves nothing of the asked range; the stretch may have grown behind it. */
static bool append_paged(struct lane *lane, struct store_read_result *result)
{
    if (result->count > lane->stretch_count || (result->count == 0 && !result->is_complete))
        return false;
    for (size_t i = 0; i < result->count; i++) {
        if (i + prefetched < result->count)
            message_prefetch(result->rows[i + prefetched].message);
        struct entry entry = take_row(lane, &result->rows[i]);
        lane->memory_bytes += message_footprint(entry.message);
        lane->stretch_count--;
        lane->stretch_bytes -= entry.body_bytes;
        lane->stretch_first = entry.position + 1;
        entry_ring_push(&lane->paged, &entry);
    }
    lane->read_at = next_read_at(result);
    if (result->is_complete && lane->stretch_first < result->read.end)
        lane->stretch_first = result->read.end;
    return lane->stretch_count == 0 || lane->stretch_first < lane->stretch_end;
}

bool lane_read_done(struct lane *lane, struct store_read_result *result)
{
    if (result->read.token != lane->read_token)
        return true;
    lane->read_token = 0;
    switch (lane->read_kind) {
    case LANE_READ_FETCHES:
        return fill_fetches(lane, result);
    case LANE_READ_RETURNED:
        return fill_returned(lane, result);
    default:
        return append_paged(lane, result);
    }
}

/* --- giving memory back */

static bool is_stored(const struct entry *entry, uint64_t committed)
{
    return entry->batch != 0 && entry->batch <= committed;
}

static void drop_message(struct lane *lane, struct entry *entry)
{
    lane->memory_bytes -= message_footprint(entry->message);
    message_unref(entry->message);
    entry->message = NULL;
}

/* The first time that a lane outgrows its memory, what is wanted next becomes the head window. */
static void make_head_window(struct lane *lane, size_t keep_bytes)
{
    size_t bytes = 0;
    while (lane->tail.count > 0 && bytes < keep_bytes) {
        struct entry entry = pop_tail(lane);
        bytes += message_footprint(entry.message);
        entry_ring_push(&lane->paged, &entry);
    }
}

/* Spills what is transient among the next so many bytes of the tail. */
static void spill_tail(struct lane *lane, const struct lane_eviction *eviction, uint64_t bytes)
{
    if (bytes > eviction->room)
        bytes = eviction->room;
    while (lane->transient_bytes > 0 && bytes > 0 && lane->led_count < lane->tail.count) {
        struct entry *entry = entry_ring_at(&lane->tail, lane->led_count);
        size_t footprint = message_footprint(entry->message);
        if (entry->batch == 0) {
            lane->transient_bytes -= footprint;
            eviction->spill(eviction->context, lane, entry);
        }
        lane->led_count++;
        lane->led_bytes += footprint;
        bytes -= footprint < bytes ? footprint : bytes;
    }
}

/* A lane whose messages had to go has nothing to keep room for: there may be very many. */
static void give_room_back(struct entry_ring *ring)
{
    if (ring->count == 0)
        entry_ring_fini(ring);
    else
        entry_ring_shrink(ring);
}

static void evict_tail(struct lane *lane, const struct lane_eviction *eviction)
{
    while (lane->memory_bytes > eviction->keep_bytes && lane->tail.count > 0 &&
           is_stored(entry_ring_front(&lane->tail), eviction->committed)) {
        struct entry entry = pop_tail(lane);
        if (lane->stretch_count == 0)
            lane->stretch_first = entry.position;
        lane->stretch_end = entry.position + 1;
        lane->stretch_count++;
        lane->stretch_bytes += entry.body_bytes;
        drop_message(lane, &entry);
    }
    give_room_back(&lane->tail);
}

/* More in memory than it may have of what is in the store? Transient messages that nobody can spill
 * any more are no reason to drop what was just read, which would be read again. */
static bool has_too_much(const struct lane *lane, const struct lane_eviction *eviction)
{
    return lane->memory_bytes - lane->transient_bytes > eviction->keep_bytes;
}

/* Puts the end of the head window back into the stretch, which follows it. */
static void evict_paged(struct lane *lane, const struct lane_eviction *eviction)
{
    if (lane->read_token != 0 && lane->read_kind == LANE_READ_STRETCH)
        return;
    while (has_too_much(lane, eviction) && lane->paged.count > 0) {
        struct entry *back = entry_ring_at(&lane->paged, lane->paged.count - 1);
        if (!is_stored(back, eviction->committed))
            return;
        if (lane->stretch_count == 0)
            lane->stretch_end = back->position + 1;
        lane->stretch_first = back->position;
        lane->stretch_count++;
        lane->stretch_bytes += back->body_bytes;
        drop_message(lane, back);
        lane->paged.count--;
    }
    give_room_back(&lane->paged);
}

static void evict_returned(struct lane *lane, const struct lane_eviction *eviction)
{
    for (size_t i = lane->returned.count;
         i > 0 && lane->returned_bytes > 0 && has_too_much(lane, eviction); i--) {
        struct entry *entry = entry_ring_at(&lane->returned, i - 1);
        if (entry->message == NULL || !is_stored(entry, eviction->committed))
            continue;
        lane->returned_bytes -= message_footprint(entry->message);
        drop_message(lane, entry);
    }
}

/* What has to leave the tail next for the lane to hold no more than it may. */
static uint64_t surplus(const struct lane *lane, size_t keep_bytes)
{
    uint64_t staying = lane->memory_bytes - lane->led_bytes;
    return staying > keep_bytes ? staying - keep_bytes : 0;
}

void lane_evict(struct lane *lane, const struct lane_eviction *eviction)
{
    size_t keep_bytes = eviction->keep_bytes;
    bool is_deep = lane->stretch_count > 0 || has_too_much(lane, eviction);
    if (lane->memory_bytes <= keep_bytes || (!is_deep && eviction->excess == 0))
        return;
    if (lane->stretch_count == 0 && lane->paged.count == 0)
        make_head_window(lane, keep_bytes / 2);
    uint64_t bytes = is_deep ? surplus(lane, keep_bytes) : 0;
    spill_tail(lane, eviction, bytes > eviction->excess ? bytes : eviction->excess);
    evict_tail(lane, eviction);
    evict_paged(lane, eviction);
    if (lane->read_token == 0)
        evict_returned(lane, eviction);
}

/* --- purging */

struct purge {
    uint64_t submitted;
    lane_range *on_range;
    lane_cancel *on_cancel;
    void *context;
    uint64_t first; /* the run gathered so far */
    uint64_t count;
};

static void purge_flush(struct purge *purge)
{
    if (purge->count > 0)
        purge->on_range(purge->context, purge->first, purge->count);
    purge->count = 0;
}

static void purge_entry(struct purge *purge, const struct entry *entry)
{
    if (entry->batch == 0)
        return;
    if (entry->batch > purge->submitted) {
        purge->on_cancel(purge->context, entry);
        return;
    }
    if (purge->count == 0 || entry->position != purge->first + purge->count) {
        purge_flush(purge);
        purge->first = entry->position;
    }
    purge->count++;
}

static void purge_ring(struct purge *purge, struct entry_ring *ring)
{
    for (size_t i = 0; i < ring->count; i++)
        purge_entry(purge, entry_ring_at(ring, i));
    purge_flush(purge);
}

static struct lane_remains *take_remains(struct lane *lane)
{
    struct lane_remains *remains = xmalloc(sizeof *remains);
    *remains = (struct lane_remains){NULL, {lane->returned, lane->paged, lane->tail}};
    lane->returned = lane->paged = lane->tail = (struct entry_ring){0};
    return remains;
}

size_t lane_remains_count(const struct lane_remains *remains)
{
    size_t count = 0;
    for (size_t i = 0; i < sizeof remains->rings / sizeof remains->rings[0]; i++)
        count += remains->rings[i].count;
    return count;
}

bool lane_remains_free_some(struct lane_remains *remains, size_t count)
{
    for (size_t i = 0; i < sizeof remains->rings / sizeof remains->rings[0]; i++) {
        struct entry_ring *ring = &remains->rings[i];
        for (; ring->count > 0 && count > 0; count--) {
            struct entry entry = entry_ring_pop(ring);
            message_unref(entry.message);
        }
        if (ring->count > 0)
            return false;
        entry_ring_fini(ring);
    }
    return true;
}

struct lane_remains *lane_purge(struct lane *lane, uint64_t submitted, lane_range *on_range,
                                lane_cancel *on_cancel, void *context)
{
    if (lane->ready_count == 0)
        return NULL;
    struct purge purge = {submitted, on_range, on_cancel, context, 0, 0};
    uint64_t count = lane->ready_count, bytes = lane->ready_bytes;
    purge_ring(&purge, &lane->returned);
    purge_ring(&purge, &lane->paged);
    if (lane->stretch_count > 0)
        on_range(context, lane->stretch_first, lane->stretch_end - lane->stretch_first);
    if (lane->memory_bytes > lane->transient_bytes) /* else the store has none: 10 million may go */
        purge_ring(&purge, &lane->tail);
    lane->stretch_count = lane->stretch_bytes = 0;
    lane->ready_count = lane->ready_bytes = 0;
    lane->fleeting_count = lane->fleeting_bytes = 0;
    lane->memory_bytes = lane->transient_bytes = lane->returned_bytes = 0;
    lane->led_count = lane->led_bytes = 0;
    note_level(lane, count, bytes);
    if (lane->read_kind != LANE_READ_FETCHES)
        lane->read_token = 0;
    return take_remains(lane);
}

/* --- checking */

struct recount {
    uint64_t count, bytes, memory, transient;
    uint64_t fleeting, fleeting_bytes;
};

static void recount_ring(struct recount *recount, const struct entry_ring *ring)
{
    for (size_t i = 0; i < ring->count; i++) {
        const struct entry *entry = entry_ring_at(ring, i);
        CHECK(i == 0 || entry->position > entry_ring_at(ring, i - 1)->position);
        recount->count++;
        recount->bytes += entry->body_bytes;
        recount->fleeting += entry->fate.is_fleeting;
        recount->fleeting_bytes += entry->fate.is_fleeting ? entry->body_bytes : 0;
        if (entry->message != NULL)
            recount->memory += message_footprint(entry->message);
        if (entry->batch == 0)
            recount->transient += message_footprint(entry->message);
    }
}

static void check_led(const struct lane *lane)
{
    uint64_t bytes = 0;
    CHECK(lane->led_count <= lane->tail.count);
    for (size_t i = 0; i < lane->led_count; i++) {
        const struct entry *entry = entry_ring_at(&lane->tail, i);
        CHECK(entry->batch != 0);
        bytes += message_footprint(entry->message);
    }
    CHECK(bytes == lane->led_bytes);
}

static uint64_t returned_bytes(const struct lane *lane)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < lane->returned.count; i++) {
        const struct entry *entry = entry_ring_at(&lane->returned, i);
        if (entry->message != NULL && entry->batch != 0)
            bytes += message_footprint(entry->message);
    }
    return bytes;
}

void lane_check(const struct lane *lane)
{
    struct recount recount = {.count = lane->stretch_count, .bytes = lane->stretch_bytes};
    recount_ring(&recount, &lane->returned);
    recount_ring(&recount, &lane->paged);
    recount_ring(&recount, &lane->tail);
    CHECK(recount.count == lane->ready_count);
    CHECK(recount.bytes == lane->ready_bytes);
    CHECK(recount.memory == lane->memory_bytes);
    CHECK(recount.transient == lane->transient_bytes);
    uint64_t out = lane->fleeting_count - recount.fleeting; /* in the stretch */
    CHECK(out <= lane->stretch_count);
    CHECK(lane->fleeting_bytes - recount.fleeting_bytes <= lane->stretch_bytes);
    check_led(lane);
    CHECK(returned_bytes(lane) == lane->returned_bytes);
    CHECK(lane->stretch_count <= lane->stretch_end - lane->stretch_first ||
          lane->stretch_count == 0);
}
