/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a handler may ask of its call, and the answers that there are. An answer is only noted here,
 * together with what the client wants of it (columns, order, pages): putting it into that form can
 * take long, and is done on the server's own thread, not on the one that handlers share with the
 * directory.
 */
#include "http/http_call.h"

#include <event2/http.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "auth/directory.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "http/http_internal.h"
#include "http/http_query.h"
#include "http/http_row.h"
#include "http/http_server.h"

enum { ERLANG_LINE = 80 };

/* --- what was asked */

const char *http_call_parameter(const struct http_call *call, const char *name)
{
    const char *text = http_route_parameter(call->route, &call->path, name);
    CHECK(text != NULL);
    return text;
}

const struct json_t *http_call_body(const struct http_call *call)
{
    return call->body;
}

const char *http_call_query(const struct http_call *call, const char *name)
{
    return http_query_find(&call->query, name);
}

bool http_call_says(const struct http_call *call, const char *name, const char *value)
{
    const char *said = http_query_find(&call->query, name);
    return said != NULL && strcmp(said, value) == 0;
}

const char *http_call_excuse(const struct http_call *call)
{
    return call->excuse;
}

const char *http_call_user(const struct http_call *call)
{
    return call->user;
}

struct bytes http_call_credentials(const struct http_call *call)
{
    return buffer_bytes(&call->credentials);
}

const char *http_call_tag(const struct http_call *call, size_t number)
{
    return json_string_value(json_array_get(call->tags, number));
}

bool http_call_has_tag(const struct http_call *call, const char *tag)
{
    for (size_t i = 0; i < json_array_size(call->tags); i++) {
        if (strcmp(http_call_tag(call, i), tag) == 0)
            return true;
    }
    return false;
}

bool http_call_may_enter(const struct http_call *call, const char *vhost)
{
    return http_call_has_tag(call, "administrator") || json_object_get(call->vhosts, vhost) != NULL;
}

bool http_call_sees_vhost(const struct http_call *call, const char *vhost)
{
    return http_call_has_tag(call, "monitoring") || http_call_may_enter(call, vhost);
}

bool http_call_sees_user(const struct http_call *call, struct bytes user)
{
    return http_call_has_tag(call, "administrator") || http_call_has_tag(call, "monitoring") ||
           bytes_equal_text(user, call->user);
}

/* --- answers */

void http_set_answer(struct http_call *call, int status, json_t *reply)
{
    CHECK(call->status == 0);
    call->status = status;
    call->reply = reply;
}

/* The handler's answer, which goes back to the server's thread. */
static void answer(struct http_call *call, int status, json_t *reply, enum http_shape shape,
                   const char *sort)
{
    http_set_answer(call, status, reply);
    call->shape = shape;
    call->sort = sort;
    http_call_answered(call);
}

json_t *http_error(const char *error, json_t *reason)
{
    return json_pack("{s:s, s:o}", "error", error, "reason", reason);
}

void http_reply(struct http_call *call, json_t *json)
{
    answer(call, 200, json, HTTP_OBJECT, NULL);
}

void http_reply_list(struct http_call *call, json_t *json, const char *sort)
{
    answer(call, 200, json, HTTP_LIST, sort);
}

void http_reply_pages(struct http_call *call, json_t *json, const char *sort)
{
    answer(call, 200, json, HTTP_PAGES, sort);
}

static void reply_rows(struct http_call *call, const struct http_list *list, bool has_pages)
{
    CHECK(call->status == 0);
    call->status = 200;
    call->reply = http_shape_list(call, list, NULL, has_pages);
    call->shape = HTTP_AS_IT_IS;
    http_call_answered(call);
}

void http_reply_rows(struct http_call *call, const struct http_list *list)
{
    reply_rows(call, list, false);
}

void http_reply_row_pages(struct http_call *call, const struct http_list *list)
{
    reply_rows(call, list, true);
}

void http_reply_text(struct http_call *call, struct buffer *text)
{
    call->text = *text;
    buffer_init(text);
    call->has_plain_text = true;
    answer(call, 200, NULL, HTTP_AS_IT_IS, NULL);
}

void http_reply_accepted(struct http_call *call)
{
    answer(call, 202, NULL, HTTP_AS_IT_IS, NULL);
}

void http_reply_put(struct http_call *call, bool is_new)
{
    answer(call, is_new ? 201 : 204, NULL, HTTP_AS_IT_IS, NULL);
}

void http_reply_done(struct http_call *call)
{
    answer(call, 204, NULL, HTTP_AS_IT_IS, NULL);
}

void http_reply_taken(struct http_call *call)
{
    answer(call, call->location != NULL ? 303 : 204, NULL, HTTP_AS_IT_IS, NULL);
}

void http_call_attach(struct http_call *call, const char *name)
{
    struct buffer text = {0};
    buffer_append_format(&text, "attachment; filename=%s", name);
    call->attachment = xstrndup((const char *)text.data, text.size);
    buffer_fini(&text);
}

void http_reply_created(struct http_call *call, const char *location)
{
    call->location = xstrdup(location);
    answer(call, 201, NULL, HTTP_AS_IT_IS, NULL);
}

void http_reply_failed(struct http_call *call, json_t *json)
{
    answer(call, 503, json, HTTP_AS_IT_IS, NULL);
}

void http_unavailable(struct http_call *call, const char *reason)
{
    http_reply_failed(call, http_error("service_unavailable", json_string(reason)));
}

void http_refuse_at_end(struct http_call *call)
{
    http_unavailable(call, "the broker is being stopped");
}

void http_not_found(struct http_call *call)
{
    json_t *error = http_error("Object Not Found", json_string("Not Found"));
    answer(call, 404, error, HTTP_AS_IT_IS, NULL);
}

void http_not_there(struct http_call *call, const char *reason)
{
    answer(call, 404, http_error("not_found", json_string(reason)), HTTP_AS_IT_IS, NULL);
}

void http_bad_request_json(struct http_call *call, json_t *reason)
{
    answer(call, 400, http_error("bad_request", reason), HTTP_AS_IT_IS, NULL);
}

void http_bad_request(struct http_call *call, const char *format, ...)
{
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_t *reason = json_string(text);
    /* Cut within a character. */
    for (size_t size = strlen(text); reason == NULL && size > 0; size--)
        reason = json_stringn(text, size - 1);
    http_bad_request_json(call, reason);
}

void http_not_authorised(struct http_call *call, const char *reason)
{
    answer(call, 401, http_error("not_authorised", json_string(reason)), HTTP_AS_IT_IS, NULL);
}

void http_precondition_failed(struct http_call *call, const char *reason)
{
    answer(call, 412, http_error("precondition_failed", json_string(reason)), HTTP_AS_IT_IS, NULL);
}

void http_not_allowed(struct http_call *call, const char *reason)
{
    answer(call, 405, http_error("method_not_allowed", json_string(reason)), HTTP_AS_IT_IS, NULL);
}

void http_broken(struct http_call *call, const char *reason)
{
    json_t *text = json_string(reason);
    answer(call, 500,
           http_error("internal_error", text != NULL ? text : json_string("internal_error")),
           HTTP_AS_IT_IS, NULL);
}

/* --- what a handler needs */

bool http_need_visible_vhost(const struct http_context *context, struct http_call *call)
{
    const char *vhost = http_call_parameter(call, "vhost");
    if (!directory_has_vhost(context->directory, vhost))
        http_not_found(call);
    else if (!http_call_sees_vhost(call, vhost))
        http_not_authorised(call, "User not authorised to access virtual host");
    else
        return true;
    return false;
}

bool http_need_vhost(const struct http_context *context, struct http_call *call)
{
    if (directory_has_vhost(context->directory, http_call_parameter(call, "vhost")))
        return true;
    http_not_there(call, "vhost_not_found");
    return false;
}

static void append_missing(const struct http_call *call, const char *const *keys, size_t count,
                           const char *between, struct buffer *text)
{
    for (size_t i = 0; i < count; i++) {
        if (json_object_get(call->body, keys[i]) == NULL)
            buffer_append_format(text, "%s{key_missing,%s}", text->size > 0 ? between : "",
                                 keys[i]);
    }
}

/* As Erlang prints a list, which breaks the line where it would be too long. */
bool http_need_keys(struct http_call *call, const char *const *keys, size_t count)
{
    struct buffer missing = {0};
    append_missing(call, keys, count, ",", &missing);
    if (missing.size + strlen("[]") >= ERLANG_LINE) {
        missing.size = 0;
        append_missing(call, keys, count, ",\n ", &missing);
    }
    bool is_complete = missing.size == 0;
    if (!is_complete)
        http_bad_request(call, "[%.*s]", (int)missing.size, (const char *)missing.data);
    buffer_fini(&missing);
    return is_complete;
}

bool http_need_texts(struct http_call *call, const char *const *keys, const char **texts,
                     size_t count)
{
    if (!http_need_keys(call, keys, count))
        return false;
    for (size_t i = 0; i < count; i++) {
        texts[i] = json_string_value(json_object_get(call->body, keys[i]));
        if (texts[i] == NULL) {
            http_bad_request(call, "%s must be a string", keys[i]);
            return false;
        }
    }
    return true;
}
