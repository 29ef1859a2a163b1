/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which lanes are read, and when. Where very many want messages that are in the store, only so many
 * have their turn at a time, for two reasons: what was read for all of them would be dropped again
 * before anybody takes it; and messages of neighbours, which came one after the other, lie together
 * and cost one read if they are asked for together. So the lanes whose turn it is share what memory
 * there is for reading, and whoever of them has used up half of its part (or has begun it, where
 * few share) asks for the next, which goes with the next read of all that ask. When it has had
 * turn_bytes, it goes behind the others.
 *
 * A turn keeps its place for those messages that consumers will take soon: it is over where nobody
 * takes them, or not for turn_ms. When the lane wants more, it goes on before others begin, as soon
 * as there is room.
 *
 * What is read to look when a first message expires (lane_probe) needs no turn.
 */
#include "base/check.h"
#include "broker/consumer.h"
#include "broker/queue_life.h"

enum {
    read_bytes_max = 2 << 20, /* of one lane, in one go; and of all, at least */
    read_bytes_min = 16 << 10,
    read_cost = 4 << 10, /* a read counts as so much at least */
    turn_bytes = 2 << 20,
    turn_ms = 200,
    subscribers_seen = 8,
};

static bool has_turn(const struct lane *lane)
{
    return lane->turn == LANE_TURN_ASKS || lane->turn == LANE_TURN_HELD;
}

void lane_end_turn(struct vhost *vhost, struct lane *lane)
{
    list_remove(&lane->read_node);
    if (has_turn(lane)) {
        vhost->turn_count--;
        vhost->turn_weight -= lane->turn_weight;
    }
    lane->turn = LANE_TURN_NONE;
}

/* Leaves where it is, for the end of another list. */
static void join(struct vhost *vhost, struct lane *lane, struct list *list, enum lane_turn turn)
{
    lane_end_turn(vhost, lane);
    list_push_back(list, &lane->read_node);
    lane->turn = (uint8_t)turn;
    if (has_turn(lane)) {
        vhost->turn_count++;
        vhost->turn_weight += lane->turn_weight;
    }
}

/* Its turn is not over, but it left the others: it is the first to have one again. */
static void join_first(struct vhost *vhost, struct lane *lane)
{
    lane_end_turn(vhost, lane);
    list_push_front(&vhost->read_waits, &lane->read_node);
    lane->turn = LANE_TURN_WAITS;
}

void lane_read(struct vhost *vhost, struct lane *lane)
{
    if (lane->id == 0 || lane->turn == LANE_TURN_WAITS || lane->turn == LANE_TURN_ASKS ||
        !lane_lacks_messages(lane))
        return;
    if (lane->turn_left == 0)
        join(vhost, lane, &vhost->read_waits, LANE_TURN_WAITS);
    else if (lane->turn == LANE_TURN_HELD)
        join(vhost, lane, &vhost->turn_asks, LANE_TURN_ASKS);
    else
        join_first(vhost, lane);
}

void lane_probe(struct vhost *vhost, struct lane *lane)
{
    struct store_read read;
    if (lane->id != 0 && lane_wants_probe(lane, vhost->read_tokens + 1, &read))
        vhost_ask_read(vhost, read);
}

/* Somebody who takes messages, or will when the connection has sent what it has. */
static bool has_takers(const struct queue *queue)
{
    int seen = 0;
    if (!list_is_empty(&queue->active))
        return true;
    list_for_each(&queue->subscribers, node)
    {
        const struct subscriber *subscriber = list_entry(node, struct subscriber, queue_node);
        if (list_node_is_linked(
                &container_of(subscriber, struct consumer, subscriber)->starved_node))
            return true;
        if (++seen == subscribers_seen)
            return false;
    }
    return false;
}

/* Also where the clock was set back meanwhile: then the difference is very large. */
static bool is_over(const struct vhost *vhost, const struct lane *lane)
{
    return vhost->now_ms - lane->turn_ms >= turn_ms;
}

/* Others wait: turns end that nobody needs. Nothing is being read. */
static void end_idle_turns(struct vhost *vhost)
{
    struct list_node *node = list_front(&vhost->turns), *next;
    for (; node != NULL; node = next) {
        struct lane *lane = list_entry(node, struct lane, read_node);
        next = node->next != &vhost->turns.head ? node->next : NULL;
        if (lane->paged.count == 0 || is_over(vhost, lane) || !has_takers(lane->queue))
            lane_end_turn(vhost, lane);
    }
}

/* For what is read of all lanes whose turn it is; bytes. */
static size_t room_for_reads(const struct vhost *vhost)
{
    size_t room = vhost->window_bytes_max / 4;
    return room > read_bytes_max ? room : read_bytes_max;
}

/* A lane gives one message at least. */
static uint32_t weight_of(const struct lane *lane)
{
    uint64_t bytes = lane->stretch_count > 0 ? lane->stretch_bytes / lane->stretch_count : 0;
    return bytes < read_bytes_min ? read_bytes_min
           : bytes < UINT32_MAX   ? (uint32_t)bytes
                                  : UINT32_MAX;
}

static bool has_room(const struct vhost *vhost, uint32_t weight)
{
    return vhost->turn_count == 0 || (vhost->turn_count < vhost->config.reads_max &&
                                      vhost->turn_weight + weight <= room_for_reads(vhost));
}

/* The lanes that have waited longest have their turn; false where there is no room for all. */
static bool begin_turns(struct vhost *vhost)
{
    struct list_node *node;
    while ((node = list_front(&vhost->read_waits)) != NULL) {
        struct lane *lane = list_entry(node, struct lane, read_node);
        uint32_t weight = weight_of(lane);
        if (!has_room(vhost, weight))
            return false;
        if (lane->turn_left == 0)
            lane->turn_left = turn_bytes;
        lane->turn_weight = weight;
        join(vhost, lane, &vhost->turn_asks, LANE_TURN_ASKS);
    }
    return true;
}

static bool some_ask(struct vhost *vhost)
{
    if (!begin_turns(vhost)) {
        end_idle_turns(vhost);
        begin_turns(vhost);
    }
    return !list_is_empty(&vhost->turn_asks);
}

/* What is read of each lane, in one go; bytes. */
static size_t share_of_lane(const struct vhost *vhost)
{
    size_t share = room_for_reads(vhost) / vhost->turn_count;
    return share < read_bytes_min   ? read_bytes_min
           : share > read_bytes_max ? read_bytes_max
                                    : share;
}

static void read_lane(struct vhost *vhost, struct lane *lane, size_t share)
{
    struct store_read read;
    if (!lane_wants_read(lane, vhost->read_tokens + 1, share, &read)) {
        lane_end_turn(vhost, lane);
        if (lane->read_token == 0) /* it was purged: who waits for its messages waits no more */
            queue_resume(vhost, lane->queue);
        return;
    }
    vhost_ask_read(vhost, read);
    vhost->reading_count++;
    join(vhost, lane, &vhost->turns, LANE_TURN_HELD);
}

void lane_count_read(const struct vhost *vhost, struct lane *lane, uint64_t bytes)
{
    lane->turn_ms = vhost->now_ms;
    uint64_t cost = bytes > read_cost ? bytes : read_cost;
    lane->turn_left -= cost < lane->turn_left ? (uint32_t)cost : lane->turn_left;
}

void vhost_read_lanes(struct vhost *vhost)
{
    struct list_node *node;
    vhost->turn_due_ms = UINT64_MAX;
    while (vhost->reading_count == 0 && some_ask(vhost)) {
        size_t share = share_of_lane(vhost);
        while (vhost->reading_count < vhost->config.reads_max &&
               (node = list_front(&vhost->turn_asks)) != NULL)
            read_lane(vhost, list_entry(node, struct lane, read_node), share);
    }
    if (vhost->reading_count == 0 && !list_is_empty(&vhost->read_waits))
        vhost->turn_due_ms =
            list_entry(list_front(&vhost->turns), struct lane, read_node)->turn_ms + turn_ms;
}

static void check_list(const struct list *list, enum lane_turn turn, size_t *count,
                       uint64_t *weight)
{
    list_for_each(list, node)
    {
        const struct lane *lane = list_entry(node, struct lane, read_node);
        CHECK(lane->turn == turn);
        *count += 1;
        *weight += lane->turn_weight;
    }
}

void reading_check(const struct vhost *vhost)
{
    size_t count = 0;
    uint64_t weight = 0;
    check_list(&vhost->turn_asks, LANE_TURN_ASKS, &count, &weight);
    check_list(&vhost->turns, LANE_TURN_HELD, &count, &weight);
    CHECK(count == vhost->turn_count && weight == vhost->turn_weight);
    check_list(&vhost->read_waits, LANE_TURN_WAITS, &count, &weight);
}
