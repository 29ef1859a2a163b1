/* SPDX-License-Identifier: Apache-2.0 */
/*
 * definitions.json comes in; server_export.c lets it out.
 *
 * An import is two parts. Users, vhosts, permissions, policies and parameters are the directory's:
 * one transaction. Then come exchanges, queues and bindings, in this order, a slice of one vhost at
 * a time; a slice's arguments become field tables before its core is entered. On a running server
 * all but the directory's part is a job, which lets the store keep up: a client's confirm waits for
 * what was defined before it. The answer waits until all of it is on disk, and for
 * nothing that others store meanwhile: of each vhost is known with which batch it is.
 */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "auth/directory.h"
#include "base/check.h"
#include "base/path.h"
#include "base/xmalloc.h"
#include "broker/define.h"
#include "broker/event_message.h"
#include "config/config.h"
#include "config/json_table.h"
#include "net/control.h"
#include "runtime/gate.h"
#include "runtime/log.h"
#include "runtime/server_internal.h"

enum {
    SLICE_OBJECTS = 128,
    UNSTORED_MAX = 512, /* objects that wait to be stored before more come */
    RETRY_MS = 1,
    HASH_TEXT_BYTES = 65
};

/* --- a slice of an import */

enum section { EXCHANGES, QUEUES, BINDINGS, SECTIONS_END };

static const char *const section_names[] = {"exchanges", "queues", "bindings"};

/* One object, ready for the core. */
struct entry {
    struct bytes name, type, destination, key;
    size_t table_from, table_size;
    const char *queue_type;
    bool is_durable, is_auto_delete, is_internal, to_queue;
};

struct slice {
    enum section section;
    const char *user; /* borrowed: whose import it is */
    struct entry entries[SLICE_OBJECTS];
    size_t count;
    struct buffer tables; /* owned; the arguments of all */
    struct amqp_error error;
    size_t failed; /* the entry that is wrong */
    size_t skipped_count;
    size_t unstored; /* operations of the vhost that wait for the store */
    uint64_t batch;  /* with which it is on disk */
};

/* A vhost that an import has changed. */
struct touched {
    struct gate *gate; /* with a reference */
    uint64_t batch;    /* with which the changes are on disk */
    bool is_stored;
};

static struct bytes bytes_at(const json_t *object, const char *name)
{
    const json_t *text = json_object_get(object, name);
    return bytes_of(json_string_value(text), json_string_length(text));
}

/* false where the object is not what the section needs. */
static bool fill_entry(struct slice *slice, const json_t *object)
{
    struct entry *entry = &slice->entries[slice->count];
    const json_t *arguments = json_object_get(object, "arguments");
    bool is_binding = slice->section == BINDINGS;
    *entry = (struct entry){
        .name = bytes_at(object, is_binding ? "source" : "name"),
        .type = bytes_at(object, "type"),
        .destination = bytes_at(object, "destination"),
        .key = bytes_at(object, "routing_key"),
        .queue_type = json_string_value(json_object_get(object, "type")),
        .is_durable = json_is_true(json_object_get(object, "durable")),
        .is_auto_delete = json_is_true(json_object_get(object, "auto_delete")),
        .is_internal = json_is_true(json_object_get(object, "internal")),
        .to_queue = !bytes_equal_text(bytes_at(object, "destination_type"), "exchange"),
        .table_from = slice->tables.size,
    };
    if (control_has_nul(json_object_get(object, "type")) || entry->name.data == NULL ||
        entry->name.size > AMQP_SHORTSTR_MAX || entry->key.size > AMQP_SHORTSTR_MAX ||
        entry->destination.size > AMQP_SHORTSTR_MAX ||
        (json_is_object(arguments) && !json_to_table(arguments, &slice->tables)))
        return false;
    entry->table_size = slice->tables.size - entry->table_from;
    slice->count++;
    return true;
}

static bool define(struct vhost *vhost, struct slice *slice, const struct entry *entry)
{
    struct bytes table = bytes_of(slice->tables.data, 0);
    if (entry->table_size > 0)
        table = bytes_of(slice->tables.data + entry->table_from, entry->table_size);
    const struct exchange_status exchange = {
        .name = entry->name,
        .type = entry->type,
        .arguments = table,
        .is_durable = entry->is_durable,
        .is_auto_delete = entry->is_auto_delete,
        .is_internal = entry->is_internal,
    };
    const struct queue_definition queue = {entry->name, table, entry->queue_type, entry->is_durable,
                                           entry->is_auto_delete};
    const struct binding_status binding = {
        .source = entry->name,
        .destination = entry->destination,
        .key = entry->key,
        .arguments = table,
        .to_queue = entry->to_queue,
    };
    switch (slice->section) {
    case EXCHANGES:
        return vhost_define_exchange(vhost, &exchange, &slice->error);
    case QUEUES:
        return vhost_define_queue(vhost, &queue, &slice->error);
    default:
        return vhost_define_binding(vhost, &binding, &slice->error);
    }
}

/* RabbitMQ's exports leave internal exchanges out, but not their bindings; its import passes over
 * a binding one end of which is not there. */
static bool is_loose(const struct slice *slice)
{
    return slice->section == BINDINGS && slice->error.code == AMQP_NOT_FOUND;
}

static void define_slice(struct vhost *vhost, uint64_t now_ms, void *context)
{
    struct slice *slice = context;
    (void)now_ms;
    vhost_act_for(vhost, slice->user);
    for (size_t i = 0; i < slice->count && slice->error.code == 0; i++) {
        slice->failed = i;
        if (define(vhost, slice, &slice->entries[i]) || !is_loose(slice))
            continue;
        slice->error.code = 0;
        slice->skipped_count++;
    }
    vhost_act_for(vhost, NULL);
    slice->unstored = vhost_unstored_count(vhost);
    slice->batch = vhost_latest_batch(vhost);
}

static void ask_unstored(struct vhost *vhost, uint64_t now_ms, void *context)
{
    size_t *count = context;
    (void)now_ms;
    *count = vhost_unstored_count(vhost);
}

static void ask_stored(struct vhost *vhost, uint64_t now_ms, void *context)
{
    struct touched *touched = context;
    (void)now_ms;
    touched->is_stored = vhost_is_stored(vhost, touched->batch);
}

/* --- an import */

struct import {
    struct control_work work;
    struct server *server;
    /* Tells whoever asked: what is wrong, or NULL. NULL: at the start, when nobody waits. */
    void (*done)(void *context, const struct directory_error *error);
    void *done_context;
    json_t *definitions; /* owned */
    const char *vhost;   /* for what names none; borrowed from the call */
    const char *user;    /* whose doing it is; likewise. NULL: the server's own */
    char hash[HASH_TEXT_BYTES];
    bool may_skip; /* where nothing has changed since the last import that asked for this */
    enum section section;
    size_t next; /* object of the section */
    bool is_right;
    struct directory_error error; /* where it is not */
    struct touched *touched;      /* owned */
    size_t touched_count, touched_capacity;
};

static bool refuse(struct directory_error *error, enum control_status status, const char *what)
{
    error->status = (int)status;
    snprintf(error->text, sizeof error->text, "%s", what);
    return false;
}

static const char *vhost_of(const struct import *import, const json_t *object)
{
    const char *vhost = json_string_value(json_object_get(object, "vhost"));
    return vhost != NULL ? vhost : import->vhost;
}

/* Gathers the objects that follow and are in the same vhost. */
static bool gather(struct import *import, struct slice *slice, const json_t *list,
                   const char **vhost, struct directory_error *error)
{
    *vhost = vhost_of(import, json_array_get(list, import->next));
    while (import->next < json_array_size(list) && slice->count < SLICE_OBJECTS) {
        const json_t *object = json_array_get(list, import->next);
        if (strcmp(vhost_of(import, object), *vhost) != 0)
            break;
        if (!fill_entry(slice, object)) {
            error->status = CONTROL_UNAVAILABLE;
            snprintf(error->text, sizeof error->text, "number %zu of the %s is malformed",
                     import->next, section_names[import->section]);
            return false;
        }
        import->next++;
    }
    return true;
}

/* Borrowed from the import, until the next one. NULL where there is no such vhost. */
static struct touched *touch(struct import *import, const char *name)
{
    struct gate *gate = server_find_gate(import->server, bytes_of_text(name));
    for (size_t i = import->touched_count; gate != NULL && i-- > 0;) {
        if (import->touched[i].gate != gate)
            continue;
        server_release_gate(import->server, gate);
        return &import->touched[i];
    }
    if (gate == NULL)
        return NULL;
    import->touched = xgrow(import->touched, &import->touched_capacity, import->touched_count + 1,
                            sizeof import->touched[0]);
    struct touched *touched = &import->touched[import->touched_count++];
    *touched = (struct touched){.gate = gate};
    return touched;
}

static void release_gates(struct import *import)
{
    for (size_t i = 0; i < import->touched_count; i++)
        server_release_gate(import->server, import->touched[i].gate);
    free(import->touched);
}

static void pause_shortly(void)
{
    struct timespec pause = {.tv_nsec = RETRY_MS * 1000000};
    nanosleep(&pause, NULL);
}

/* Others wait for what the store has to do: it is to have little of ours at any time. */
static void let_store_catch_up(const struct import *import, struct gate *gate, size_t unstored)
{
    while (import->done != NULL && unstored > UNSTORED_MAX && !server_is_ending(import->server)) {
        pause_shortly();
        gate_ask(gate, ask_unstored, &unstored);
    }
}

static bool run_slice(struct import *import, struct slice *slice, const char *name,
                      struct directory_error *error)
{
    struct touched *touched = touch(import, name);
    error->status = touched != NULL ? CONTROL_UNAVAILABLE : CONTROL_DATA;
    if (touched == NULL) {
        snprintf(error->text, sizeof error->text, "Virtual host '%s' does not exist", name);
        return false;
    }
    gate_ask(touched->gate, define_slice, slice);
    touched->batch = slice->batch;
    if (slice->skipped_count > 0)
        log_warning("definitions: %zu bindings in virtual host '%s' are left out: "
                    "an end of them is not there",
                    slice->skipped_count, name);
    let_store_catch_up(import, touched->gate, slice->unstored);
    if (slice->error.code == 0)
        return true;
    const char *text = strstr(slice->error.text, " - ");
    const struct entry *entry = &slice->entries[slice->failed];
    snprintf(error->text, sizeof error->text, "%s (%s/%s/%.*s)",
             text != NULL ? text + 3 : slice->error.text, name, section_names[slice->section],
             (int)entry->name.size, (const char *)entry->name.data);
    return false;
}

/* false with an error where something is wrong. */
static bool step(struct import *import, struct directory_error *error)
{
    const json_t *list = json_object_get(import->definitions, section_names[import->section]);
    if (import->next >= json_array_size(list)) {
        import->section++;
        import->next = 0;
        return true;
    }
    const char *vhost;
    if (server_is_ending(import->server))
        return refuse(error, CONTROL_UNAVAILABLE, "the server is being stopped");
    struct slice *slice = xcalloc(1, sizeof *slice);
    slice->section = import->section;
    slice->user = import->user;
    bool is_done =
        gather(import, slice, list, &vhost, error) && run_slice(import, slice, vhost, error);
    buffer_fini(&slice->tables);
    free(slice);
    return is_done;
}

/* Is all of it on disk? */
static bool is_stored(struct import *import)
{
    bool is_everywhere = true;
    for (size_t i = 0; i < import->touched_count && is_everywhere; i++) {
        gate_ask(import->touched[i].gate, ask_stored, &import->touched[i]);
        is_everywhere = import->touched[i].is_stored;
    }
    return is_everywhere;
}

/* Exchanges, queues and bindings, until they are on disk. */
static bool run_steps(struct import *import, struct directory_error *error)
{
    while (import->section < SECTIONS_END) {
        if (!step(import, error))
            return false;
    }
    while (!is_stored(import)) { /* what is remembered must not be lost */
        if (server_is_ending(import->server))
            return refuse(error, CONTROL_UNAVAILABLE, "the server is being stopped");
        pause_shortly();
    }
    return true;
}

static bool remember(struct import *import, struct directory_error *error)
{
    char text[HASH_TEXT_BYTES + 2];
    if (!import->may_skip)
        return true;
    snprintf(text, sizeof text, "\"%s\"", import->hash);
    return directory_set_global_parameter(import->server->directory, SERVER_IMPORT_HASH, text,
                                          error);
}

/* SHA-256 of the definitions, in hexadecimal. */
static void find_hash(const json_t *definitions, char *hash)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    char *text = json_print(definitions);
    CHECK(EVP_Digest(text, strlen(text), digest, &size, EVP_sha256(), NULL) == 1);
    free(text);
    for (unsigned int i = 0; i < size && 2 * i + 2 < HASH_TEXT_BYTES; i++)
        snprintf(hash + 2 * i, 3, "%02x", digest[i]);
}

struct remembered {
    const char *hash;
    bool is_equal;
};

static void compare_hash(void *context, const char *name, const char *value)
{
    struct remembered *remembered = context;
    if (strcmp(name, SERVER_IMPORT_HASH) == 0 && strlen(value) == HASH_TEXT_BYTES + 1)
        remembered->is_equal = memcmp(value + 1, remembered->hash, HASH_TEXT_BYTES - 1) == 0;
}

static bool is_unchanged(const struct import *import)
{
    struct remembered remembered = {.hash = import->hash};
    directory_each_global_parameter(import->server->directory, compare_hash, &remembered);
    return remembered.is_equal;
}

static bool are_lists(const json_t *definitions, struct directory_error *error)
{
    static const char *const names[] = {
        "users",
        "vhosts",
        "permissions",
        "topic_permissions",
        "global_parameters",
        "policies",
        "parameters",
        "exchanges",
        "queues",
        "bindings",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const json_t *list = json_object_get(definitions, names[i]);
        bool is_list = list == NULL || json_is_null(list) || json_is_array(list);
        for (size_t j = 0; is_list && j < json_array_size(list); j++)
            is_list = json_is_object(json_array_get(list, j));
        if (is_list)
            continue;
        error->status = CONTROL_DATA;
        snprintf(error->text, sizeof error->text, "\"%s\" is not a list of objects", names[i]);
        return false;
    }
    return true;
}

/* Names of vhosts, and all that is the directory's, are texts that end at a NUL; those of exchanges
 * and queues are not. */
static bool are_texts_whole(const json_t *definitions, struct directory_error *error)
{
    const char *name;
    json_t *list;
    json_object_foreach((json_t *)(uintptr_t)definitions, name, list)
    {
        bool is_of_vhost = false, has_nul = false;
        for (size_t i = 0; i < SECTIONS_END; i++)
            is_of_vhost = is_of_vhost || strcmp(name, section_names[i]) == 0;
        has_nul = !is_of_vhost && control_has_nul(list);
        for (size_t i = 0; is_of_vhost && i < json_array_size(list) && !has_nul; i++)
            has_nul = control_has_nul(json_object_get(json_array_get(list, i), "vhost"));
        if (!has_nul)
            continue;
        error->status = CONTROL_DATA;
        snprintf(error->text, sizeof error->text, "a text of \"%.100s\" has a NUL in it", name);
        return false;
    }
    return true;
}

static bool prepare(struct import *import, struct directory_error *error)
{
    if (!json_is_object(import->definitions))
        return refuse(error, CONTROL_DATA, "definitions are not a JSON object");
    if (!are_lists(import->definitions, error) || !are_texts_whole(import->definitions, error))
        return false;
    if (import->may_skip)
        find_hash(import->definitions, import->hash);
    return true;
}

/* Everything but exchanges, queues and bindings. */
static bool begin(struct import *import, struct directory_error *error)
{
    return directory_import(import->server->directory, import->definitions, import->vhost, error);
}

/* --- import on a running server: a job, the directory's part, another job */

static void finish(struct import *import)
{
    json_decref(import->definitions);
    import->done(import->done_context, import->is_right ? NULL : &import->error);
    release_gates(import);
    free(import);
}

static void run_objects(struct control_work *work)
{
    struct import *import = container_of(work, struct import, work);
    import->is_right = run_steps(import, &import->error);
}

static void end_objects(struct control_work *work)
{
    struct import *import = container_of(work, struct import, work);
    import->is_right = import->is_right && remember(import, &import->error);
    finish(import);
}

static void run_preparation(struct control_work *work)
{
    struct import *import = container_of(work, struct import, work);
    import->is_right = prepare(import, &import->error);
}

static void end_preparation(struct control_work *work)
{
    struct import *import = container_of(work, struct import, work);
    if (import->is_right && server_is_ending(import->server))
        import->is_right =
            refuse(&import->error, CONTROL_UNAVAILABLE, "the server is being stopped");
    bool is_done = import->is_right && import->may_skip && is_unchanged(import);
    import->is_right = import->is_right && (is_done || begin(import, &import->error));
    import->work = (struct control_work){run_objects, end_objects};
    if (is_done || !import->is_right)
        finish(import);
    else
        server_submit_job(import->server, &import->work);
}

static void answer_call(void *context, const struct directory_error *error)
{
    if (error == NULL)
        control_reply(context, NULL);
    else
        control_fail(context, (enum control_status)error->status, "%s", error->text);
}

static void handle_import(void *context, struct control_call *call)
{
    const json_t *arguments = control_arguments(call);
    json_t *definitions = json_object_get(arguments, "definitions");
    if (definitions == NULL) {
        control_fail(call, CONTROL_USAGE, "argument \"definitions\" is missing");
        return;
    }
    const char *vhost = control_text(call, "vhost");
    struct import *import = xcalloc(1, sizeof *import);
    *import = (struct import){
        .work = {run_preparation, end_preparation},
        .server = context,
        .done = answer_call,
        .done_context = call,
        .definitions = json_incref(definitions),
        .vhost = vhost != NULL ? vhost : "/",
        .user = EVENT_USER_CLI,
        .may_skip = json_is_true(json_object_get(arguments, "skip-if-unchanged")),
    };
    server_submit_job(context, &import->work);
}

void server_import(void *context, json_t *definitions, const char *vhost, const char *user,
                   void (*done)(void *done_context, const struct directory_error *error),
                   void *done_context)
{
    struct import *import = xcalloc(1, sizeof *import);
    *import = (struct import){
        .work = {run_preparation, end_preparation},
        .server = context,
        .done = done,
        .done_context = done_context,
        .definitions = json_incref(definitions),
        .vhost = vhost,
        .user = user,
    };
    server_submit_job(context, &import->work);
}

/* --- import at the start */

static bool import_at_once(struct server *server, json_t *definitions, bool may_skip,
                           struct directory_error *error)
{
    struct import import = {
        .server = server, .definitions = definitions, .vhost = "/", .may_skip = may_skip};
    if (!prepare(&import, error))
        return false;
    if (may_skip && is_unchanged(&import)) {
        log_info("definitions are unchanged since they were imported last");
        return true;
    }
    bool is_done = begin(&import, error) && run_steps(&import, error);
    release_gates(&import);
    return is_done && remember(&import, error);
}

/* Appends the lists of more to those of definitions; other values replace. */
static void merge(json_t *definitions, const json_t *more)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)more, name, value)
    {
        json_t *there = json_object_get(definitions, name);
        if (json_is_array(there) && json_is_array(value))
            json_array_extend(there, value);
        else
            json_object_set(definitions, name, value);
    }
}

static json_t *load_file(const char *path, char *reason, size_t reason_size)
{
    json_error_t error;
    json_t *definitions = json_load_file(path, JSON_ALLOW_NUL, &error);
    if (definitions == NULL)
        snprintf(reason, reason_size, "definitions cannot be read: %s: line %d: %s", path,
                 error.line, error.text);
    if (definitions == NULL || json_is_object(definitions))
        return definitions;
    snprintf(reason, reason_size, "definitions cannot be read: %s: not a JSON object", path);
    json_decref(definitions);
    return NULL;
}

static bool is_named_json(const char *path)
{
    size_t size = strlen(path);
    return size > 5 && strcmp(path + size - 5, ".json") == 0;
}

/* Merges the file into definitions. Only what is called *.json has to be JSON: RabbitMQ passes over
 * what it does not understand. */
static bool merge_file(json_t *definitions, const char *path, char *reason, size_t reason_size)
{
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return true;
    json_t *more = load_file(path, reason, reason_size);
    if (more != NULL)
        merge(definitions, more);
    else if (!is_named_json(path))
        log_warning("%s", reason);
    bool is_done = more != NULL || !is_named_json(path);
    json_decref(more);
    return is_done;
}

/* All files of a folder as one, in the order of their names. */
static json_t *load_folder(const char *folder, char *reason, size_t reason_size)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, NULL, alphasort);
    if (count < 0) {
        snprintf(reason, reason_size, "definitions cannot be read: %s: %s", folder,
                 strerror(errno));
        return NULL;
    }
    json_t *definitions = json_object();
    bool is_done = true;
    for (int i = 0; i < count; i++) {
        char *path = path_join(folder, entries[i]->d_name);
        is_done = is_done && merge_file(definitions, path, reason, reason_size);
        free(path);
        free(entries[i]);
    }
    free(entries);
    if (!is_done)
        json_decref(definitions);
    return is_done ? definitions : NULL;
}

bool server_load_definitions(struct server *server, char *reason, size_t reason_size)
{
    struct stat status;
    struct directory_error error;
    const struct config *config = server->config;
    const char *path = config->definitions_local_path[0] != '\0' ? config->definitions_local_path
                                                                 : config->load_definitions;
    if (path[0] == '\0')
        return true;
    bool is_folder = stat(path, &status) == 0 && S_ISDIR(status.st_mode);
    json_t *definitions =
        is_folder ? load_folder(path, reason, reason_size) : load_file(path, reason, reason_size);
    if (definitions == NULL)
        return false;
    bool is_done =
        import_at_once(server, definitions, config->definitions_skip_if_unchanged, &error);
    json_decref(definitions);
    if (is_done)
        log_info("definitions of '%s' are in force", path);
    else
        snprintf(reason, reason_size, "definitions of '%s' cannot be imported: %s", path,
                 error.text);
    return is_done;
}

void server_add_definitions_commands(struct server *server)
{
    static const struct control_command commands[] = {
        {"import_definitions", handle_import},
        {"export_definitions", server_export_definitions},
    };
    control_add_commands(server->control, commands, sizeof commands / sizeof commands[0], server);
    control_allow_nul(server->control, "import_definitions");
}
