/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every change goes the same way: check it, write it to definitions.db, change the rows, make a new
 * snapshot of all rows, publish it, and tell the server what follows from it. A change that cannot
 * be written has not happened.
 *
 * Making the whole snapshot anew costs time in the number of users and permissions. Changes are
 * rare, and in return nothing that reads needs a lock or can see half a change.
 *
 * What the first start puts there (nothing but the identity where definitions are to be loaded: the
 * default user could not be got rid of otherwise) is several transactions. The identity of the node
 * is written last, and a file without one is filled again, which changes nothing of what is there
 * already.
 *
 * Texts and statuses are those of rabbitmqctl, because scripts look at them.
 */
#include "auth/directory.h"

#include <openssl/rand.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/credential.h"
#include "auth/directory_internal.h"
#include "base/buffer.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "broker/access.h"
#include "config/config.h"
#include "config/json_table.h"

_Static_assert((int)CONFIG_HASHING_SHA256 == (int)PASSWORD_SHA256 &&
                   (int)CONFIG_HASHING_SHA512 == (int)PASSWORD_SHA512 &&
                   (int)CONFIG_HASHING_MD5 == (int)PASSWORD_MD5,
               "the configuration's algorithms are those of passwords");

static const char identity_name[] = "internal_cluster_id"; /* RabbitMQ's name for it */

/* --- errors */

bool directory_refuse(struct directory_error *error, enum control_status status, const char *format,
                      ...)
{
    va_list arguments;
    error->status = (int)status;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return false;
}

bool directory_refuse_write(const struct directory *directory, struct directory_error *error)
{
    return directory_refuse(error, CONTROL_SOFTWARE, "the change could not be written: %s",
                            definitions_store_error(directory->store));
}

bool directory_need_user(const struct directory *directory, const char *name,
                         const struct user_row **user, struct directory_error *error)
{
    *user = directory_rows_user(&directory->rows, name);
    return *user != NULL ||
           directory_refuse(error, CONTROL_NO_USER, "User \"%s\" does not exist", name);
}

bool directory_need_vhost(const struct directory *directory, const char *name,
                          enum control_status status, struct directory_error *error)
{
    return directory_rows_vhost(&directory->rows, name) != NULL ||
           directory_refuse(error, status, "Virtual host '%s' does not exist", name);
}

bool directory_need_both(const struct directory *directory, const char *user, const char *vhost,
                         struct directory_error *error)
{
    if (directory_rows_user(&directory->rows, user) == NULL)
        return directory_refuse(error, CONTROL_NO_USER, "User %s does not exist", user);
    return directory_rows_vhost(&directory->rows, vhost) != NULL ||
           directory_refuse(error, CONTROL_UNAVAILABLE, "Virtual host %s does not exist", vhost);
}

/* --- snapshots */

static const char matches_nothing[] = "(?!)";

static struct users *make_users(const struct directory *directory, char *reason, size_t reason_size)
{
    const struct directory_rows *rows = &directory->rows;
    struct users *users = users_new(&directory->config->loopback_users);
    for (size_t i = 0; i < rows->user_count; i++) {
        const struct user_row *user = &rows->users[i];
        users_add_user(users, user->name, user->hash, user->hashing, user->tags, user->tag_count);
    }
    for (size_t i = 0; i < rows->vhost_count; i++)
        users_add_vhost(users, rows->vhosts[i].name, rows->vhosts[i].id);
    for (size_t i = 0; i < rows->permission_count; i++) {
        const struct permission_row *row = &rows->permissions[i];
        if (!users_add_permission(users, row->user, row->vhost, row->configure, row->write,
                                  row->read, reason, reason_size)) {
            users_unref(users);
            return NULL;
        }
    }
    directory_add_user_limits(directory, users);
    const struct text_rows *topics = &rows->others[DEFINITIONS_TOPIC_PERMISSION];
    for (size_t i = 0; i < topics->count; i++) {
        const char *const *row = topics->rows[i].texts;
        /* One that was imported may not compile with the names in it: it allows nothing. */
        if (!users_add_topic_permission(users, row[0], row[1], row[2], row[3], row[4], reason,
                                        reason_size) &&
            !users_add_topic_permission(users, row[0], row[1], row[2], matches_nothing,
                                        matches_nothing, reason, reason_size)) {
            users_unref(users);
            return NULL;
        }
    }
    return users;
}

void directory_publish(struct directory *directory)
{
    if (directory->is_importing)
        return;
    char reason[256];
    struct users *users = make_users(directory, reason, sizeof reason);
    CHECK(users != NULL); /* patterns have compiled before they were let in */
    users_unref(directory->users);
    directory->users = users;
    if (directory->events.on_users != NULL)
        directory->events.on_users(directory->events.context, users);
}

void directory_tell(struct directory *directory, const char *vhost, unsigned changes)
{
    if (!directory->is_importing && directory->events.on_vhost_changed != NULL)
        directory->events.on_vhost_changed(directory->events.context, vhost, changes);
}

struct users *directory_users(const struct directory *directory)
{
    return directory->users;
}

/* --- writing, and the rows after it */

static char *join_tags(const struct user_row *user)
{
    struct buffer tags = {0};
    for (size_t i = 0; i < user->tag_count; i++)
        buffer_append_format(&tags, "%s%s", i > 0 ? "," : "", user->tags[i]);
    char *text = bytes_to_text(buffer_bytes(&tags));
    buffer_fini(&tags);
    return text;
}

/* As in older exports of definitions, commas separate tags, so that no tag contains one. Takes
 * text apart; tags has room for as many as there are commas, and one more. */
static size_t split_tags(char *text, const char **tags)
{
    size_t count = 0;
    char *rest = NULL;
    for (char *tag = strtok_r(text, ",", &rest); tag != NULL; tag = strtok_r(NULL, ",", &rest))
        tags[count++] = tag;
    return count;
}

/* The row with the tags of a text. */
static void put_user_row(struct directory_rows *rows, struct user_row user, const char *tags)
{
    char *text = xstrdup(tags);
    const char **list = xcalloc(strlen(tags) + 1, sizeof list[0]);
    user.tag_count = split_tags(text, list);
    user.tags = list;
    directory_rows_put_user(rows, &user);
    free(list);
    free(text);
}

/* The store's rows are not const because loading gives them away; writing only reads them. */
static char *lend(const char *text)
{
    return (char *)(uintptr_t)text;
}

bool directory_write_user(struct directory *directory, const struct user_row *user)
{
    char *tags = join_tags(user);
    const struct definitions_user row = {
        .name = lend(user->name),
        .password_hash = lend(user->hash),
        .hashing_algorithm = lend(password_hashing_name(user->hashing)),
        .tags = tags,
    };
    bool is_written = definitions_put_user(directory->store, &row);
    if (is_written)
        put_user_row(&directory->rows, *user, tags);
    free(tags);
    return is_written;
}

bool directory_write_vhost(struct directory *directory, const char *name)
{
    uint64_t id = definitions_put_vhost(directory->store, name);
    if (id == 0)
        return false;
    directory_rows_put_vhost(&directory->rows, &(struct vhost_row){.name = name, .id = id});
    return true;
}

bool directory_write_permission(struct directory *directory,
                                const struct permission_row *permission)
{
    const struct definitions_permission row = {
        .user = lend(permission->user),
        .vhost = lend(permission->vhost),
        .configure = lend(permission->configure),
        .write = lend(permission->write),
        .read = lend(permission->read),
    };
    if (!definitions_put_permission(directory->store, &row))
        return false;
    directory_rows_put_permission(&directory->rows, permission);
    return true;
}

bool directory_write_text(struct directory *directory, enum definitions_kind kind,
                          const char *const *texts)
{
    if (!definitions_put(directory->store, kind, texts))
        return false;
    directory_rows_put_text(&directory->rows, kind, texts);
    return true;
}

bool directory_remove_text(struct directory *directory, enum definitions_kind kind,
                           const char *const *key)
{
    if (!definitions_delete(directory->store, kind, key))
        return false;
    directory_rows_remove_text(&directory->rows, kind, key);
    return true;
}

bool directory_patterns_compile(const struct permission_row *permission, char *reason,
                                size_t reason_size)
{
    struct access *access = access_new();
    bool is_right = access_add_permission(
        access, bytes_of_text(permission->user), bytes_of_text(permission->vhost),
        bytes_of_text(permission->configure), bytes_of_text(permission->write),
        bytes_of_text(permission->read), reason, reason_size);
    access_free(access);
    return is_right;
}

/* --- loading and the first start */

static bool take_users(struct directory *directory, const struct definitions *definitions,
                       char *reason, size_t reason_size)
{
    for (size_t i = 0; i < definitions->user_count; i++) {
        const struct definitions_user *user = &definitions->users[i];
        struct user_row row = {.name = user->name, .hash = user->password_hash};
        if (!password_hashing_find(user->hashing_algorithm, &row.hashing)) {
            snprintf(reason, reason_size, "user '%s' has an unknown hashing algorithm '%s'",
                     user->name, user->hashing_algorithm);
            return false;
        }
        put_user_row(&directory->rows, row, user->tags);
    }
    return true;
}

static void take_others(struct directory *directory, const struct definitions *definitions)
{
    struct directory_rows *rows = &directory->rows;
    for (size_t i = 0; i < definitions->vhost_count; i++) {
        const struct definitions_vhost *vhost = &definitions->vhosts[i];
        directory_rows_put_vhost(rows, &(struct vhost_row){.name = vhost->name, .id = vhost->id});
    }
    for (size_t i = 0; i < definitions->permission_count; i++) {
        const struct definitions_permission *row = &definitions->permissions[i];
        directory_rows_put_permission(rows, &(struct permission_row){.user = row->user,
                                                                     .vhost = row->vhost,
                                                                     .configure = row->configure,
                                                                     .write = row->write,
                                                                     .read = row->read});
    }
    for (int i = 0; i < DEFINITIONS_KIND_COUNT; i++) {
        for (size_t j = 0; j < definitions->others[i].count; j++)
            directory_rows_put_text(rows, (enum definitions_kind)i,
                                    (const char *const *)definitions->others[i].rows[j].texts);
    }
}

static bool load(struct directory *directory, char *reason, size_t reason_size)
{
    struct definitions *definitions = definitions_load(directory->store);
    if (definitions == NULL) {
        snprintf(reason, reason_size, "%s", definitions_store_error(directory->store));
        return false;
    }
    bool is_loaded = take_users(directory, definitions, reason, reason_size);
    take_others(directory, definitions);
    definitions_free(definitions);
    return is_loaded;
}

void directory_reload(struct directory *directory)
{
    char reason[512];
    directory_rows_fini(&directory->rows);
    CHECK(load(directory, reason, sizeof reason)); /* it was read at the start, too */
}

static bool write_default_user(struct directory *directory)
{
    const struct config *config = directory->config;
    const struct config_list *list = &config->default_user_tags;
    enum password_hashing hashing = (enum password_hashing)config->password_hashing;
    char *hash = password_hash(hashing, bytes_of_text(config->default_pass));
    if (hash == NULL)
        return false;
    const char **tags = xcalloc(list->count + 1, sizeof tags[0]);
    for (size_t i = 0; i < list->count; i++)
        tags[i] = list->entries[i].name;
    bool is_written =
        directory_write_user(directory, &(struct user_row){.name = config->default_user,
                                                           .hash = hash,
                                                           .hashing = hashing,
                                                           .tags = tags,
                                                           .tag_count = list->count});
    free(tags);
    free(hash);
    return is_written;
}

/* As RabbitMQ writes it: "rabbitmq-cluster-id-" and 16 octets. */
static bool write_identity(struct directory *directory)
{
    unsigned char random[16];
    char text[sizeof "\"rabbitmq-cluster-id-\"" + sizeof random * 2];
    if (RAND_bytes(random, sizeof random) != 1)
        return false;
    int size = snprintf(text, sizeof text, "\"rabbitmq-cluster-id-");
    for (size_t i = 0; i < sizeof random; i++)
        size += snprintf(text + size, sizeof text - (size_t)size, "%02x", random[i]);
    snprintf(text + size, sizeof text - (size_t)size, "\"");
    const char *const texts[] = {identity_name, text};
    return directory_write_text(directory, DEFINITIONS_GLOBAL, texts);
}

static bool write_default_metadata(struct directory *directory)
{
    const char *const texts[] = {directory->config->default_vhost,
                                 "{\"description\":\"Default virtual host\",\"tags\":[]}"};
    return directory_write_text(directory, DEFINITIONS_VHOST_METADATA, texts);
}

/* Nobody is told, as of all that the first start writes. */
static bool give_defaults(struct directory *directory, char *reason, size_t reason_size)
{
    struct directory_error error;
    directory->is_importing = true;
    bool is_given = directory_give_defaults(directory, directory->config->default_vhost, &error);
    directory->is_importing = false;
    directory_release_events(directory, false);
    if (!is_given)
        snprintf(reason, reason_size, "%s", error.text);
    return is_given;
}

static bool write_defaults(struct directory *directory, char *reason, size_t reason_size)
{
    const struct config *config = directory->config;
    const struct permission_row permission = {
        .user = config->default_user,
        .vhost = config->default_vhost,
        .configure = config->default_permissions_configure,
        .write = config->default_permissions_write,
        .read = config->default_permissions_read,
    };
    if (!directory_patterns_compile(&permission, reason, reason_size))
        return false;
    bool is_written =
        write_default_user(directory) && directory_write_vhost(directory, config->default_vhost) &&
        write_default_metadata(directory) && directory_write_permission(directory, &permission);
    if (is_written && !give_defaults(directory, reason, reason_size))
        return false;
    if (is_written && write_identity(directory))
        return true;
    snprintf(reason, reason_size, "the default user cannot be written: %s",
             definitions_store_error(directory->store));
    return false;
}

/* The first format of the file had the identity as a plain text, which is not JSON. */
static bool mend_identity(struct directory *directory, const char *text)
{
    char *json = xmalloc(strlen(text) + 3);
    sprintf(json, "\"%s\"", text);
    const char *const texts[] = {identity_name, json};
    bool is_written = directory_write_text(directory, DEFINITIONS_GLOBAL, texts);
    free(json);
    return is_written;
}

static bool fill(struct directory *directory, char *reason, size_t reason_size)
{
    static const char *const key[] = {identity_name};
    const struct text_row *identity =
        directory_rows_text(&directory->rows, DEFINITIONS_GLOBAL, key);
    bool is_loaded = directory->config->load_definitions[0] != '\0' ||
                     directory->config->definitions_local_path[0] != '\0';
    if (identity == NULL && is_loaded)
        return write_identity(directory);
    if (identity == NULL)
        return write_defaults(directory, reason, reason_size);
    if (identity->texts[1][0] == '"' || mend_identity(directory, identity->texts[1]))
        return true;
    snprintf(reason, reason_size, "%s", definitions_store_error(directory->store));
    return false;
}

struct directory *directory_open(const char *data_dir, const struct config *config,
                                 const struct directory_events *events, char *reason,
                                 size_t reason_size)
{
    struct directory *directory = xcalloc(1, sizeof *directory);
    directory->config = config;
    directory->events = *events;
    directory->store = definitions_store_open(data_dir, reason, reason_size);
    if (directory->store != NULL && load(directory, reason, reason_size) &&
        fill(directory, reason, reason_size))
        directory->users = make_users(directory, reason, reason_size);
    if (directory->users != NULL)
        return directory;
    directory_close(directory);
    return NULL;
}

void directory_close(struct directory *directory)
{
    users_unref(directory->users);
    directory_release_events(directory, false);
    directory_rows_fini(&directory->rows);
    definitions_store_close(directory->store);
    free(directory);
}

/* --- users */

static bool set_password(struct directory *directory, struct user_row user, const char *password,
                         struct directory_error *error)
{
    char reason[256];
    if (!credential_check(directory->config, password, reason, sizeof reason))
        return directory_refuse(error, CONTROL_UNAVAILABLE, "%s", reason);
    user.hashing = (enum password_hashing)directory->config->password_hashing;
    char *hash = password_hash(user.hashing, bytes_of_text(password));
    if (hash == NULL)
        return directory_refuse(error, CONTROL_SOFTWARE, "the password cannot be hashed");
    user.hash = hash;
    bool is_written = directory_write_user(directory, &user);
    free(hash);
    if (!is_written)
        return directory_refuse_write(directory, error);
    directory_publish(directory);
    return true;
}

bool directory_add_user(struct directory *directory, const char *name, const char *password,
                        struct directory_error *error)
{
    if (name[0] == '\0')
        return directory_refuse(error, CONTROL_DATA, "user cannot be an empty string");
    if (directory_rows_user(&directory->rows, name) != NULL)
        return directory_refuse(error, CONTROL_SOFTWARE, "User \"%s\" already exists", name);
    if (!set_password(directory, (struct user_row){.name = name}, password, error))
        return false;
    directory_event_user(directory, "user.created", name);
    return true;
}

bool directory_change_password(struct directory *directory, const char *name, const char *password,
                               struct directory_error *error)
{
    const struct user_row *user;
    if (!directory_need_user(directory, name, &user, error) ||
        !set_password(directory, *user, password, error))
        return false;
    directory_event_user(directory, "user.password.changed", name);
    return true;
}

static bool change_user(struct directory *directory, const struct user_row *user,
                        struct directory_error *error)
{
    if (!directory_write_user(directory, user))
        return directory_refuse_write(directory, error);
    directory_publish(directory);
    return true;
}

bool directory_clear_password(struct directory *directory, const char *name,
                              struct directory_error *error)
{
    const struct user_row *user;
    if (!directory_need_user(directory, name, &user, error))
        return false;
    struct user_row changed = *user;
    changed.hash = "";
    if (!change_user(directory, &changed, error))
        return false;
    directory_event_user(directory, "user.password.cleared", name);
    return true;
}

bool directory_set_user_tags(struct directory *directory, const char *name, const char *const *tags,
                             size_t tag_count, struct directory_error *error)
{
    const struct user_row *user;
    if (!directory_need_user(directory, name, &user, error))
        return false;
    struct user_row changed = *user;
    changed.tags = tags;
    changed.tag_count = tag_count;
    if (!change_user(directory, &changed, error))
        return false;
    directory_event_tags(directory, name, tags, tag_count);
    return true;
}

bool directory_authenticate_user(struct directory *directory, const char *name,
                                 const char *password, struct directory_error *error)
{
    char reason[512];
    return users_login(directory->users, bytes_of_text(name), bytes_of_text(password), true, reason,
                       sizeof reason) ||
           directory_refuse(error, CONTROL_DATA, "Error: failed to authenticate user \"%s\"\n%s",
                            name, reason);
}

bool directory_delete_user(struct directory *directory, const char *name,
                           struct directory_error *error)
{
    const struct user_row *user;
    if (!directory_need_user(directory, name, &user, error))
        return false;
    if (!definitions_delete_user(directory->store, name))
        return directory_refuse_write(directory, error);
    directory_rows_remove_user(&directory->rows, name);
    directory_publish(directory);
    if (directory->events.on_user_deleted != NULL)
        directory->events.on_user_deleted(directory->events.context, name);
    directory_event_user(directory, "user.deleted", name);
    return true;
}

static struct directory_user describe_user(const struct user_row *row)
{
    return (struct directory_user){.name = row->name,
                                   .hash = row->hash,
                                   .hashing = password_hashing_name(row->hashing),
                                   .tags = row->tags,
                                   .tag_count = row->tag_count};
}

void directory_each_user(const struct directory *directory,
                         void (*visit)(void *context, const struct directory_user *user),
                         void *context)
{
    for (size_t i = 0; i < directory->rows.user_count; i++) {
        const struct directory_user user = describe_user(&directory->rows.users[i]);
        visit(context, &user);
    }
}

bool directory_find_user(const struct directory *directory, const char *name,
                         struct directory_user *user)
{
    const struct user_row *row = directory_rows_user(&directory->rows, name);
    if (row != NULL && user != NULL)
        *user = describe_user(row);
    return row != NULL;
}

/* --- vhosts */

/* The vhost is started before it is published, so that whoever finds it can use it. */
bool directory_start_vhost(struct directory *directory, const char *name,
                           struct directory_error *error)
{
    char reason[512];
    const struct directory_events *events = &directory->events;
    uint64_t id = directory_rows_vhost(&directory->rows, name)->id;
    if (events->on_vhost_added == NULL ||
        events->on_vhost_added(events->context, name, id, reason, sizeof reason))
        return true;
    directory_rows_remove_vhost(&directory->rows, name);
    if (!definitions_delete_vhost(directory->store, name))
        return directory_refuse_write(directory, error);
    return directory_refuse(error, CONTROL_SOFTWARE, "vhost '%s' could not be started: %s", name,
                            reason);
}

bool directory_add_vhost(struct directory *directory, const char *name,
                         struct directory_error *error)
{
    if (directory_rows_vhost(&directory->rows, name) != NULL)
        return true;
    if (directory->rows.vhost_count >= directory->config->vhost_max)
        return directory_refuse(error, CONTROL_SOFTWARE,
                                "cannot create vhost '%s': vhost limit of %llu is reached", name,
                                (unsigned long long)directory->config->vhost_max);
    if (!directory_write_vhost(directory, name))
        return directory_refuse_write(directory, error);
    if (!directory_start_vhost(directory, name, error))
        return false;
    directory_publish(directory);
    return true;
}

bool directory_delete_vhost(struct directory *directory, const char *name,
                            struct directory_error *error)
{
    if (!directory_need_vhost(directory, name, CONTROL_DATA, error))
        return false;
    if (directory_is_vhost_protected(directory, name))
        return directory_refuse(error, CONTROL_DATA,
                                "Cannot delete this virtual host: it is protected from deletion. "
                                "To lift the protection, inspect and update its metadata");
    uint64_t id = directory_rows_vhost(&directory->rows, name)->id;
    if (!definitions_delete_vhost(directory->store, name))
        return directory_refuse_write(directory, error);
    directory_event_vhost_emptied(directory, name);
    directory_rows_remove_vhost(&directory->rows, name);
    directory_publish(directory);
    if (directory->events.on_vhost_deleted != NULL)
        directory->events.on_vhost_deleted(directory->events.context, name, id);
    directory_event_vhost_deleted(directory, name);
    return true;
}

bool directory_has_vhost(const struct directory *directory, const char *name)
{
    return directory_rows_vhost(&directory->rows, name) != NULL;
}

size_t directory_vhost_count(const struct directory *directory)
{
    return directory->rows.vhost_count;
}

struct directory_vhost directory_vhost(const struct directory *directory, size_t index)
{
    const struct vhost_row *row = &directory->rows.vhosts[index];
    return (struct directory_vhost){.id = row->id, .name = row->name};
}

/* --- permissions */

bool directory_set_permissions(struct directory *directory, const char *user, const char *vhost,
                               const char *configure, const char *write, const char *read,
                               struct directory_error *error)
{
    char reason[512];
    const struct permission_row permission = {
        .user = user, .vhost = vhost, .configure = configure, .write = write, .read = read};
    if (!directory_need_both(directory, user, vhost, error))
        return false;
    if (!directory_patterns_compile(&permission, reason, sizeof reason))
        return directory_refuse(error, CONTROL_UNAVAILABLE, "%s", reason);
    if (!directory_write_permission(directory, &permission))
        return directory_refuse_write(directory, error);
    directory_publish(directory);
    directory_event_permission(directory, &permission);
    return true;
}

bool directory_clear_permissions(struct directory *directory, const char *user, const char *vhost,
                                 struct directory_error *error)
{
    if (!directory_need_both(directory, user, vhost, error))
        return false;
    if (!definitions_delete_permission(directory->store, user, vhost))
        return directory_refuse_write(directory, error);
    directory_rows_remove_permission(&directory->rows, user, vhost);
    directory_publish(directory);
    directory_event_permissions_gone(directory, "permission.deleted", user, vhost);
    return true;
}

bool directory_each_permission(const struct directory *directory, const char *user,
                               const char *vhost,
                               void (*visit)(void *context,
                                             const struct directory_permission *permission),
                               void *context, struct directory_error *error)
{
    const struct user_row *row;
    if ((user != NULL && !directory_need_user(directory, user, &row, error)) ||
        (vhost != NULL && !directory_need_vhost(directory, vhost, CONTROL_DATA, error)))
        return false;
    for (size_t i = 0; i < directory->rows.permission_count; i++) {
        const struct permission_row *permission = &directory->rows.permissions[i];
        if ((user != NULL && strcmp(permission->user, user) != 0) ||
            (vhost != NULL && strcmp(permission->vhost, vhost) != 0))
            continue;
        const struct directory_permission seen = {
            .user = permission->user,
            .vhost = permission->vhost,
            .configure = permission->configure,
            .write = permission->write,
            .read = permission->read,
        };
        visit(context, &seen);
    }
    return true;
}
