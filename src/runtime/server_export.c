/* SPDX-License-Identifier: Apache-2.0 */
/*
 * definitions.json goes out: what the directory keeps, then exchanges, queues and bindings, which
 * each core is asked for a slice at a time.
 */
#include "runtime/server_internal.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

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

static void export_kind(struct server *server, json_t *definitions, const char *name,
                        const struct vhost_visitor *kind)
{
    json_t *list = json_array();
    for (size_t i = 0; i < directory_vhost_count(server->directory); i++) {
        struct export export = {list, directory_vhost(server->directory, i).name};
        struct vhost_visitor visitor = *kind;
        visitor.context = &export;
        struct gate *gate = server_find_gate(server, bytes_of_text(export.vhost));
        if (gate == NULL)
            continue;
        server_list(gate, &visitor);
        server_release_gate(server, gate);
    }
    json_object_set_new(definitions, name, list);
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

void server_export_definitions(void *context, struct control_call *call)
{
    struct server *server = context;
    const struct config *config = server->config;
    json_t *definitions =
        json_pack("{s:s, s:s, s:s, s:s}", "rabbit_version", config->product_version,
                  "rabbitmq_version", config->product_version, "product_name", config->product_name,
                  "product_version", config->product_version);
    directory_export(server->directory, NULL, definitions);
    forget_hash(definitions);
    export_kind(server, definitions, "exchanges",
                &(struct vhost_visitor){.exchange = export_exchange});
    export_kind(server, definitions, "queues", &(struct vhost_visitor){.queue = export_queue});
    export_kind(server, definitions, "bindings",
                &(struct vhost_visitor){.binding = export_binding});
    control_reply(call, definitions);
}
