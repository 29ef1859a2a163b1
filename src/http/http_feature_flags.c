/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feature flags are how the nodes of a RabbitMQ cluster agree on what all of them can do. There is
 * one node here, and nothing to agree on: what the flags of RabbitMQ 3.13 stand for is there or is
 * not (streams). They are listed as enabled, as by a RabbitMQ of the version that clients are told,
 * because tools look them up before an upgrade, and enabling one again is done at once.
 *
 * Deprecated features, of which RabbitMQ 3.13 tells, are not listed: nothing is to be taken away.
 */
#include <string.h>

#include "http/http_call.h"
#include "http/http_resources.h"

struct flag {
    const char *name;
    const char *description;
    bool is_required; /* RabbitMQ 3.13 cannot be without it */
};

static const char SERVER[] = "rabbit", AGENT[] = "rabbitmq_management_agent";

static const struct flag flags[] = {
    {"classic_mirrored_queue_version", "Versions of mirrored queues", true},
    {"classic_queue_type_delivery_support", "Deliveries of classic queues in mixed clusters", true},
    {"direct_exchange_routing_v2", "Routing of direct exchanges by a table of their own", true},
    {"drop_unroutable_metric", "Dropped messages without a route are counted", true},
    {"empty_basic_get_metric", "basic.get of empty queues is counted", true},
    {"feature_flags_v2", "The second form of feature flags", true},
    {"implicit_default_bindings", "Bindings to the default exchange are not stored", true},
    {"listener_records_in_ets", "Listeners are kept in memory only", true},
    {"maintenance_mode_status", "Nodes can be drained", true},
    {"message_containers", "Messages of all protocols in one form", false},
    {"message_containers_deaths_v2", "Deaths of messages in their order", false},
    {"quorum_queue", "Queues of type quorum", true},
    {"quorum_queue_non_voters", "Members of quorum queues that do not vote yet", false},
    {"restart_streams", "Streams can be restarted", false},
    {"stream_filtering", "Filters of streams", false},
    {"stream_queue", "Queues of type stream", true},
    {"stream_sac_coordinator_unblock_group", "Groups of consumers of a super stream", false},
    {"stream_single_active_consumer", "Single active consumers of streams", true},
    {"stream_update_config_command", "Policies change streams", false},
    {"tracking_records_in_ets", "Connections and channels are tracked in memory only", true},
    {"user_limits", "Limits of users", true},
    {"virtual_host_metadata", "Descriptions and tags of virtual hosts", true},
};

enum { FLAG_COUNT = sizeof flags / sizeof flags[0] };

static void get_flags(const struct http_context *context, struct http_call *call)
{
    (void)context;
    json_t *rows = json_array();
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        bool is_metric = strstr(flags[i].name, "_metric") != NULL;
        json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "name",
                                              flags[i].name, "desc", flags[i].description,
                                              "doc_url", "", "state", "enabled", "stability",
                                              flags[i].is_required ? "required" : "stable",
                                              "provided_by", is_metric ? AGENT : SERVER));
    }
    http_reply_list(call, rows, NULL);
}

static void enable(const struct http_context *context, struct http_call *call)
{
    const char *name = http_call_parameter(call, "name");
    (void)context;
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        if (strcmp(flags[i].name, name) == 0) {
            http_reply_done(call);
            return;
        }
    }
    http_bad_request(call, "unsupported");
}

static void get_none(const struct http_context *context, struct http_call *call)
{
    (void)context;
    http_reply_list(call, json_array(), NULL);
}

const struct http_route http_feature_flag_routes[] = {
    {"/feature-flags", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS, .get = get_flags},
    {"/feature-flags/:name/enable", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS,
     .put = enable},
    {"/deprecated-features", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS, .get = get_none},
    {"/deprecated-features/used", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS,
     .get = get_none},
    {.pattern = NULL},
};
