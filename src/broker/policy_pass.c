/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change of policies is a pass over all sharded exchanges and queues. They obey the new ones in
 * slices, and refer to the texts of the former ones until then. Policies that come during a pass
 * are obeyed from there on, and by those that were passed in one more pass, so that the passes end
 * even where policies change all the time.
 */
#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"
#include "broker/queue_life.h"
#include "broker/sharding.h"
#include "broker/vhost_internal.h"

enum {
    policy_buckets = 1024, /* that are looked at, */
    steps_of_queue = 200   /* and what a queue there costs beside finding its policies */
};

/* The first so many. */
static void free_former_policies(struct vhost *vhost, size_t count)
{
    for (size_t i = 0; i < count; i++)
        policies_free(vhost->former_policies[i]);
    vhost->former_policy_count -= count;
    if (vhost->former_policy_count > 0)
        memmove(vhost->former_policies, vhost->former_policies + count,
                vhost->former_policy_count * sizeof vhost->former_policies[0]);
}

static void begin_pass(struct vhost *vhost)
{
    vhost->is_policing = vhost->former_policy_count > 0;
    vhost->policing = 0;
    vhost->freed_by_pass = vhost->former_policy_count;
}

static void obey_policies(void *context, struct hash_node *node)
{
    struct vhost *vhost = context;
    struct queue *queue = container_of(node, struct queue, by_name);
    if (queue->policy_generation == vhost->policy_generation)
        return;
    queue_apply_settings(vhost, queue);
    vhost->policy_steps += steps_of_queue;
}

void vhost_follow_policies(struct vhost *vhost)
{
    vhost->policy_steps = 0;
    if (vhost->is_policing && !sharding_follow(vhost))
        return;
    for (int i = 0; vhost->is_policing && i < policy_buckets; i++) {
        if (vhost->policy_steps >= POLICY_STEPS_SLICE)
            return;
        if (hash_table_scan(&vhost->queues, &vhost->policing, obey_policies, vhost))
            continue;
        free_former_policies(vhost, vhost->freed_by_pass);
        begin_pass(vhost);
    }
}

void vhost_set_policies(struct vhost *vhost, struct policies *policies)
{
    vhost->former_policies =
        xgrow(vhost->former_policies, &vhost->former_policy_capacity,
              vhost->former_policy_count + 1, sizeof vhost->former_policies[0]);
    vhost->former_policies[vhost->former_policy_count++] = vhost->policies;
    vhost->policies = policies;
    vhost->policy_generation++;
    vhost->topology_generation++; /* alternate exchanges */
    if (!vhost->is_policing)
        begin_pass(vhost);
    sharding_expect(vhost);
}

void vhost_free_policies(struct vhost *vhost)
{
    free_former_policies(vhost, vhost->former_policy_count);
    policies_free(vhost->policies);
    free(vhost->former_policies);
}
