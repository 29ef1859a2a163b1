/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of leveretctl that are about the log.
 */
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>

#include "net/control.h"
#include "runtime/log.h"
#include "runtime/server_internal.h"

static void handle_rotate_logs(void *context, struct control_call *call)
{
    (void)context;
    log_reopen();
    control_reply(call, NULL);
}

static void handle_set_log_level(void *context, struct control_call *call)
{
    enum config_log_level level;
    const char *name = control_text(call, "level");
    (void)context;
    if (name == NULL || !config_log_level_read(&level, name)) {
        control_fail(call, CONTROL_UNAVAILABLE,
                     "level %s is not supported. Try one of debug, info, warning, error, "
                     "critical, none",
                     name != NULL ? name : "");
        return;
    }
    log_set_level(level);
    control_reply(call, NULL);
}

json_t *server_absolute_path(const char *path)
{
    char absolute[PATH_MAX];
    bool is_relative = path[0] != '/' && realpath(path, absolute) != NULL;
    return control_json_text(bytes_of_text(is_relative ? absolute : path));
}

static void add_place(void *context, const char *place)
{
    json_array_append_new(context, server_absolute_path(place));
}

json_t *server_log_places(void)
{
    json_t *places = json_array();
    log_visit_places(add_place, places);
    return places;
}

static void handle_log_location(void *context, struct control_call *call)
{
    struct server *server = context;
    control_reply(call, json_pack("{s:s, s:o}", "node_name", server->config->node_name, "paths",
                                  server_log_places()));
}

void server_add_log_commands(struct server *server)
{
    static const struct control_command commands[] = {
        {"rotate_logs", handle_rotate_logs},
        {"set_log_level", handle_set_log_level},
        {"log_location", handle_log_location},
    };
    control_add_commands(server->control, commands, sizeof commands / sizeof commands[0], server);
}
