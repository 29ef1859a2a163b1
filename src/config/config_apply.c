/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the values of rabbitmq.conf are applied: one function for each kind of value, which the rows
 * of config_key.c name. A new kind of value is one more function here.
 */
#include "config/config_apply.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "config/config_list.h"
#include "config/config_value.h"

/* What RabbitMQ makes of `kb` in keys of these kinds. */
enum {
    KB_OF_FRAMES = 1024,
    KB_OF_LIMITS = 1000,
};

__attribute__((format(printf, 2, 3))) static enum config_outcome
refuse(struct config_assignment *assignment, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(assignment->reason, sizeof(assignment->reason), format, arguments);
    va_end(arguments);
    return CONFIG_REFUSED;
}

static void *field_of(const struct config_key *key, const struct config_assignment *assignment)
{
    return (char *)assignment->config + key->offset;
}

static uint64_t size_max(size_t size)
{
    return size >= sizeof(uint64_t) ? UINT64_MAX : (UINT64_C(1) << (size * CHAR_BIT)) - 1;
}

static void store_number(void *field, size_t size, uint64_t value)
{
    CHECK(value <= size_max(size));
    switch (size) {
    case 1:
        *(uint8_t *)field = (uint8_t)value;
        break;
    case 2:
        *(uint16_t *)field = (uint16_t)value;
        break;
    case 4:
        *(uint32_t *)field = (uint32_t)value;
        break;
    default:
        CHECK(size == sizeof(uint64_t));
        *(uint64_t *)field = value;
        break;
    }
}

/* Stores a number that was read, or says why it was not (reason) or is out of range. */
static enum config_outcome store_in_range(const struct config_key *key,
                                          struct config_assignment *assignment, const char *reason,
                                          uint64_t value)
{
    uint64_t max = key->max != 0 ? key->max : size_max(key->size);
    if (reason != NULL)
        return refuse(assignment, "%s", reason);
    if (value < key->min)
        return refuse(assignment, "must be at least %llu", (unsigned long long)key->min);
    if (value > max)
        return refuse(assignment, "must be at most %llu", (unsigned long long)max);
    store_number(field_of(key, assignment), key->size, value);
    return CONFIG_APPLIED;
}

enum config_outcome apply_count(const struct config_key *key, struct config_assignment *assignment)
{
    uint64_t value = 0;
    const char *reason = config_value_count(assignment->value, &value);
    return store_in_range(key, assignment, reason, value);
}

/* A count, or a word for a fixed one, such as "infinity". */
static enum config_outcome apply_count_or(const struct config_key *key,
                                          struct config_assignment *assignment, const char *word,
                                          uint64_t value)
{
    if (strcmp(assignment->value, word) != 0)
        return apply_count(key, assignment);
    store_number(field_of(key, assignment), key->size, value);
    return CONFIG_APPLIED;
}

enum config_outcome apply_limit(const struct config_key *key, struct config_assignment *assignment)
{
    return apply_count_or(key, assignment, "infinity", CONFIG_UNLIMITED);
}

enum config_outcome apply_auto_count(const struct config_key *key,
                                     struct config_assignment *assignment)
{
    return apply_count_or(key, assignment, "auto", 0);
}

enum config_outcome apply_size(const struct config_key *key, struct config_assignment *assignment)
{
    uint64_t value = 0;
    const char *reason = config_value_size(assignment->value, KB_OF_LIMITS, &value);
    return store_in_range(key, assignment, reason, value);
}

enum config_outcome apply_frame_size(const struct config_key *key,
                                     struct config_assignment *assignment)
{
    uint64_t value = 0;
    const char *reason = config_value_size(assignment->value, KB_OF_FRAMES, &value);
    if (reason == NULL && value > 0 && value < FRAME_MAX_MIN)
        return refuse(assignment, "must be at least %d", FRAME_MAX_MIN);
    return store_in_range(key, assignment, reason, value);
}

enum config_outcome apply_ratio(const struct config_key *key, struct config_assignment *assignment)
{
    double value = 0;
    const char *reason = config_value_ratio(assignment->value, &value);
    if (reason != NULL)
        return refuse(assignment, "%s", reason);
    if (value > (double)key->max)
        return refuse(assignment, "must be at most %llu", (unsigned long long)key->max);
    *(double *)field_of(key, assignment) = value;
    return CONFIG_APPLIED;
}

enum config_outcome apply_bool(const struct config_key *key, struct config_assignment *assignment)
{
    const char *reason = config_value_bool(assignment->value, field_of(key, assignment));
    return reason == NULL ? CONFIG_APPLIED : refuse(assignment, "%s", reason);
}

enum config_outcome apply_text(const struct config_key *key, struct config_assignment *assignment)
{
    char **field = field_of(key, assignment);
    free(*field);
    *field = xstrdup(assignment->value);
    return CONFIG_APPLIED;
}

enum config_outcome apply_name(const struct config_key *key, struct config_assignment *assignment)
{
    if (assignment->value[0] == '\0')
        return refuse(assignment, "must not be empty");
    return apply_text(key, assignment);
}

/* A text that the check of the row has nothing against. */
enum config_outcome apply_checked(const struct config_key *key,
                                  struct config_assignment *assignment)
{
    const char *reason = key->check(assignment->value);
    return reason == NULL ? apply_text(key, assignment) : refuse(assignment, "%s", reason);
}

/* How many files are kept aside: none is a number, too. */
enum config_outcome apply_log_count(const struct config_key *key,
                                    struct config_assignment *assignment)
{
    struct config_log_rotation *rotation = field_of(key, assignment);
    uint64_t value = 0;
    const char *reason = config_value_count(assignment->value, &value);
    if (reason == NULL && value > key->max)
        reason = "that are too many files";
    if (reason != NULL)
        return refuse(assignment, "%s", reason);
    rotation->count = (uint32_t)value;
    rotation->is_count_set = true;
    return CONFIG_APPLIED;
}

/* Whether they are compressed: not is an answer, too. */
enum config_outcome apply_log_compress(const struct config_key *key,
                                       struct config_assignment *assignment)
{
    struct config_log_rotation *rotation = field_of(key, assignment);
    const char *reason = config_value_bool(assignment->value, &rotation->compresses);
    rotation->is_compress_set = true;
    return reason == NULL ? CONFIG_APPLIED : refuse(assignment, "%s", reason);
}

/* A file name, or `false` for none. */
enum config_outcome apply_file_or_false(const struct config_key *key,
                                        struct config_assignment *assignment)
{
    if (strcmp(assignment->value, "false") == 0)
        assignment->value = "";
    return apply_text(key, assignment);
}

/* "one of a, b, c" */
static enum config_outcome refuse_choice(const struct config_key *key,
                                         struct config_assignment *assignment)
{
    char *reason = assignment->reason;
    size_t size = sizeof(assignment->reason);
    size_t used = (size_t)snprintf(reason, size, "expected one of");
    for (const struct config_choice *c = key->choices; c->word != NULL && used < size; c++)
        used += (size_t)snprintf(reason + used, size - used, "%s %s", c == key->choices ? "" : ",",
                                 c->word);
    return CONFIG_REFUSED;
}

static const struct config_choice *choice_of(const struct config_key *key, const char *word)
{
    for (const struct config_choice *choice = key->choices; choice->word != NULL; choice++) {
        if (strcmp(choice->word, word) == 0)
            return choice;
    }
    return NULL;
}

enum config_outcome apply_choice(const struct config_key *key, struct config_assignment *assignment)
{
    const struct config_choice *choice = choice_of(key, assignment->value);
    if (choice == NULL)
        return refuse_choice(key, assignment);
    /* An enum has the size of an int, a bool that of a char: the table says which. */
    store_number(field_of(key, assignment), key->size, (uint64_t)choice->value);
    return CONFIG_APPLIED;
}

/* `prefix.NAME = value`, any value. */
enum config_outcome apply_entry(const struct config_key *key, struct config_assignment *assignment)
{
    config_list_put(field_of(key, assignment), assignment->name, assignment->value);
    return CONFIG_APPLIED;
}

/* `prefix.NAME = word`: a choice that stands for 0 is known, but cannot be had. */
enum config_outcome apply_choice_entry(const struct config_key *key,
                                       struct config_assignment *assignment)
{
    const struct config_choice *choice = choice_of(key, assignment->value);
    if (choice == NULL)
        return refuse_choice(key, assignment);
    if (choice->value != 0)
        return apply_entry(key, assignment);
    config_list_remove(field_of(key, assignment), assignment->name);
    return CONFIG_NOT_YET;
}

static const struct config_choice BACKENDS[] = {{"internal", 0},
                                                {"rabbit_auth_backend_internal", 0},
                                                {"http", 0},
                                                {"rabbit_auth_backend_http", 0},
                                                {"ldap", 0},
                                                {"rabbit_auth_backend_ldap", 0},
                                                {"oauth2", 0},
                                                {"oauth", 0},
                                                {"rabbit_auth_backend_oauth2", 0},
                                                {"cache", 0},
                                                {"rabbit_auth_backend_cache", 0},
                                                {NULL, 0}};

/* The back end by its short name, whichever of the two was written. */
static bool check_backend(const struct config_key *key, struct config_assignment *assignment)
{
    static const char module[] = "rabbit_auth_backend_";
    struct config_key words = *key;
    words.choices = BACKENDS;
    if (choice_of(&words, assignment->value) == NULL) {
        refuse_choice(&words, assignment);
        return false;
    }
    if (strncmp(assignment->value, module, sizeof module - 1) == 0)
        assignment->value += sizeof module - 1;
    if (strcmp(assignment->value, "oauth") == 0)
        assignment->value = "oauth2";
    return true;
}

enum config_outcome apply_backend(const struct config_key *key,
                                  struct config_assignment *assignment)
{
    return check_backend(key, assignment) ? apply_text(key, assignment) : CONFIG_REFUSED;
}

enum config_outcome apply_backend_entry(const struct config_key *key,
                                        struct config_assignment *assignment)
{
    struct config *config = assignment->config;
    if (!check_backend(key, assignment))
        return CONFIG_REFUSED;
    /* A number that is given in halves takes the default's place all the same. */
    if (config->auth_backends.is_default) {
        config_list_put(&config->auth_backends, assignment->name, assignment->value);
        config_list_remove(&config->auth_backends, assignment->name);
    }
    return apply_entry(key, assignment);
}

/* `prefix.NAME = true` adds NAME, false removes it. */
enum config_outcome apply_member(const struct config_key *key, struct config_assignment *assignment)
{
    bool is_member = false;
    const char *reason = config_value_bool(assignment->value, &is_member);
    if (reason != NULL)
        return refuse(assignment, "%s", reason);
    if (is_member)
        config_list_put(field_of(key, assignment), assignment->name, "true");
    else
        config_list_remove(field_of(key, assignment), assignment->name);
    return CONFIG_APPLIED;
}

/* As apply_member, but the default stays: to protect one more user must not unprotect guest. */
enum config_outcome apply_loopback_user(const struct config_key *key,
                                        struct config_assignment *assignment)
{
    struct config_list *users = field_of(key, assignment);
    users->is_default = false;
    return apply_member(key, assignment);
}

/* A text, or `none`, which is as if the key were not there. */
enum config_outcome apply_or_none(const struct config_key *key,
                                  struct config_assignment *assignment)
{
    char **field = field_of(key, assignment);
    if (strcmp(assignment->value, "none") != 0)
        return apply_name(key, assignment);
    free(*field);
    *field = NULL;
    return CONFIG_APPLIED;
}

static enum config_outcome expect_none(struct config_assignment *assignment)
{
    if (strcmp(assignment->value, "none") != 0)
        return refuse(assignment, "the only value of the key itself is none");
    return CONFIG_APPLIED;
}

enum config_outcome apply_no_loopback_users(const struct config_key *key,
                                            struct config_assignment *assignment)
{
    struct config_list *users = field_of(key, assignment);
    enum config_outcome outcome = expect_none(assignment);
    if (outcome == CONFIG_APPLIED) {
        while (users->count > 0)
            config_list_remove(users, users->entries[0].name);
    }
    return outcome;
}

enum config_outcome apply_no_listeners(const struct config_key *key,
                                       struct config_assignment *assignment)
{
    enum config_outcome outcome = expect_none(assignment);
    if (outcome == CONFIG_APPLIED)
        config_listeners_set_none(field_of(key, assignment));
    return outcome;
}

enum config_outcome apply_listener(const struct config_key *key,
                                   struct config_assignment *assignment)
{
    char *address = NULL;
    uint16_t port = 0;
    const char *reason = config_value_endpoint(assignment->value, &address, &port);
    if (reason != NULL)
        return refuse(assignment, "%s", reason);
    config_listeners_put(field_of(key, assignment), assignment->name, address, port);
    return CONFIG_APPLIED;
}

/* A port, or none at all. */
enum config_outcome apply_management_port(const struct config_key *key,
                                          struct config_assignment *assignment)
{
    struct config_management *management = field_of(key, assignment);
    uint64_t port = CONFIG_UNLIMITED;
    bool is_none = strcmp(assignment->value, "none") == 0;
    const char *reason = is_none ? NULL : config_value_count(assignment->value, &port);
    if (reason != NULL)
        return refuse(assignment, "%s", reason);
    if (!is_none && port > UINT16_MAX)
        return refuse(assignment, "a port is at most 65535");
    management->port = port;
    management->is_port_chosen = true;
    return CONFIG_APPLIED;
}

enum config_outcome apply_address(const struct config_key *key,
                                  struct config_assignment *assignment)
{
    if (!config_value_is_address(assignment->value))
        return refuse(assignment, "a numeric IPv4 or IPv6 address is expected");
    return apply_text(key, assignment);
}

enum config_outcome apply_nothing(const struct config_key *key,
                                  struct config_assignment *assignment)
{
    (void)key;
    (void)assignment;
    return CONFIG_NO_EFFECT;
}

enum config_outcome apply_only_none(const struct config_key *key,
                                    struct config_assignment *assignment)
{
    (void)key;
    return expect_none(assignment);
}

/* `kind.name.field`: kept by the whole key. */
enum config_outcome apply_vhost_default(const struct config_key *key,
                                        struct config_assignment *assignment)
{
    config_list_put(field_of(key, assignment), assignment->key, assignment->value);
    return CONFIG_APPLIED;
}

/* Keeps a number that was read, or says why it was not. */
static enum config_outcome keep_number(const struct config_key *key,
                                       struct config_assignment *assignment, const char *reason,
                                       uint64_t number)
{
    char text[24];
    if (reason != NULL)
        return refuse(assignment, "%s", reason);
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    config_list_put(field_of(key, assignment), assignment->key, text);
    return CONFIG_APPLIED;
}

/* -1 is a limit that is none. */
enum config_outcome apply_vhost_count(const struct config_key *key,
                                      struct config_assignment *assignment)
{
    uint64_t number = 0;
    if (strcmp(assignment->value, "-1") == 0)
        return apply_vhost_default(key, assignment);
    const char *reason = config_value_count(assignment->value, &number);
    return keep_number(key, assignment, reason, number);
}

enum config_outcome apply_vhost_size(const struct config_key *key,
                                     struct config_assignment *assignment)
{
    uint64_t number = 0;
    const char *reason = config_value_size(assignment->value, KB_OF_LIMITS, &number);
    return keep_number(key, assignment, reason, number);
}

enum config_outcome apply_vhost_duration(const struct config_key *key,
                                         struct config_assignment *assignment)
{
    uint64_t number = 0;
    const char *reason = config_value_duration(assignment->value, &number);
    return keep_number(key, assignment, reason, number);
}

enum config_outcome apply_not_yet(const struct config_key *key,
                                  struct config_assignment *assignment)
{
    (void)key;
    (void)assignment;
    return CONFIG_NOT_YET;
}

enum config_outcome apply_refusal(const struct config_key *key,
                                  struct config_assignment *assignment)
{
    assignment->is_secret = true;
    return refuse(assignment, "%s", key->note);
}

/* One of the choices changes nothing; any other value asks for what cannot be had. */
enum config_outcome apply_only_words(const struct config_key *key,
                                     struct config_assignment *assignment)
{
    if (choice_of(key, assignment->value) != NULL)
        return CONFIG_APPLIED;
    return refuse(assignment, "%s", key->note);
}

/* A name of an interval, which says how long samples are kept, and the seconds between them. */
enum config_outcome apply_retention(const struct config_key *key,
                                    struct config_assignment *assignment)
{
    struct config_list *list = field_of(key, assignment);
    uint64_t age_s = config_retention_age_s(assignment->name), interval_s = 0;
    const char *reason = config_value_count(assignment->value, &interval_s);
    if (age_s == 0)
        return refuse(assignment, "an interval is minute, hour, day or a number of seconds");
    if (reason != NULL)
        return refuse(assignment, "%s", reason);
    if (interval_s == 0 || interval_s > age_s)
        return refuse(assignment, "from 1 s to all of it");
    if (list->count >= RETENTION_INTERVALS_MAX && !config_list_has_name(list, assignment->name))
        return refuse(assignment, "there are at most %d intervals", RETENTION_INTERVALS_MAX);
    return apply_entry(key, assignment);
}

enum config_outcome apply_rates_mode(const struct config_key *key,
                                     struct config_assignment *assignment)
{
    (void)key;
    if (strcmp(assignment->value, "basic") == 0)
        return CONFIG_APPLIED;
    if (strcmp(assignment->value, "detailed") == 0 || strcmp(assignment->value, "none") == 0)
        return CONFIG_NOT_YET;
    return refuse(assignment, "one of basic, detailed, none");
}
