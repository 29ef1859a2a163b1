/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All resources as one: where a path is looked for, and what several of them answer alike. The
 * order is that of the tables, in which a name that stands in a pattern comes before a parameter.
 */
#include "http/http_resources.h"

#include <string.h>

#include "auth/directory.h"
#include "base/buffer.h"
#include "config/config.h"
#include "http/http_call.h"
#include "http/http_internal.h"
#include "net/control.h"

const struct http_route *http_find_route(const struct http_path *path)
{
    static const struct http_route *const tables[] = {
        http_whoami_routes,     http_overview_routes,  http_node_routes,
        http_vhost_routes,      http_user_routes,      http_permission_routes,
        http_policy_routes,     http_parameter_routes, http_limit_routes,
        http_health_routes,     http_quorum_routes,    http_queue_list_routes,
        http_queue_routes,      http_exchange_routes,  http_binding_routes,
        http_connection_routes, http_channel_routes,   http_consumer_routes,
        http_definition_routes, http_login_routes,     http_feature_flag_routes};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        for (const struct http_route *route = tables[i]; route->pattern != NULL; route++) {
            if (http_route_matches(route, path))
                return route;
        }
    }
    return NULL;
}

void http_refuse(struct http_call *call, const struct directory_error *error)
{
    if (error->status == CONTROL_SOFTWARE)
        http_broken(call, error->text);
    else
        http_bad_request(call, "%s", error->text);
}

void http_refuse_escaped(struct http_call *call, const struct directory_error *error)
{
    const char *text = error->text;
    struct buffer escaped = {0};
    for (; text[0] != '\0'; text++) {
        const char *name = text[0] == '<'   ? "&lt;"
                           : text[0] == '>' ? "&gt;"
                           : text[0] == '&' ? "&amp;"
                                            : NULL;
        if (name != NULL)
            buffer_append_bytes(&escaped, bytes_of_text(name));
        else
            buffer_append_u8(&escaped, (uint8_t)text[0]);
    }
    http_bad_request(call, "%.*s", (int)escaped.size, (const char *)escaped.data);
    buffer_fini(&escaped);
}

bool http_need_policymaker(const struct http_context *context, struct http_call *call)
{
    const char *vhost = http_call_parameter(call, "vhost");
    bool is_maker =
        http_call_has_tag(call, "policymaker") &&
        (!directory_has_vhost(context->directory, vhost) || http_call_may_enter(call, vhost));
    if (is_maker || http_call_has_tag(call, "administrator"))
        return true;
    http_not_authorised(call, "User not authorised to access object");
    return false;
}

bool http_need_monitor(struct http_call *call)
{
    if (http_call_has_tag(call, "monitoring") || http_call_has_tag(call, "administrator"))
        return true;
    http_not_authorised(call, "Not monitor user");
    return false;
}

bool http_need_node_in_path(const struct http_context *context, struct http_call *call)
{
    if (strcmp(http_call_parameter(call, "node"), context->config->node_name) == 0)
        return true;
    http_not_found(call);
    return false;
}

bool http_need_monitored_node(const struct http_context *context, struct http_call *call)
{
    return http_need_monitor(call) && http_need_node_in_path(context, call);
}

json_t *http_find_named(json_t *rows, const char *name)
{
    json_t *found = NULL;
    for (size_t i = 0; i < json_array_size(rows) && found == NULL; i++) {
        json_t *row = json_array_get(rows, i);
        if (strcmp(json_string_value(json_object_get(row, "name")), name) == 0)
            found = json_incref(row);
    }
    json_decref(rows);
    return found;
}
