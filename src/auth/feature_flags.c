/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feature flags are how the nodes of a RabbitMQ cluster agree on what all of them can do. There is
 * one node here, and nothing to agree on: what the flags of RabbitMQ 3.13 stand for is there or is
 * not (streams). They are listed as enabled, as by a RabbitMQ of the version that clients are told,
 * because tools look them up before an upgrade, and enabling one again is done at once.
 */
#include "auth/feature_flags.h"

#include <jansson.h>
#include <string.h>

struct flag {
    const char *name;
    const char *description;
    const char *stability;   /* RabbitMQ 3.13 cannot be without those that are required */
    const char *provided_by; /* the part of RabbitMQ that has it */
};

static const char REQUIRED[] = "required", STABLE[] = "stable";
static const char SERVER[] = "rabbit", AGENT[] = "rabbitmq_management_agent";

static const struct flag flags[] = {
    {"classic_mirrored_queue_version", "Versions of mirrored queues", REQUIRED, SERVER},
    {"classic_queue_type_delivery_support", "Deliveries of classic queues in mixed clusters",
     REQUIRED, SERVER},
    {"direct_exchange_routing_v2", "Routing of direct exchanges by a table of their own", REQUIRED,
     SERVER},
    {"drop_unroutable_metric", "Dropped messages without a route are counted", REQUIRED, AGENT},
    {"empty_basic_get_metric", "basic.get of empty queues is counted", REQUIRED, AGENT},
    {"feature_flags_v2", "The second form of feature flags", REQUIRED, SERVER},
    {"implicit_default_bindings", "Bindings to the default exchange are not stored", REQUIRED,
     SERVER},
    {"listener_records_in_ets", "Listeners are kept in memory only", REQUIRED, SERVER},
    {"maintenance_mode_status", "Nodes can be drained", REQUIRED, SERVER},
    {"message_containers", "Messages of all protocols in one form", STABLE, SERVER},
    {"message_containers_deaths_v2", "Deaths of messages in their order", STABLE, SERVER},
    {"quorum_queue", "Queues of type quorum", REQUIRED, SERVER},
    {"quorum_queue_non_voters", "Members of quorum queues that do not vote yet", STABLE, SERVER},
    {"restart_streams", "Streams can be restarted", STABLE, SERVER},
    {"stream_filtering", "Filters of streams", STABLE, SERVER},
    {"stream_queue", "Queues of type stream", REQUIRED, SERVER},
    {"stream_sac_coordinator_unblock_group", "Groups of consumers of a super stream", STABLE,
     SERVER},
    {"stream_single_active_consumer", "Single active consumers of streams", REQUIRED, SERVER},
    {"stream_update_config_command", "Policies change streams", STABLE, SERVER},
    {"tracking_records_in_ets", "Connections and channels are tracked in memory only", REQUIRED,
     SERVER},
    {"user_limits", "Limits of users", REQUIRED, SERVER},
    {"virtual_host_metadata", "Descriptions and tags of virtual hosts", REQUIRED, SERVER},
};

enum { FLAG_COUNT = sizeof flags / sizeof flags[0] };

json_t *feature_flags_json(void)
{
    json_t *rows = json_array();
    for (const struct flag *flag = flags; flag < flags + FLAG_COUNT; flag++)
        json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "name", flag->name,
                                              "desc", flag->description, "doc_url", "", "state",
                                              "enabled", "stability", flag->stability,
                                              "provided_by", flag->provided_by));
    return rows;
}

bool feature_flag_exists(const char *name)
{
    for (const struct flag *flag = flags; flag < flags + FLAG_COUNT; flag++) {
        if (strcmp(flag->name, name) == 0)
            return true;
    }
    return false;
}
