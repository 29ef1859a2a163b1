/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The variables by which RabbitMQ, its packages and its container images are told what they are.
 * They win over files, so that one image serves many nodes; an empty variable counts as not set,
 * because compose files pass on what is not there as empty.
 *
 * Most of them stand for a key and go the way of every setting, except that $(...) in them means
 * nothing: a generated password may hold anything. The listening address is put together from two
 * variables and replaces whatever TCP listeners the files name.
 */
#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/xmalloc.h"
#include "config/config_internal.h"
#include "config/config_list.h"
#include "config/config_value.h"

static const char SOURCE[] = "environment";

static const struct {
    const char *variable;
    const char *key;
} VARIABLES[] = {
    {"RABBITMQ_DEFAULT_USER", "default_user"},
    {"RABBITMQ_DEFAULT_PASS", "default_pass"},
    {"RABBITMQ_DEFAULT_VHOST", "default_vhost"},
    {"LEVERET_DATA_DIR", "leveret.data_dir"},
};

const char *config_environment_value(const char *const *envp, const char *name)
{
    size_t size = strlen(name);
    if (size == 0)
        return NULL;
    for (; envp != NULL && *envp != NULL; envp++) {
        if (strncmp(*envp, name, size) == 0 && (*envp)[size] == '=')
            return (*envp)[size + 1] == '\0' ? NULL : *envp + size + 1;
    }
    return NULL;
}

static bool set_literal(struct config *config, const char *key, const char *value,
                        struct config_messages *messages)
{
    if (!config_record(config, key, value, SOURCE, 0, messages))
        return false;
    config->settings[config->setting_count - 1].is_literal = true;
    return config_apply_pending(config, messages);
}

/* The host is the one of the default name if the variable has none. */
static bool set_node_name(struct config *config, const char *name, struct config_messages *messages)
{
    struct buffer full;
    buffer_init(&full);
    const char *host = strchr(config->node_name, '@');
    buffer_append_format(&full, "%s%s", name,
                         strchr(name, '@') != NULL || host == NULL ? "" : host);
    buffer_append_u8(&full, '\0');
    bool ok = set_literal(config, "leveret.node_name", (const char *)full.data, messages);
    buffer_fini(&full);
    return ok;
}

/* Either may be NULL, not both. */
static bool set_listener(struct config *config, const char *address, const char *port,
                         struct config_messages *messages)
{
    bool has_address = address != NULL && strcmp(address, "auto") != 0;
    struct buffer text;
    buffer_init(&text);
    buffer_append_format(&text, "%s%s%s", has_address ? address : "", has_address ? ":" : "",
                         port != NULL ? port : "5672");
    buffer_append_u8(&text, '\0');
    char *found = NULL;
    uint16_t number = 0;
    const char *reason = config_value_endpoint((const char *)text.data, &found, &number);
    if (reason == NULL) {
        config_listeners_clear(&config->tcp_listeners);
        config_listeners_put(&config->tcp_listeners, "default", found, number);
    } else {
        config_report(messages, CONFIG_ERROR, SOURCE, 0,
                      "RABBITMQ_NODE_IP_ADDRESS, RABBITMQ_NODE_PORT = %.100s: %s",
                      (const char *)text.data, reason);
    }
    buffer_fini(&text);
    return reason == NULL;
}

/* "-" is RabbitMQ's way to say: to the console only. */
static bool set_log(struct config *config, const char *where, struct config_messages *messages)
{
    bool to_console = strcmp(where, "-") == 0;
    return set_literal(config, "log.console", to_console ? "true" : "false", messages) &&
           set_literal(config, "log.file", to_console ? "false" : where, messages);
}

bool config_load_environment(struct config *config, const char *const *envp,
                             struct config_messages *messages)
{
    bool ok = true;
    for (size_t i = 0; i < sizeof(VARIABLES) / sizeof(VARIABLES[0]); i++) {
        const char *value = config_environment_value(envp, VARIABLES[i].variable);
        if (value != NULL)
            ok = set_literal(config, VARIABLES[i].key, value, messages) && ok;
    }
    const char *name = config_environment_value(envp, "RABBITMQ_NODENAME");
    if (name != NULL)
        ok = set_node_name(config, name, messages) && ok;
    const char *logs = config_environment_value(envp, "RABBITMQ_LOGS");
    if (logs != NULL)
        ok = set_log(config, logs, messages) && ok;
    const char *address = config_environment_value(envp, "RABBITMQ_NODE_IP_ADDRESS");
    const char *port = config_environment_value(envp, "RABBITMQ_NODE_PORT");
    if (address != NULL || port != NULL)
        ok = set_listener(config, address, port, messages) && ok;
    return ok;
}

/* RABBITMQ_CONFIG_FILE may leave the ".conf" out, as it had to in old versions. */
static bool load_main_file(struct config *config, const char *path,
                           struct config_messages *messages)
{
    struct buffer full;
    buffer_init(&full);
    buffer_append_format(&full, "%s%s", path, access(path, F_OK) == 0 ? "" : ".conf");
    buffer_append_u8(&full, '\0');
    const char *with_suffix = (const char *)full.data;
    bool ok =
        config_load_file(config, access(with_suffix, F_OK) == 0 ? with_suffix : path, messages);
    buffer_fini(&full);
    return ok;
}

bool config_load(struct config *config, const char *path, const char *const *envp,
                 struct config_messages *messages)
{
    bool ok = true;
    config->envp = envp;
    const char *main_file = config_environment_value(envp, "RABBITMQ_CONFIG_FILE");
    const char *more_files = config_environment_value(envp, "RABBITMQ_CONFIG_FILES");
    if (path != NULL)
        ok = config_load_file(config, path, messages);
    else if (main_file != NULL)
        ok = load_main_file(config, main_file, messages);
    if (more_files != NULL)
        ok = config_load_file(config, more_files, messages) && ok;
    return config_load_environment(config, envp, messages) && ok;
}
