/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who the caller is, how a web page may log in and a password is hashed, what version this is, and
 * which pages others have added.
 */
#include <stdlib.h>

#include "auth/password.h"
#include "config/config.h"
#include "http/http_call.h"
#include "http/http_resources.h"

static void get_whoami(const struct http_context *context, struct http_call *call)
{
    const char *tag;
    json_t *tags = json_array();
    (void)context;
    for (size_t i = 0; (tag = http_call_tag(call, i)) != NULL; i++)
        json_array_append_new(tags, json_string(tag));
    http_reply(call, json_pack("{s:s, s:o}", "name", http_call_user(call), "tags", tags));
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
    {"/auth", HTTP_FOR_ALL, HTTP_FOR_ALL, .get = get_auth},
    {"/auth/hash_password/:password", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS,
     .get = get_hash},
    {"/version", HTTP_FOR_ALL, HTTP_FOR_ALL, .get = get_version},
    {"/extensions", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .get = get_extensions},
    {.pattern = NULL},
};
