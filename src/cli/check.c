/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leveretctl check: definitions.db and the store of each vhost, one after the other, without a
 * server. What was looked at is said with numbers, so that one sees that it was; each fault has a
 * line. Faults beyond a number of each file are counted and not told.
 *
 * All of it is one JSON value, which is printed as it is or as text.
 */
#include "cli/check.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/xmalloc.h"
#include "cli/options.h"
#include "net/control.h"
#include "store/data_folder.h"
#include "store/definitions_store.h"
#include "store/store_check.h"

enum { faults_told_max = 1000 };

/* --- what was found, as JSON */

static void on_fault(void *context, const char *text)
{
    if (json_array_size(context) < faults_told_max)
        json_array_append_new(context, control_json_text(bytes_of_text(text)));
}

/* name as text, faults and the numbers that follow: pairs of a name and a number. */
struct count {
    const char *name;
    uint64_t count;
};

static json_t *report(json_t *name, const char *path, json_t *faults, uint64_t fault_count,
                      const struct count *counts, size_t count)
{
    json_t *numbers = json_object();
    for (size_t i = 0; i < count; i++)
        json_object_set_new(numbers, counts[i].name, json_integer((json_int_t)counts[i].count));
    json_t *object = json_pack("{s:s, s:o, s:I, s:o}", "path", path, "counts", numbers,
                               "fault_count", (json_int_t)fault_count, "faults", faults);
    if (name != NULL)
        json_object_set_new(object, "vhost", name);
    return object;
}

static json_t *report_definitions(const struct definitions *d,
                                  const struct definitions_check *check, json_t *faults)
{
    uint64_t others = 0;
    for (int i = 0; d != NULL && i < DEFINITIONS_KIND_COUNT; i++)
        others += d->others[i].count;
    const struct count counts[] = {
        {"vhosts", d != NULL ? d->vhost_count : 0},
        {"users", d != NULL ? d->user_count : 0},
        {"permissions", d != NULL ? d->permission_count : 0},
        {"parameters", others},
        {"pages", check->pages},
    };
    return report(NULL, "definitions.db", faults, check->faults, counts,
                  sizeof counts / sizeof counts[0]);
}

static json_t *report_vhost(const struct definitions_vhost *vhost, const char *path,
                            const struct store_check *check, json_t *faults)
{
    const struct count counts[] = {
        {"exchanges", check->exchanges},
        {"queues", check->queues},
        {"bindings", check->bindings},
        {"messages", check->messages},
        {"message_bytes", check->message_bytes},
        {"lanes", check->lanes},
        {"place_rows", check->chunks},
        {"segments", check->segments},
        {"records", check->records},
        {"record_bytes", check->record_bytes},
        {"count_rows", check->groups},
        {"journal_rows", check->journal},
        {"attempts", check->attempts},
        {"values", check->values},
        {"shelves", check->shelves},
        {"delays", check->delays},
        {"keys", check->keys},
        {"pages", check->pages},
    };
    json_t *object = report(control_json_text(bytes_of_text(vhost->name)), path, faults,
                            check->faults, counts, sizeof counts / sizeof counts[0]);
    json_object_set_new(object, "compared", json_boolean(check->is_compared));
    json_object_set_new(object, "unmade", json_boolean(check->is_unmade));
    return object;
}

static json_t *check_vhost(const char *folder, const struct definitions_vhost *vhost,
                           bool must_be_made)
{
    char path[40];
    snprintf(path, sizeof path, "vhosts/%" PRIu64, vhost->id);
    char *full = path_join(folder, path);
    json_t *faults = json_array();
    struct store_check check = {
        .on_fault = on_fault, .context = faults, .must_be_made = must_be_made};
    store_check(full, &check);
    free(full);
    return report_vhost(vhost, path, &check, faults);
}

static json_t *check_all(const char *folder, bool must_be_made)
{
    json_t *faults = json_array(), *vhosts = json_array();
    struct definitions_check check = {.on_fault = on_fault, .context = faults};
    struct definitions *definitions = definitions_check(folder, &check);
    uint64_t sum = check.faults;
    for (size_t i = 0; definitions != NULL && i < definitions->vhost_count; i++) {
        json_t *vhost = check_vhost(folder, &definitions->vhosts[i], must_be_made);
        sum += (uint64_t)json_integer_value(json_object_get(vhost, "fault_count"));
        json_array_append_new(vhosts, vhost);
    }
    json_t *all =
        json_pack("{s:o, s:I, s:o, s:o}", "data_directory",
                  control_json_text(bytes_of_text(folder)), "fault_count", (json_int_t)sum,
                  "definitions", report_definitions(definitions, &check, faults), "vhosts", vhosts);
    definitions_free(definitions);
    return all;
}

/* --- as text */

static void print_counts(const json_t *counts)
{
    const char *name, *between = " ";
    json_t *value;
    json_object_foreach((json_t *)counts, name, value)
    {
        if (json_integer_value(value) == 0)
            continue;
        printf("%s%" JSON_INTEGER_FORMAT " ", between, json_integer_value(value));
        for (const char *letter = name; *letter != '\0'; letter++)
            putchar(*letter == '_' ? ' ' : *letter);
        between = ", ";
    }
}

static void print_report(const json_t *report)
{
    const json_t *faults = json_object_get(report, "faults");
    const char *vhost = json_string_value(json_object_get(report, "vhost"));
    const char *path = json_string_value(json_object_get(report, "path"));
    json_int_t count = json_integer_value(json_object_get(report, "fault_count"));
    if (vhost != NULL)
        printf("vhost '%s' (%s):", vhost, path);
    else
        printf("%s:", path);
    print_counts(json_object_get(report, "counts"));
    printf("; %" JSON_INTEGER_FORMAT " fault%s\n", count, count == 1 ? "" : "s");
    for (size_t i = 0; i < json_array_size(faults); i++)
        printf("  FAULT %s\n", json_string_value(json_array_get(faults, i)));
    if ((json_int_t)json_array_size(faults) < count)
        printf("  and %" JSON_INTEGER_FORMAT " more\n",
               count - (json_int_t)json_array_size(faults));
    if (json_is_true(json_object_get(report, "unmade")))
        puts(
            "  There is no store yet: the server ended before it made one, or the folder is lost.");
    else if (vhost != NULL && !json_is_true(json_object_get(report, "compared")))
        puts("  Messages, places and counts were not compared with each other because of that.");
}

static void print_all(const json_t *all)
{
    const json_t *vhosts = json_object_get(all, "vhosts");
    print_report(json_object_get(all, "definitions"));
    for (size_t i = 0; i < json_array_size(vhosts); i++)
        print_report(json_array_get(vhosts, i));
}

/* --- */

int check_folder(const struct options *options, const char *path, bool is_of_backup)
{
    char reason[512];
    struct data_folder *folder = data_folder_look(path, reason, sizeof reason);
    if (folder == NULL) {
        fprintf(stderr, "Error:\n%s\n", reason);
        return CONTROL_UNAVAILABLE;
    }
    json_t *all = check_all(path, is_of_backup);
    if (strcmp(options->formatter, "json") == 0) {
        json_dumpf(all, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        print_all(all);
    }
    json_int_t faults = json_integer_value(json_object_get(all, "fault_count"));
    json_decref(all);
    data_folder_close(folder);
    return faults == 0 ? CONTROL_OK : CONTROL_DATA;
}

static bool is_backup(const char *path)
{
    static const char name[] = "/manifest.json";
    size_t size = strlen(path) + sizeof name;
    char *manifest = xmalloc(size);
    snprintf(manifest, size, "%s%s", path, name);
    bool is_there = access(manifest, F_OK) == 0;
    free(manifest);
    return is_there;
}

int check_run(const struct options *options, const struct json_t *arguments)
{
    (void)arguments;
    return check_folder(options, options->data_dir, is_backup(options->data_dir));
}
