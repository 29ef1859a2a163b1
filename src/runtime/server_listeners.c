/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the server listens. What is accepted goes to the reactor with the fewest connections.
 */
#include "runtime/server_internal.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/xmalloc.h"
#include "net/control.h"
#include "net/listener.h"
#include "net/tls.h"
#include "runtime/log.h"
#include "runtime/reactor.h"
#include "runtime/server_metrics.h"

static void accept_to(struct server *server, int fd, struct tls_context *tls)
{
    size_t best = 0;
    for (size_t i = 1; i < server->reactor_count; i++) {
        if (reactor_connection_count(server->reactors[i]) <
            reactor_connection_count(server->reactors[best]))
            best = i;
    }
    reactor_adopt(server->reactors[best], fd, tls);
}

static void on_accept(void *context, int fd)
{
    accept_to(context, fd, NULL);
}

static void on_tls_accept(void *context, int fd)
{
    struct server *server = context;
    accept_to(server, fd, server->tls);
}

void server_tell_trouble(void *context, const char *text)
{
    (void)context;
    log_warning("%s", text);
}

static bool listen_on(struct server *server, const struct config_listeners *entries, bool is_tls,
                      char *reason, size_t reason_size)
{
    char why[LISTENER_REASON_SIZE];
    for (size_t i = 0; i < entries->count; i++) {
        const struct config_listener *entry = &entries->entries[i];
        struct listener *listener =
            listener_new(entry->address, entry->port, &server->config->socket, why);
        if (listener == NULL) {
            snprintf(reason, reason_size, "%s", why);
            return false;
        }
        server->listeners = xgrow(server->listeners, &server->listener_capacity,
                                  server->listener_count + 1, sizeof *server->listeners);
        server->listeners[server->listener_count++] =
            (struct server_listener){listener, entry->address, listener_port(listener), is_tls};
    }
    return true;
}

bool server_open_listeners(struct server *server, char *reason, size_t reason_size)
{
    char why[TLS_REASON_SIZE];
    const struct config *config = server->config;
    if (config->tls_listeners.count > 0) {
        server->tls = tls_context_new(config, &config->tls, why);
        if (server->tls == NULL) {
            snprintf(reason, reason_size, "%s", why);
            return false;
        }
    }
    return listen_on(server, &config->tcp_listeners, false, reason, reason_size) &&
           listen_on(server, &config->tls_listeners, true, reason, reason_size);
}

static void start_listener(struct server *server, struct server_listener *entry)
{
    listener_start(entry->listener, server->base, entry->is_tls ? on_tls_accept : on_accept,
                   server_tell_trouble, server);
    log_info("started %s listener on %s:%u", entry->is_tls ? "TLS" : "TCP",
             entry->address != NULL ? entry->address : "*", (unsigned)entry->port);
}

void server_start_listeners(struct server *server)
{
    for (size_t i = 0; i < server->listener_count; i++)
        start_listener(server, &server->listeners[i]);
}

void server_close_listeners(struct server *server)
{
    for (size_t i = 0; i < server->listener_count; i++) {
        listener_free(server->listeners[i].listener);
        server->listeners[i].listener = NULL;
    }
}

bool server_reopen_listeners(struct server *server, char *reason, size_t reason_size)
{
    char why[LISTENER_REASON_SIZE];
    for (size_t i = 0; i < server->listener_count; i++) {
        struct server_listener *entry = &server->listeners[i];
        if (entry->listener != NULL)
            continue;
        entry->listener = listener_new(entry->address, entry->port, &server->config->socket, why);
        if (entry->listener == NULL) {
            snprintf(reason, reason_size, "%s", why);
            server_close_listeners(server);
            return false;
        }
    }
    for (size_t i = 0; i < server->listener_count; i++) {
        if (!listener_is_started(server->listeners[i].listener))
            start_listener(server, &server->listeners[i]);
    }
    server->is_suspended = false;
    return true;
}

/* --- the commands: who is connected stays */

static void handle_suspend(void *context, struct control_call *call)
{
    struct server *server = context;
    server->is_suspended = true;
    server_close_listeners(server);
    log_info("listeners are suspended: no new connections");
    control_reply(call, json_pack("{s:s}", "node", server->config->node_name));
}

static void handle_resume(void *context, struct control_call *call)
{
    struct server *server = context;
    char reason[256] = "";
    if (server_reopen_listeners(server, reason, sizeof reason))
        control_reply(call, json_pack("{s:s}", "node", server->config->node_name));
    else
        control_fail(call, CONTROL_SOFTWARE, "%s", reason);
}

void server_add_listener_commands(struct server *server)
{
    static const struct control_command commands[] = {
        {"suspend_listeners", handle_suspend},
        {"resume_listeners", handle_resume},
    };
    control_add_commands(server->control, commands, sizeof commands / sizeof commands[0], server);
}

static const char *or_any(const char *address)
{
    return address != NULL && address[0] != '\0' ? address : "::";
}

void server_each_listener(const struct server *server, server_listener_visitor *visit,
                          void *visitor)
{
    const struct config *config = server->config;
    for (size_t i = 0; i < server->listener_count; i++) {
        const struct server_listener *entry = &server->listeners[i];
        if (entry->listener != NULL)
            visit(visitor, entry->is_tls ? "amqp/ssl" : "amqp", or_any(entry->address),
                  entry->port);
    }
    if (server_metrics_port(server->metrics) != 0)
        visit(visitor, "http/prometheus", or_any(config->prometheus.address),
              server_metrics_port(server->metrics));
    server_each_http_listener(server, visit, visitor);
}

void server_free_listeners(struct server *server)
{
    for (size_t i = 0; i < server->listener_count; i++)
        listener_free(server->listeners[i].listener);
    free(server->listeners);
}
