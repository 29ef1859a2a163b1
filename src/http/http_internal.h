/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_HTTP_HTTP_INTERNAL_H
#define LEVERET_HTTP_HTTP_INTERNAL_H

/* What the files of the HTTP server share. Resources do not include it. */

#include <event2/keyvalq_struct.h>
#include <jansson.h>

#include "base/buffer.h"
#include "base/list.h"
#include "http/http_crowd.h"
#include "http/http_server.h"

struct evhttp;
struct evhttp_connection;
struct evhttp_request;
struct http_gzip;
struct http_list;

/* What is to be done to a list before it is sent. */
enum http_shape {
    HTTP_AS_IT_IS,
    HTTP_OBJECT, /* columns */
    HTTP_LIST,   /* columns, order */
    HTTP_PAGES,  /* columns, order, pages */
};

struct http_server {
    const struct config_http_headers *headers; /* borrowed */
    struct event_base *base;                   /* borrowed */
    struct evhttp *https[HTTP_DOORS_MAX];      /* owned */
    size_t http_count;
    struct http_crowd *crowd; /* owned; the clients of all */
    struct http_hooks hooks;
    struct list calls;   /* of struct http_call */
    size_t answer_bytes; /* long answers that clients have not taken yet */
};

struct http_call {
    struct list_node in_calls;
    struct http_server *server; /* borrowed; NULL once it was freed */
    struct http_hooks hooks;
    struct evhttp_request *request; /* borrowed; NULL likewise */
    const struct http_route *route; /* NULL until it was found */
    enum http_method method;
    bool is_head;
    struct http_path path;     /* owned */
    struct evkeyvalq query;    /* owned */
    json_t *body;              /* owned */
    struct buffer credentials; /* owned */
    struct http_login login;   /* points into credentials */
    char peer_address[64];
    char *user;                /* owned; NULL before the login */
    char *excuse;              /* owned; the header X-Reason, or NULL */
    json_t *tags;              /* owned, an array */
    json_t *vhosts;            /* owned, an object whose keys they are, or NULL */
    bool is_held;              /* who answers it has it in hand still */
    struct control_work *work; /* borrowed: begins when the handler has returned; NULL: nothing */
    void *carrier;             /* of the hooks */
    int status;                /* of the answer; 0: none yet */
    json_t *reply;             /* owned, or NULL: no body, or text */
    struct buffer text;        /* owned: a body that is ready to be sent, or a piece of it */
    bool has_plain_text;       /* it is no JSON */
    struct http_rows *rows;    /* owned: what comes behind that piece; NULL: nothing */
    struct http_job *job;      /* owned: that the rows are of, or NULL */
    size_t rows_bytes;         /* that count with the server for them */
    bool has_begun;            /* the first piece has left */
    struct http_gzip *gzip;    /* owned: the answer is compressed; NULL: it is not */
    char *location;            /* owned, or NULL: of a 201 or 303 */
    char *attachment;          /* owned, or NULL: the header Content-Disposition */
    const char *sort;          /* borrowed, or NULL */
    enum http_shape shape;
};

/* Makes of the reply what the query asks for, or an error of it. */
void http_shape_reply(struct http_call *call);
/* Makes the call's text of a list, which is taken over, by the query; sort as for http_reply_list.
 * Of a long one it is the first piece, and call->rows has the rest. Where the query makes no sense
 * the error is returned, and the status set. */
json_t *http_shape_list(struct http_call *call, const struct http_list *list, const char *sort,
                        bool has_pages);
/* The next piece; there is one as long as there are rows. */
void http_rows_write(struct http_call *call);
size_t http_rows_bytes(const struct http_rows *rows); /* that they keep in memory */
void http_rows_free(struct http_rows *rows);          /* NULL is allowed */

/* The directory's thread: a job writes the next piece, and then the call is answered again. */
void http_job_write_rows(const struct http_context *context, struct http_call *call);
/* What is left of a job that has run; NULL is allowed. */
void http_job_free(struct http_job *job);

/* Whoever is at the other end of TLS is told when the connection ends. */
void http_say_when_it_ends(struct evhttp_connection *connection);
void http_call_free(struct http_call *call);

/* Answers with any status, without the hooks. reply may be NULL. */
void http_set_answer(struct http_call *call, int status, json_t *reply);
/* The call has its answer: it goes on to the hook. */
void http_call_answered(struct http_call *call);
json_t *http_error(const char *error, json_t *reason);
/* 503: the server is ending. */
void http_refuse_at_end(struct http_call *call);

/* All routes: a table for each resource, one after the other. NULL where none matches. */
const struct http_route *http_find_route(const struct http_path *path);

#endif
