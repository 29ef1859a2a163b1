/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who the caller is, how a web page may log in and a password is hashed, what version this is, how
 * it is configured, and which pages others have added.
 */
#include <stdlib.h>
#include <string.h>

#include "auth/directory.h"
#include "auth/password.h"
#include "base/buffer.h"
#include "config/config.h"
#include "http/http_base64.h"
#include "http/http_call.h"
#include "http/http_resources.h"

static json_t *user_of(const struct http_context *context, const struct http_call *call)
{
    const char *tag, *name = http_call_user(call);
    json_t *tags = json_array();
    for (size_t i = 0; (tag = http_call_tag(call, i)) != NULL; i++)
        json_array_append_new(tags, json_string(tag));
    return json_pack("{s:s, s:o, s:b}", "name", name, "tags", tags, "is_internal_user",
                     directory_find_user(context->directory, name, NULL));
}

static void get_whoami(const struct http_context *context, struct http_call *call)
{
    http_reply(call, user_of(context, call));
}

/* As RabbitMQ from 4.3 on: who the user is, and what to send as the header of other calls. Former
 * versions set a cookie with it, which only their own pages read. */
static void log_in(const struct http_context *context, struct http_call *call)
{
    struct buffer text = {0};
    http_base64_encode(http_call_credentials(call), &text);
    http_reply(call, json_pack("{s:{s:s, s:s%}, s:o}", "token", "type", "basic", "value",
                               (const char *)text.data, text.size, "user", user_of(context, call)));
    explicit_bzero(text.data, text.size);
    buffer_fini(&text);
}

/* There is no session that would end. */
static void log_out(const struct http_context *context, struct http_call *call)
{
    (void)context;
    http_reply_done(call);
}

static void append_setting(void *context, const char *key, const char *value)
{
    buffer_append_format(context, "%s = %s\n", key, value);
}

/* RabbitMQ prints Erlang's terms, which nobody but people reads. */
static void get_settings(const struct http_context *context, struct http_call *call)
{
    struct buffer text = {0};
    context->host->each_setting(context->host_context, append_setting, &text);
    http_reply_text(call, &text);
}

/* Pages log in with a name and a password. The first three keys are those up to RabbitMQ 3.10, the
 * last that of later ones. */
static void get_auth(const struct http_context *context, struct http_call *call)
{
    (void)context;
    http_reply(call, json_pack("{s:b, s:s, s:s, s:b}", "enable_uaa", 0, "uaa_client_id", "",
                               "uaa_location", "", "oauth_enabled", 0));
}

/* A password's hash as a user can be given it, so that the password itself is in no file. */
static void get_hash(const struct http_context *context, struct http_call *call)
{
    enum password_hashing hashing = (enum password_hashing)context->config->password_hashing;
    char *hash = password_hash(hashing, bytes_of_text(http_call_parameter(call, "password")));
    if (hash != NULL)
        http_reply(call, json_pack("{s:s}", "ok", hash));
    else
        http_broken(call, "no randomness for a salt");
    free(hash);
}

static void get_version(const struct http_context *context, struct http_call *call)
{
    http_reply(call, json_string(context->config->product_version));
}

static void get_extensions(const struct http_context *context, struct http_call *call)
{
    (void)context;
    http_reply_list(call, json_array(), NULL);
}

const struct http_route http_whoami_routes[] = {
    {"/whoami", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .get = get_whoami},
    {"/login", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .takes_login = true, .post = log_in,
     .delete = log_out},
    {"/config/effective", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS, .get = get_settings},
    {"/auth", HTTP_FOR_ALL, HTTP_FOR_ALL, .get = get_auth},
    {"/auth/hash_password/:password", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS,
     .get = get_hash},
    {"/version", HTTP_FOR_ALL, HTTP_FOR_ALL, .get = get_version},
    {"/extensions", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .get = get_extensions},
    {.pattern = NULL},
};
