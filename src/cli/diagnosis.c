/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What rabbitmq-diagnostics prints, word for word: monitoring looks for these texts. The banner
 * names the node, so it is printed here, once that is known. A check that fails says so on standard
 * error, whatever the formatter, and exits with 69.
 */
#include "cli/diagnosis.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <jansson.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/xmalloc.h"
#include "cli/answer.h"
#include "cli/ask.h"
#include "cli/options.h"
#include "cli/unit.h"
#include "net/control.h"

enum { CONNECT_TIMEOUT_S = 30, PORT_MAX = 65535 };

/* --- does it run: it has answered */

static int say_running(const json_t *answer, const struct options *options, const char *banner,
                       const char *banner_end, const char *state, json_t *object)
{
    answer_print_banner(answer, options, banner, banner_end);
    json_t *text = json_sprintf("%s on node %s is %s", answer_text(answer, "product_name"),
                                answer_node(answer), state);
    if (answer_is_value(options)) {
        json_object_set(object, "message", text);
        answer_print(options, object);
    } else {
        puts(json_string_value(text));
        json_decref(object);
    }
    json_decref(text);
    return CONTROL_OK;
}

int diagnosis_running(const json_t *answer, const struct options *options)
{
    return say_running(answer, options, "Asking node ", " for its status ...",
                       "fully booted and running", json_pack("{s:b}", "result", 1));
}

int diagnosis_booting(const json_t *answer, const struct options *options)
{
    return say_running(answer, options, "Asking node ", " for its boot status ...",
                       "fully booted (check with is_running), stopped or has not started booting "
                       "yet",
                       json_pack("{s:b}", "result", 0));
}

int diagnosis_check_running(const json_t *answer, const struct options *options)
{
    return say_running(answer, options, "Checking if RabbitMQ is running on node ", " ...",
                       "fully booted and running", json_object());
}

/* --- alarms */

/* "Memory alarm on node N"; the caller's. */
static json_t *alarm_texts(const json_t *answer)
{
    const json_t *alarms = json_object_get(answer, "alarms");
    json_t *texts = json_array();
    for (size_t i = 0; i < json_array_size(alarms); i++) {
        const char *name = json_string_value(json_array_get(alarms, i));
        const char *what = strcmp(name, "disk") == 0 ? "Free disk space" : "Memory";
        json_array_append_new(texts,
                              json_sprintf("%s alarm on node %s", what, answer_node(answer)));
    }
    return texts;
}

static void print_texts(FILE *file, const json_t *texts)
{
    for (size_t i = 0; i < json_array_size(texts); i++)
        fprintf(file, "%s\n", json_string_value(json_array_get(texts, i)));
}

static json_t *alarms_object(const json_t *answer, json_t *texts, const char *result)
{
    return json_pack("{s:[], s:o, s:o, s:s}", "global", "local", json_incref(texts), "message",
                     json_sprintf("Node %s reported alarms", answer_node(answer)), "result",
                     result);
}

static void print_no_alarms(const json_t *answer, const char *which)
{
    printf("Node %s reported no %s\n", answer_node(answer), which);
}

int diagnosis_alarms(const json_t *answer, const struct options *options)
{
    json_t *texts = alarm_texts(answer);
    bool is_there = json_array_size(texts) > 0;
    answer_print_banner(answer, options, "Asking node ",
                        " to report any known resource alarms ...");
    if (answer_is_value(options) && is_there)
        answer_print(options, alarms_object(answer, texts, "ok"));
    else if (answer_is_value(options))
        answer_print(options, json_pack("{s:[], s:s, s:s}", "alarms", "node", answer_node(answer),
                                        "result", "ok"));
    else if (is_there)
        print_texts(stdout, texts);
    else
        print_no_alarms(answer, "alarms, local or clusterwide");
    json_decref(texts);
    return CONTROL_OK;
}

static int check_alarms(const json_t *answer, const struct options *options, const char *which,
                        const char *title)
{
    json_t *texts = alarm_texts(answer);
    bool is_there = json_array_size(texts) > 0;
    answer_print_banner(answer, options, "Asking node ",
                        " to report any local resource alarms ...");
    if (answer_is_value(options) && is_there) {
        answer_print_json(stderr, alarms_object(answer, texts, "error"));
    } else if (answer_is_value(options)) {
        answer_print(options, json_pack("{s:s}", "result", "ok"));
    } else if (!options->is_silent && is_there) {
        fputs(title, stderr);
        print_texts(stderr, texts);
    } else if (!options->is_silent) {
        print_no_alarms(answer, which);
    }
    json_decref(texts);
    return is_there ? CONTROL_UNAVAILABLE : CONTROL_OK;
}

int diagnosis_check_alarms(const json_t *answer, const struct options *options)
{
    return check_alarms(answer, options, "alarms, local or clusterwide", "");
}

int diagnosis_check_local_alarms(const json_t *answer, const struct options *options)
{
    return check_alarms(answer, options, "local alarms", "Error:\n");
}

/* --- listeners */

static json_t *listeners_of(const json_t *answer)
{
    return json_object_get(answer, "listeners");
}

static void print_listener(const json_t *row, const char *before)
{
    printf("%snterface: %s, port: %d, protocol: %s, purpose: %s\n", before,
           answer_text(row, "interface"), (int)json_integer_value(json_object_get(row, "port")),
           answer_text(row, "protocol"), answer_text(row, "purpose"));
}

static json_t *listeners_object(const json_t *answer)
{
    return json_pack("{s:O, s:s, s:s}", "listeners", listeners_of(answer), "node",
                     answer_node(answer), "result", "ok");
}

int diagnosis_listeners(const json_t *answer, const struct options *options)
{
    const json_t *rows = listeners_of(answer);
    answer_print_banner(answer, options, "Asking node ", " to report its protocol listeners ...");
    if (answer_is_value(options)) {
        answer_print(options, listeners_object(answer));
        return CONTROL_OK;
    }
    for (size_t i = 0; i < json_array_size(rows); i++)
        print_listener(json_array_get(rows, i), "I");
    return CONTROL_OK;
}

static int compare_ports(const void *one, const void *other)
{
    const int *a = one, *b = other;
    return (*a > *b) - (*a < *b);
}

/* "5672, 15672", in order. */
static void append_ports(struct buffer *text, const json_t *rows)
{
    size_t count = json_array_size(rows);
    int *ports = xcalloc(count + 1, sizeof ports[0]);
    for (size_t i = 0; i < count; i++)
        ports[i] = (int)json_integer_value(json_object_get(json_array_get(rows, i), "port"));
    qsort(ports, count, sizeof ports[0], compare_ports);
    for (size_t i = 0; i < count; i++)
        buffer_append_format(text, "%s%d", i > 0 ? ", " : "", ports[i]);
    free(ports);
}

/* The column of all rows, each value once; the caller's. */
static json_t *column_of(const json_t *rows, const char *key)
{
    json_t *values = json_array();
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *value = json_object_get(json_array_get(rows, i), key);
        bool is_there = false;
        for (size_t j = 0; j < json_array_size(values); j++)
            is_there = is_there || json_equal(json_array_get(values, j), value);
        if (!is_there)
            json_array_append(values, value);
    }
    return values;
}

/* Says on standard error what there is instead. */
static int say_missing(const json_t *answer, const struct options *options, const char *key,
                       const char *keys, const char *missing)
{
    json_t *found = column_of(listeners_of(answer), key);
    if (answer_is_value(options))
        answer_print_json(stderr,
                          json_pack("{s:O, s:s, s:O, s:s}", "listeners", listeners_of(answer),
                                    "missing", missing, keys, found, "result", "error"));
    json_decref(found);
    return CONTROL_UNAVAILABLE;
}

int diagnosis_check_port(const json_t *answer, const struct options *options)
{
    const char *word = options->words[1], *node = answer_node(answer);
    const json_t *rows = listeners_of(answer);
    long port = strtol(word, NULL, 10);
    bool is_found = false;
    if (!options->is_quiet && !answer_is_value(options))
        printf("Asking node %s if there's an active listener on port %s ...\n", node, word);
    for (size_t i = 0; i < json_array_size(rows); i++)
        is_found = is_found ||
                   json_integer_value(json_object_get(json_array_get(rows, i), "port")) == port;
    if (is_found && answer_is_value(options))
        answer_print(options, json_pack("{s:s, s:I}", "result", "ok", "port", (json_int_t)port));
    else if (is_found && !options->is_silent)
        printf("A listener for port %ld is running on node %s.\n", port, node);
    if (is_found)
        return CONTROL_OK;
    if (!answer_is_value(options)) {
        struct buffer ports = {0};
        append_ports(&ports, rows);
        fprintf(stderr,
                "No listener for port %ld is active on node %s. Found listeners that use the "
                "following ports: %.*s\n",
                port, node, (int)ports.size, ports.size > 0 ? (const char *)ports.data : "");
        buffer_fini(&ports);
    }
    return say_missing(answer, options, "port", "ports", word);
}

/* By the name that listeners have for it. */
static const char *protocol_named(const char *name)
{
    static const char *const aliases[][2] = {
        {"amqp091", "amqp"},   {"amqp0.9.1", "amqp"},       {"amqp0-9-1", "amqp"},
        {"amqps", "amqp/ssl"}, {"amqp091/ssl", "amqp/ssl"}, {"prometheus", "http/prometheus"}};
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
        if (strcasecmp(name, aliases[i][0]) == 0)
            return aliases[i][1];
    }
    return name;
}

static void print_protocols(const json_t *rows)
{
    json_t *found = column_of(rows, "protocol");
    size_t count = json_array_size(found);
    const char **names = xcalloc(count + 1, sizeof names[0]);
    for (size_t i = 0; i < count; i++)
        names[i] = json_string_value(json_array_get(found, i));
    bytes_sort_texts(names, count);
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, "%s%s", i > 0 ? ", " : "", names[i]);
    fputc('\n', stderr);
    free(names);
    json_decref(found);
}

int diagnosis_check_protocol(const json_t *answer, const struct options *options)
{
    const char *word = options->words[1], *node = answer_node(answer);
    const char *protocol = protocol_named(word);
    const json_t *rows = listeners_of(answer);
    bool is_found = false;
    if (!options->is_quiet && !answer_is_value(options))
        printf("Asking node %s if there's an active listener for protocol %s ...\n", node, word);
    for (size_t i = 0; i < json_array_size(rows); i++)
        is_found =
            is_found || strcasecmp(answer_text(json_array_get(rows, i), "protocol"), protocol) == 0;
    if (is_found && answer_is_value(options))
        answer_print(options, json_pack("{s:s, s:s}", "result", "ok", "protocol", word));
    else if (is_found && !options->is_silent)
        printf("A listener for protocol %s is running on node %s.\n", word, node);
    if (is_found)
        return CONTROL_OK;
    if (!answer_is_value(options)) {
        fprintf(stderr,
                "Error:\nNo listener for protocol %s is active on node %s. Found listeners for "
                "the following protocols: ",
                word, node);
        print_protocols(rows);
    }
    return say_missing(answer, options, "protocol", "protocols", word);
}

const char *diagnosis_check_port_word(char *const *words, size_t count, int *status)
{
    char *end;
    if (count == 0)
        return NULL;
    long port = strtol(words[0], &end, 10);
    if (*end == '\0' && end != words[0] && port > 0)
        return NULL;
    *status = CONTROL_DATA;
    return "Bad argument: Argument must be a positive integer";
}

/* --- connections to the listeners */

static bool connect_to(const struct addrinfo *address)
{
    struct timeval patience = {.tv_sec = CONNECT_TIMEOUT_S};
    int fd = socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    bool is_connected = connect(fd, address->ai_addr, address->ai_addrlen) == 0;
    close(fd);
    return is_connected;
}

/* What listens everywhere is asked here, by either version of IP. */
static bool can_connect(const json_t *row)
{
    const char *address = answer_text(row, "interface");
    bool is_any = strcmp(address, "[::]") == 0 || strcmp(address, "::") == 0 ||
                  strcmp(address, "0.0.0.0") == 0;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char port[16];
    bool is_connected = false;
    snprintf(port, sizeof port, "%d", (int)json_integer_value(json_object_get(row, "port")));
    if (getaddrinfo(is_any ? NULL : address, port, &hints, &found) != 0)
        return false;
    for (const struct addrinfo *each = found; each != NULL && !is_connected; each = each->ai_next)
        is_connected = connect_to(each);
    freeaddrinfo(found);
    return is_connected;
}

static int say_unreachable(const json_t *answer, const struct options *options, json_t *failed)
{
    if (answer_is_value(options)) {
        answer_print_json(stderr, json_pack("{s:O, s:s, s:s}", "listeners", failed, "node",
                                            answer_node(answer), "result", "error"));
    } else {
        struct buffer ports = {0};
        append_ports(&ports, failed);
        fprintf(stderr,
                "Error:\nConnection to ports of the following listeners on node %s "
                "failed: %.*s\n",
                answer_node(answer), (int)ports.size, (const char *)ports.data);
        buffer_fini(&ports);
    }
    return CONTROL_UNAVAILABLE;
}

int diagnosis_check_connectivity(const json_t *answer, const struct options *options)
{
    const json_t *rows = listeners_of(answer);
    json_t *failed = json_array();
    int status = CONTROL_OK;
    answer_print_banner(answer, options, "Testing TCP connections to all active listeners on node ",
                        " ...");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        if (!can_connect(json_array_get(rows, i)))
            json_array_append(failed, json_array_get(rows, i));
    }
    if (json_array_size(failed) > 0) {
        status = say_unreachable(answer, options, failed);
    } else if (answer_is_value(options)) {
        answer_print(options, listeners_object(answer));
    } else {
        struct buffer ports = {0};
        append_ports(&ports, rows);
        printf("Successfully connected to ports %.*s on node %s.\n", (int)ports.size,
               ports.size > 0 ? (const char *)ports.data : "", answer_node(answer));
        buffer_fini(&ports);
    }
    json_decref(failed);
    return status;
}

/* --- virtual hosts, the version */

int diagnosis_check_vhosts(const json_t *answer, const struct options *options)
{
    json_t *down = json_object_get(answer, "vhosts_down");
    bool is_down = json_array_size(down) > 0;
    answer_print_banner(answer, options, "Checking if all vhosts are running on node ", " ...");
    if (answer_is_value(options) && is_down) {
        answer_print_json(stderr, json_pack("{s:s, s:O}", "result", "error", "vhosts", down));
    } else if (answer_is_value(options)) {
        answer_print(options, json_pack("{s:s}", "result", "ok"));
    } else if (!options->is_silent && is_down) {
        fprintf(stderr, "Error:\nSome virtual hosts on node %s are down:\n", answer_node(answer));
        print_texts(stderr, down);
    } else if (!options->is_silent) {
        printf("Node %s reported all vhosts as running\n", answer_node(answer));
    }
    return is_down ? CONTROL_UNAVAILABLE : CONTROL_OK;
}

int diagnosis_version(const json_t *answer, const struct options *options)
{
    answer_print_banner(answer, options, "Asking node ", " for its RabbitMQ version...");
    if (answer_is_value(options))
        answer_print(options, json_pack("{s:s, s:s}", "result", "ok", "value",
                                        answer_text(answer, "product_version")));
    else
        puts(answer_text(answer, "product_version"));
    return CONTROL_OK;
}

/* --- memory */

struct part {
    const char *name;
    json_int_t bytes;
};

static int compare_parts(const void *one, const void *other)
{
    const struct part *a = one, *b = other;
    return (a->bytes < b->bytes) - (a->bytes > b->bytes);
}

static void print_part(const struct part *part, double percentage, const struct unit *unit)
{
    printf("%s: %.*f %s (%.2f%%)\n", part->name, unit->digits, (double)part->bytes / unit->bytes,
           unit->name, percentage);
}

static void print_parts(const struct part *parts, size_t count, const struct unit *unit,
                        const struct options *options)
{
    json_int_t total = 0;
    json_t *object = json_object();
    for (size_t i = 0; i < count; i++)
        total += parts[i].bytes;
    for (size_t i = 0; i < count; i++) {
        double percentage = total > 0 ? 100.0 * (double)parts[i].bytes / (double)total : 0;
        json_object_set_new(object, parts[i].name,
                            json_pack("{s:I, s:f}", "bytes", parts[i].bytes, "percentage",
                                      (double)(json_int_t)(percentage * 100 + 0.5) / 100));
        if (!answer_is_value(options))
            print_part(&parts[i], percentage, unit);
    }
    if (answer_is_value(options))
        answer_print_in_order(options, object);
    json_decref(object);
}

int diagnosis_memory(const json_t *answer, const struct options *options)
{
    const char *name;
    json_t *value;
    json_t *memory = json_object_get(answer, "memory");
    size_t count = 0;
    const struct unit *unit = unit_of_options(options);
    if (unit == NULL)
        return CONTROL_USAGE;
    struct part *parts = xcalloc(json_object_size(memory) + 1, sizeof parts[0]);
    answer_print_banner(answer, options, "Reporting memory breakdown on node ", "...");
    json_object_foreach(memory, name, value) parts[count++] =
        (struct part){name, json_integer_value(value)};
    qsort(parts, count, sizeof parts[0], compare_parts);
    print_parts(parts, count, unit, options);
    free(parts);
    return CONTROL_OK;
}

/* --- the cluster: one node */

static json_t *keyed(const json_t *answer, json_t *value)
{
    json_t *object = json_object();
    json_object_set_new(object, answer_node(answer), value);
    return object;
}

static json_t *cluster_alarms(const json_t *answer)
{
    const json_t *alarms = json_object_get(answer, "alarms");
    json_t *rows = json_array();
    for (size_t i = 0; i < json_array_size(alarms); i++)
        json_array_append_new(rows,
                              json_pack("{s:s, s:O, s:s}", "node", answer_node(answer), "resource",
                                        json_array_get(alarms, i), "type", "resource_limit"));
    return rows;
}

static const char *maintenance_of(const json_t *answer)
{
    return json_is_true(json_object_get(answer, "is_under_maintenance")) ? "marked for maintenance"
                                                                         : "not under maintenance";
}

/* The flags pass. */
static json_t *cluster_object(const json_t *answer, json_t *flags)
{
    const char *node = answer_node(answer);
    json_t *object =
        json_pack("{s:s, s:[s], s:[s], s:[], s:{}, s:o}", "cluster_name",
                  answer_text(answer, "cluster_name"), "disk_nodes", node, "running_nodes", node,
                  "ram_nodes", "partitions", "feature_flags", flags);
    json_object_set_new(object, "alarms", cluster_alarms(answer));
    json_object_set_new(object, "listeners", keyed(answer, json_incref(listeners_of(answer))));
    json_object_set_new(object, "maintenance_status",
                        keyed(answer, json_string(maintenance_of(answer))));
    json_object_set_new(
        object, "versions",
        keyed(answer,
              json_pack("{s:s, s:s, s:s}", "rabbitmq_name", answer_text(answer, "product_name"),
                        "rabbitmq_version", answer_text(answer, "product_version"),
                        "leveret_version", answer_text(answer, "leveret_version"))));
    return object;
}

static void print_flags(const json_t *flags)
{
    puts("\nFeature flags\n");
    for (size_t i = 0; i < json_array_size(flags); i++) {
        const json_t *flag = json_array_get(flags, i);
        printf("Flag: %s, state: %s\n", answer_text(flag, "name"), answer_text(flag, "state"));
    }
}

static void print_cluster(const json_t *answer)
{
    const char *node = answer_node(answer);
    const json_t *rows = listeners_of(answer);
    printf("Basics\n\nCluster name: %s\n\nDisk Nodes\n\n%s\n\nRunning Nodes\n\n%s\n",
           answer_text(answer, "cluster_name"), node, node);
    printf("\nVersions\n\n%s: %s %s by Leveret %s\n", node, answer_text(answer, "product_name"),
           answer_text(answer, "product_version"), answer_text(answer, "leveret_version"));
    printf("\nMaintenance status\n\nNode: %s, status: %s\n\nAlarms\n\n", node,
           maintenance_of(answer));
    json_t *texts = alarm_texts(answer);
    print_texts(stdout, texts);
    fputs(json_array_size(texts) == 0 ? "(none)\n" : "", stdout);
    json_decref(texts);
    fputs("\nNetwork Partitions\n\n(none)\n\nListeners\n\n", stdout);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        printf("Node: %s, ", node);
        print_listener(json_array_get(rows, i), "i");
    }
}

int diagnosis_cluster(const json_t *answer, const struct options *options)
{
    json_t *flags;
    int status = ask_server(options, "list_feature_flags", json_object(), &flags);
    if (status != CONTROL_OK)
        return status;
    answer_print_banner(answer, options, "Cluster status of node ", " ...");
    if (answer_is_value(options)) {
        answer_print(options, cluster_object(answer, flags));
        return CONTROL_OK;
    }
    print_cluster(answer);
    print_flags(flags);
    json_decref(flags);
    return CONTROL_OK;
}
