/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Definitions as a file that a client loads down or up: of all there is, or of one vhost, whose
 * objects then name none. An import changes what is there as the command of leveretctl does, and is
 * answered when all of it is on disk.
 *
 * And a few things that are asked of the broker as a whole.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "auth/directory.h"
#include "config/config.h"
#include "config/json_table.h"
#include "http/http_call.h"
#include "http/http_resources.h"

/* --- out */

static void attach(struct http_call *call)
{
    const char *name = http_call_query(call, "download");
    if (name != NULL)
        http_call_attach(call, name);
}

static void end_export(void *context, json_t *definitions)
{
    struct http_call *call = context;
    attach(call);
    http_reply(call, definitions);
}

static void get_all(const struct http_context *context, struct http_call *call)
{
    context->host->export_definitions(context->host_context, NULL, end_export, call);
}

static const char *const kinds[] = {"queues", "exchanges", "bindings"};

static void end_export_of_vhost(void *context, json_t *definitions)
{
    static const char *const versions[] = {"rabbitmq_version", "product_name", "product_version"};
    struct http_call *call = context;
    size_t i;
    json_t *object;
    for (size_t kind = 0; kind < sizeof kinds / sizeof kinds[0]; kind++) {
        json_array_foreach(json_object_get(definitions, kinds[kind]), i, object)
            json_object_del(object, "vhost");
    }
    for (i = 0; i < sizeof versions / sizeof versions[0]; i++)
        json_object_del(definitions, versions[i]);
    attach(call);
    http_reply(call, definitions);
}

static void get_of_vhost(const struct http_context *context, struct http_call *call)
{
    const char *vhost = http_call_parameter(call, "vhost");
    if (directory_has_vhost(context->directory, vhost))
        context->host->export_definitions(context->host_context, vhost, end_export_of_vhost, call);
    else
        http_bad_request(call, "vhost_not_found");
}

/* --- in */

static void end_import(void *context, const struct directory_error *error)
{
    struct http_call *call = context;
    if (error == NULL)
        http_reply_taken(call);
    else
        http_refuse(call, error);
}

/* Whoever makes a vhost may do everything in it; what the definitions say of that comes later. */
static void permit_maker(const struct http_context *context, const struct http_call *call,
                         json_t *definitions)
{
    const json_t *vhosts = json_object_get(definitions, "vhosts");
    json_t *given = json_object_get(definitions, "permissions");
    if (!directory_find_user(context->directory, http_call_user(call), NULL) ||
        !json_is_array(vhosts) || (given != NULL && !json_is_array(given)))
        return;
    json_t *permissions = json_array();
    for (size_t i = 0; i < json_array_size(vhosts); i++) {
        const char *name = json_string_value(json_object_get(json_array_get(vhosts, i), "name"));
        if (name != NULL && !directory_has_vhost(context->directory, name))
            json_array_append_new(permissions,
                                  json_pack("{s:s, s:s, s:s, s:s, s:s}", "user",
                                            http_call_user(call), "vhost", name, "configure", ".*",
                                            "write", ".*", "read", ".*"));
    }
    if (given != NULL)
        json_array_extend(permissions, given);
    json_object_set_new(definitions, "permissions", permissions);
}

static void post_all(const struct http_context *context, struct http_call *call)
{
    json_t *definitions = (json_t *)http_call_body(call);
    permit_maker(context, call, definitions);
    context->host->import_definitions(context->host_context, definitions, "/", http_call_user(call),
                                      end_import, call);
}

/* Only what is of a vhost, and into this one, whatever is said of another. */
static void post_to_vhost(const struct http_context *context, struct http_call *call)
{
    static const char *const names[] = {"policies", "parameters", "queues", "exchanges",
                                        "bindings"};
    const char *vhost = http_call_parameter(call, "vhost");
    if (!http_need_vhost(context, call))
        return;
    json_t *definitions = json_object();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        json_t *list = json_object_get(http_call_body(call), names[i]), *object;
        size_t number;
        if (list == NULL)
            continue;
        json_object_set(definitions, names[i], list);
        json_array_foreach(list, number, object)
        {
            if (json_is_object(object))
                json_object_set_new(object, "vhost", json_string(vhost));
        }
    }
    context->host->import_definitions(context->host_context, definitions, vhost,
                                      http_call_user(call), end_import, call);
    json_decref(definitions);
}

/* --- the broker as a whole */

json_t *http_cluster_name(const struct http_context *context)
{
    char *name = directory_cluster_name(context->directory);
    json_t *text = json_string(name);
    free(name);
    return text;
}

static void get_cluster_name(const struct http_context *context, struct http_call *call)
{
    http_reply(call, json_pack("{s:o}", "name", http_cluster_name(context)));
}

static void put_cluster_name(const struct http_context *context, struct http_call *call)
{
    static const char *const keys[] = {"name"};
    const char *name;
    struct directory_error error;
    if (!http_need_texts(call, keys, &name, 1))
        return;
    char *value = json_print(json_object_get(http_call_body(call), "name"));
    if (directory_set_global_parameter(context->directory, "cluster_name", value, &error))
        http_reply_done(call);
    else
        http_refuse(call, &error);
    free(value);
}

/* A queue has no leader but here. */
static void rebalance(const struct http_context *context, struct http_call *call)
{
    (void)context;
    http_reply_done(call);
}

const struct http_route http_definition_routes[] = {
    {"/definitions", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS, .takes_file = true,
     .get = get_all, .post = post_all},
    {"/all-configuration", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS, .takes_file = true,
     .get = get_all, .post = post_all}, /* its old name */
    {"/definitions/:vhost", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS, .takes_file = true,
     .get = get_of_vhost, .post = post_to_vhost},
    {"/aliveness-test/:vhost", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .get = http_test_aliveness},
    {"/cluster-name", HTTP_FOR_MANAGEMENT, HTTP_FOR_ADMINISTRATORS, .get = get_cluster_name,
     .put = put_cluster_name},
    {"/rebalance/queues", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS, .post = rebalance},
    {.pattern = NULL},
};
