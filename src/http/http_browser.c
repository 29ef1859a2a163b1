/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headers for browsers. Pages of other sites may not read what is answered here unless the
 * configuration names their origin (CORS), and then with the credentials that they have; the other
 * headers are texts of the configuration's. Programs do not look at any of them.
 */
#include "http/http_browser.h"

#include <event2/http.h>
#include <event2/util.h>
#include <string.h>

#include "config/config.h"

void http_browser_add(struct evhttp_request *request, const struct config_http_headers *config,
                      const char *csp)
{
    const struct {
        const char *name, *value;
    } rows[] = {
        {"Content-Security-Policy", config->csp[0] != '\0' ? config->csp : csp},
        {"Strict-Transport-Security", config->hsts},
        {"X-Content-Type-Options", config->content_type_options},
        {"X-XSS-Protection", config->xss_protection},
        {"X-Frame-Options", config->frame_options},
        {"Referrer-Policy", config->referrer_policy},
    };
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].value[0] == '\0')
            continue;
        evhttp_remove_header(headers, rows[i].name);
        evhttp_add_header(headers, rows[i].name, rows[i].value);
    }
}

static bool is_allowed(const struct config_list *origins, const char *origin)
{
    for (size_t i = 0; i < origins->count; i++) {
        const char *allowed = origins->entries[i].value;
        if (strcmp(allowed, "*") == 0 || strcmp(allowed, origin) == 0)
            return strcmp(origin, "null") != 0; /* which a page of any kind can have */
    }
    return false;
}

static void add_preflight(struct evhttp_request *request, const struct config_http_headers *config,
                          const char *methods)
{
    char age[32];
    const char *wanted = evhttp_find_header(evhttp_request_get_input_headers(request),
                                            "Access-Control-Request-Headers");
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    evutil_snprintf(age, sizeof age, "%llu", (unsigned long long)config->cors_max_age_s);
    evhttp_add_header(headers, "Access-Control-Max-Age", age);
    evhttp_add_header(headers, "Access-Control-Allow-Methods", methods);
    if (wanted != NULL)
        evhttp_add_header(headers, "Access-Control-Allow-Headers", wanted);
}

void http_browser_add_origin(struct evhttp_request *request,
                             const struct config_http_headers *config, const char *methods)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    const char *origin = evhttp_find_header(evhttp_request_get_input_headers(request), "Origin");
    if (config->cors_origins.count == 0)
        return;
    evhttp_add_header(headers, "Vary", "origin");
    if (origin == NULL || !is_allowed(&config->cors_origins, origin))
        return;
    evhttp_add_header(headers, "Access-Control-Allow-Origin", origin);
    evhttp_add_header(headers, "Access-Control-Allow-Credentials", "true");
    if (methods != NULL)
        add_preflight(request, config, methods);
}
