/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What leveretctl may do to users, vhosts and permissions, as a table: each command takes its
 * arguments out of the request, asks the directory, and answers. The directory is the one that
 * checks; here it is only seen to that an argument is there.
 *
 * Listings are arrays of objects; leveretctl makes lines of them.
 */
#include "auth/directory_commands.h"

#include <jansson.h>
#include <stdlib.h>

#include "auth/directory.h"
#include "auth/password.h"
#include "base/buffer.h"
#include "base/xmalloc.h"
#include "net/control.h"

/* --- arguments and answers */

/* NULL, and the call is answered, where the argument is not there. */
static const char *need_text(struct control_call *call, const char *name)
{
    const char *text = control_text(call, name);
    if (text == NULL)
        control_fail(call, CONTROL_USAGE, "the request has no %s", name);
    return text;
}

void directory_answer(struct control_call *call, bool is_done, const struct directory_error *error)
{
    if (is_done)
        control_reply(call, NULL);
    else
        control_fail(call, (enum control_status)error->status, "%s", error->text);
}

/* --- users */

/* The commands that need a user and a password only differ in what they ask the directory. */
static void with_password(struct directory *directory, struct control_call *call,
                          bool (*change)(struct directory *directory, const char *user,
                                         const char *password, struct directory_error *error))
{
    struct directory_error error;
    const char *user = need_text(call, "user");
    const char *password = user != NULL ? need_text(call, "password") : NULL;
    if (password != NULL)
        directory_answer(call, change(directory, user, password, &error), &error);
}

static void handle_hash_password(void *context, struct control_call *call)
{
    const char *password = need_text(call, "password");
    (void)context;
    if (password == NULL)
        return;
    char *hash = password_hash(PASSWORD_SHA256, bytes_of_text(password));
    if (hash != NULL)
        control_reply(call, json_pack("{s:s}", "hash", hash));
    else
        control_fail(call, CONTROL_SOFTWARE, "the system has no randomness");
    free(hash);
}

static void with_user(struct directory *directory, struct control_call *call,
                      bool (*change)(struct directory *directory, const char *user,
                                     struct directory_error *error))
{
    struct directory_error error;
    const char *user = need_text(call, "user");
    if (user != NULL)
        directory_answer(call, change(directory, user, &error), &error);
}

static void handle_add_user(void *context, struct control_call *call)
{
    with_password(context, call, directory_add_user);
}

static void handle_change_password(void *context, struct control_call *call)
{
    with_password(context, call, directory_change_password);
}

static void handle_authenticate_user(void *context, struct control_call *call)
{
    with_password(context, call, directory_authenticate_user);
}

static void handle_delete_user(void *context, struct control_call *call)
{
    with_user(context, call, directory_delete_user);
}

static void handle_clear_password(void *context, struct control_call *call)
{
    with_user(context, call, directory_clear_password);
}

static void handle_set_user_tags(void *context, struct control_call *call)
{
    struct directory_error error;
    const char *user = need_text(call, "user");
    if (user == NULL)
        return;
    const json_t *list = json_object_get(control_arguments(call), "tags");
    size_t count = json_array_size(list);
    const char **tags = xcalloc(count + 1, sizeof tags[0]);
    size_t texts = 0;
    while (texts < count && (tags[texts] = json_string_value(json_array_get(list, texts))) != NULL)
        texts++;
    if (texts < count)
        control_fail(call, CONTROL_USAGE, "a tag is not a text");
    else
        directory_answer(call, directory_set_user_tags(context, user, tags, count, &error), &error);
    free(tags);
}

static void append_user(void *context, const struct directory_user *user)
{
    json_t *tags = json_array();
    for (size_t i = 0; i < user->tag_count; i++)
        json_array_append_new(tags, control_json_text(bytes_of_text(user->tags[i])));
    json_t *row = json_object();
    json_object_set_new(row, "user", control_json_text(bytes_of_text(user->name)));
    json_object_set_new(row, "tags", tags);
    json_array_append_new(context, row);
}

static void handle_list_users(void *context, struct control_call *call)
{
    json_t *rows = json_array();
    directory_each_user(context, append_user, rows);
    control_reply(call, rows);
}

/* --- vhosts */

static void with_vhost(struct directory *directory, struct control_call *call,
                       bool (*change)(struct directory *directory, const char *vhost,
                                      struct directory_error *error))
{
    struct directory_error error;
    const char *vhost = need_text(call, "vhost");
    if (vhost != NULL)
        directory_answer(call, change(directory, vhost, &error), &error);
}

static void handle_add_vhost(void *context, struct control_call *call)
{
    struct directory_error error;
    const char *vhost = need_text(call, "vhost");
    if (vhost != NULL)
        directory_answer(call,
                         directory_add_vhost_with(context, vhost, control_text(call, "description"),
                                                  control_text(call, "tags"),
                                                  control_text(call, "default-queue-type"), &error),
                         &error);
}

/* As add_vhost, of a virtual host that is there. */
static void handle_update_vhost(void *context, struct control_call *call)
{
    struct directory_error error;
    const char *vhost = need_text(call, "vhost");
    const json_t *protected = json_object_get(control_arguments(call), "protected-from-deletion");
    if (vhost == NULL)
        return;
    if (!directory_has_vhost(context, vhost)) {
        control_fail(call, CONTROL_DATA, "Virtual host '%s' does not exist", vhost);
        return;
    }
    bool is_done = directory_add_vhost_with(context, vhost, control_text(call, "description"),
                                            control_text(call, "tags"),
                                            control_text(call, "default-queue-type"), &error);
    if (is_done && protected != NULL)
        is_done = directory_set_vhost_protection(context, vhost, json_is_true(protected), &error);
    directory_answer(call, is_done, &error);
}

/* {"vhost", "tags": [...]} */
static void handle_set_vhost_tags(void *context, struct control_call *call)
{
    struct directory_error error;
    struct buffer joined = {0};
    const char *vhost = need_text(call, "vhost");
    const json_t *tags = json_object_get(control_arguments(call), "tags");
    if (vhost == NULL)
        return;
    if (!directory_has_vhost(context, vhost)) {
        control_fail(call, CONTROL_DATA, "Virtual host \"%s\" does not exist", vhost);
        return;
    }
    for (size_t i = 0; i < json_array_size(tags); i++)
        buffer_append_format(&joined, "%s%s", i > 0 ? "," : "",
                             json_string_value(json_array_get(tags, i)));
    char *text = bytes_to_text(buffer_bytes(&joined));
    directory_answer(call, directory_add_vhost_with(context, vhost, NULL, text, NULL, &error),
                     &error);
    free(text);
    buffer_fini(&joined);
}

static void handle_delete_vhost(void *context, struct control_call *call)
{
    with_vhost(context, call, directory_delete_vhost);
}

static bool protect(struct directory *directory, const char *vhost, struct directory_error *error)
{
    return directory_set_vhost_protection(directory, vhost, true, error);
}

static bool unprotect(struct directory *directory, const char *vhost, struct directory_error *error)
{
    return directory_set_vhost_protection(directory, vhost, false, error);
}

static void handle_protect_vhost(void *context, struct control_call *call)
{
    with_vhost(context, call, protect);
}

static void handle_unprotect_vhost(void *context, struct control_call *call)
{
    with_vhost(context, call, unprotect);
}

static void add_metadata(const struct directory *directory, json_t *row, const char *vhost)
{
    static const char *const names[] = {"description", "tags", "default_queue_type"};
    json_t *metadata = directory_vhost_metadata(directory, vhost);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        json_t *value = json_object_get(metadata, names[i]);
        if (value != NULL)
            json_object_set(row, names[i], value);
    }
    if (json_object_get(row, names[2]) == NULL)
        json_object_set_new(row, names[2], json_string("undefined"));
    json_object_set_new(row, "tracing",
                        json_boolean(json_is_true(json_object_get(metadata, "tracing"))));
    json_object_set_new(
        row, "protected_from_deletion",
        json_boolean(json_is_true(json_object_get(metadata, "protected_from_deletion"))));
    json_decref(metadata);
}

static void handle_list_vhosts(void *context, struct control_call *call)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < directory_vhost_count(context); i++) {
        json_t *row = json_object();
        struct bytes name = bytes_of_text(directory_vhost(context, i).name);
        json_object_set_new(row, "name", control_json_text(name));
        add_metadata(context, row, directory_vhost(context, i).name);
        json_array_append_new(rows, row);
    }
    control_reply(call, rows);
}

/* --- permissions */

/* What must be there for permissions. False: it was answered. */
static bool need_patterns(struct control_call *call, const char *texts[4])
{
    static const char *const names[] = {"user", "configure", "write", "read"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        texts[i] = need_text(call, names[i]);
        if (texts[i] == NULL)
            return false;
    }
    return true;
}

static void handle_set_permissions(void *context, struct control_call *call)
{
    struct directory_error error;
    const char *texts[4];
    const char *vhost = need_text(call, "vhost");
    if (vhost != NULL && need_patterns(call, texts))
        directory_answer(call,
                         directory_set_permissions(context, texts[0], vhost, texts[1], texts[2],
                                                   texts[3], &error),
                         &error);
}

/* In every virtual host that is there. */
static void handle_set_permissions_globally(void *context, struct control_call *call)
{
    struct directory_error error;
    const char *texts[4];
    bool is_done = true;
    if (!need_patterns(call, texts))
        return;
    for (size_t i = 0; i < directory_vhost_count(context) && is_done; i++)
        is_done = directory_set_permissions(context, texts[0], directory_vhost(context, i).name,
                                            texts[1], texts[2], texts[3], &error);
    directory_answer(call, is_done, &error);
}

static void handle_clear_permissions(void *context, struct control_call *call)
{
    struct directory_error error;
    const char *user = need_text(call, "user");
    const char *vhost = user != NULL ? need_text(call, "vhost") : NULL;
    if (vhost != NULL)
        directory_answer(call, directory_clear_permissions(context, user, vhost, &error), &error);
}

static void append_permission(void *context, const struct directory_permission *permission)
{
    json_t *row = json_object();
    const struct {
        const char *key;
        const char *text;
    } columns[] = {
        {"user", permission->user},           {"vhost", permission->vhost},
        {"configure", permission->configure}, {"write", permission->write},
        {"read", permission->read},
    };
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        json_object_set_new(row, columns[i].key, control_json_text(bytes_of_text(columns[i].text)));
    json_array_append_new(context, row);
}

static void reply_permissions(struct directory *directory, struct control_call *call,
                              const char *user, const char *vhost)
{
    struct directory_error error;
    json_t *rows = json_array();
    if (directory_each_permission(directory, user, vhost, append_permission, rows, &error)) {
        control_reply(call, rows);
        return;
    }
    json_decref(rows);
    directory_answer(call, false, &error);
}

static void handle_list_permissions(void *context, struct control_call *call)
{
    const char *vhost = need_text(call, "vhost");
    if (vhost != NULL)
        reply_permissions(context, call, NULL, vhost);
}

static void handle_list_user_permissions(void *context, struct control_call *call)
{
    const char *user = need_text(call, "user");
    if (user != NULL)
        reply_permissions(context, call, user, NULL);
}

void directory_add_commands(struct directory *directory, struct control *control)
{
    static const struct control_command commands[] = {
        {"add_user", handle_add_user},
        {"delete_user", handle_delete_user},
        {"change_password", handle_change_password},
        {"clear_password", handle_clear_password},
        {"hash_password", handle_hash_password},
        {"authenticate_user", handle_authenticate_user},
        {"set_user_tags", handle_set_user_tags},
        {"list_users", handle_list_users},
        {"add_vhost", handle_add_vhost},
        {"update_vhost_metadata", handle_update_vhost},
        {"set_vhost_tags", handle_set_vhost_tags},
        {"delete_vhost", handle_delete_vhost},
        {"enable_vhost_deletion_protection", handle_protect_vhost},
        {"disable_vhost_deletion_protection", handle_unprotect_vhost},
        {"list_vhosts", handle_list_vhosts},
        {"set_permissions", handle_set_permissions},
        {"set_permissions_globally", handle_set_permissions_globally},
        {"clear_permissions", handle_clear_permissions},
        {"list_permissions", handle_list_permissions},
        {"list_user_permissions", handle_list_user_permissions},
    };
    control_add_commands(control, commands, sizeof commands / sizeof commands[0], directory);
}
