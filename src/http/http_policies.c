/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies and operator policies: listing, setting and clearing them. A list has what is of the
 * vhosts that the user may see; one policy is for policymakers who may enter its vhost, one
 * operator policy for administrators.
 */
#include <string.h>

#include "auth/directory.h"
#include "config/config.h"
#include "config/json_table.h"
#include "http/http_call.h"
#include "http/http_change.h"
#include "http/http_resources.h"

/* --- listing */

static void append_policy(void *context, const struct directory_policy *policy)
{
    json_array_append_new(context,
                          json_pack("{s:s, s:s, s:s, s:s, s:o, s:I}", "vhost", policy->vhost,
                                    "name", policy->name, "pattern", policy->pattern, "apply-to",
                                    policy->apply_to, "definition", json_parse(policy->definition),
                                    "priority", (json_int_t)policy->priority));
}

/* Of one vhost, or of all (NULL); the caller's. */
static json_t *list(const struct http_context *context, const char *vhost, bool is_operator)
{
    struct directory_error error;
    json_t *rows = json_array();
    if (!directory_each_policy(context->directory, vhost, is_operator, append_policy, rows, &error))
        json_array_clear(rows);
    return rows;
}

static void get_all(const struct http_context *context, struct http_call *call, bool is_operator)
{
    json_t *rows = list(context, NULL, is_operator);
    for (size_t i = json_array_size(rows); i-- > 0;) {
        const json_t *row = json_array_get(rows, i);
        if (!http_call_may_enter(call, json_string_value(json_object_get(row, "vhost"))))
            json_array_remove(rows, i);
    }
    http_reply_list(call, rows, NULL);
}

static void get_of_vhost(const struct http_context *context, struct http_call *call,
                         bool is_operator)
{
    if (http_need_visible_vhost(context, call) && http_need_entrance(context, call))
        http_reply_list(call, list(context, http_call_parameter(call, "vhost"), is_operator), NULL);
}

/* --- one of them */

/* False, answered, where the user may not touch it. */
static bool need_right(const struct http_context *context, struct http_call *call, bool is_operator)
{
    return is_operator || http_need_policymaker(context, call);
}

/* The policy, the caller's; NULL, answered, where it is not there or not for the user. */
static json_t *need_policy(const struct http_context *context, struct http_call *call,
                           bool is_operator)
{
    const char *name = http_call_parameter(call, "name");
    if (!need_right(context, call, is_operator))
        return NULL;
    json_t *found =
        http_find_named(list(context, http_call_parameter(call, "vhost"), is_operator), name);
    if (found == NULL)
        http_not_found(call);
    return found;
}

static void get_one(const struct http_context *context, struct http_call *call, bool is_operator)
{
    json_t *policy = need_policy(context, call, is_operator);
    if (policy != NULL)
        http_reply(call, policy);
}

static bool is_there(const struct http_context *context, const char *vhost, const char *name,
                     bool is_operator)
{
    json_t *rows = list(context, vhost, is_operator);
    bool is_found = false;
    for (size_t i = 0; i < json_array_size(rows) && !is_found; i++)
        is_found =
            strcmp(json_string_value(json_object_get(json_array_get(rows, i), "name")), name) == 0;
    json_decref(rows);
    return is_found;
}

/* Does the configuration let nobody change them? Answered then. */
static bool are_fixed(const struct http_context *context, struct http_call *call, bool is_operator)
{
    if (!is_operator || !context->config->operator_policies_fixed)
        return false;
    http_not_allowed(call, "Broker settings disallow editing of operator policies.");
    return true;
}

static void put_one(const struct http_context *context, struct http_call *call, bool is_operator)
{
    static const char *const keys[] = {"pattern", "definition"};
    struct directory_error error;
    const json_t *body = http_call_body(call);
    const char *vhost = http_call_parameter(call, "vhost");
    const char *name = http_call_parameter(call, "name");
    if (are_fixed(context, call, is_operator) || !need_right(context, call, is_operator) ||
        !http_need_vhost(context, call) || !http_need_keys(call, keys, 2))
        return;
    json_t *priority = json_object_get(body, "priority");
    json_t *apply_to = json_object_get(body, "apply-to");
    json_t *value =
        json_pack("{s:O, s:O, s:i, s:s}", "pattern", json_object_get(body, "pattern"), "definition",
                  json_object_get(body, "definition"), "priority", 0, "apply-to", "all");
    if (priority != NULL)
        json_object_set(value, "priority", priority);
    if (apply_to != NULL)
        json_object_set(value, "apply-to", apply_to);
    bool is_new = !is_there(context, vhost, name, is_operator);
    if (directory_put_policy(context->directory, vhost, name, value, is_operator, &error))
        http_reply_put(call, is_new);
    else if (is_operator)
        http_refuse(call, &error);
    else
        http_refuse_escaped(call, &error);
    json_decref(value);
}

static void delete_one(const struct http_context *context, struct http_call *call, bool is_operator)
{
    struct directory_error error;
    json_t *policy =
        are_fixed(context, call, is_operator) ? NULL : need_policy(context, call, is_operator);
    if (policy == NULL)
        return;
    json_decref(policy);
    if (directory_clear_parameter(context->directory, http_call_parameter(call, "vhost"),
                                  is_operator ? "operator_policy" : "policy",
                                  http_call_parameter(call, "name"), &error))
        http_reply_done(call);
    else
        http_refuse(call, &error);
}

/* --- the two kinds */

#define HANDLER(name, handler, is_operator)                                                        \
    static void name(const struct http_context *context, struct http_call *call)                   \
    {                                                                                              \
        handler(context, call, is_operator);                                                       \
    }

HANDLER(get_policies, get_all, false)
HANDLER(get_vhost_policies, get_of_vhost, false)
HANDLER(get_policy, get_one, false)
HANDLER(put_policy, put_one, false)
HANDLER(delete_policy, delete_one, false)
HANDLER(get_operator_policies, get_all, true)
HANDLER(get_vhost_operator_policies, get_of_vhost, true)
HANDLER(get_operator_policy, get_one, true)
HANDLER(put_operator_policy, put_one, true)
HANDLER(delete_operator_policy, delete_one, true)

const struct http_route http_policy_routes[] = {
    {"/policies", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .get = get_policies},
    {"/policies/:vhost", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .get = get_vhost_policies},
    {"/policies/:vhost/:name", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .get = get_policy, .put = put_policy, .delete = delete_policy},
    {"/operator-policies", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .get = get_operator_policies},
    {"/operator-policies/:vhost", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .get = get_vhost_operator_policies},
    {"/operator-policies/:vhost/:name", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS,
     .get = get_operator_policy, .put = put_operator_policy, .delete = delete_operator_policy},
    {.pattern = NULL},
};
