/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tools ask for plug-ins before they use what these add, and scripts enable them. There is nothing
 * to enable here, but the names have to be known: to the server, and to the command line also where
 * no server works.
 */
#include "net/plugin_names.h"

#include <jansson.h>

json_t *plugin_names(void)
{
    static const char *const names[] = {
        "rabbitmq_auth_backend_cache",
        "rabbitmq_auth_backend_http",
        "rabbitmq_auth_backend_ldap",
        "rabbitmq_auth_backend_oauth2",
        "rabbitmq_auth_mechanism_ssl",
        "rabbitmq_consistent_hash_exchange",
        "rabbitmq_delayed_message_exchange",
        "rabbitmq_event_exchange",
        "rabbitmq_jms_topic_exchange",
        "rabbitmq_management",
        "rabbitmq_management_agent",
        "rabbitmq_message_deduplication",
        "rabbitmq_prometheus",
        "rabbitmq_random_exchange",
        "rabbitmq_recent_history_exchange",
        "rabbitmq_sharding",
    };
    json_t *array = json_array();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        json_array_append_new(array, json_string(names[i]));
    return array;
}
