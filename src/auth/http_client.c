/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stack of libcurl's handles, each with its connections kept alive: a request takes one, or makes
 * one, and gives it back. So there are as many as requests ran at the same time.
 */
#include "auth/http_client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "config/config.h"

enum { body_max = 1 << 20 };

struct handle {
    struct handle *next;
    CURL *curl; /* owned */
};

struct http_client {
    const struct config_tls_client *tls; /* borrowed */
    uint64_t connect_timeout_ms;
    uint64_t timeout_ms;
    _Atomic bool is_stopped;
    pthread_mutex_t mutex;
    struct handle *idle; /* owned */
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void init_library(void)
{
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == 0);
}

struct http_client *http_client_new(const struct config_tls_client *tls,
                                    uint64_t connect_timeout_ms, uint64_t timeout_ms)
{
    pthread_once(&library_once, init_library);
    struct http_client *client = xcalloc(1, sizeof *client);
    client->tls = tls;
    client->connect_timeout_ms = connect_timeout_ms;
    client->timeout_ms = timeout_ms;
    CHECK(pthread_mutex_init(&client->mutex, NULL) == 0);
    return client;
}

void http_client_free(struct http_client *client)
{
    if (client == NULL)
        return;
    while (client->idle != NULL) {
        struct handle *handle = client->idle;
        client->idle = handle->next;
        curl_easy_cleanup(handle->curl);
        free(handle);
    }
    pthread_mutex_destroy(&client->mutex);
    free(client);
}

void http_client_stop(struct http_client *client)
{
    atomic_store_explicit(&client->is_stopped, true, memory_order_relaxed);
}

static size_t on_data(char *data, size_t size, size_t count, void *context)
{
    struct buffer *body = context;
    if (body->size + size * count > body_max)
        return 0; /* libcurl then gives up */
    buffer_append(body, data, size * count);
    return size * count;
}

/* libcurl looks here before and after each time that it waits. */
static int on_progress(void *context, curl_off_t total_in, curl_off_t in, curl_off_t total_out,
                       curl_off_t out)
{
    const struct http_client *client = context;
    (void)total_in, (void)in, (void)total_out, (void)out;
    return atomic_load_explicit(&client->is_stopped, memory_order_relaxed); /* not 0: gives up */
}

static void set_text(CURL *curl, CURLoption option, const char *text)
{
    if (text != NULL)
        curl_easy_setopt(curl, option, text);
}

static void set_tls(CURL *curl, const struct config_tls_client *tls)
{
    long versions = CURL_SSLVERSION_TLSv1_2;
    bool is_verified = tls->verify != CONFIG_VERIFY_NONE;
    set_text(curl, CURLOPT_CAINFO, tls->cacertfile);
    set_text(curl, CURLOPT_SSLCERT, tls->certfile);
    set_text(curl, CURLOPT_SSLKEY, tls->keyfile);
    set_text(curl, CURLOPT_KEYPASSWD, tls->password);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, is_verified ? 1L : 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, is_verified ? 2L : 0L);
    if (tls->versions.count == 1 && strcmp(tls->versions.entries[0].value, "tlsv1.3") == 0)
        versions = CURL_SSLVERSION_TLSv1_3;
    else if (tls->versions.count == 1)
        versions = (long)CURL_SSLVERSION_TLSv1_2 | (long)CURL_SSLVERSION_MAX_TLSv1_2;
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, versions);
}

static CURL *new_curl(const struct http_client *client)
{
    CURL *curl = curl_easy_init();
    CHECK(curl != NULL);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "leveret");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, client);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)client->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)client->connect_timeout_ms);
    /* A proxy of the environment is for people, not for passwords. */
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    set_tls(curl, client->tls);
    return curl;
}

static struct handle *take_handle(struct http_client *client)
{
    pthread_mutex_lock(&client->mutex);
    struct handle *handle = client->idle;
    if (handle != NULL)
        client->idle = handle->next;
    pthread_mutex_unlock(&client->mutex);
    if (handle != NULL)
        return handle;
    handle = xcalloc(1, sizeof *handle);
    handle->curl = new_curl(client);
    return handle;
}

static void give_handle(struct http_client *client, struct handle *handle)
{
    pthread_mutex_lock(&client->mutex);
    handle->next = client->idle;
    client->idle = handle;
    pthread_mutex_unlock(&client->mutex);
}

long http_client_request(struct http_client *client, const char *url, const char *form,
                         struct buffer *body, char *reason, size_t reason_size)
{
    struct handle *handle = take_handle(client);
    char error[CURL_ERROR_SIZE] = "";
    long status = 0;
    buffer_clear(body);
    curl_easy_setopt(handle->curl, CURLOPT_URL, url);
    curl_easy_setopt(handle->curl, CURLOPT_WRITEDATA, body);
    curl_easy_setopt(handle->curl, CURLOPT_ERRORBUFFER, error);
    if (form != NULL)
        curl_easy_setopt(handle->curl, CURLOPT_COPYPOSTFIELDS, form);
    else
        curl_easy_setopt(handle->curl, CURLOPT_HTTPGET, 1L);
    CURLcode code = curl_easy_perform(handle->curl);
    if (code == CURLE_OK)
        curl_easy_getinfo(handle->curl, CURLINFO_RESPONSE_CODE, &status);
    else
        snprintf(reason, reason_size, "%s", error[0] != '\0' ? error : curl_easy_strerror(code));
    curl_easy_setopt(handle->curl, CURLOPT_ERRORBUFFER, NULL);
    give_handle(client, handle);
    return status;
}

static bool is_plain(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

void http_form_add(struct buffer *form, const char *name, struct bytes value)
{
    buffer_append_format(form, "%s%s=", form->size > 0 ? "&" : "", name);
    for (size_t i = 0; i < value.size; i++) {
        uint8_t c = value.data[i];
        if (is_plain(c))
            buffer_append_u8(form, c);
        else if (c == ' ')
            buffer_append_u8(form, '+');
        else
            buffer_append_format(form, "%%%02X", c);
    }
}
