/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits of vhosts and of users: each is a number under a name, set and cleared one at a time.
 */
#include <stdlib.h>

#include "auth/directory.h"
#include "config/json_table.h"
#include "http/http_call.h"
#include "http/http_resources.h"

/* Appends a row where there are limits. */
static void append_limits(json_t *rows, const char *key, const char *name, const char *limits)
{
    json_t *value = json_parse(limits);
    if (json_object_size(value) > 0)
        json_array_append_new(rows, json_pack("{s:s, s:O}", key, name, "value", value));
    json_decref(value);
}

/* --- of vhosts */

static void get_vhost_limits(const struct http_context *context, struct http_call *call)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < directory_vhost_count(context->directory); i++) {
        const char *name = directory_vhost(context->directory, i).name;
        if (http_call_may_enter(call, name))
            append_limits(rows, "vhost", name, directory_vhost_limits(context->directory, name));
    }
    http_reply_list(call, rows, NULL);
}

static void get_limits_of_vhost(const struct http_context *context, struct http_call *call)
{
    const char *name = http_call_parameter(call, "vhost");
    json_t *rows = json_array();
    if (!http_need_visible_vhost(context, call)) {
        json_decref(rows);
        return;
    }
    append_limits(rows, "vhost", name, directory_vhost_limits(context->directory, name));
    http_reply_list(call, rows, NULL);
}

/* value NULL: the limit goes. */
static void change_vhost_limit(const struct http_context *context, struct http_call *call,
                               json_t *value)
{
    struct directory_error error;
    const char *vhost = http_call_parameter(call, "vhost");
    const char *limit = http_call_parameter(call, "limit");
    json_t *limits = json_parse(directory_vhost_limits(context->directory, vhost));
    if (value != NULL)
        json_object_set(limits, limit, value);
    else
        json_object_del(limits, limit);
    char *text = json_print(limits);
    if (directory_set_vhost_limits(context->directory, vhost, text, &error))
        http_reply_done(call);
    else
        http_refuse(call, &error);
    free(text);
    json_decref(limits);
}

static void put_vhost_limit(const struct http_context *context, struct http_call *call)
{
    static const char *const keys[] = {"value"};
    if (http_need_vhost(context, call) && http_need_keys(call, keys, 1))
        change_vhost_limit(context, call, json_object_get(http_call_body(call), "value"));
}

static void delete_vhost_limit(const struct http_context *context, struct http_call *call)
{
    if (http_need_vhost(context, call))
        change_vhost_limit(context, call, NULL);
}

/* --- of users */

struct listing {
    const struct directory *directory;
    json_t *rows;
};

static void append_user(void *context, const struct directory_user *user)
{
    const struct listing *listing = context;
    append_limits(listing->rows, "user", user->name,
                  directory_user_limits(listing->directory, user->name));
}

static void get_user_limits(const struct http_context *context, struct http_call *call)
{
    struct listing listing = {context->directory, json_array()};
    directory_each_user(context->directory, append_user, &listing);
    http_reply_list(call, listing.rows, NULL);
}

static void get_limits_of_user(const struct http_context *context, struct http_call *call)
{
    const char *name = http_call_parameter(call, "user");
    if (!directory_find_user(context->directory, name, NULL)) {
        http_not_found(call);
        return;
    }
    json_t *rows = json_array();
    append_limits(rows, "user", name, directory_user_limits(context->directory, name));
    http_reply_list(call, rows, NULL);
}

static bool need_user(const struct http_context *context, struct http_call *call)
{
    const char *name = http_call_parameter(call, "user");
    if (directory_find_user(context->directory, name, NULL))
        return true;
    http_bad_request_json(call, json_pack("[s, s]", "no_such_user", name));
    return false;
}

static void put_user_limit(const struct http_context *context, struct http_call *call)
{
    static const char *const keys[] = {"value"};
    struct directory_error error;
    const char *name = http_call_parameter(call, "user");
    if (!http_need_keys(call, keys, 1) || !need_user(context, call))
        return;
    json_t *limits = json_pack("{s:O}", http_call_parameter(call, "limit"),
                               json_object_get(http_call_body(call), "value"));
    char *text = json_print(limits);
    if (directory_set_user_limits(context->directory, name, text, &error))
        http_reply_done(call);
    else
        http_refuse(call, &error);
    free(text);
    json_decref(limits);
}

static void delete_user_limit(const struct http_context *context, struct http_call *call)
{
    struct directory_error error;
    if (!need_user(context, call))
        return;
    if (directory_clear_user_limits(context->directory, http_call_parameter(call, "user"),
                                    http_call_parameter(call, "limit"), &error))
        http_reply_done(call);
    else
        http_refuse(call, &error);
}

const struct http_route http_limit_routes[] = {
    {"/vhost-limits", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .get = get_vhost_limits},
    {"/vhost-limits/:vhost", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .get = get_limits_of_vhost},
    {"/vhost-limits/:vhost/:limit", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS,
     .takes_any_accept = true, .put = put_vhost_limit, .delete = delete_vhost_limit},
    {"/user-limits", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .get = get_user_limits},
    {"/user-limits/:user", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .get = get_limits_of_user},
    {"/user-limits/:user/:limit", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS,
     .takes_any_accept = true, .put = put_user_limit, .delete = delete_user_limit},
    {.pattern = NULL},
};
