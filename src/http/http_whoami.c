/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who the caller is, how a web page may log in, and which pages others have added.
 */
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

static void get_extensions(const struct http_context *context, struct http_call *call)
{
    (void)context;
    http_reply_list(call, json_array(), NULL);
}

const struct http_route http_whoami_routes[] = {
    {"/whoami", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .get = get_whoami},
    {"/auth", HTTP_FOR_ALL, HTTP_FOR_ALL, .get = get_auth},
    {"/extensions", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .get = get_extensions},
    {.pattern = NULL},
};
