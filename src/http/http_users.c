/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users: listing, making, changing and deleting them. A PUT is an import of one user, with the
 * directory's checks and in its transaction; only what RabbitMQ refuses here and not there is
 * looked at first.
 */
#include <string.h>

#include "auth/directory.h"
#include "config/json_table.h"
#include "http/http_base64.h"
#include "http/http_call.h"
#include "http/http_resources.h"

/* --- listing */

static json_t *row_of(const struct directory *directory, const struct directory_user *user)
{
    json_t *tags = json_array();
    for (size_t i = 0; i < user->tag_count; i++)
        json_array_append_new(tags, json_string(user->tags[i]));
    return json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", user->name, "password_hash", user->hash,
                     "hashing_algorithm", user->hashing, "tags", tags, "limits",
                     json_parse(directory_user_limits(directory, user->name)));
}

struct listing {
    const struct directory *directory;
    json_t *rows;
};

static void append_user(void *context, const struct directory_user *user)
{
    struct listing *listing = context;
    json_array_append_new(listing->rows, row_of(listing->directory, user));
}

static void get_users(const struct http_context *context, struct http_call *call)
{
    struct listing listing = {context->directory, json_array()};
    directory_each_user(context->directory, append_user, &listing);
    http_reply_list(call, listing.rows, "name");
}

static void remember_user(void *context, const struct directory_permission *permission)
{
    json_object_set_new(context, permission->user, json_true());
}

struct unpermitted {
    struct listing listing;
    const json_t *permitted; /* an object, the names are its keys */
};

static void append_unpermitted(void *context, const struct directory_user *user)
{
    struct unpermitted *unpermitted = context;
    if (json_object_get(unpermitted->permitted, user->name) == NULL)
        append_user(&unpermitted->listing, user);
}

static void get_without_permissions(const struct http_context *context, struct http_call *call)
{
    struct directory_error error;
    json_t *permitted = json_object();
    if (!directory_each_permission(context->directory, NULL, NULL, remember_user, permitted,
                                   &error)) {
        http_refuse(call, &error);
    } else {
        struct unpermitted unpermitted = {{context->directory, json_array()}, permitted};
        directory_each_user(context->directory, append_unpermitted, &unpermitted);
        http_reply_list(call, unpermitted.listing.rows, "name");
    }
    json_decref(permitted);
}

/* --- one user */

static void get_user(const struct http_context *context, struct http_call *call)
{
    struct directory_user user;
    if (directory_find_user(context->directory, http_call_parameter(call, "user"), &user))
        http_reply(call, row_of(context->directory, &user));
    else
        http_not_found(call);
}

static bool is_base64(const char *text)
{
    struct buffer decoded = {0};
    bool is_right = http_base64_decode(text, &decoded);
    buffer_fini(&decoded);
    return is_right;
}

/* What RabbitMQ refuses; answered where it is. */
static bool is_fine_user(struct http_call *call, const json_t *body)
{
    json_t *hash = json_object_get(body, "password_hash");
    const json_t *password = json_object_get(body, "password");
    const json_t *tags = json_object_get(body, "tags");
    if (tags == NULL)
        http_bad_request(call, "tags_not_present");
    else if (!json_is_string(tags) && !json_is_array(tags))
        http_bad_request(call, "tags must be a string or a list of strings");
    else if (hash != NULL && password != NULL)
        http_bad_request(call, "both_password_and_password_hash_are_provided");
    else if (password != NULL && !json_is_string(password))
        http_bad_request(call, "password must be a string");
    else if (hash != NULL && (!json_is_string(hash) || !is_base64(json_string_value(hash))))
        http_bad_request_json(call, json_pack("[s, O]", "not_base64", hash));
    else
        return true;
    return false;
}

static void put_user(const struct http_context *context, struct http_call *call)
{
    static const char *const keys[] = {"password", "password_hash", "hashing_algorithm", "tags"};
    struct directory_error error;
    const char *name = http_call_parameter(call, "user");
    const json_t *body = http_call_body(call);
    if (!is_fine_user(call, body))
        return;
    json_t *user = json_pack("{s:s}", "name", name);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        json_t *value = json_object_get(body, keys[i]);
        if (value != NULL)
            json_object_set(user, keys[i], value);
    }
    bool is_new = !directory_find_user(context->directory, name, NULL);
    if (directory_put_user(context->directory, user, &error))
        http_reply_put(call, is_new);
    else
        http_refuse(call, &error);
    json_decref(user);
}

static void delete_user(const struct http_context *context, struct http_call *call)
{
    struct directory_error error;
    const char *name = http_call_parameter(call, "user");
    if (!directory_find_user(context->directory, name, NULL))
        http_not_found(call);
    else if (directory_delete_user(context->directory, name, &error))
        http_reply_done(call);
    else
        http_refuse(call, &error);
}

/* As RabbitMQ one after the other: those before one that is not there are gone. */
static void delete_users(const struct http_context *context, struct http_call *call)
{
    static const char *const keys[] = {"users"};
    struct directory_error error;
    const json_t *users = json_object_get(http_call_body(call), "users");
    if (!http_need_keys(call, keys, 1))
        return;
    if (!json_is_array(users)) {
        http_bad_request(call, "users must be a list");
        return;
    }
    for (size_t i = 0; i < json_array_size(users); i++) {
        json_t *user = json_array_get(users, i);
        const char *name = json_string_value(user);
        if (name == NULL || !directory_find_user(context->directory, name, NULL)) {
            http_bad_request_json(call, json_pack("[s, O]", "no_such_user", user));
            return;
        }
        if (!directory_delete_user(context->directory, name, &error)) {
            http_refuse(call, &error);
            return;
        }
    }
    http_reply_done(call);
}

const struct http_route http_user_routes[] = {
    {"/users", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS, .get = get_users},
    {"/users/bulk-delete", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS, .post = delete_users},
    {"/users/without-permissions", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS,
     .get = get_without_permissions},
    {"/users/:user", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS, .get = get_user,
     .put = put_user, .delete = delete_user},
    {.pattern = NULL},
};
