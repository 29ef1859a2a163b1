/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Permissions and topic permissions: those of a user in a vhost, of a user, of a vhost, and all of
 * them.
 */
#include "auth/directory.h"
#include "http/http_call.h"
#include "http/http_resources.h"

static void append_permission(void *context, const struct directory_permission *permission)
{
    json_array_append_new(context,
                          json_pack("{s:s, s:s, s:s, s:s, s:s}", "user", permission->user, "vhost",
                                    permission->vhost, "configure", permission->configure, "write",
                                    permission->write, "read", permission->read));
}

static void append_topic_permission(void *context,
                                    const struct directory_topic_permission *permission)
{
    json_array_append_new(context,
                          json_pack("{s:s, s:s, s:s, s:s, s:s}", "user", permission->user, "vhost",
                                    permission->vhost, "exchange", permission->exchange, "write",
                                    permission->write, "read", permission->read));
}

/* --- lists */

/* Those of a user and of a vhost, each of which may be NULL: of all. */
static void reply_permissions(const struct http_context *context, struct http_call *call,
                              const char *user, const char *vhost)
{
    struct directory_error error;
    json_t *rows = json_array();
    if (directory_each_permission(context->directory, user, vhost, append_permission, rows,
                                  &error)) {
        http_reply_list(call, rows, NULL);
        return;
    }
    json_decref(rows);
    http_not_found(call);
}

static void reply_topic_permissions(const struct http_context *context, struct http_call *call,
                                    const char *user, const char *vhost)
{
    struct directory_error error;
    json_t *rows = json_array();
    if (directory_each_topic_permission(context->directory, user, vhost, append_topic_permission,
                                        rows, &error)) {
        http_reply_list(call, rows, NULL);
        return;
    }
    json_decref(rows);
    http_not_found(call);
}

static void get_all(const struct http_context *context, struct http_call *call)
{
    reply_permissions(context, call, NULL, NULL);
}

static void get_of_user(const struct http_context *context, struct http_call *call)
{
    reply_permissions(context, call, http_call_parameter(call, "user"), NULL);
}

static void get_of_vhost(const struct http_context *context, struct http_call *call)
{
    reply_permissions(context, call, NULL, http_call_parameter(call, "vhost"));
}

static void get_all_topics(const struct http_context *context, struct http_call *call)
{
    reply_topic_permissions(context, call, NULL, NULL);
}

static void get_topics_of_user(const struct http_context *context, struct http_call *call)
{
    reply_topic_permissions(context, call, http_call_parameter(call, "user"), NULL);
}

static void get_topics_of_vhost(const struct http_context *context, struct http_call *call)
{
    reply_topic_permissions(context, call, NULL, http_call_parameter(call, "vhost"));
}

/* --- of one user in one vhost */

/* An array of none or one, the caller's. */
static json_t *find_permission(const struct http_context *context, const struct http_call *call)
{
    struct directory_error error;
    json_t *rows = json_array();
    if (!directory_each_permission(context->directory, http_call_parameter(call, "user"),
                                   http_call_parameter(call, "vhost"), append_permission, rows,
                                   &error))
        json_array_clear(rows);
    return rows;
}

static json_t *find_topic_permissions(const struct http_context *context,
                                      const struct http_call *call)
{
    struct directory_error error;
    json_t *rows = json_array();
    if (!directory_each_topic_permission(context->directory, http_call_parameter(call, "user"),
                                         http_call_parameter(call, "vhost"),
                                         append_topic_permission, rows, &error))
        json_array_clear(rows);
    return rows;
}

/* False, answered, where the user or the vhost is not there. */
static bool need_both(const struct http_context *context, struct http_call *call)
{
    if (directory_has_vhost(context->directory, http_call_parameter(call, "vhost")) &&
        directory_find_user(context->directory, http_call_parameter(call, "user"), NULL))
        return true;
    http_bad_request(call, "vhost_or_user_not_found");
    return false;
}

static bool has_rows(json_t *rows)
{
    bool has = json_array_size(rows) > 0;
    json_decref(rows);
    return has;
}

/* --- permissions */

static void get_one(const struct http_context *context, struct http_call *call)
{
    json_t *rows = find_permission(context, call);
    if (json_array_size(rows) > 0)
        http_reply(call, json_incref(json_array_get(rows, 0)));
    else
        http_not_found(call);
    json_decref(rows);
}

static void put_one(const struct http_context *context, struct http_call *call)
{
    static const char *const keys[] = {"configure", "write", "read"};
    const char *texts[3];
    struct directory_error error;
    if (!need_both(context, call) || !http_need_texts(call, keys, texts, 3))
        return;
    bool is_new = !has_rows(find_permission(context, call));
    if (directory_set_permissions(context->directory, http_call_parameter(call, "user"),
                                  http_call_parameter(call, "vhost"), texts[0], texts[1], texts[2],
                                  &error))
        http_reply_put(call, is_new);
    else
        http_refuse(call, &error);
}

static void delete_one(const struct http_context *context, struct http_call *call)
{
    struct directory_error error;
    if (!has_rows(find_permission(context, call)))
        http_not_found(call);
    else if (directory_clear_permissions(context->directory, http_call_parameter(call, "user"),
                                         http_call_parameter(call, "vhost"), &error))
        http_reply_done(call);
    else
        http_refuse(call, &error);
}

/* --- topic permissions */

/* A list: there is one for each exchange. As in RabbitMQ it has all of them, and the body of a PUT
 * says of which one it is, also where the path names an exchange. */
static void get_topics(const struct http_context *context, struct http_call *call)
{
    json_t *rows = find_topic_permissions(context, call);
    if (json_array_size(rows) > 0) {
        http_reply_list(call, rows, NULL);
        return;
    }
    json_decref(rows);
    http_not_found(call);
}

static void put_topic(const struct http_context *context, struct http_call *call)
{
    static const char *const keys[] = {"exchange", "write", "read"};
    const char *texts[3];
    struct directory_error error;
    if (!need_both(context, call) || !http_need_texts(call, keys, texts, 3))
        return;
    bool is_new = !has_rows(find_topic_permissions(context, call));
    if (directory_set_topic_permissions(context->directory, http_call_parameter(call, "user"),
                                        http_call_parameter(call, "vhost"), texts[0], texts[1],
                                        texts[2], &error))
        http_reply_put(call, is_new);
    else
        http_refuse(call, &error);
}

/* Those of an exchange, which need not have any; NULL: all. */
static void clear_topics(const struct http_context *context, struct http_call *call,
                         const char *exchange)
{
    struct directory_error error;
    if (!has_rows(find_topic_permissions(context, call)))
        http_not_found(call);
    else if (directory_clear_topic_permissions(
                 context->directory, http_call_parameter(call, "user"),
                 http_call_parameter(call, "vhost"), exchange, &error))
        http_reply_done(call);
    else
        http_refuse(call, &error);
}

static void delete_topics(const struct http_context *context, struct http_call *call)
{
    clear_topics(context, call, NULL);
}

static void delete_topic(const struct http_context *context, struct http_call *call)
{
    clear_topics(context, call, http_call_parameter(call, "exchange"));
}

const struct http_route http_permission_routes[] = {
    {"/permissions", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS, .get = get_all},
    {"/permissions/:vhost/:user", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS, .get = get_one,
     .put = put_one, .delete = delete_one},
    {"/users/:user/permissions", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS,
     .get = get_of_user},
    {"/vhosts/:vhost/permissions", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS,
     .get = get_of_vhost},
    {"/topic-permissions", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS, .get = get_all_topics},
    {"/topic-permissions/:vhost/:user", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS,
     .get = get_topics, .put = put_topic, .delete = delete_topics},
    {"/topic-permissions/:vhost/:user/:exchange", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS,
     .get = get_topics, .put = put_topic, .delete = delete_topic},
    {"/users/:user/topic-permissions", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS,
     .get = get_topics_of_user},
    {"/vhosts/:vhost/topic-permissions", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS,
     .get = get_topics_of_vhost},
    {.pattern = NULL},
};
