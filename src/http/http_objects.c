/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gathering what vhosts have: copies first, of everything, and JSON later, of what is shown. Copies
 * of 50,000 queues are some megabytes; as JSON they would be hundreds.
 */
#include "http/http_objects.h"

#include <stdlib.h>

#include "base/xmalloc.h"

void http_objects_list(struct http_objects *objects, const struct http_job_vhost *vhost,
                       const struct vhost_visitor *visitor)
{
    http_job_list(objects->job, vhost->gate, visitor);
    objects->rows =
        xgrow(objects->rows, &objects->capacity, objects->kept.count + 1, sizeof objects->rows[0]);
    for (size_t i = objects->count; i < objects->kept.count; i++)
        objects->rows[i] = (struct http_object){vhost->name, objects->kept.rows[i]};
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
