/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feature flags, which are looked up, and enabled once more. Deprecated features, of which RabbitMQ
 * 3.13 tells, are not listed: nothing is to be taken away.
 */
#include "auth/feature_flags.h"
#include "http/http_call.h"
#include "http/http_resources.h"

static void get_flags(const struct http_context *context, struct http_call *call)
{
    (void)context;
    http_reply_list(call, feature_flags_json(), NULL);
}

static void enable(const struct http_context *context, struct http_call *call)
{
    (void)context;
    if (feature_flag_exists(http_call_parameter(call, "name")))
        http_reply_done(call);
    else
        http_bad_request(call, "unsupported");
}

static void get_none(const struct http_context *context, struct http_call *call)
{
    (void)context;
    http_reply_list(call, json_array(), NULL);
}

const struct http_route http_feature_flag_routes[] = {
    {"/feature-flags", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS, .get = get_flags},
    {"/feature-flags/:name/enable", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS,
     .takes_any_accept = true, .put = enable},
    {"/deprecated-features", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS, .get = get_none},
    {"/deprecated-features/used", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS,
     .get = get_none},
    {.pattern = NULL},
};
