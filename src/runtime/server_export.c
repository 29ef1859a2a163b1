/* SPDX-License-Identifier: Apache-2.0 */
/*
 * definitions.json goes out: what the directory keeps, then exchanges, queues and bindings, which
 * each core is asked for a slice at a time by a job.
 */
#include "runtime/server_internal.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "config/config.h"
#include "config/json_table.h"
#include "net/control.h"
#include "runtime/server_listing.h"

struct export
{
    json_t *list;
    const char *vhost;
};

static void set_name(json_t *object, const char *key, struct bytes name)
{
    json_object_set_new(object, key, control_json_text(name));
}

static void export_exchange(void *context, const struct exchange_status *status)
{
    struct export *export = context;
    if (status->is_predeclared)
        return;
    json_t *object =
        json_pack("{s:s, s:b, s:b, s:b, s:o}", "vhost", export->vhost, "durable",
                  status->is_durable, "auto_delete", status->is_auto_delete, "internal",
                  status->is_internal, "arguments", json_of_table(status->arguments));
    set_name(object, "name", status->name);
    set_name(object, "type", status->type);
    json_array_append_new(export->list, object);
}

static void export_queue(void *context, const struct queue_status *status)
{
    struct export *export = context;
    if (status->is_exclusive)
        return;
    json_t *object = json_pack("{s:s, s:b, s:b, s:s, s:o}", "vhost", export->vhost, "durable",
                               status->is_durable, "auto_delete", status->is_auto_delete, "type",
                               status->type, "arguments", json_of_table(status->arguments));
    set_name(object, "name", status->name);
    json_array_append_new(export->list, object);
}

static void export_binding(void *context, const struct binding_status *status)
{
    struct export *export = context;
    if (status->to_exclusive)
        return;
    json_t *object = json_pack("{s:s, s:s, s:o}", "vhost", export->vhost, "destination_type",
                               status->to_queue ? "queue" : "exchange", "arguments",
                               json_of_table(status->arguments));
    set_name(object, "source", status->source);
    set_name(object, "destination", status->destination);
    set_name(object, "routing_key", status->key);
    json_array_append_new(export->list, object);
}

/* One that was there when the export began. */
struct exported_vhost {
    char *name;        /* owned */
    struct gate *gate; /* a reference */
};

struct export_job {
    struct control_work work;
    struct server *server;
    struct control_call *call; /* NULL: somebody else asks, who is told by done */
    void (*done)(void *context, json_t *definitions);
    void *done_context;
    struct exported_vhost *vhosts; /* owned */
    size_t vhost_count;
    json_t *definitions; /* owned, until they are printed */
    struct buffer reply; /* owned */
};

static void export_kind(const struct export_job *job, const char *name,
                        const struct vhost_visitor *kind)
{
    json_t *list = json_array();
    for (size_t i = 0; i < job->vhost_count; i++) {
        struct export export = {list, job->vhosts[i].name};
        struct vhost_visitor visitor = *kind;
        visitor.context = &export;
        server_list(job->server, job->vhosts[i].gate, &visitor);
    }
    json_object_set_new(job->definitions, name, list);
}

static void run_export(struct control_work *work)
{
    struct export_job *job = container_of(work, struct export_job, work);
    export_kind(job, "exchanges", &(struct vhost_visitor){.exchange = export_exchange});
    export_kind(job, "queues", &(struct vhost_visitor){.queue = export_queue});
    export_kind(job, "bindings", &(struct vhost_visitor){.binding = export_binding});
    if (job->call != NULL)
        control_print_reply(job->definitions, &job->reply);
}

static void end_export(struct control_work *work)
{
    struct export_job *job = container_of(work, struct export_job, work);
    for (size_t i = 0; i < job->vhost_count; i++) {
        server_release_gate(job->server, job->vhosts[i].gate);
        free(job->vhosts[i].name);
    }
    free(job->vhosts);
    if (job->call != NULL)
        control_reply_printed(job->call, &job->reply);
    else
        job->done(job->done_context, job->definitions);
    free(job);
}

/* vhost NULL: all. */
static void add_vhosts(struct export_job *job, const char *vhost)
{
    const struct directory *directory = job->server->directory;
    size_t count = directory_vhost_count(directory);
    job->vhosts = xcalloc(count + 1, sizeof job->vhosts[0]);
    for (size_t i = 0; i < count; i++) {
        const char *name = directory_vhost(directory, i).name;
        if (vhost != NULL && strcmp(name, vhost) != 0)
            continue;
        struct gate *gate = server_find_gate(job->server, bytes_of_text(name));
        if (gate != NULL)
            job->vhosts[job->vhost_count++] = (struct exported_vhost){xstrdup(name), gate};
    }
}

/* What this server remembers is not part of what it is. */
static void forget_hash(json_t *definitions)
{
    json_t *globals = json_object_get(definitions, "global_parameters");
    for (size_t i = json_array_size(globals); i-- > 0;) {
        const json_t *name = json_object_get(json_array_get(globals, i), "name");
        if (json_is_string(name) && strcmp(json_string_value(name), SERVER_IMPORT_HASH) == 0)
            json_array_remove(globals, i);
    }
}

static struct export_job *new_export(struct server *server, const char *vhost)
{
    const struct config *config = server->config;
    struct export_job *job = xcalloc(1, sizeof *job);
    job->work = (struct control_work){run_export, end_export};
    job->server = server;
    job->definitions = json_pack("{s:s, s:s, s:s, s:s}", "rabbit_version", config->product_version,
                                 "rabbitmq_version", config->product_version, "product_name",
                                 config->product_name, "product_version", config->product_version);
    directory_export(server->directory, vhost, job->definitions);
    forget_hash(job->definitions);
    add_vhosts(job, vhost);
    return job;
}

void server_export_definitions(void *context, struct control_call *call)
{
    struct export_job *job = new_export(context, NULL);
    job->call = call;
    server_submit_job(context, &job->work);
}

void server_export_to(void *context, const char *vhost,
                      void (*done)(void *done_context, json_t *definitions), void *done_context)
{
    struct export_job *job = new_export(context, vhost);
    job->done = done;
    job->done_context = done_context;
    server_submit_job(context, &job->work);
}
