/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of definitions.json that is not in a vhost's own store: users, vhosts, permissions,
 * policies, parameters. All of it is one transaction; only then are new vhosts started, one
 * snapshot published and every vhost told. Where something is wrong, nothing has changed: the rows
 * are then read back from the store.
 *
 * Accepted is what RabbitMQ from 3.6 to 4.x exports, with its oddities: tags as one text, the
 * definition of an operator policy as a list of pairs, users with a password instead of a hash.
 */
#include <stdlib.h>
#include <string.h>

#include "auth/credential.h"
#include "auth/directory_internal.h"
#include "auth/password.h"
#include "base/xmalloc.h"
#include "config/config.h"
#include "config/json_table.h"

struct importing {
    struct directory *directory;
    const json_t *definitions;
    const char *vhost; /* of what names none, as in an export of one vhost */
    struct directory_error *error;
};

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static bool need_texts(const struct importing *importing, const char *what, const json_t *object,
                       const char *const *names, const char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        texts[i] = text_of(object, names[i]);
        if (texts[i] == NULL && strcmp(names[i], "vhost") == 0)
            texts[i] = importing->vhost;
        if (texts[i] == NULL)
            return directory_refuse(importing->error, CONTROL_UNAVAILABLE,
                                    "%s without a text \"%s\"", what, names[i]);
    }
    return true;
}

/* A list of pairs is how RabbitMQ 3.10 exports what was set as such; the caller's. */
static json_t *object_of_pairs(const json_t *value)
{
    json_t *object = json_object();
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *pair = json_array_get(value, i);
        const char *name = json_string_value(json_array_get(pair, 0));
        if (json_array_size(pair) == 2 && name != NULL)
            json_object_set(object, name, json_array_get(pair, 1));
    }
    return object;
}

static json_t *as_object(const json_t *value)
{
    return json_is_array(value) ? object_of_pairs(value) : json_incref((json_t *)(uintptr_t)value);
}

/* --- users */

/* Exports from before 3.6 have MD5 hashes and do not say so. */
static bool is_old(const json_t *definitions)
{
    const char *version = text_of(definitions, "rabbit_version");
    if (version == NULL)
        version = text_of(definitions, "rabbitmq_version");
    return version != NULL &&
           (strncmp(version, "2.", 2) == 0 || strncmp(version, "3.0", 3) == 0 ||
            (strncmp(version, "3.", 2) == 0 && version[3] == '.' && version[2] < '6'));
}

static bool find_hashing(const struct importing *importing, const json_t *user,
                         enum password_hashing *hashing)
{
    const char *name = text_of(user, "hashing_algorithm");
    *hashing = is_old(importing->definitions)
                   ? PASSWORD_MD5
                   : (enum password_hashing)importing->directory->config->password_hashing;
    return name == NULL || password_hashing_find(name, hashing) ||
           directory_refuse(importing->error, CONTROL_UNAVAILABLE,
                            "user '%s' has an unknown hashing algorithm '%s'",
                            text_of(user, "name"), name);
}

/* The user's hash, the caller's; NULL with the error. */
static char *find_hash(const struct importing *importing, const json_t *user,
                       enum password_hashing hashing)
{
    char reason[256];
    const char *hash = text_of(user, "password_hash");
    const char *password = text_of(user, "password");
    if (hash != NULL)
        return xstrdup(hash);
    if (password == NULL)
        return xstrdup("");
    if (credential_check(importing->directory->config, password, reason, sizeof reason))
        return password_hash(hashing, bytes_of_text(password));
    directory_refuse(importing->error, CONTROL_UNAVAILABLE, "%s", reason);
    return NULL;
}

/* An array of texts, the caller's; a text has commas between. NULL where there are none. */
static json_t *find_tags(const json_t *user)
{
    const json_t *tags = json_object_get(user, "tags");
    if (json_is_array(tags))
        return json_incref((json_t *)(uintptr_t)tags);
    if (!json_is_string(tags))
        return NULL;
    json_t *list = json_array();
    const char *text = json_string_value(tags);
    while (*text != '\0') {
        text += strspn(text, ", ");
        size_t size = strcspn(text, ","), length = size;
        while (length > 0 && text[length - 1] == ' ')
            length--;
        if (length > 0)
            json_array_append_new(list, json_stringn(text, length));
        text += size;
    }
    return list;
}

static bool write_user(const struct importing *importing, struct user_row row, const json_t *tags)
{
    size_t count = 0;
    const char **texts = xcalloc(json_array_size(tags) + 1, sizeof texts[0]);
    for (size_t i = 0; i < json_array_size(tags); i++) {
        const char *tag = json_string_value(json_array_get(tags, i));
        if (tag != NULL)
            texts[count++] = tag;
    }
    row.tags = texts;
    row.tag_count = count;
    bool is_written = directory_write_user(importing->directory, &row) ||
                      directory_refuse_write(importing->directory, importing->error);
    free(texts);
    return is_written;
}

/* A user that is there gets another password; either has its tags set. */
static void tell_user(const struct importing *importing, const char *name, bool is_new)
{
    struct directory *directory = importing->directory;
    const struct user_row *row = directory_rows_user(&directory->rows, name);
    directory_event_user(directory, is_new ? "user.created" : "user.password.changed", name);
    directory_event_tags(directory, name, row->tags, row->tag_count);
}

static bool import_user(const struct importing *importing, const json_t *user)
{
    struct user_row row = {.name = text_of(user, "name")};
    json_t *tags = find_tags(user);
    if (row.name == NULL || row.name[0] == '\0' || tags == NULL) {
        json_decref(tags);
        return directory_refuse(importing->error, CONTROL_UNAVAILABLE,
                                row.name == NULL ? "user without a name" : "tags_not_present");
    }
    char *hash = find_hashing(importing, user, &row.hashing)
                     ? find_hash(importing, user, row.hashing)
                     : NULL;
    row.hash = hash;
    bool is_new = directory_rows_user(&importing->directory->rows, row.name) == NULL;
    bool is_done = hash != NULL && write_user(importing, row, tags);
    if (is_done)
        tell_user(importing, row.name, is_new);
    const json_t *limits = json_object_get(user, "limits");
    if (is_done && json_is_object(limits) && json_object_size(limits) > 0)
        is_done = directory_set_user_limits_json(importing->directory, row.name, limits,
                                                 importing->error);
    free(hash);
    json_decref(tags);
    return is_done;
}

/* The transaction is that of the import: user and limits come together. Told is at its end. */
bool directory_put_user(struct directory *directory, const json_t *user,
                        struct directory_error *error)
{
    const struct importing importing = {.directory = directory, .error = error};
    if (!definitions_begin(directory->store))
        return directory_refuse_write(directory, error);
    directory->is_importing = true;
    bool is_done = import_user(&importing, user);
    if (!definitions_end(directory->store, is_done) && is_done)
        is_done = directory_refuse_write(directory, error);
    directory->is_importing = false;
    if (is_done)
        directory_publish(directory);
    else
        directory_reload(directory);
    directory_release_events(directory, is_done);
    return is_done;
}

/* --- vhosts */

/* From the object itself, or its metadata. */
static void take_metadata(json_t *metadata, const json_t *vhost, const char *name)
{
    const json_t *inner = json_object_get(json_object_get(vhost, "metadata"), name);
    const json_t *outer = json_object_get(vhost, name);
    const json_t *value = outer != NULL && !json_is_null(outer) ? outer : inner;
    if (value == NULL || json_is_null(value) ||
        (json_is_string(value) && strcmp(json_string_value(value), "undefined") == 0))
        return;
    json_object_set(metadata, name, (json_t *)(uintptr_t)value);
}

static bool import_vhost_limits(const struct importing *importing, const char *name,
                                const json_t *vhost)
{
    const json_t *limits = json_object_get(vhost, "limits");
    json_t *object = limits != NULL ? as_object(limits) : NULL;
    bool is_done = json_object_size(object) == 0 ||
                   directory_set_parameter_json(importing->directory, name, "vhost-limits",
                                                "limits", object, importing->error);
    json_decref(object);
    return is_done;
}

static bool import_vhost(const struct importing *importing, const json_t *vhost)
{
    static const char *const names[] = {"name"};
    struct directory *directory = importing->directory;
    const char *name;
    if (!need_texts(importing, "vhost", vhost, names, &name, 1))
        return false;
    if (directory_rows_vhost(&directory->rows, name) == NULL &&
        directory->rows.vhost_count >= directory->config->vhost_max)
        return directory_refuse(importing->error, CONTROL_SOFTWARE,
                                "cannot create vhost '%s': vhost limit of %llu is reached", name,
                                (unsigned long long)directory->config->vhost_max);
    bool is_new = directory_rows_vhost(&directory->rows, name) == NULL;
    if (!directory_write_vhost(directory, name))
        return directory_refuse_write(directory, importing->error);
    json_t *metadata = directory_vhost_metadata(directory, name);
    take_metadata(metadata, vhost, "description");
    take_metadata(metadata, vhost, "tags");
    take_metadata(metadata, vhost, "default_queue_type");
    take_metadata(metadata, vhost, "tracing");
    take_metadata(metadata, vhost, "protected_from_deletion");
    bool is_done = directory_set_vhost_metadata(directory, name, metadata, importing->error);
    if (is_done && is_new) {
        directory_event_vhost_created(directory, name, metadata);
        is_done = directory_give_defaults(directory, name, importing->error);
    }
    is_done = is_done && import_vhost_limits(importing, name, vhost);
    json_decref(metadata);
    return is_done;
}

/* --- permissions */

static bool import_permission(const struct importing *importing, const json_t *object)
{
    static const char *const names[] = {"user", "vhost", "configure", "write", "read"};
    const char *texts[5];
    return need_texts(importing, "permission", object, names, texts, 5) &&
           directory_set_permissions(importing->directory, texts[0], texts[1], texts[2], texts[3],
                                     texts[4], importing->error);
}

static bool import_topic_permission(const struct importing *importing, const json_t *object)
{
    static const char *const names[] = {"user", "vhost", "exchange", "write", "read"};
    const char *texts[5];
    return need_texts(importing, "topic permission", object, names, texts, 5) &&
           directory_set_topic_permissions(importing->directory, texts[0], texts[1], texts[2],
                                           texts[3], texts[4], importing->error);
}

/* --- policies and parameters */

static bool import_global(const struct importing *importing, const json_t *object)
{
    static const char *const names[] = {"name"};
    const char *name;
    const json_t *value = json_object_get(object, "value");
    if (!need_texts(importing, "global parameter", object, names, &name, 1))
        return false;
    return value == NULL ||
           directory_set_global_json(importing->directory, name, value, importing->error);
}

/* The value as an object, with a definition that is one, too; the caller's. */
static json_t *clean_policy(const json_t *value)
{
    json_t *given = as_object(value);
    json_t *object = json_copy(given);
    json_decref(given);
    const json_t *definition = json_object_get(object, "definition");
    if (json_array_size(definition) > 0)
        json_object_set_new(object, "definition", object_of_pairs(definition));
    if (json_object_get(object, "priority") == NULL)
        json_object_set_new(object, "priority", json_integer(0));
    if (json_object_get(object, "apply-to") == NULL)
        json_object_set_new(object, "apply-to", json_string("all"));
    return object;
}

static bool import_parameter(const struct importing *importing, const json_t *object)
{
    static const char *const names[] = {"vhost", "component", "name"};
    const char *texts[3];
    const json_t *given = json_object_get(object, "value");
    if (!need_texts(importing, "parameter", object, names, texts, 3))
        return false;
    bool is_policy = strcmp(texts[1], "operator_policy") == 0 || strcmp(texts[1], "policy") == 0;
    json_t *value = given == NULL ? json_object()
                    : is_policy   ? clean_policy(given)
                    : strcmp(texts[1], "vhost-limits") == 0
                        ? as_object(given)
                        : json_incref((json_t *)(uintptr_t)given);
    bool is_done = directory_set_parameter_json(importing->directory, texts[0], texts[1], texts[2],
                                                value, importing->error);
    json_decref(value);
    return is_done;
}

static bool import_policy(const struct importing *importing, const json_t *object)
{
    static const char *const names[] = {"vhost", "name"};
    const char *texts[2];
    if (!need_texts(importing, "policy", object, names, texts, 2))
        return false;
    json_t *value = clean_policy(object);
    json_object_del(value, "vhost");
    json_object_del(value, "name");
    bool is_done = directory_set_parameter_json(importing->directory, texts[0], "policy", texts[1],
                                                value, importing->error);
    json_decref(value);
    return is_done;
}

/* --- all of it */

static const struct section {
    const char *name;
    bool (*import)(const struct importing *importing, const json_t *object);
} sections[] = {
    {"users", import_user},
    {"vhosts", import_vhost},
    {"permissions", import_permission},
    {"topic_permissions", import_topic_permission},
    {"global_parameters", import_global},
    {"policies", import_policy},
    {"parameters", import_parameter},
};

static bool import_section(const struct importing *importing, const struct section *section)
{
    const json_t *list = json_object_get(importing->definitions, section->name);
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!section->import(importing, json_array_get(list, i)))
            return false;
    }
    return true;
}

static bool import_sections(const struct importing *importing)
{
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        if (!import_section(importing, &sections[i]))
            return false;
    }
    return true;
}

/* The vhosts that there were, to know which are new. */
struct known {
    uint64_t *ids; /* owned */
    size_t count;
};

static struct known know_vhosts(const struct directory *directory)
{
    struct known known = {xcalloc(directory->rows.vhost_count + 1, sizeof known.ids[0]),
                          directory->rows.vhost_count};
    for (size_t i = 0; i < known.count; i++)
        known.ids[i] = directory->rows.vhosts[i].id;
    return known;
}

static bool is_known(const struct known *known, uint64_t id)
{
    for (size_t i = 0; i < known->count; i++) {
        if (known->ids[i] == id)
            return true;
    }
    return false;
}

static bool start_new_vhosts(struct directory *directory, const struct known *known,
                             struct directory_error *error)
{
    bool is_done = true;
    for (size_t i = directory->rows.vhost_count; i-- > 0;) {
        const struct vhost_row *vhost = &directory->rows.vhosts[i];
        if (is_known(known, vhost->id))
            continue;
        char *name = xstrdup(vhost->name);
        is_done = directory_start_vhost(directory, name, error) && is_done;
        free(name);
    }
    return is_done;
}

static void tell_all(struct directory *directory)
{
    directory_publish(directory);
    for (size_t i = 0; i < directory->rows.vhost_count; i++)
        directory_tell(directory, directory->rows.vhosts[i].name,
                       DIRECTORY_POLICIES | DIRECTORY_SETTINGS);
}

bool directory_import(struct directory *directory, const json_t *definitions, const char *vhost,
                      struct directory_error *error)
{
    struct importing importing = {directory, definitions, vhost, error};
    struct known known = know_vhosts(directory);
    bool is_done = definitions_begin(directory->store) || directory_refuse_write(directory, error);
    if (is_done) {
        directory->is_importing = true;
        is_done = import_sections(&importing);
        if (!definitions_end(directory->store, is_done) && is_done)
            is_done = directory_refuse_write(directory, error);
        directory->is_importing = false;
        if (!is_done)
            directory_reload(directory);
    }
    if (is_done) {
        is_done = start_new_vhosts(directory, &known, error);
        tell_all(directory);
    }
    directory_release_events(directory, is_done);
    free(known.ids);
    return is_done;
}

/* --- export */

static json_t *export_user(const struct directory *directory, const struct user_row *row)
{
    json_t *tags = json_array();
    for (size_t i = 0; i < row->tag_count; i++)
        json_array_append_new(tags, json_string(row->tags[i]));
    return json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", row->name, "password_hash", row->hash,
                     "hashing_algorithm", password_hashing_name(row->hashing), "tags", tags,
                     "limits", json_parse(directory_user_limits(directory, row->name)));
}

static json_t *export_vhost(const struct directory *directory, const char *name)
{
    json_t *metadata = directory_vhost_metadata(directory, name);
    json_t *vhost = json_object();
    json_object_set_new(vhost, "name", json_string(name));
    json_object_update(vhost, metadata);
    json_object_del(metadata, "tracing");
    json_object_set_new(vhost, "metadata", metadata);
    json_object_set_new(vhost, "limits", json_array());
    json_t *limits = json_parse(directory_vhost_limits(directory, name));
    if (json_object_size(limits) > 0)
        json_object_set(vhost, "limits", limits);
    json_decref(limits);
    return vhost;
}

static void export_users(const struct directory *directory, json_t *definitions)
{
    const struct directory_rows *rows = &directory->rows;
    json_t *users = json_array(), *vhosts = json_array(), *permissions = json_array();
    for (size_t i = 0; i < rows->user_count; i++)
        json_array_append_new(users, export_user(directory, &rows->users[i]));
    for (size_t i = 0; i < rows->vhost_count; i++)
        json_array_append_new(vhosts, export_vhost(directory, rows->vhosts[i].name));
    for (size_t i = 0; i < rows->permission_count; i++) {
        const struct permission_row *row = &rows->permissions[i];
        json_array_append_new(permissions,
                              json_pack("{s:s, s:s, s:s, s:s, s:s}", "user", row->user, "vhost",
                                        row->vhost, "configure", row->configure, "write",
                                        row->write, "read", row->read));
    }
    json_object_set_new(definitions, "users", users);
    json_object_set_new(definitions, "vhosts", vhosts);
    json_object_set_new(definitions, "permissions", permissions);
}

static void add_topic_permission(void *context, const struct directory_topic_permission *row)
{
    json_array_append_new(context, json_pack("{s:s, s:s, s:s, s:s, s:s}", "user", row->user,
                                             "vhost", row->vhost, "exchange", row->exchange,
                                             "write", row->write, "read", row->read));
}

static void add_parameter(void *context, const struct directory_parameter *row)
{
    json_array_append_new(context, json_pack("{s:s, s:s, s:s, s:o}", "vhost", row->vhost,
                                             "component", row->component, "name", row->name,
                                             "value", json_parse(row->value)));
}

static void add_policy(void *context, const struct directory_policy *row)
{
    json_array_append_new(context, json_pack("{s:s, s:s, s:s, s:s, s:I, s:o}", "vhost", row->vhost,
                                             "name", row->name, "pattern", row->pattern, "apply-to",
                                             row->apply_to, "priority", (json_int_t)row->priority,
                                             "definition", json_parse(row->definition)));
}

static void add_global(void *context, const char *name, const char *value)
{
    json_array_append_new(context,
                          json_pack("{s:s, s:o}", "name", name, "value", json_parse(value)));
}

void directory_export(const struct directory *directory, const char *vhost, json_t *definitions)
{
    struct directory_error error;
    json_t *parameters = json_array(), *policies = json_array();
    if (!directory_each_parameter(directory, vhost, NULL, add_parameter, parameters, &error) ||
        !directory_each_policy(directory, vhost, false, add_policy, policies, &error)) {
        json_array_clear(parameters);
        json_array_clear(policies);
    }
    json_object_set_new(definitions, "parameters", parameters);
    json_object_set_new(definitions, "policies", policies);
    if (vhost != NULL)
        return;
    json_t *topics = json_array(), *globals = json_array();
    if (!directory_each_topic_permission(directory, NULL, NULL, add_topic_permission, topics,
                                         &error))
        json_array_clear(topics);
    directory_each_global_parameter(directory, add_global, globals);
    json_object_set_new(definitions, "topic_permissions", topics);
    json_object_set_new(definitions, "global_parameters", globals);
    export_users(directory, definitions);
}
