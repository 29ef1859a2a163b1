/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_HTTP_HTTP_OBJECTS_H
#define LEVERET_HTTP_HTTP_OBJECTS_H

#include "broker/status_rows.h"
#include "http/http_job.h"
#include "http/http_row.h"

/* What there is in the vhosts of a job, as a list: in the order of the vhosts, then in their own.
 */
struct http_object {
    const char *vhost;  /* borrowed from the job */
    const void *status; /* borrowed from kept */
    struct bytes name;  /* likewise; of kinds that are listed by name */
};

struct http_objects {
    const struct http_job *job;
    struct status_rows kept;
    struct http_object *rows; /* owned */
    size_t count, capacity;
    struct buffer *name; /* owned; of a list: room for a name that is made when it is asked for */
    struct json_t
        *definitions; /* owned; of a list, an object: what policies say, which rows share */
};

/* In a job's run: adds what the vhost has of a kind; the visitor keeps it in objects->kept, where
 * more may have been kept before. http_objects_sort then orders what came since the last sort:
 * compare is qsort's, of struct http_object. */
void http_objects_list(struct http_objects *objects, const struct http_job_vhost *vhost,
                       const struct vhost_visitor *visitor);
void http_objects_sort(struct http_objects *objects, size_t first,
                       int (*compare)(const void *a, const void *b));
void http_objects_fini(struct http_objects *objects);

/* For a list, which takes them over: nothing is in them yet. */
struct http_objects *http_objects_new(const struct http_job *job);
void http_objects_free(void *objects);
/* Their struct http_list. */
struct http_list http_objects_as_list(struct http_objects *objects,
                                      struct bytes (*name)(const void *objects, size_t number),
                                      void (*fill)(const void *objects, size_t number,
                                                   struct http_row *row));

/* A kind of object that a vhost knows by name. */
struct http_named_kind {
    struct vhost_visitor (*keep)(struct status_rows *kept);
    struct bytes (*name)(const void *status);
    /* Shows the visitor the one of that name, if there is one. */
    void (*find)(const struct vhost *vhost, struct bytes name, const struct vhost_visitor *visitor);
    void (*fill)(const void *objects, size_t number, struct http_row *row);
};

/* In a job's run: answers with all of its vhosts' objects of the kind, by name. */
void http_objects_reply_named(struct http_job *job, const struct http_named_kind *kind);
/* The one of that name; false, answered, where there is none. */
bool http_objects_need_named(struct http_objects *objects, const struct http_named_kind *kind,
                             struct bytes name);

/* For a struct http_list over them. */
static inline const struct http_object *http_object_at(const void *objects, size_t number)
{
    return &((const struct http_objects *)objects)->rows[number];
}

#endif
