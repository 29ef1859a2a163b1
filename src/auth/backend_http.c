/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A web service as a back end: four paths, which are asked with the parameters that RabbitMQ sends,
 * and which answer "allow", "allow" and tags, or "deny" and perhaps a reason. Anything else, and
 * any status but 200 and 201, is a failure.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/erlang.h"
#include "auth/backend.h"
#include "auth/http_client.h"
#include "base/xmalloc.h"
#include "config/config.h"

enum { body_shown_max = 100 };

struct http {
    struct auth_backend backend;
    const struct config_auth_http *config; /* borrowed */
    struct http_client *client;            /* owned */
};

/* As RabbitMQ prints it: {503,"no"}. */
static void describe_status(long status, struct bytes body, char reason[AUTH_REASON_SIZE])
{
    struct buffer text = {0};
    buffer_append_format(&text, "{%ld,", status);
    erlang_append_string(
        &text, bytes_of(body.data, body.size < body_shown_max ? body.size : body_shown_max));
    snprintf(reason, AUTH_REASON_SIZE, "%.*s}", (int)text.size, (const char *)text.data);
    buffer_fini(&text);
}

/* What was answered, its case as it was, without blanks around, ended by NUL. */
static bool ask(const struct http *http, const char *path, struct buffer *form, struct buffer *body,
                char reason[AUTH_REASON_SIZE])
{
    struct buffer url = {0};
    buffer_append_u8(form, '\0');
    buffer_append_format(&url, "%s", path);
    if (!http->config->is_post)
        buffer_append_format(&url, "?%s", (const char *)form->data);
    buffer_append_u8(&url, '\0');
    long status = http_client_request(http->client, (const char *)url.data,
                                      http->config->is_post ? (const char *)form->data : NULL, body,
                                      reason, AUTH_REASON_SIZE);
    buffer_fini(&url);
    bool is_answer = status == 200 || status == 201;
    if (status != 0 && !is_answer)
        describe_status(status, buffer_bytes(body), reason);
    size_t blank = 0;
    while (blank < body->size && isspace(body->data[blank]))
        blank++;
    while (body->size > blank && isspace(body->data[body->size - 1]))
        body->size--;
    buffer_append_u8(body, '\0');
    memmove(body->data, body->data + blank, body->size - blank);
    return is_answer;
}

static bool starts_with(const char *text, const char *word)
{
    return strncasecmp(text, word, strlen(word)) == 0;
}

static enum auth_verdict read_denial(const char *answer, const char *path,
                                     char reason[AUTH_REASON_SIZE])
{
    reason[0] = '\0';
    if (strcasecmp(answer, "deny") == 0)
        return AUTH_NO;
    if (strncmp(answer, "deny ", 5) == 0) {
        snprintf(reason, AUTH_REASON_SIZE, "%s", answer + 5);
        return AUTH_NO;
    }
    snprintf(reason, AUTH_REASON_SIZE, "%s gave an answer that is neither allow nor deny", path);
    return AUTH_FAILED;
}

/* --- the login */

static void add_tags(struct auth_tags *tags, const char *text)
{
    while (*text != '\0') {
        size_t size = strcspn(text, " ");
        if (size > 0)
            auth_tags_add(tags, bytes_of(text, size));
        text += size + (text[size] != '\0');
    }
}

static enum auth_verdict read_login(const char *answer, const char *path,
                                    struct auth_result *result)
{
    if (!starts_with(answer, "allow"))
        return read_denial(answer, path, result->reason);
    /* RabbitMQ's tags are those of the answer in lower case. */
    char *tags = xstrdup(answer + strlen("allow"));
    for (char *at = tags; *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at);
    add_tags(&result->tags, tags);
    free(tags);
    return AUTH_YES;
}

static enum auth_verdict log_in(struct auth_backend *backend, const struct auth_login *login,
                                struct auth_result *result)
{
    struct http *http = (struct http *)backend;
    struct buffer form = {0}, body = {0};
    enum auth_verdict verdict = AUTH_FAILED;
    http_form_add(&form, "username", login->user);
    if (login->has_password)
        http_form_add(&form, "password", login->password);
    if (ask(http, http->config->user_path, &form, &body, result->reason))
        verdict = read_login((const char *)body.data, http->config->user_path, result);
    if (verdict == AUTH_NO && result->reason[0] == '\0')
        snprintf(result->reason, sizeof result->reason, "Denied by the backing HTTP service");
    buffer_fini(&form);
    buffer_fini(&body);
    return verdict;
}

/* --- permissions */

static void add_subject(struct buffer *form, const struct auth_subject *subject, struct bytes vhost)
{
    http_form_add(form, "username", subject->user);
    http_form_add(form, "vhost", vhost);
}

static void add_tags_of(struct buffer *form, const struct auth_subject *subject)
{
    struct buffer tags = {0};
    for (size_t i = 0; i < subject->tags->count; i++)
        buffer_append_format(&tags, "%s%s", i > 0 ? " " : "", subject->tags->names[i]);
    http_form_add(form, "tags", buffer_bytes(&tags));
    buffer_fini(&tags);
}

/* The form passes. */
static enum auth_verdict ask_permission(struct http *http, const char *path, struct buffer *form,
                                        char reason[AUTH_REASON_SIZE])
{
    struct buffer body = {0};
    enum auth_verdict verdict = AUTH_FAILED;
    if (ask(http, path, form, &body, reason))
        verdict = strcasecmp((const char *)body.data, "allow") == 0
                      ? AUTH_YES
                      : read_denial((const char *)body.data, path, reason);
    if (verdict == AUTH_NO && !http->config->discloses_reasons)
        reason[0] = '\0';
    buffer_fini(form);
    buffer_fini(&body);
    return verdict;
}

static enum auth_verdict check_vhost(struct auth_backend *backend,
                                     const struct auth_subject *subject, struct bytes vhost,
                                     char reason[AUTH_REASON_SIZE])
{
    struct http *http = (struct http *)backend;
    struct buffer form = {0};
    add_subject(&form, subject, vhost);
    http_form_add(&form, "ip", bytes_of_text(subject->peer_address));
    add_tags_of(&form, subject);
    return ask_permission(http, http->config->vhost_path, &form, reason);
}

static enum auth_verdict check(struct auth_backend *backend, const struct auth_subject *subject,
                               struct bytes vhost, const struct access_subject *what,
                               char reason[AUTH_REASON_SIZE])
{
    static const char *const kinds[] = {"queue", "exchange", "topic"};
    struct http *http = (struct http *)backend;
    struct buffer form = {0};
    bool is_topic = what->kind == ACCESS_TOPIC;
    add_subject(&form, subject, vhost);
    http_form_add(&form, "resource", bytes_of_text(kinds[what->kind]));
    http_form_add(&form, "name", what->name);
    http_form_add(&form, "permission", bytes_of_text(auth_permission_word(what->permission)));
    add_tags_of(&form, subject);
    if (is_topic) {
        http_form_add(&form, "routing_key", what->key);
        http_form_add(&form, "variable_map.username", subject->user);
        http_form_add(&form, "variable_map.vhost", vhost);
    }
    return ask_permission(http, is_topic ? http->config->topic_path : http->config->resource_path,
                          &form, reason);
}

/* --- making one */

static void stop(struct auth_backend *backend)
{
    http_client_stop(((struct http *)backend)->client);
}

static void free_backend(struct auth_backend *backend)
{
    struct http *http = (struct http *)backend;
    http_client_free(http->client);
    free(http);
}

static const struct auth_backend_type type = {
    .name = "http",
    .module = "rabbit_auth_backend_http",
    .log_in = log_in,
    .authorize = log_in,
    .check_vhost = check_vhost,
    .check = check,
    .stop = stop,
    .free = free_backend,
};

struct auth_backend *backend_http_new(const struct config *config)
{
    const struct config_auth_http *paths = &config->auth_http;
    struct http *http = xcalloc(1, sizeof *http);
    http->backend.type = &type;
    http->config = paths;
    http->client =
        http_client_new(&paths->tls, paths->connection_timeout_ms, paths->request_timeout_ms);
    return &http->backend;
}
