/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server tells leveretctl about itself and nobody can change by asking: how it was
 * started, what is configured, what its TLS can do, how many logins it has seen. Passwords are not
 * told, although whoever may ask can read them elsewhere: reports are sent to others.
 */
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/feature_flags.h"
#include "auth/login_counts.h"
#include "base/buffer.h"
#include "base/xmalloc.h"
#include "config/config.h"
#include "config/config_key.h"
#include "config/config_show.h"
#include "net/control.h"
#include "net/tls.h"
#include "runtime/server_internal.h"

extern char **environ;

/* --- how it was started */

static bool is_ours(const char *variable)
{
    return strncmp(variable, "RABBITMQ_", 9) == 0 || strncmp(variable, "LEVERET_", 8) == 0;
}

static void add_variable(json_t *variables, const char *variable)
{
    struct buffer value = {0};
    size_t name_size = strcspn(variable, "=");
    json_t *name = control_json_text(bytes_of(variable, name_size));
    config_append_shown(&value, json_string_value(name),
                        variable + name_size + (variable[name_size] == '='));
    json_object_set_new(variables, json_string_value(name),
                        control_json_text(buffer_bytes(&value)));
    json_decref(name);
    buffer_fini(&value);
}

static void handle_os_env(void *context, struct control_call *call)
{
    const struct server *server = context;
    json_t *variables = json_object();
    for (char **variable = environ; variable != NULL && *variable != NULL; variable++) {
        if (is_ours(*variable))
            add_variable(variables, *variable);
    }
    control_reply(
        call, json_pack("{s:s, s:o}", "node", server->config->node_name, "variables", variables));
}

static void read_all(int fd, struct buffer *bytes)
{
    char block[4096];
    ssize_t size;
    while ((size = read(fd, block, sizeof block)) > 0)
        buffer_append(bytes, block, (size_t)size);
}

/* A key of the configuration may be set by one. */
static void add_argument(json_t *arguments, const char *argument)
{
    struct buffer shown = {0};
    const char *equals = strchr(argument, '=');
    char *name = xstrndup(argument, strcspn(argument, "="));
    buffer_append_format(&shown, "%s%s", name, equals != NULL ? "=" : "");
    if (equals != NULL)
        config_append_shown(&shown, name, equals + 1);
    free(name);
    json_array_append_new(arguments, control_json_text(buffer_bytes(&shown)));
    buffer_fini(&shown);
}

/* The kernel has them, each with a NUL behind it. */
static void handle_command_line(void *context, struct control_call *call)
{
    const struct server *server = context;
    struct buffer bytes = {0};
    json_t *arguments = json_array();
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        read_all(fd, &bytes);
        close(fd);
    }
    buffer_append_u8(&bytes, '\0');
    for (size_t at = 0; at + 1 < bytes.size;) {
        const char *argument = (const char *)bytes.data + at;
        at += strlen(argument) + 1;
        add_argument(arguments, argument);
    }
    buffer_fini(&bytes);
    control_reply(
        call, json_pack("{s:s, s:o}", "node", server->config->node_name, "arguments", arguments));
}

/* --- what is configured */

static void add_setting(void *context, const char *key, const char *value)
{
    json_object_set_new(context, key, control_json_text(bytes_of_text(value)));
}

struct settings {
    void (*visit)(void *visitor, const char *key, const char *value);
    void *visitor;
};

static void visit_live(void *context, const char *key, const char *value)
{
    const struct settings *settings = context;
    if (server_is_live_key(key))
        settings->visit(settings->visitor, key, value);
}

static void visit_lasting(void *context, const char *key, const char *value)
{
    const struct settings *settings = context;
    if (!server_is_live_key(key))
        settings->visit(settings->visitor, key, value);
}

/* A reload has changed some keys, and others wait for a restart. */
void server_each_setting(void *context,
                         void (*visit)(void *visitor, const char *key, const char *value),
                         void *visitor)
{
    const struct server *server = context;
    struct settings settings = {visit, visitor};
    config_show(server->config, visit_lasting, &settings);
    config_show(server->last_config != NULL ? server->last_config : server->config, visit_live,
                &settings);
}

static void handle_environment(void *context, struct control_call *call)
{
    const struct server *server = context;
    json_t *settings = json_object();
    server_each_setting(context, add_setting, settings);
    control_reply(call,
                  json_pack("{s:s, s:o}", "node", server->config->node_name, "settings", settings));
}

/* --- TLS */

/* Those that can be configured, newest first. */
static json_t *tls_versions(void)
{
    struct config_path path;
    const char *name;
    json_t *versions = json_array();
    const struct config_key *key =
        config_path_init(&path, "ssl_options.versions.1") ? config_key_find(&path, &name) : NULL;
    for (size_t i = 0; key != NULL && key->choices[i].word != NULL; i++) {
        if (key->choices[i].value != 0)
            json_array_append_new(versions, json_string(key->choices[i].word));
    }
    config_path_fini(&path);
    return versions;
}

static void handle_tls_versions(void *context, struct control_call *call)
{
    (void)context;
    control_reply(call, json_pack("{s:o}", "versions", tls_versions()));
}

static void add_cipher(void *context, const char *name)
{
    json_array_append_new(context, json_string(name));
}

static void handle_cipher_suites(void *context, struct control_call *call)
{
    const struct server *server = context;
    bool is_all = json_is_true(json_object_get(control_arguments(call), "all"));
    json_t *ciphers = json_array();
    tls_each_cipher(is_all ? NULL : server->tls, is_all, add_cipher, ciphers);
    control_reply(call, json_pack("{s:o}", "ciphers", ciphers));
}

/* --- logins */

static void handle_login_counts(void *context, struct control_call *call)
{
    struct server *server = context;
    control_reply(call, json_pack("{s:s, s:o}", "node", server->config->node_name, "attempts",
                                  login_counts_json(&server->logins)));
}

static void handle_forget_logins(void *context, struct control_call *call)
{
    struct server *server = context;
    login_counts_forget(&server->logins);
    control_reply(call, json_pack("{s:s}", "node", server->config->node_name));
}

/* --- feature flags */

static void handle_feature_flags(void *context, struct control_call *call)
{
    (void)context;
    control_reply(call, feature_flags_json());
}

static void handle_enable_feature_flag(void *context, struct control_call *call)
{
    const struct server *server = context;
    const char *name = control_text(call, "feature_flag");
    if (name == NULL)
        control_fail(call, CONTROL_USAGE, "a feature flag is needed");
    else if (strcmp(name, "all") == 0 || feature_flag_exists(name))
        control_reply(call, NULL);
    else
        control_fail(call, CONTROL_USAGE, "This feature flag is not supported by node %s",
                     server->config->node_name);
}

void server_add_fact_commands(struct server *server)
{
    static const struct control_command commands[] = {
        {"os_env", handle_os_env},
        {"command_line_arguments", handle_command_line},
        {"environment", handle_environment},
        {"tls_versions", handle_tls_versions},
        {"cipher_suites", handle_cipher_suites},
        {"list_node_auth_attempt_stats", handle_login_counts},
        {"reset_node_auth_attempt_metrics", handle_forget_logins},
        {"list_feature_flags", handle_feature_flags},
        {"enable_feature_flag", handle_enable_feature_flag},
    };
    control_add_commands(server->control, commands, sizeof commands / sizeof commands[0], server);
}
