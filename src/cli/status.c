/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of the server in sections. What the server sends and no section knows is not lost: it
 * is in the JSON. What is wrong comes first.
 */
#include "cli/status.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "cli/answer.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/unit.h"
#include "net/control.h"

static void print_line(const json_t *object, const char *label, const char *key)
{
    const json_t *value = json_object_get(object, key);
    struct buffer text = {0};
    if (value == NULL)
        return;
    output_append_value(&text, value);
    printf("%s: %.*s\n", label, (int)text.size, text.size > 0 ? (const char *)text.data : "");
    buffer_fini(&text);
}

/* First, so that nobody has to look for it. */
static void print_problems(const json_t *problems)
{
    size_t count = json_array_size(problems);
    if (count == 0) {
        puts("Everything is fine\n");
        return;
    }
    printf("%zu problem%s\n\n", count, count == 1 ? "" : "s");
    for (size_t i = 0; i < count; i++) {
        const json_t *entry = json_array_get(problems, i);
        printf("%s.\n  To do: %s.\n", json_string_value(json_object_get(entry, "problem")),
               json_string_value(json_object_get(entry, "advice")));
    }
    putchar('\n');
}

static void print_runtime(const json_t *status)
{
    printf("Runtime\n\n");
    print_line(status, "OS PID", "pid");
    print_line(status, "Uptime (seconds)", "uptime");
    print_line(status, "Leveret version", "leveret_version");
    print_line(status, "RabbitMQ version", "rabbitmq_version");
    print_line(status, "Reactors", "reactors");
    print_line(status, "Data directory", "data_directory");
    print_line(status, "Is under maintenance?", "is_under_maintenance");
}

/* --- what it uses, in gigabytes unless --unit says otherwise */

static void print_amount(const char *label, const json_t *bytes, const struct unit *unit)
{
    printf("%s: %.*f %s\n", label, unit->digits, (double)json_integer_value(bytes) / unit->bytes,
           unit->name);
}

static void print_alarms(const json_t *alarms)
{
    puts("\nAlarms\n");
    for (size_t i = 0; i < json_array_size(alarms); i++) {
        const json_t *alarm = json_array_get(alarms, i);
        bool is_disk = strcmp(answer_text(alarm, "resource"), "disk") == 0;
        printf("%s alarm on node %s\n", is_disk ? "Free disk space" : "Memory",
               answer_text(alarm, "node"));
    }
    if (json_array_size(alarms) == 0)
        puts("(none)");
}

static void print_resources(const json_t *status, const struct unit *unit)
{
    const json_t *memory = json_object_get(status, "memory");
    const json_t *files = json_object_get(status, "file_descriptors");
    puts("\nMemory\n");
    print_amount("Total memory used", json_object_get(json_object_get(memory, "total"), "rss"),
                 unit);
    print_amount("Memory high watermark", json_object_get(status, "vm_memory_high_watermark_limit"),
                 unit);
    puts("\nFile Descriptors\n");
    print_line(files, "Total", "total_used");
    print_line(files, "Limit", "total_limit");
    puts("\nFree Disk Space\n");
    print_amount("Low free disk space watermark", json_object_get(status, "disk_free_limit"), unit);
    print_amount("Free disk space", json_object_get(status, "disk_free"), unit);
}

static void print_totals(const json_t *totals)
{
    puts("\nTotals\n");
    print_line(totals, "Connection count", "connection_count");
    print_line(totals, "Queue count", "queue_count");
    print_line(totals, "Virtual host count", "virtual_host_count");
}

static void print_file(const json_t *file)
{
    printf(" * %s\n", json_string_value(file));
}

static void print_vhost(const json_t *vhost)
{
    static const struct {
        const char *label;
        const char *key;
    } lines[] = {
        {"  Connections", "connections"},
        {"  Channels", "channels"},
        {"  Consumers", "consumers"},
        {"  Queues", "queues"},
        {"  Messages ready", "messages_ready"},
        {"  Messages unacknowledged", "messages_unacknowledged"},
        {"  Store file (bytes)", "store_file_bytes"},
        {"  Store log (bytes)", "store_wal_bytes"},
        {"  Transient messages on disk", "store_messages_spilled"},
    };
    print_line(vhost, "Virtual host", "name");
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        print_line(vhost, lines[i].label, lines[i].key);
}

static void print_listener(const json_t *listener)
{
    struct buffer text = {0};
    buffer_append_format(&text, "Interface: ");
    output_append_value(&text, json_object_get(listener, "interface"));
    buffer_append_format(&text, ", port: ");
    output_append_value(&text, json_object_get(listener, "port"));
    buffer_append_format(&text, ", protocol: ");
    output_append_value(&text, json_object_get(listener, "protocol"));
    printf("%.*s\n", (int)text.size, (const char *)text.data);
    buffer_fini(&text);
}

static void print_each(const json_t *list, const char *title, void (*print)(const json_t *entry))
{
    printf("\n%s\n\n", title);
    for (size_t i = 0; i < json_array_size(list); i++)
        print(json_array_get(list, i));
}

int status_print(const struct json_t *status, const struct options *options)
{
    const struct unit *unit = unit_of_options(options);
    if (unit == NULL)
        return CONTROL_USAGE;
    if (answer_is_value(options)) {
        answer_print_in_order(options, status);
        return CONTROL_OK;
    }
    answer_print_banner(status, options, "Status of node ", " ...");
    print_problems(json_object_get(status, "problems"));
    print_runtime(status);
    print_each(json_object_get(status, "config_files"), "Config files", print_file);
    print_each(json_object_get(status, "log_files"), "Log file(s)", print_file);
    print_alarms(json_object_get(status, "alarms"));
    print_resources(status, unit);
    print_totals(json_object_get(status, "totals"));
    print_each(json_object_get(status, "vhosts"), "Virtual hosts", print_vhost);
    print_each(json_object_get(status, "listeners"), "Listeners", print_listener);
    return CONTROL_OK;
}

static void print_keys(const char *title, const json_t *keys)
{
    for (size_t i = 0; i < json_array_size(keys); i++)
        printf("%s%s", i == 0 ? title : ", ", json_string_value(json_array_get(keys, i)));
    if (json_array_size(keys) > 0)
        putchar('\n');
}

int status_print_reload(const struct json_t *answer, const struct options *options)
{
    const json_t *changed = json_object_get(answer, "in_force");
    const json_t *waiting = json_object_get(answer, "needs_restart");
    if (answer_is_value(options)) {
        answer_print_in_order(options, answer);
        return 0;
    }
    print_keys("In force now: ", changed);
    print_keys("Needs a restart: ", waiting);
    if (json_array_size(changed) + json_array_size(waiting) == 0)
        puts("No key has changed");
    return 0;
}

int status_print_drain(const struct json_t *answer, const struct options *options)
{
    json_int_t count = json_integer_value(json_object_get(answer, "unacknowledged"));
    answer_print_done(answer, options);
    if (count > 0 && !answer_is_value(options))
        printf("%lld deliveries were not settled in time and are in their queues again\n",
               (long long)count);
    return 0;
}

int status_print_closed(const struct json_t *answer, const struct options *options)
{
    json_t *text = json_sprintf("Closed %lld connections",
                                (long long)json_integer_value(json_object_get(answer, "closed")));
    if (answer_is_value(options))
        answer_print(options, json_pack("{s:s, s:s, s:O}", "node", answer_node(answer), "result",
                                        "ok", "value", text));
    else
        puts(json_string_value(text));
    json_decref(text);
    return 0;
}

int status_print_deleted(const struct json_t *answer, const struct options *options)
{
    json_t *text =
        json_sprintf("Queue was successfully deleted with %lld ready messages",
                     (long long)json_integer_value(json_object_get(answer, "message_count")));
    if (answer_is_value(options))
        answer_print(options, json_pack("{s:O}", "message", text));
    else
        puts(json_string_value(text));
    json_decref(text);
    return 0;
}
