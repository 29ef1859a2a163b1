/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocked publishers: who publishes while the memory or the disk runs short, or while the server is
 * drained, is told so and not read until that is over. Nobody else is told; consumers go on, so
 * that there is less in the queues.
 *
 * While the server is drained, nothing new is handed out (session.c), and who holds deliveries may
 * publish what comes of them.
 */
#include "broker/channel.h"
#include "broker/session.h"

/* --- one session */

void session_block(struct session *session)
{
    static const char *const reasons[] = {"in maintenance mode", "low on memory", "low on disk",
                                          "low on disk & memory"};
    if (session->is_blocked)
        return;
    session->is_blocked = true;
    struct amqp_method blocked = {
        .id = AMQP_CONNECTION_BLOCKED,
        .connection_blocked = {.reason = bytes_of_text(reasons[session->vhost->alarms & 3])},
    };
    if (session->config.has_blocked_notify)
        session_send(session, &blocked);
    session_pause(session, PAUSE_ALARM);
}

void session_unblock(struct session *session)
{
    if (!session->is_blocked || session->state != SESSION_OPEN)
        return;
    session->is_blocked = false;
    if (session->config.has_blocked_notify)
        session_send(session, &(struct amqp_method){.id = AMQP_CONNECTION_UNBLOCKED});
    session_unpause(session, PAUSE_ALARM);
}

bool session_is_finishing(const struct session *session)
{
    struct hash_node *node = NULL;
    if (session->vhost->alarms != VHOST_ALARM_DRAINING)
        return false;
    while ((node = hash_table_next(&session->channels, node)) != NULL) {
        if (container_of(node, struct channel, by_number)->unacked.live > 0)
            return true;
    }
    return false;
}

/* --- all of them */

static void set_serving(struct vhost *vhost, bool is_serving)
{
    list_for_each(&vhost->sessions, node)
    {
        struct session *session = list_entry(node, struct session, vhost_node);
        if (is_serving)
            session_release(session);
        else
            session_withhold(session);
    }
}

/* No resource is short. Where the server is being drained only those go on who hold deliveries; the
 * others come to wait again. */
static void resume_publishers(struct vhost *vhost)
{
    struct list waiting;
    struct list_node *first;
    list_for_each(&vhost->sessions, node)
    {
        struct session *session = list_entry(node, struct session, vhost_node);
        if (vhost->alarms == 0 || session_is_finishing(session))
            session_unblock(session);
    }
    list_init(&waiting);
    list_splice_back(&waiting, &vhost->alarm_waits);
    while ((first = list_front(&waiting)) != NULL)
        channel_resume(list_entry(first, struct channel, wait_node));
}

void vhost_follow_alarms(struct vhost *vhost, unsigned alarms)
{
    bool was_draining = (vhost->alarms & VHOST_ALARM_DRAINING) != 0;
    vhost->alarms = alarms;
    if (was_draining != ((alarms & VHOST_ALARM_DRAINING) != 0))
        set_serving(vhost, was_draining);
    if ((alarms & ~(unsigned)VHOST_ALARM_DRAINING) != 0) {
        /* Who waits for a full disk would not come to its next publish. */
        list_for_each(&vhost->paused, node)
            session_block(list_entry(node, struct session, paused_node));
    } else {
        resume_publishers(vhost);
    }
}
