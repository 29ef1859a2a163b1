/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rabbitmqctl eval without Erlang. Scripts and modules (Puppet's, OpenStack's, health checks of
 * containers) have a handful of expressions in common, all of which only ask; these are forms in a
 * table, compared as texts, and whatever is none of them is refused with the list of those that are
 * known. Nothing is evaluated: who needs more than a form has a command or the management API.
 *
 * In a form there are no blanks, `%` is a text, written "x", <<"x">> or list_to_binary("x"), and
 * `@` an atom. An expression is brought into that shape before it is compared.
 */
#include "cli/eval.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "cli/answer.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/term.h"
#include "net/control.h"

struct evaluation {
    const struct options *options;
    struct buffer shape; /* owned: the expression as forms are written; then a NUL */
    json_t *texts;       /* owned: what stood where the shape has % */
    char atom[64];       /* what stands where the form has @ */
    json_t *facts;       /* owned: the server's answer */
    int status;          /* of an answer that is none; that was said */
};

struct form {
    const char *text;
    const char *request; /* what the server is asked */
    struct term *(*make)(struct evaluation *evaluation, const struct form *form);
    const char *key; /* of the fact, for those that give one */
};

/* --- answers */

static struct term *string_term(const char *text)
{
    struct buffer quoted = {0};
    buffer_append_u8(&quoted, '"');
    for (; *text != '\0'; text++)
        buffer_append_format(&quoted, "%s%c", strchr("\"\\", *text) != NULL ? "\\" : "", *text);
    buffer_append(&quoted, "\"", 2);
    struct term *term = term_plain((const char *)quoted.data);
    buffer_fini(&quoted);
    return term;
}

static struct term *make_true(struct evaluation *evaluation, const struct form *form)
{
    (void)evaluation;
    (void)form;
    return term_atom("true");
}

static struct term *make_false(struct evaluation *evaluation, const struct form *form)
{
    (void)evaluation;
    (void)form;
    return term_atom("false");
}

static struct term *make_nothing(struct evaluation *evaluation, const struct form *form)
{
    (void)evaluation;
    (void)form;
    return term_list();
}

static struct term *make_node(struct evaluation *evaluation, const struct form *form)
{
    (void)form;
    return term_atom(answer_node(evaluation->facts));
}

/* The node is the only one. */
static struct term *make_nodes(struct evaluation *evaluation, const struct form *form)
{
    struct term *nodes = term_list();
    term_add(nodes, make_node(evaluation, form));
    return nodes;
}

/* A number or a binary. */
static struct term *make_fact(struct evaluation *evaluation, const struct form *form)
{
    return term_of_json(json_object_get(evaluation->facts, form->key));
}

static struct term *make_string(struct evaluation *evaluation, const struct form *form)
{
    return string_term(answer_text(evaluation->facts, form->key));
}

static struct term *make_strings(struct evaluation *evaluation, const struct form *form)
{
    struct term *strings = term_list();
    const json_t *texts = json_object_get(evaluation->facts, form->key);
    for (size_t i = 0; i < json_array_size(texts); i++)
        term_add(strings, string_term(json_string_value(json_array_get(texts, i))));
    return strings;
}

/* {{resource_limit,memory,NODE},[]} */
static struct term *make_alarms(struct evaluation *evaluation, const struct form *form)
{
    struct term *list = term_list();
    const json_t *alarms = json_object_get(evaluation->facts, form->key);
    for (size_t i = 0; i < json_array_size(alarms); i++) {
        const json_t *row = json_array_get(alarms, i);
        struct term *name = term_tuple(), *alarm = term_tuple();
        term_add(name, term_atom("resource_limit"));
        term_add(name, term_atom(answer_text(row, "resource")));
        term_add(name, term_atom(answer_text(row, "node")));
        term_add(alarm, name);
        term_add(alarm, term_list());
        term_add(list, alarm);
    }
    return list;
}

static struct term *refuse(struct evaluation *evaluation, const char *why)
{
    answer_print_error(evaluation->options, NULL, why, false);
    evaluation->status = CONTROL_UNAVAILABLE;
    return NULL;
}

static struct term *make_healthy(struct evaluation *evaluation, const struct form *form)
{
    if (json_array_size(json_object_get(evaluation->facts, "alarms")) > 0)
        return refuse(evaluation, "no match: an alarm is in effect");
    if (json_array_size(json_object_get(evaluation->facts, "listeners")) == 0)
        return refuse(evaluation, "no match: the server does not listen");
    return term_atom(form->key);
}

/* --- logins */

static const char *text_at(const struct evaluation *evaluation, size_t index)
{
    return json_string_value(json_array_get(evaluation->texts, index));
}

static struct term *tags_of(const json_t *users, const char *name)
{
    size_t i, j;
    json_t *row, *tag;
    struct term *tags = term_list();
    json_array_foreach(users, i, row)
    {
        if (strcmp(answer_text(row, "user"), name) != 0)
            continue;
        json_array_foreach(json_object_get(row, "tags"), j, tag)
        {
            term_add(tags, term_atom(json_string_value(tag)));
        }
    }
    return tags;
}

/* {ok,{user,NAME,TAGS,[{rabbit_auth_backend_internal,none}]}} */
static struct term *accepted(const json_t *users, const char *name)
{
    struct term *user = term_tuple(), *backends = term_list();
    term_add(backends, term_pair("rabbit_auth_backend_internal", term_atom("none")));
    term_add(user, term_atom("user"));
    term_add(user, term_binary(name));
    term_add(user, tags_of(users, name));
    term_add(user, backends);
    return term_pair("ok", user);
}

/* {refused,NAME,FORMAT,[NAME]} */
static struct term *refused(const char *name)
{
    struct term *tuple = term_tuple(), *values = term_list();
    term_add(values, term_binary(name));
    term_add(tuple, term_atom("refused"));
    term_add(tuple, term_binary(name));
    term_add(tuple, string_term("user '~s' - invalid credentials"));
    term_add(tuple, values);
    return tuple;
}

static struct term *make_login(struct evaluation *evaluation, const struct form *form)
{
    const char *name = text_at(evaluation, 0);
    json_t *reply = NULL,
           *login = json_pack("{s:s, s:s}", "user", name, "password", text_at(evaluation, 1));
    (void)form;
    evaluation->status = ask_server_reply(evaluation->options, "authenticate_user", login, &reply);
    if (reply == NULL)
        return NULL;
    bool is_right = evaluation->status == CONTROL_OK;
    evaluation->status = CONTROL_OK;
    json_decref(reply);
    return is_right ? accepted(evaluation->facts, name) : refused(name);
}

/* --- settings: what RabbitMQ's applications have in their environment */

enum setting_kind { SETTING_NUMBER, SETTING_ATOM, SETTING_BINARY, SETTING_ATOMS, SETTING_FLAGS };

/* The value of a key, or those of the keys that begin with it. */
static const struct setting {
    const char *name;
    const char *key;
    enum setting_kind kind;
    const char *other_key;  /* counts where it is more than 0; NULL: there is none */
    const char *other_name; /* {NAME,VALUE} then */
} settings[] = {
    {"auth_mechanisms", "auth_mechanisms.", SETTING_ATOMS, NULL, NULL},
    {"channel_max", "channel_max", SETTING_NUMBER, NULL, NULL},
    {"cluster_partition_handling", "cluster_partition_handling", SETTING_ATOM, NULL, NULL},
    {"consumer_timeout", "consumer_timeout", SETTING_NUMBER, NULL, NULL},
    {"default_user", "default_user", SETTING_BINARY, NULL, NULL},
    {"default_vhost", "default_vhost", SETTING_BINARY, NULL, NULL},
    {"disk_free_limit", "disk_free_limit.absolute", SETTING_NUMBER, "disk_free_limit.relative",
     "mem_relative"},
    {"frame_max", "frame_max", SETTING_NUMBER, NULL, NULL},
    {"handshake_timeout", "handshake_timeout", SETTING_NUMBER, NULL, NULL},
    {"heartbeat", "heartbeat", SETTING_NUMBER, NULL, NULL},
    {"loopback_users", "loopback_users.", SETTING_FLAGS, NULL, NULL},
    {"max_message_size", "max_message_size", SETTING_NUMBER, NULL, NULL},
    {"vm_memory_high_watermark", "vm_memory_high_watermark.relative", SETTING_NUMBER,
     "vm_memory_high_watermark.absolute", "absolute"},
};

/* auth_mechanisms.1, auth_mechanisms.2 and so on. */
static struct term *numbered(const json_t *values, const char *prefix)
{
    struct term *list = term_list();
    const json_t *value = NULL;
    size_t i = 0;
    do {
        json_t *key = json_sprintf("%s%zu", prefix, ++i);
        value = json_object_get(values, json_string_value(key));
        if (value != NULL)
            term_add(list, term_atom(json_string_value(value)));
        json_decref(key);
    } while (value != NULL);
    return list;
}

/* The names behind the prefix that are true. */
static struct term *flagged(json_t *values, const char *prefix)
{
    struct term *list = term_list();
    const char *key;
    json_t *value;
    json_object_foreach(values, key, value)
    {
        if (strncmp(key, prefix, strlen(prefix)) == 0 &&
            strcmp(json_string_value(value), "true") == 0)
            term_add(list, term_binary(key + strlen(prefix)));
    }
    return list;
}

static struct term *setting_term(const struct setting *setting, json_t *values)
{
    const char *text = answer_text(values, setting->key);
    const char *other = setting->other_key != NULL ? answer_text(values, setting->other_key) : "";
    if (strtod(other, NULL) > 0)
        return term_pair(setting->other_name, term_plain(other));
    switch (setting->kind) {
    case SETTING_NUMBER:
        return term_plain(text);
    case SETTING_ATOM:
        return term_atom(text[0] != '\0' ? text : "ignore");
    case SETTING_BINARY:
        return term_binary(text);
    case SETTING_ATOMS:
        return numbered(values, setting->key);
    case SETTING_FLAGS:
        return flagged(values, setting->key);
    }
    return NULL;
}

static struct term *make_setting(struct evaluation *evaluation, const struct form *form)
{
    struct term *value = NULL;
    (void)form;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0] && value == NULL; i++) {
        if (strcmp(settings[i].name, evaluation->atom) == 0)
            value = setting_term(&settings[i], json_object_get(evaluation->facts, "settings"));
    }
    if (value == NULL)
        return refuse(evaluation, "of this key nothing is known: `leveretctl environment` has all "
                                  "that is configured");
    return term_pair("ok", value);
}

/* --- which expression it is */

#define BOOTED_AND_RUNNING                                                                         \
    "{true,rabbit_app_booted_and_running}={rabbit:is_booted(node()),"                              \
    "rabbit_app_booted_and_running},{[],no_alarms}={rabbit:alarms(),no_alarms},"                   \
    "[]/=rabbit_networking:active_listeners(),rabbitmq_node_is_healthy."

static const struct form forms[] = {
    {"node().", "status", make_node, NULL},
    {"erlang:node().", "status", make_node, NULL},
    {"application:get_env(rabbit,@).", "environment", make_setting, NULL},
    {"rabbit_access_control:check_user_pass_login(%,%).", "list_users", make_login, NULL},
    {"rabbit:is_running().", "status", make_true, NULL},
    {"rabbit:is_booted(node()).", "status", make_true, NULL},
    {"rabbit_nodes:is_running(node(),rabbit).", "status", make_true, NULL},
    {"lists:keymember(rabbit,1,application:which_applications()).", "status", make_true, NULL},
    {BOOTED_AND_RUNNING, "status", make_healthy, "rabbitmq_node_is_healthy"},
    {"rabbit_mnesia:is_clustered().", "status", make_false, NULL},
    {"rabbit_mnesia:cluster_nodes(running).", "status", make_nodes, NULL},
    {"rabbit_mnesia:cluster_nodes(all).", "status", make_nodes, NULL},
    {"rabbit_nodes:all_running().", "status", make_nodes, NULL},
    {"mnesia:system_info(running_db_nodes).", "status", make_nodes, NULL},
    {"rabbit_node_monitor:partitions().", "status", make_nothing, NULL},
    {"rabbit_nodes:cluster_name().", "diagnosis", make_fact, "cluster_name"},
    {"rabbit_misc:version().", "status", make_string, "rabbitmq_version"},
    {"rabbit:alarms().", "status", make_alarms, "alarms"},
    {"rabbit_alarm:get_alarms().", "status", make_alarms, "alarms"},
    {"rabbit:log_locations().", "status", make_strings, "log_files"},
    {"rabbit_disk_monitor:get_disk_free().", "status", make_fact, "disk_free"},
    {"rabbit_disk_monitor:get_disk_free_limit().", "status", make_fact, "disk_free_limit"},
    {"vm_memory_monitor:get_memory_limit().", "status", make_fact,
     "vm_memory_high_watermark_limit"},
};

static bool is_word(char byte)
{
    return isalnum((unsigned char)byte) || byte == '_';
}

/* What is between quotes, into texts; the place behind it. NULL where it does not end. */
static const char *take_text(struct evaluation *evaluation, const char *place)
{
    struct buffer text = {0};
    for (; *place != '"' && *place != '\0'; place++) {
        place += *place == '\\' && place[1] != '\0';
        buffer_append_u8(&text, (uint8_t)*place);
    }
    json_array_append_new(
        evaluation->texts,
        json_stringn(text.data != NULL ? (const char *)text.data : "", text.size));
    buffer_fini(&text);
    return *place == '"' ? place + 1 : NULL;
}

/* False where a text does not end. */
static bool bring_into_shape(struct evaluation *evaluation, const char *place)
{
    static const struct {
        const char *before, *behind;
    } quotes[] = {{"list_to_binary(\"", ")"}, {"<<\"", ">>"}, {"\"", ""}};
    while (*place != '\0') {
        size_t i = 0;
        while (i < 3 && strncmp(place, quotes[i].before, strlen(quotes[i].before)) != 0)
            i++;
        if (i == 3) {
            if (!isspace((unsigned char)*place))
                buffer_append_u8(&evaluation->shape, (uint8_t)*place);
            place++;
            continue;
        }
        place = take_text(evaluation, place + strlen(quotes[i].before));
        if (place == NULL || strncmp(place, quotes[i].behind, strlen(quotes[i].behind)) != 0)
            return false;
        place += strlen(quotes[i].behind);
        buffer_append_u8(&evaluation->shape, '%');
    }
    buffer_append_u8(&evaluation->shape, '\0');
    return true;
}

static bool is_of_form(struct evaluation *evaluation, const char *form)
{
    const char *shape = (const char *)evaluation->shape.data;
    for (; *form != '\0'; form++) {
        if (*form != '@') {
            if (*form != *shape++)
                return false;
            continue;
        }
        size_t size = 0;
        while (is_word(shape[size]))
            size++;
        if (size == 0 || size >= sizeof evaluation->atom)
            return false;
        memcpy(evaluation->atom, shape, size);
        evaluation->atom[size] = '\0';
        shape += size;
    }
    return *shape == '\0';
}

static const struct form *find_form(struct evaluation *evaluation)
{
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (is_of_form(evaluation, forms[i].text))
            return &forms[i];
    }
    return NULL;
}

/* --- the command */

static int say_unknown(const struct options *options)
{
    struct buffer text = {0};
    buffer_append_format(&text, "there is no Erlang that could evaluate this. Known are only");
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        buffer_append_format(&text, "\n  %s", forms[i].text);
    buffer_append_format(&text,
                         "\nwhere %% is a text and @ a key. leveretctl(8) says what does the "
                         "work of others.");
    buffer_append_u8(&text, '\0');
    answer_print_error(options, NULL, (const char *)text.data, false);
    buffer_fini(&text);
    return CONTROL_UNAVAILABLE;
}

/* With JSON a term is a text. */
static void print_term(const struct evaluation *evaluation, struct term *term)
{
    struct buffer text = {0};
    term_append_erlang(&text, term);
    if (answer_is_json(evaluation->options)) {
        size_t quotes = text.size > 1 && text.data[0] == '\'' ? 1 : 0;
        json_t *object =
            json_pack("{s:s, s:o}", "result", "ok", "value",
                      json_stringn((const char *)text.data + quotes, text.size - 2 * quotes));
        if (json_object_get(evaluation->facts, "node") != NULL)
            json_object_set_new(object, "node", json_string(answer_node(evaluation->facts)));
        answer_print_json(stdout, object);
    } else {
        printf("%.*s\n", (int)text.size, (const char *)text.data);
    }
    buffer_fini(&text);
}

static void answer_form(struct evaluation *evaluation, const struct form *form)
{
    evaluation->status =
        ask_server(evaluation->options, form->request, json_object(), &evaluation->facts);
    if (evaluation->status != CONTROL_OK)
        return;
    struct term *term = form->make(evaluation, form);
    if (term == NULL)
        return;
    print_term(evaluation, term);
    term_free(term);
}

int eval_run(const struct options *options, const json_t *arguments)
{
    struct evaluation evaluation = {.options = options, .texts = json_array()};
    const char *expression = json_string_value(json_object_get(arguments, "expression"));
    size_t size = strlen(expression);
    while (size > 0 && isspace((unsigned char)expression[size - 1]))
        size--;
    if (size == 0 || expression[size - 1] != '.') {
        options_complain(options, "\"syntax error before: \"");
        command_print_usage(command_find("eval"));
        evaluation.status = CONTROL_USAGE;
    } else {
        const struct form *form =
            bring_into_shape(&evaluation, expression) ? find_form(&evaluation) : NULL;
        if (form != NULL)
            answer_form(&evaluation, form);
        else
            evaluation.status = say_unknown(options);
    }
    json_decref(evaluation.facts);
    json_decref(evaluation.texts);
    buffer_fini(&evaluation.shape);
    return evaluation.status;
}
