/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What leveretctl may do to policies, parameters, limits and topic permissions, as a table: each
 * command takes its arguments out of the request, asks the directory, and answers. The directory is
 * the one that checks; here it is only seen to that an argument is there.
 */
#include "auth/parameter_commands.h"

#include <jansson.h>
#include <stdlib.h>

#include "auth/directory.h"
#include "auth/directory_commands.h"
#include "net/control.h"

/* The arguments of these names; false where one is missing, which was answered. */
static bool need_texts(struct control_call *call, const char *const *names, const char **texts,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        texts[i] = control_text(call, names[i]);
        if (texts[i] == NULL) {
            control_fail(call, CONTROL_USAGE, "argument \"%s\" is missing", names[i]);
            return false;
        }
    }
    return true;
}

/* The rows, or the error instead of them. */
static void answer_rows(struct control_call *call, json_t *rows, bool is_done,
                        const struct directory_error *error)
{
    if (is_done) {
        control_reply(call, rows);
        return;
    }
    json_decref(rows);
    directory_answer(call, false, error);
}

static void set_text(json_t *row, const char *name, const char *text)
{
    json_object_set_new(row, name, control_json_text(bytes_of_text(text)));
}

/* --- policies */

static void set_policy(struct directory *directory, struct control_call *call, bool is_operator)
{
    static const char *const names[] = {"vhost", "name", "pattern", "definition", "apply-to"};
    const char *texts[5];
    struct directory_error error;
    if (!need_texts(call, names, texts, 5))
        return;
    const char *priority = control_text(call, "priority");
    const struct directory_policy policy = {
        .vhost = texts[0],
        .name = texts[1],
        .pattern = texts[2],
        .definition = texts[3],
        .apply_to = texts[4],
        .priority = priority != NULL ? strtoll(priority, NULL, 10) : 0,
        .is_operator = is_operator,
    };
    directory_answer(call, directory_set_policy(directory, &policy, &error), &error);
}

static void handle_set_policy(void *context, struct control_call *call)
{
    set_policy(context, call, false);
}

static void handle_set_operator_policy(void *context, struct control_call *call)
{
    set_policy(context, call, true);
}

static void clear_policy(struct directory *directory, struct control_call *call,
                         const char *component)
{
    static const char *const names[] = {"vhost", "name"};
    const char *texts[2];
    struct directory_error error;
    if (need_texts(call, names, texts, 2))
        directory_answer(
            call, directory_clear_parameter(directory, texts[0], component, texts[1], &error),
            &error);
}

static void handle_clear_policy(void *context, struct control_call *call)
{
    clear_policy(context, call, "policy");
}

static void handle_clear_operator_policy(void *context, struct control_call *call)
{
    clear_policy(context, call, "operator_policy");
}

static void append_policy(void *context, const struct directory_policy *policy)
{
    json_t *row = json_object();
    set_text(row, "vhost", policy->vhost);
    set_text(row, "name", policy->name);
    set_text(row, "pattern", policy->pattern);
    set_text(row, "apply-to", policy->apply_to);
    set_text(row, "definition", policy->definition);
    json_object_set_new(row, "priority", json_integer((json_int_t)policy->priority));
    json_array_append_new(context, row);
}

static void list_policies(struct directory *directory, struct control_call *call, bool is_operator)
{
    static const char *const names[] = {"vhost"};
    const char *vhost;
    struct directory_error error;
    if (!need_texts(call, names, &vhost, 1))
        return;
    json_t *rows = json_array();
    bool is_done =
        directory_each_policy(directory, vhost, is_operator, append_policy, rows, &error);
    answer_rows(call, rows, is_done, &error);
}

static void handle_list_policies(void *context, struct control_call *call)
{
    list_policies(context, call, false);
}

static void handle_list_operator_policies(void *context, struct control_call *call)
{
    list_policies(context, call, true);
}

/* --- which policies match an object, whichever of them is in force */

struct matching {
    json_t *rows;
    enum policy_target target;
    const char *name;
};

/* They come with the lowest priority first, and are shown the other way round. */
static void insert_if_matching(void *context, const struct directory_policy *policy)
{
    struct matching *matching = context;
    json_t *row = json_array();
    if (directory_policy_matches(policy, matching->target, matching->name)) {
        append_policy(row, policy);
        json_array_insert(matching->rows, 0, json_array_get(row, 0));
    }
    json_decref(row);
}

/* The word that is told of a queue's type, or "exchange". */
static bool read_target(const char *word, enum policy_target *target)
{
    static const struct {
        const char *word;
        enum policy_target target;
    } words[] = {{"classic", POLICY_CLASSIC_QUEUE},
                 {"quorum", POLICY_QUORUM_QUEUE},
                 {"stream", POLICY_STREAM},
                 {"exchange", POLICY_EXCHANGE}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        *target = words[i].target;
        if (strcmp(words[i].word, word) == 0)
            return true;
    }
    return false;
}

static void handle_list_policies_that_match(void *context, struct control_call *call)
{
    static const char *const names[] = {"vhost", "name", "target"};
    const char *texts[3];
    struct directory_error error;
    struct matching matching;
    if (!need_texts(call, names, texts, 3))
        return;
    if (!read_target(texts[2], &matching.target)) {
        control_fail(call, CONTROL_USAGE, "target: exchange, or the type of a queue");
        return;
    }
    matching.name = texts[1];
    matching.rows = json_array();
    bool is_done =
        directory_each_policy(context, texts[0], false, insert_if_matching, &matching, &error);
    answer_rows(call, matching.rows, is_done, &error);
}

/* --- parameters */

static void handle_set_parameter(void *context, struct control_call *call)
{
    static const char *const names[] = {"vhost", "component", "name", "value"};
    const char *texts[4];
    struct directory_error error;
    if (need_texts(call, names, texts, 4))
        directory_answer(
            call, directory_set_parameter(context, texts[0], texts[1], texts[2], texts[3], &error),
            &error);
}

static void handle_clear_parameter(void *context, struct control_call *call)
{
    static const char *const names[] = {"vhost", "component", "name"};
    const char *texts[3];
    struct directory_error error;
    if (need_texts(call, names, texts, 3))
        directory_answer(
            call, directory_clear_parameter(context, texts[0], texts[1], texts[2], &error), &error);
}

static void append_parameter(void *context, const struct directory_parameter *parameter)
{
    json_t *row = json_object();
    set_text(row, "component", parameter->component);
    set_text(row, "name", parameter->name);
    set_text(row, "value", parameter->value);
    json_array_append_new(context, row);
}

static void handle_list_parameters(void *context, struct control_call *call)
{
    static const char *const names[] = {"vhost"};
    const char *vhost;
    struct directory_error error;
    if (!need_texts(call, names, &vhost, 1))
        return;
    json_t *rows = json_array();
    bool is_done = directory_each_parameter(context, vhost, NULL, append_parameter, rows, &error);
    answer_rows(call, rows, is_done, &error);
}

static void handle_set_global_parameter(void *context, struct control_call *call)
{
    static const char *const names[] = {"name", "value"};
    const char *texts[2];
    struct directory_error error;
    if (need_texts(call, names, texts, 2))
        directory_answer(call, directory_set_global_parameter(context, texts[0], texts[1], &error),
                         &error);
}

static void handle_set_cluster_name(void *context, struct control_call *call)
{
    static const char *const names[] = {"name"};
    const char *name;
    struct directory_error error;
    if (!need_texts(call, names, &name, 1))
        return;
    json_t *json = json_string(name);
    char *value = json_dumps(json, JSON_ENCODE_ANY);
    directory_answer(call, directory_set_global_parameter(context, "cluster_name", value, &error),
                     &error);
    free(value);
    json_decref(json);
}

static void handle_clear_global_parameter(void *context, struct control_call *call)
{
    static const char *const names[] = {"name"};
    const char *name;
    struct directory_error error;
    if (need_texts(call, names, &name, 1))
        directory_answer(call, directory_clear_global_parameter(context, name, &error), &error);
}

static void append_global(void *context, const char *name, const char *value)
{
    json_t *row = json_object();
    set_text(row, "name", name);
    set_text(row, "value", value);
    json_array_append_new(context, row);
}

static void handle_list_global_parameters(void *context, struct control_call *call)
{
    json_t *rows = json_array();
    directory_each_global_parameter(context, append_global, rows);
    control_reply(call, rows);
}

/* --- limits */

static void handle_set_vhost_limits(void *context, struct control_call *call)
{
    static const char *const names[] = {"vhost", "limits"};
    const char *texts[2];
    struct directory_error error;
    if (need_texts(call, names, texts, 2))
        directory_answer(call, directory_set_vhost_limits(context, texts[0], texts[1], &error),
                         &error);
}

static void handle_clear_vhost_limits(void *context, struct control_call *call)
{
    static const char *const names[] = {"vhost"};
    const char *vhost;
    struct directory_error error;
    if (need_texts(call, names, &vhost, 1))
        directory_answer(call, directory_set_vhost_limits(context, vhost, "{}", &error), &error);
}

static void append_limits(json_t *rows, const char *key, const char *name, const char *limits)
{
    json_t *row = json_object();
    set_text(row, key, name);
    set_text(row, "limits", limits);
    json_array_append_new(rows, row);
}

static bool has_limits(const char *limits)
{
    return limits[0] == '{' && limits[1] != '}';
}

/* With "global", those of all vhosts. */
static void handle_list_vhost_limits(void *context, struct control_call *call)
{
    const char *wanted = control_text(call, "vhost");
    bool is_global = json_is_true(json_object_get(control_arguments(call), "global"));
    bool is_found = is_global;
    json_t *rows = json_array();
    for (size_t i = 0; i < directory_vhost_count(context); i++) {
        const char *name = directory_vhost(context, i).name;
        bool is_wanted =
            is_global || (wanted != NULL && bytes_equal_text(bytes_of_text(name), wanted));
        is_found = is_found || is_wanted;
        const char *limits = directory_vhost_limits(context, name);
        if (is_wanted && has_limits(limits))
            append_limits(rows, "vhost", name, limits);
    }
    if (is_found) {
        control_reply(call, rows);
        return;
    }
    json_decref(rows);
    control_fail(call, CONTROL_DATA, "Virtual host '%s' does not exist",
                 wanted != NULL ? wanted : "");
}

static void handle_set_user_limits(void *context, struct control_call *call)
{
    static const char *const names[] = {"user", "limits"};
    const char *texts[2];
    struct directory_error error;
    if (need_texts(call, names, texts, 2))
        directory_answer(call, directory_set_user_limits(context, texts[0], texts[1], &error),
                         &error);
}

static void handle_clear_user_limits(void *context, struct control_call *call)
{
    static const char *const names[] = {"user", "limit"};
    const char *texts[2];
    struct directory_error error;
    if (need_texts(call, names, texts, 2))
        directory_answer(call, directory_clear_user_limits(context, texts[0], texts[1], &error),
                         &error);
}

struct limits_listing {
    const struct directory *directory;
    json_t *rows;
    const char *wanted; /* NULL: those that have limits */
    bool is_found;
};

static void append_user_limits(void *context, const struct directory_user *user)
{
    struct limits_listing *listing = context;
    const char *limits = directory_user_limits(listing->directory, user->name);
    bool is_wanted = listing->wanted == NULL
                         ? has_limits(limits)
                         : bytes_equal_text(bytes_of_text(user->name), listing->wanted);
    if (is_wanted)
        append_limits(listing->rows, "user", user->name, limits);
    listing->is_found = listing->is_found || is_wanted;
}

static void handle_list_user_limits(void *context, struct control_call *call)
{
    bool is_global = json_is_true(json_object_get(control_arguments(call), "global"));
    const char *user = control_text(call, "user");
    struct limits_listing listing = {
        .directory = context,
        .rows = json_array(),
        .wanted = is_global ? NULL : (user != NULL ? user : "guest"),
        .is_found = is_global,
    };
    directory_each_user(context, append_user_limits, &listing);
    if (listing.is_found) {
        control_reply(call, listing.rows);
        return;
    }
    json_decref(listing.rows);
    control_fail(call, CONTROL_UNAVAILABLE, "{:no_such_user, \"%s\"}", listing.wanted);
}

/* --- topic permissions */

static void handle_set_topic_permissions(void *context, struct control_call *call)
{
    static const char *const names[] = {"user", "vhost", "exchange", "write", "read"};
    const char *t[5];
    struct directory_error error;
    if (need_texts(call, names, t, 5))
        directory_answer(
            call, directory_set_topic_permissions(context, t[0], t[1], t[2], t[3], t[4], &error),
            &error);
}

static void handle_clear_topic_permissions(void *context, struct control_call *call)
{
    static const char *const names[] = {"user", "vhost"};
    const char *texts[2];
    struct directory_error error;
    if (need_texts(call, names, texts, 2))
        directory_answer(call,
                         directory_clear_topic_permissions(context, texts[0], texts[1],
                                                           control_text(call, "exchange"), &error),
                         &error);
}

static void append_topic_permission(void *context,
                                    const struct directory_topic_permission *permission)
{
    json_t *row = json_object();
    set_text(row, "user", permission->user);
    set_text(row, "vhost", permission->vhost);
    set_text(row, "exchange", permission->exchange);
    set_text(row, "write", permission->write);
    set_text(row, "read", permission->read);
    json_array_append_new(context, row);
}

static void list_topic_permissions(struct directory *directory, struct control_call *call,
                                   const char *name)
{
    const char *text;
    struct directory_error error;
    if (!need_texts(call, &name, &text, 1))
        return;
    json_t *rows = json_array();
    bool is_user = name[0] == 'u';
    bool is_done =
        directory_each_topic_permission(directory, is_user ? text : NULL, is_user ? NULL : text,
                                        append_topic_permission, rows, &error);
    answer_rows(call, rows, is_done, &error);
}

static void handle_list_topic_permissions(void *context, struct control_call *call)
{
    list_topic_permissions(context, call, "vhost");
}

static void handle_list_user_topic_permissions(void *context, struct control_call *call)
{
    list_topic_permissions(context, call, "user");
}

/* --- tracing */

static void set_tracing(struct directory *directory, struct control_call *call, bool is_tracing)
{
    static const char *const names[] = {"vhost"};
    const char *vhost;
    struct directory_error error;
    if (need_texts(call, names, &vhost, 1))
        directory_answer(call, directory_set_tracing(directory, vhost, is_tracing, &error), &error);
}

static void handle_trace_on(void *context, struct control_call *call)
{
    set_tracing(context, call, true);
}

static void handle_trace_off(void *context, struct control_call *call)
{
    set_tracing(context, call, false);
}

void directory_add_parameter_commands(struct directory *directory, struct control *control)
{
    static const struct control_command commands[] = {
        {"set_policy", handle_set_policy},
        {"clear_policy", handle_clear_policy},
        {"list_policies", handle_list_policies},
        {"list_policies_that_match", handle_list_policies_that_match},
        {"set_operator_policy", handle_set_operator_policy},
        {"clear_operator_policy", handle_clear_operator_policy},
        {"list_operator_policies", handle_list_operator_policies},
        {"set_parameter", handle_set_parameter},
        {"clear_parameter", handle_clear_parameter},
        {"list_parameters", handle_list_parameters},
        {"set_global_parameter", handle_set_global_parameter},
        {"set_cluster_name", handle_set_cluster_name},
        {"clear_global_parameter", handle_clear_global_parameter},
        {"list_global_parameters", handle_list_global_parameters},
        {"set_vhost_limits", handle_set_vhost_limits},
        {"clear_vhost_limits", handle_clear_vhost_limits},
        {"list_vhost_limits", handle_list_vhost_limits},
        {"set_user_limits", handle_set_user_limits},
        {"clear_user_limits", handle_clear_user_limits},
        {"list_user_limits", handle_list_user_limits},
        {"set_topic_permissions", handle_set_topic_permissions},
        {"clear_topic_permissions", handle_clear_topic_permissions},
        {"list_topic_permissions", handle_list_topic_permissions},
        {"list_user_topic_permissions", handle_list_user_topic_permissions},
        {"trace_on", handle_trace_on},
        {"trace_off", handle_trace_off},
    };
    control_add_commands(control, commands, sizeof commands / sizeof commands[0], directory);
}
