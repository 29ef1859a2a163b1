/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leveretctl report: what one sends to whoever helps, which is what other commands print, one after
 * the other and with their banners. There is no password in it.
 */
#include "cli/report.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/execute.h"
#include "cli/options.h"
#include "net/control.h"

enum { WORDS_MAX = 12 };

/* A command line: words with blanks between. Of a virtual host, or of the server (vhost NULL). */
static int print_part(const struct options *options, const char *line, const char *vhost)
{
    char copy[256];
    char *words[WORDS_MAX];
    struct options part = *options;
    part.formatter = "table";
    part.vhost = vhost != NULL ? vhost : options->vhost;
    part.words = words;
    part.word_count = 0;
    snprintf(copy, sizeof copy, "%s", line);
    char *rest = NULL;
    for (char *word = strtok_r(copy, " ", &rest); word != NULL && part.word_count < WORDS_MAX;
         word = strtok_r(NULL, " ", &rest))
        words[part.word_count++] = word;
    int status = execute_command(&part);
    putchar('\n');
    return status;
}

static int print_parts(const struct options *options, const char *const *lines, size_t count,
                       const char *vhost)
{
    int status = CONTROL_OK;
    for (size_t i = 0; i < count && status == CONTROL_OK; i++)
        status = print_part(options, lines[i], vhost);
    return status;
}

int report_run(const struct options *options, const struct json_t *arguments)
{
    static const char *const of_server[] = {
        "status",
        "cluster_status",
        "environment",
        "os_env",
        "command_line_arguments",
        "list_connections pid name user vhost state channels protocol recv_oct send_oct timeout "
        "client_properties",
        "list_channels pid connection number user vhost consumer_count messages_unacknowledged "
        "prefetch_count confirm",
        "list_vhosts name description tags tracing",
        "list_users",
    };
    static const char *const of_vhost[] = {
        "list_queues name type durable auto_delete arguments policy messages consumers memory",
        "list_exchanges name type durable auto_delete internal arguments policy",
        "list_bindings",
        "list_permissions",
        "list_policies",
        "list_operator_policies",
        "list_vhost_limits",
    };
    json_t *vhosts;
    (void)arguments;
    int status = ask_server(options, "list_vhosts", json_object(), &vhosts);
    if (status == CONTROL_OK)
        status = print_parts(options, of_server, sizeof of_server / sizeof of_server[0], NULL);
    for (size_t i = 0; i < json_array_size(vhosts) && status == CONTROL_OK; i++) {
        const json_t *name = json_object_get(json_array_get(vhosts, i), "name");
        status = print_parts(options, of_vhost, sizeof of_vhost / sizeof of_vhost[0],
                             json_string_value(name));
    }
    json_decref(vhosts);
    return status;
}
