/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gathering what vhosts have: copies first, of everything, and JSON later, of what is shown. Copies
 * of 50,000 queues are some megabytes; as JSON they would be hundreds.
 */
#include "http/http_objects.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/xmalloc.h"

void http_objects_list(struct http_objects *objects, const struct http_job_vhost *vhost,
                       const struct vhost_visitor *visitor)
{
    http_job_list(objects->job, vhost->gate, visitor, &objects->kept);
    objects->rows =
        xgrow(objects->rows, &objects->capacity, objects->kept.count + 1, sizeof objects->rows[0]);
    for (size_t i = objects->count; i < objects->kept.count; i++)
        objects->rows[i] = (struct http_object){vhost->name, objects->kept.rows[i], {0}};
    objects->count = objects->kept.count;
}

void http_objects_sort(struct http_objects *objects, size_t first,
                       int (*compare)(const void *a, const void *b))
{
    if (objects->count > first)
        qsort(objects->rows + first, objects->count - first, sizeof objects->rows[0], compare);
}

void http_objects_fini(struct http_objects *objects)
{
    status_rows_fini(&objects->kept);
    free(objects->rows);
}

struct http_objects *http_objects_new(const struct http_job *job)
{
    struct http_objects *objects = xcalloc(1, sizeof *objects);
    objects->job = job;
    objects->name = xcalloc(1, sizeof *objects->name);
    objects->definitions = json_object();
    return objects;
}

void http_objects_free(void *context)
{
    struct http_objects *objects = context;
    http_objects_fini(objects);
    buffer_fini(objects->name);
    free(objects->name);
    json_decref(objects->definitions);
    free(objects);
}

struct http_list http_objects_as_list(struct http_objects *objects,
                                      struct bytes (*name)(const void *objects, size_t number),
                                      void (*fill)(const void *objects, size_t number,
                                                   struct http_row *row))
{
    size_t bytes = objects->kept.bytes + objects->count * sizeof objects->rows[0];
    return (struct http_list){objects->count, name, fill, objects, http_objects_free, bytes};
}

/* --- what has names */

static struct bytes name_of(const void *context, size_t number)
{
    return http_object_at(context, number)->name;
}

static int compare_names(const void *a, const void *b)
{
    const struct http_object *x = a, *y = b;
    return bytes_compare(x->name, y->name);
}

static void note_names(struct http_objects *objects, size_t first,
                       const struct http_named_kind *kind)
{
    for (size_t i = first; i < objects->count; i++)
        objects->rows[i].name = kind->name(objects->rows[i].status);
}

void http_objects_reply_named(struct http_job *job, const struct http_named_kind *kind)
{
    struct http_objects *objects = http_objects_new(job);
    struct vhost_visitor visitor = kind->keep(&objects->kept);
    for (size_t i = 0; i < job->vhost_count; i++) {
        size_t first = objects->count;
        http_objects_list(objects, &job->vhosts[i], &visitor);
        note_names(objects, first, kind);
        http_objects_sort(objects, first, compare_names);
    }
    const struct http_list list = http_objects_as_list(objects, name_of, kind->fill);
    http_reply_row_pages(job->call, &list);
}

struct search {
    const struct http_named_kind *kind;
    struct bytes name;
    struct vhost_visitor keeper;
};

static void find_named(struct vhost *vhost, uint64_t now_ms, void *context)
{
    const struct search *search = context;
    (void)now_ms;
    search->kind->find(vhost, search->name, &search->keeper);
}

bool http_objects_need_named(struct http_objects *objects, const struct http_named_kind *kind,
                             struct bytes name)
{
    const struct http_job *job = objects->job;
    struct search search = {kind, name, kind->keep(&objects->kept)};
    for (size_t i = 0; i < job->vhost_count; i++)
        http_job_ask(job, job->vhosts[i].gate, find_named, &search);
    if (objects->kept.count == 0) {
        http_not_found(job->call);
        return false;
    }
    objects->rows = xgrow(objects->rows, &objects->capacity, 1, sizeof objects->rows[0]);
    objects->rows[objects->count++] =
        (struct http_object){job->vhosts[0].name, objects->kept.rows[0], name};
    return true;
}
