/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The certificates of the server's listeners: which of them end soon, as rabbitmq-diagnostics
 * check_certificate_expiration says it, which fails with those that do; and what is in their files,
 * which are read here, because who may ask the server is its own user or root, and may read them.
 */
#include "cli/certificates.h"

#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "cli/answer.h"
#include "cli/options.h"
#include "net/control.h"

enum { DAY_S = 86400, WITHIN = 4, COUNT_MAX = 1000000 };

static const struct unit {
    const char *name, *one;
    int64_t days;
} units[] = {
    {"weeks", "week", 7}, {"days", "day", 1}, {"months", "month", 30}, {"years", "year", 365}};

/* NULL where there is none of that name. */
static const struct unit *find_unit(const char *name)
{
    if (name == NULL)
        return &units[0];
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(units[i].name, name) == 0)
            return &units[i];
    }
    return NULL;
}

/* ["2026-11-24 5:13:35"], or [] where it is later. */
static json_t *end_within(const json_t *certificate, const char *key, int64_t before_s)
{
    struct tm end;
    char text[64];
    json_t *list = json_array();
    time_t end_s = (time_t)json_integer_value(json_object_get(certificate, key));
    if (end_s != 0 && end_s < before_s && gmtime_r(&end_s, &end) != NULL &&
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &end) > 0)
        json_array_append_new(list, json_string(text));
    return list;
}

/* Those with one that ends before; the caller's. */
static json_t *ending(const json_t *answer, int64_t before_s)
{
    json_t *rows = json_array();
    const json_t *all = json_object_get(answer, "certificates");
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *certificate = json_array_get(all, i);
        json_t *own = end_within(certificate, "certfile_ends_s", before_s);
        json_t *authority = end_within(certificate, "cacertfile_ends_s", before_s);
        json_t *row = json_deep_copy(certificate);
        bool is_ending = json_array_size(own) + json_array_size(authority) > 0;
        json_object_del(row, "certfile_ends_s");
        json_object_del(row, "cacertfile_ends_s");
        json_object_set_new(row, "certfile_expires_on", own);
        json_object_set_new(row, "cacertfile_expires_on", authority);
        json_object_set_new(row, "node", json_string(answer_node(answer)));
        if (is_ending)
            json_array_append(rows, row);
        json_decref(row);
    }
    return rows;
}

/* Elixir's form, which is what RabbitMQ prints. */
static void print_row(const json_t *row)
{
    const json_t *own = json_object_get(row, "certfile_expires_on");
    const json_t *authority = json_object_get(row, "cacertfile_expires_on");
    const char *own_end = json_string_value(json_array_get(own, 0));
    const char *authority_end = json_string_value(json_array_get(authority, 0));
    const char *own_quote = own_end != NULL ? "\"" : "";
    const char *authority_quote = authority_end != NULL ? "\"" : "";
    fprintf(stderr,
            "%%{cacertfile: \"%s\", cacertfile_expires_on: [%s%s%s], certfile: \"%s\", "
            "certfile_expires_on: [%s%s%s], interface: \"%s\", node: :\"%s\", port: %d, protocol: "
            ":\"%s\", purpose: \"%s\"}\n",
            answer_text(row, "cacertfile"), authority_quote,
            authority_end != NULL ? authority_end : "", authority_quote,
            answer_text(row, "certfile"), own_quote, own_end != NULL ? own_end : "", own_quote,
            answer_text(row, "interface"), answer_text(row, "node"),
            (int)json_integer_value(json_object_get(row, "port")), answer_text(row, "protocol"),
            answer_text(row, "purpose"));
}

static int fail(json_t *rows, const struct options *options)
{
    if (answer_is_value(options))
        answer_print_json(stderr, json_pack("{s:O, s:s}", "expired", rows, "result", "error"));
    for (size_t i = 0; i < json_array_size(rows) && !answer_is_value(options); i++)
        print_row(json_array_get(rows, i));
    return CONTROL_UNAVAILABLE;
}

static int report(const json_t *answer, const struct options *options, long count,
                  const struct unit *unit)
{
    json_t *rows = ending(answer, (int64_t)time(NULL) + count * unit->days * DAY_S);
    int status = CONTROL_OK;
    answer_print_banner(answer, options, "Checking certificate expiration on node ", " ...");
    if (json_array_size(rows) > 0)
        status = fail(rows, options);
    else if (answer_is_value(options))
        answer_print(options, json_pack("{s:s}", "result", "ok"));
    else if (!options->is_silent)
        printf("No certificates are expiring within %ld %s.\n", count,
               count == 1 ? unit->one : unit->name);
    json_decref(rows);
    return status;
}

int certificates_check(const json_t *answer, const struct options *options)
{
    char *end = "";
    const char *within = options_value(options, "within"), *name = options_value(options, "unit");
    const struct unit *unit = find_unit(name);
    long count = within != NULL ? strtol(within, &end, 10) : WITHIN;
    if (*end != '\0' || count < 0 || count > COUNT_MAX) {
        options_complain(options, "Invalid options for this command:\n--within : %s", within);
        return CONTROL_USAGE;
    }
    if (unit != NULL)
        return report(answer, options, count, unit);
    options_complain(options,
                     "\"unit '%s' is not supported. Please use one of: days, weeks, months, "
                     "years\"",
                     name);
    return CONTROL_USAGE;
}

/* --- what they are */

/* The certificates in a file, without keys that may be in it too; NULL where it cannot be read. */
static json_t *read_certificates(const char *path)
{
    char line[1024];
    struct buffer text = {0};
    bool is_inside = false;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return NULL;
    while (fgets(line, sizeof line, file) != NULL) {
        is_inside = is_inside || strncmp(line, "-----BEGIN CERTIFICATE-----", 27) == 0;
        if (is_inside)
            buffer_append(&text, line, strlen(line));
        is_inside = is_inside && strncmp(line, "-----END CERTIFICATE-----", 25) != 0;
    }
    fclose(file);
    json_t *json = json_stringn(text.size > 0 ? (const char *)text.data : "", text.size);
    buffer_fini(&text);
    return json;
}

static json_t *read_row(const json_t *answer, const json_t *certificate)
{
    static const char *const keys[] = {"cacertfile", "certfile"};
    json_t *row = json_pack(
        "{s:s, s:s, s:O, s:s, s:s}", "interface", answer_text(certificate, "interface"), "node",
        answer_node(answer), "port", json_object_get(certificate, "port"), "protocol",
        answer_text(certificate, "protocol"), "purpose", answer_text(certificate, "purpose"));
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const char *path = json_string_value(json_object_get(certificate, keys[i]));
        json_t *text = path != NULL ? read_certificates(path) : json_string("");
        if (text == NULL)
            fprintf(stderr, "%s: %s\n", path, strerror(errno));
        json_object_set_new(row, keys[i], text != NULL ? text : json_string(""));
    }
    return row;
}

static void print_certificates(const json_t *row)
{
    printf("Interface: %s, port: %d, protocol: %s, purpose: %s\n%s", answer_text(row, "interface"),
           (int)json_integer_value(json_object_get(row, "port")), answer_text(row, "protocol"),
           answer_text(row, "purpose"), answer_text(row, "certfile"));
    if (answer_text(row, "cacertfile")[0] != '\0')
        printf("Authorities of clients:\n%s", answer_text(row, "cacertfile"));
}

int certificates_list(const json_t *answer, const struct options *options)
{
    const json_t *all = json_object_get(answer, "certificates");
    json_t *rows = json_array();
    answer_print_banner(answer, options, "Certificates of node ", " ...");
    for (size_t i = 0; i < json_array_size(all); i++)
        json_array_append_new(rows, read_row(answer, json_array_get(all, i)));
    if (answer_is_value(options))
        answer_print(options, json_incref(rows));
    for (size_t i = 0; i < json_array_size(rows) && !answer_is_value(options); i++)
        print_certificates(json_array_get(rows, i));
    json_decref(rows);
    return CONTROL_OK;
}
