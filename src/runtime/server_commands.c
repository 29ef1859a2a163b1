/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of leveretctl that are about the server itself. They run on the main thread; what
 * they need of a vhost they ask through its gate.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "config.h"
#include "net/control.h"
#include "runtime/clock.h"
#include "runtime/reactor.h"
#include "runtime/server_internal.h"

static void handle_ping(void *context, struct control_call *call)
{
    (void)context;
    control_reply(call, NULL);
}

static void handle_stop(void *context, struct control_call *call)
{
    control_reply(call, NULL);
    server_stop(context);
}

static void handle_reload(void *context, struct control_call *call)
{
    server_reload(context, call);
}

/* --- alarms: as in rabbitmqctl, until the next start */

/* LIMIT, or the word and a SIZE; NULL where it is neither. */
static const char *limit_text(const struct control_call *call, const char *word)
{
    const char *limit = control_text(call, "limit"), *size = control_text(call, "size");
    if (size == NULL)
        return limit;
    return limit != NULL && strcmp(limit, word) == 0 ? size : NULL;
}

/* Reads one key as the configuration file would. */
static bool read_limit(struct control_call *call, const char *key, const char *value,
                       struct config *config)
{
    struct config_messages messages;
    config_init(config);
    config_messages_init(&messages);
    bool is_right = value != NULL && config_set(config, key, value, "leveretctl", 0, &messages);
    if (!is_right)
        control_fail(call, CONTROL_DATA, "%s",
                     messages.count > 0 ? messages.messages[0].text : "a limit is needed");
    config_messages_fini(&messages);
    return is_right;
}

/* A number without a unit. */
static bool is_plain(const char *value)
{
    return value != NULL && value[strspn(value, "0123456789.")] == '\0';
}

/* 50MB, or "mem_relative 1.5" of the machine's memory. */
static void handle_set_disk_free_limit(void *context, struct control_call *call)
{
    struct server *server = context;
    struct config config;
    const char *value = limit_text(call, "mem_relative");
    bool is_relative = control_text(call, "size") != NULL;
    const char *key = is_relative ? "disk_free_limit.relative" : "disk_free_limit.absolute";
    if (read_limit(call, key, value, &config)) {
        alarm_limits_set_disk(&server->alarm_limits, &config);
        server_check_alarms(server);
        control_reply(call, NULL);
    }
    config_fini(&config);
}

/* 0.6 of the machine's memory, or "absolute 4GB". */
static void handle_set_memory_watermark(void *context, struct control_call *call)
{
    struct server *server = context;
    struct config config;
    const char *value = limit_text(call, "absolute");
    bool is_relative = control_text(call, "size") == NULL && is_plain(value);
    const char *key =
        is_relative ? "vm_memory_high_watermark.relative" : "vm_memory_high_watermark.absolute";
    if (read_limit(call, key, value, &config)) {
        config.memory_paging_ratio = server->config->memory_paging_ratio;
        alarm_limits_set_memory(&server->alarm_limits, &config);
        server_set_transient_max(server);
        server_check_alarms(server);
        control_reply(call, NULL);
    }
    config_fini(&config);
}

void server_add_commands(struct server *server)
{
    static const struct control_command commands[] = {
        {"ping", handle_ping},
        {"await_startup", handle_ping},
        {"stop", handle_stop},
        {"reload", handle_reload},
        {"set_disk_free_limit", handle_set_disk_free_limit},
        {"set_vm_memory_high_watermark", handle_set_memory_watermark},
    };
    control_add_commands(server->control, commands, sizeof commands / sizeof commands[0], server);
}
