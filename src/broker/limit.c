/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits of a vhost and of its users. They hold for what is new: what is there when a limit comes
 * stays. What all vhosts have together, and what a user has in all of them, is numbers that they
 * share; cores that declare something, or open channels of a user, at the same moment may all find
 * the last place free.
 */
#include <stdatomic.h>
#include <stdio.h>

#include "broker/session.h"

void limit_count_queues(struct vhost *vhost, int change)
{
    vhost->counters.queues += (uint64_t)(int64_t)change;
    if (vhost->config.totals != NULL)
        atomic_fetch_add_explicit(&vhost->config.totals->queues, (uint64_t)(int64_t)change,
                                  memory_order_relaxed);
}

void limit_count_exchanges(struct vhost *vhost, int change)
{
    vhost->counters.exchanges += (uint64_t)(int64_t)change;
    if (vhost->config.totals != NULL)
        atomic_fetch_add_explicit(&vhost->config.totals->exchanges, (uint64_t)(int64_t)change,
                                  memory_order_relaxed);
}

void vhost_leave_totals(struct vhost *vhost)
{
    struct vhost_totals *totals = vhost->config.totals;
    vhost->config.totals = NULL;
    if (totals == NULL)
        return;
    atomic_fetch_sub_explicit(&totals->queues, vhost->counters.queues, memory_order_relaxed);
    atomic_fetch_sub_explicit(&totals->exchanges, vhost->counters.exchanges, memory_order_relaxed);
}

static uint64_t all_queues(const struct vhost *vhost)
{
    return vhost->config.totals != NULL
               ? atomic_load_explicit(&vhost->config.totals->queues, memory_order_relaxed)
               : vhost->counters.queues;
}

static uint64_t all_exchanges(const struct vhost *vhost)
{
    return vhost->config.totals != NULL
               ? atomic_load_explicit(&vhost->config.totals->exchanges, memory_order_relaxed)
               : vhost->counters.exchanges;
}

static bool too_many_queues(struct amqp_error *error, struct bytes name, const char *where,
                            uint64_t limit)
{
    return amqp_error_set(error, AMQP_PRECONDITION_FAILED,
                          "cannot declare queue '%.*s': queue limit in %s (%llu) is reached",
                          (int)name.size, (const char *)name.data, where,
                          (unsigned long long)limit);
}

bool limit_check_queue(const struct vhost *vhost, struct bytes name, struct amqp_error *error)
{
    char where[RESOURCE_TEXT_SIZE];
    const struct vhost_limits *limits = &vhost->limits;
    uint64_t count = vhost->counters.queues;
    if (all_queues(vhost) >= limits->cluster_queues_max)
        return too_many_queues(error, name, "cluster", limits->cluster_queues_max);
    snprintf(where, sizeof where, "vhost '%s'", vhost->name);
    return count < limits->queues_max || too_many_queues(error, name, where, limits->queues_max);
}

bool limit_check_exchange(const struct vhost *vhost, struct bytes name, struct amqp_error *error)
{
    char text[RESOURCE_TEXT_SIZE];
    const struct vhost_limits *limits = &vhost->limits;
    return all_exchanges(vhost) < limits->cluster_exchanges_max ||
           amqp_error_set(error, AMQP_PRECONDITION_FAILED,
                          "cannot declare %s: exchange limit of %llu is reached",
                          resource_text(vhost, "exchange", name, text),
                          (unsigned long long)limits->cluster_exchanges_max);
}

uint64_t limit_count_session(const struct session *session, int change)
{
    struct user_totals *totals = session->config.user_totals;
    if (session->config.is_uncounted)
        return 0;
    session->vhost->counters.sessions += (uint64_t)(int64_t)change;
    if (totals == NULL)
        return 0;
    return (uint64_t)(int64_t)change + atomic_fetch_add_explicit(&totals->connections,
                                                                 (uint64_t)(int64_t)change,
                                                                 memory_order_relaxed);
}

void limit_count_channel(const struct session *session, int change)
{
    struct user_totals *totals = session->config.user_totals;
    session->vhost->counters.channels += (uint64_t)(int64_t)change;
    if (totals != NULL)
        atomic_fetch_add_explicit(&totals->channels, (uint64_t)(int64_t)change,
                                  memory_order_relaxed);
}

bool limit_check_session(const struct session *session, uint64_t count, struct amqp_error *error)
{
    const struct vhost *vhost = session->vhost;
    struct access_limits limits = access_limits_of(vhost->access, bytes_of_text(session->user));
    if (session->config.is_uncounted)
        return true;
    if (vhost->counters.sessions > vhost->limits.connections_max)
        return amqp_error_set(
            error, AMQP_NOT_ALLOWED,
            "access to vhost '%s' refused for user '%s': connection limit (%llu) is reached",
            vhost->name, session->user, (unsigned long long)vhost->limits.connections_max);
    return count <= limits.connections ||
           amqp_error_set(error, AMQP_NOT_ALLOWED,
                          "connection refused for user '%s': user connection limit (%llu) is "
                          "reached",
                          session->user, (unsigned long long)limits.connections);
}

bool limit_check_channel(const struct session *session, struct amqp_error *error)
{
    struct user_totals *totals = session->config.user_totals;
    struct access_limits limits =
        access_limits_of(session->vhost->access, bytes_of_text(session->user));
    return totals == NULL ||
           atomic_load_explicit(&totals->channels, memory_order_relaxed) < limits.channels ||
           amqp_error_set(error, AMQP_NOT_ALLOWED,
                          "number of channels opened for user '%s' has reached the maximum allowed "
                          "user limit of (%llu)",
                          session->user, (unsigned long long)limits.channels);
}
