/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Definitions over HTTP, up and down: one of them at a time. Each is several jobs one after the
 * other, and some administrators who import at once are not to have all threads of the jobs, which
 * lists, samplings and leveretctl's commands want, too.
 */
#include <jansson.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/list.h"
#include "base/xmalloc.h"
#include "runtime/server_internal.h"

struct errand {
    struct list_node in_line;
    struct server *server;
    const char *vhost;   /* borrowed until it is done, like the user */
    const char *user;    /* of an import */
    json_t *definitions; /* a reference; NULL: it is an export */
    void (*exported)(void *context, json_t *definitions);
    void (*imported)(void *context, const struct directory_error *error);
    void *context;
};

static void start_next(struct server *server);

/* Ends the errand before its client is told, after which the call's thread has the definitions. */
static struct errand take_back(struct errand *errand)
{
    struct errand copy = *errand;
    json_decref(errand->definitions);
    free(errand);
    return copy;
}

static void go_on(struct server *server)
{
    server->definitions_under_way = false;
    start_next(server);
}

static void on_export(void *context, json_t *definitions)
{
    const struct errand errand = take_back(context);
    errand.exported(errand.context, definitions);
    go_on(errand.server);
}

static void on_import(void *context, const struct directory_error *error)
{
    const struct errand errand = take_back(context);
    errand.imported(errand.context, error);
    go_on(errand.server);
}

static void start_next(struct server *server)
{
    struct list_node *node;
    if (server->definitions_under_way || (node = list_pop_front(&server->definitions_line)) == NULL)
        return;
    struct errand *errand = list_entry(node, struct errand, in_line);
    server->definitions_under_way = true;
    if (errand->definitions != NULL)
        server_import(server, errand->definitions, errand->vhost, errand->user, on_import, errand);
    else
        server_export_to(server, errand->vhost, on_export, errand);
}

static void stand_in_line(const struct errand *given)
{
    struct errand *errand = xmalloc(sizeof *errand);
    *errand = *given;
    list_push_back(&errand->server->definitions_line, &errand->in_line);
    start_next(errand->server);
}

void server_http_export(void *context, const char *vhost,
                        void (*done)(void *done_context, json_t *definitions), void *done_context)
{
    stand_in_line(&(struct errand){
        .server = context, .vhost = vhost, .exported = done, .context = done_context});
}

void server_http_import(void *context, json_t *definitions, const char *vhost, const char *user,
                        void (*done)(void *done_context, const struct directory_error *error),
                        void *done_context)
{
    stand_in_line(&(struct errand){.server = context,
                                   .vhost = vhost,
                                   .user = user,
                                   .definitions = json_incref(definitions),
                                   .imported = done,
                                   .context = done_context});
}
