/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runtime parameters of vhosts, and global ones. They are for policymakers, those of a vhost if
 * they may enter it. As in RabbitMQ, policies are parameters too, but are only shown where one asks
 * for that component.
 */
#include <stdlib.h>
#include <string.h>

#include "auth/directory.h"
#include "config/json_table.h"
#include "http/http_call.h"
#include "http/http_resources.h"

/* --- rights */

/* For a path without a vhost. False, answered, where the user has not got it. */
static bool need_maker(struct http_call *call)
{
    if (http_call_has_tag(call, "policymaker") || http_call_has_tag(call, "administrator"))
        return true;
    http_not_authorised(call, "User not authorised to access object");
    return false;
}

/* For a path with one. What is an administrator's elsewhere (operator policies, limits) is so as a
 * parameter: RabbitMQ lets policymakers set them here. */
static bool need_changer(const struct http_context *context, struct http_call *call)
{
    static const char *const components[] = {"operator_policy", "vhost-limits", "user-limits"};
    const char *component = http_call_parameter(call, "component");
    bool is_for_makers = true;
    for (size_t i = 0; i < sizeof components / sizeof components[0]; i++)
        is_for_makers = is_for_makers && strcmp(component, components[i]) != 0;
    if (!http_need_policymaker(context, call))
        return false;
    if (is_for_makers || http_call_has_tag(call, "administrator"))
        return true;
    http_not_authorised(call, "Not administrator user");
    return false;
}

static void append_parameter(void *context, const struct directory_parameter *parameter)
{
    json_array_append_new(context,
                          json_pack("{s:o, s:s, s:s, s:s}", "value", json_parse(parameter->value),
                                    "vhost", parameter->vhost, "component", parameter->component,
                                    "name", parameter->name));
}

/* vhost or component NULL: all; the caller's. */
static json_t *list(const struct http_context *context, const char *vhost, const char *component)
{
    struct directory_error error;
    json_t *rows = json_array();
    if (!directory_each_parameter(context->directory, vhost, component, append_parameter, rows,
                                  &error))
        json_array_clear(rows);
    return rows;
}

/* Of the path's component, or of all. */
static void reply_visible(struct http_call *call, json_t *rows)
{
    for (size_t i = json_array_size(rows); i-- > 0;) {
        const json_t *row = json_array_get(rows, i);
        if (!http_call_may_enter(call, json_string_value(json_object_get(row, "vhost"))))
            json_array_remove(rows, i);
    }
    http_reply_list(call, rows, NULL);
}

static void get_all(const struct http_context *context, struct http_call *call)
{
    if (need_maker(call))
        reply_visible(call, list(context, NULL, NULL));
}

static void get_component(const struct http_context *context, struct http_call *call)
{
    if (need_maker(call))
        reply_visible(call, list(context, NULL, http_call_parameter(call, "component")));
}

static void get_of_vhost(const struct http_context *context, struct http_call *call)
{
    const char *vhost = http_call_parameter(call, "vhost");
    if (!http_need_policymaker(context, call))
        return;
    if (directory_has_vhost(context->directory, vhost))
        http_reply_list(call, list(context, vhost, http_call_parameter(call, "component")), NULL);
    else
        http_not_found(call);
}

/* --- one of them */

/* The parameter, the caller's; NULL where it is not there. */
static json_t *find(const struct http_context *context, const struct http_call *call)
{
    json_t *rows =
        list(context, http_call_parameter(call, "vhost"), http_call_parameter(call, "component"));
    return http_find_named(rows, http_call_parameter(call, "name"));
}

static void get_one(const struct http_context *context, struct http_call *call)
{
    if (!http_need_policymaker(context, call))
        return;
    json_t *parameter = find(context, call);
    if (parameter != NULL)
        http_reply(call, parameter);
    else
        http_not_found(call);
}

static void put_one(const struct http_context *context, struct http_call *call)
{
    static const char *const keys[] = {"value"};
    struct directory_error error;
    if (!need_changer(context, call) || !http_need_vhost(context, call) ||
        !http_need_keys(call, keys, 1))
        return;
    json_t *former = find(context, call);
    char *text = json_print(json_object_get(http_call_body(call), "value"));
    if (directory_set_parameter(context->directory, http_call_parameter(call, "vhost"),
                                http_call_parameter(call, "component"),
                                http_call_parameter(call, "name"), text, &error))
        http_reply_put(call, former == NULL);
    else
        http_refuse_escaped(call, &error);
    free(text);
    json_decref(former);
}

static void delete_one(const struct http_context *context, struct http_call *call)
{
    struct directory_error error;
    if (!need_changer(context, call))
        return;
    json_t *former = find(context, call);
    if (former == NULL)
        http_not_found(call);
    else if (directory_clear_parameter(context->directory, http_call_parameter(call, "vhost"),
                                       http_call_parameter(call, "component"),
                                       http_call_parameter(call, "name"), &error))
        http_reply_done(call);
    else
        http_refuse(call, &error);
    json_decref(former);
}

/* --- global ones */

static void append_global(void *context, const char *name, const char *value)
{
    json_array_append_new(context,
                          json_pack("{s:o, s:s}", "value", json_parse(value), "name", name));
}

static void get_globals(const struct http_context *context, struct http_call *call)
{
    json_t *rows = json_array();
    if (!need_maker(call)) {
        json_decref(rows);
        return;
    }
    directory_each_global_parameter(context->directory, append_global, rows);
    http_reply_list(call, rows, "name");
}

static json_t *find_global(const struct http_context *context, const struct http_call *call)
{
    json_t *rows = json_array();
    directory_each_global_parameter(context->directory, append_global, rows);
    return http_find_named(rows, http_call_parameter(call, "name"));
}

static void get_global(const struct http_context *context, struct http_call *call)
{
    if (!need_maker(call))
        return;
    json_t *parameter = find_global(context, call);
    if (parameter != NULL)
        http_reply(call, parameter);
    else
        http_not_found(call);
}

static void put_global(const struct http_context *context, struct http_call *call)
{
    static const char *const keys[] = {"value"};
    struct directory_error error;
    if (!need_maker(call) || !http_need_keys(call, keys, 1))
        return;
    json_t *former = find_global(context, call);
    char *text = json_print(json_object_get(http_call_body(call), "value"));
    if (directory_set_global_parameter(context->directory, http_call_parameter(call, "name"), text,
                                       &error))
        http_reply_put(call, former == NULL);
    else
        http_refuse(call, &error);
    free(text);
    json_decref(former);
}

static void delete_global(const struct http_context *context, struct http_call *call)
{
    struct directory_error error;
    if (!need_maker(call))
        return;
    json_t *former = find_global(context, call);
    if (former == NULL)
        http_not_found(call);
    else if (directory_clear_global_parameter(context->directory, http_call_parameter(call, "name"),
                                              &error))
        http_reply_done(call);
    else
        http_refuse(call, &error);
    json_decref(former);
}

const struct http_route http_parameter_routes[] = {
    {"/parameters", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true, .get = get_all},
    {"/parameters/:component", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .get = get_component},
    {"/parameters/:component/:vhost", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT,
     .lists_vhosts = true, .get = get_of_vhost},
    {"/parameters/:component/:vhost/:name", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT,
     .lists_vhosts = true, .get = get_one, .put = put_one, .delete = delete_one},
    {"/global-parameters", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .get = get_globals},
    {"/global-parameters/:name", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .get = get_global,
     .put = put_global, .delete = delete_global},
    {.pattern = NULL},
};
