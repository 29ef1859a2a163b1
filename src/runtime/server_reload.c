/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the configuration again. It is read as a whole and checked as at a start; one mistake in
 * it, or a certificate or a log file that cannot be used, and all stays as it was. Only then what
 * can change while clients are served is changed: the log, the files and options of TLS, the limits
 * of alarms. A key that needs a restart is compared with what the server was started with, so that
 * it is named until the restart, the others with what was read last.
 *
 * A file may be in the middle of being written. So all is read again a little later, until two
 * readings are the same, and only the last one counts; where a line lacks its end the second one
 * comes later. What changes without an end is refused.
 *
 * All of it happens on the main thread, which serves no client: reactors see new TLS contexts and
 * new places of the log under the locks that they have for that.
 */
#include <event2/event.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "net/control.h"
#include "net/tls.h"
#include "runtime/clock.h"
#include "runtime/log.h"
#include "runtime/notify.h"
#include "runtime/server_internal.h"

enum {
    look_ms = 100,
    settled_ms = 200,       /* unchanged for so long: it is whole */
    cut_settled_ms = 2000,  /* the same, where a file ends in the middle of a line */
    reload_wait_ms = 10000, /* and what has not settled then is refused */
    calls_max = 16,
};

/* From the request to the end. */
struct reload {
    struct server *server;
    struct event *timer;                   /* owned */
    struct control_call *calls[calls_max]; /* who asked */
    size_t call_count;
    bool has_read;
    bool was_right; /* the last reading: had no mistake, and what it read */
    uint64_t files_hash;
    uint64_t same_since_ms, deadline_ms;
};

/* What a reload has to say. */
struct reload_report {
    json_t *changed; /* keys that are in force now; owned, as the next */
    json_t *waiting; /* keys that need a restart */
};

/* --- which keys differ */

static bool starts_with(const char *key, const char *prefix)
{
    return strncmp(key, prefix, strlen(prefix)) == 0;
}

static bool is_log_key(const char *key)
{
    return starts_with(key, "log.") && strcmp(key, "log.exchange") != 0;
}

static bool is_memory_key(const char *key)
{
    return starts_with(key, "vm_memory_high_watermark") ||
           strcmp(key, "total_memory_available_override_value") == 0;
}

/* Where a listener is. */
static bool is_place_key(const char *key)
{
    return strcmp(key, "management.ssl.port") == 0 || strcmp(key, "management.ssl.ip") == 0;
}

bool server_is_live_key(const char *key)
{
    return is_log_key(key) || is_memory_key(key) || starts_with(key, "disk_free_limit.") ||
           starts_with(key, "ssl_options.") || starts_with(key, "management.listener.ssl_opts.") ||
           (starts_with(key, "management.ssl.") && !is_place_key(key));
}

static const char *value_of(const struct config *config, const char *key)
{
    for (size_t i = 0; i < config->setting_count; i++) {
        if (strcmp(config->settings[i].key, key) == 0)
            return config->settings[i].value;
    }
    return NULL;
}

/* A value may refer to another key or to the environment; such a key is looked at as it is written.
 */
static bool differs(const struct config *a, const struct config *b, const char *key)
{
    const char *left = value_of(a, key), *right = value_of(b, key);
    return left == NULL || right == NULL ? left != right : strcmp(left, right) != 0;
}

static void add_key(json_t *keys, const char *key)
{
    for (size_t i = 0; i < json_array_size(keys); i++) {
        if (strcmp(json_string_value(json_array_get(keys, i)), key) == 0)
            return;
    }
    json_array_append_new(keys, json_string(key));
}

/* Adds the keys of one that the other has not, or has otherwise. */
static void compare(json_t *keys, const struct config *one, const struct config *other,
                    bool is_live)
{
    for (size_t i = 0; i < one->setting_count; i++) {
        const char *key = one->settings[i].key;
        if (server_is_live_key(key) == is_live && differs(one, other, key))
            add_key(keys, key);
    }
}

static struct reload_report compare_all(const struct server *server, const struct config *next)
{
    const struct config *last = server->last_config != NULL ? server->last_config : server->config;
    struct reload_report report = {json_array(), json_array()};
    compare(report.changed, last, next, true);
    compare(report.changed, next, last, true);
    compare(report.waiting, server->config, next, false);
    compare(report.waiting, next, server->config, false);
    return report;
}

static bool has_key(const json_t *keys, bool (*is_one)(const char *key))
{
    for (size_t i = 0; i < json_array_size(keys); i++) {
        if (is_one(json_string_value(json_array_get(keys, i))))
            return true;
    }
    return false;
}

static bool is_disk_key(const char *key)
{
    return starts_with(key, "disk_free_limit.");
}

/* --- the change */

/* Tries everything that can fail. */
static bool can_change_tls(const struct tls_context *current, const struct config *next,
                           const struct config_tls *tls, struct buffer *reason)
{
    char why[TLS_REASON_SIZE] = "";
    if (current == NULL)
        return true;
    struct tls_context *trial = tls_context_new(next, tls, why);
    if (trial != NULL) {
        tls_context_free(trial);
        return true;
    }
    buffer_append_format(reason, "TLS: %s", why);
    return false;
}

static bool can_change(const struct server *server, const struct config *next,
                       struct buffer *reason)
{
    return can_change_tls(server->tls, next, &next->tls, reason) &&
           can_change_tls(server->management_tls, next, &next->management_tls, reason);
}

static bool change_log(const struct config *next, const json_t *changed, struct buffer *reason)
{
    char why[512] = "";
    if (!has_key(changed, is_log_key)) {
        log_reopen();
        return true;
    }
    if (log_configure(next, why, sizeof why))
        return true;
    buffer_append_format(reason, "%s", why);
    return false;
}

static void change_tls(struct tls_context *context, const struct config_tls *tls)
{
    char why[TLS_REASON_SIZE] = "";
    if (context != NULL && !tls_context_reload_from(context, tls, why))
        log_error("TLS certificates stay as they were: %s", why);
}

static void change_others(struct server *server, const struct config *next, const json_t *changed)
{
    change_tls(server->tls, &next->tls);
    change_tls(server->management_tls, &next->management_tls);
    if (has_key(changed, is_memory_key)) {
        alarm_limits_set_memory(&server->alarm_limits, next);
        server_set_transient_max(server);
    }
    if (has_key(changed, is_disk_key))
        alarm_limits_set_disk(&server->alarm_limits, next);
    server_check_alarms(server);
}

static void append_mistakes(const struct config_messages *messages, struct buffer *reason)
{
    for (size_t i = 0; i < messages->count; i++) {
        if (messages->messages[i].level == CONFIG_ERROR)
            buffer_append_format(reason, "%s%s", reason->size > 0 ? "\n" : "",
                                 messages->messages[i].text);
    }
}

static bool read_config(struct server *server, struct config *next, struct buffer *reason)
{
    struct config_messages messages;
    config_messages_init(&messages);
    bool is_right = server->load(server->load_context, next, &messages);
    if (!is_right)
        append_mistakes(&messages, reason);
    config_messages_fini(&messages);
    return is_right;
}

static void forget_last(struct server *server)
{
    if (server->last_config == NULL)
        return;
    config_fini(server->last_config);
    free(server->last_config);
    server->last_config = NULL;
}

/* False with a reason, in lines: then nothing was changed. next passes. */
static bool take(struct server *server, struct config *next, struct reload_report *report,
                 struct buffer *reason)
{
    bool is_right = can_change(server, next, reason);
    if (is_right) {
        *report = compare_all(server, next);
        is_right = change_log(next, report->changed, reason);
    }
    if (!is_right) {
        config_fini(next);
        free(next);
        return false;
    }
    change_others(server, next, report->changed);
    forget_last(server);
    server->last_config = next;
    return true;
}

/* --- the end */

static void log_keys(const char *what, const json_t *keys)
{
    struct buffer text = {0};
    for (size_t i = 0; i < json_array_size(keys); i++)
        buffer_append_format(&text, "%s%s", i > 0 ? ", " : "",
                             json_string_value(json_array_get(keys, i)));
    if (text.size > 0)
        log_info("%s: %.*s", what, (int)text.size, (const char *)text.data);
    buffer_fini(&text);
}

/* A reason for each line. */
static void log_refusal(const struct buffer *reason)
{
    char *text = bytes_to_text(buffer_bytes(reason)), *rest = text, *line;
    while ((line = strsep(&rest, "\n")) != NULL)
        log_error("the configuration stays as it was: %s", line);
    free(text);
}

static void free_reload(struct reload *reload)
{
    reload->server->reload = NULL;
    event_free(reload->timer);
    free(reload);
}

static void succeed(struct reload *reload, const struct reload_report *report)
{
    log_info("the configuration and the certificates were read again");
    log_keys("in force now", report->changed);
    log_keys("needs a restart", report->waiting);
    for (size_t i = 0; i < reload->call_count; i++)
        control_reply(reload->calls[i], json_pack("{s:O, s:O}", "in_force", report->changed,
                                                  "needs_restart", report->waiting));
    notify_send("READY=1\nSTATUS=serving");
}

static void fail_calls(struct reload *reload, enum control_status status, struct bytes text)
{
    for (size_t i = 0; i < reload->call_count; i++)
        control_fail(reload->calls[i], status, "%.*s", (int)text.size, (const char *)text.data);
}

static void refuse(struct reload *reload, const struct buffer *reason)
{
    log_refusal(reason);
    fail_calls(reload, CONTROL_DATA, buffer_bytes(reason));
    notify_send("READY=1\nSTATUS=serving; the configuration that was read last has mistakes");
}

/* next: NULL, with a reason, or it passes. */
static void end_reload(struct reload *reload, struct config *next, struct buffer *reason)
{
    struct reload_report report = {0};
    if (next != NULL && take(reload->server, next, &report, reason))
        succeed(reload, &report);
    else
        refuse(reload, reason);
    json_decref(report.changed);
    json_decref(report.waiting);
    free_reload(reload);
}

/* --- reading until two readings are the same */

/* Is it what was read before, for long enough? */
static bool has_settled(struct reload *reload, const struct config *next, bool is_right)
{
    uint64_t now_ms = clock_steady_ms();
    bool is_same =
        reload->has_read && reload->was_right == is_right && reload->files_hash == next->files_hash;
    if (!is_same)
        reload->same_since_ms = now_ms;
    reload->has_read = true;
    reload->was_right = is_right;
    reload->files_hash = next->files_hash;
    return is_same && now_ms - reload->same_since_ms >=
                          (uint64_t)(next->lacks_end ? cut_settled_ms : settled_ms);
}

static void look(struct reload *reload)
{
    const struct timeval again = {.tv_usec = look_ms * 1000};
    struct buffer reason = {0};
    struct config *next = xmalloc(sizeof *next);
    config_init(next);
    bool is_right = read_config(reload->server, next, &reason);
    bool is_settled = has_settled(reload, next, is_right);
    bool is_late = clock_steady_ms() >= reload->deadline_ms;
    if (!is_settled && is_late) {
        buffer_clear(&reason);
        buffer_append_format(&reason, "it is being written: no two readings are the same");
    }
    if (is_settled && is_right) {
        end_reload(reload, next, &reason);
    } else {
        config_fini(next);
        free(next);
        if (is_settled || is_late)
            end_reload(reload, NULL, &reason);
        else
            event_add(reload->timer, &again);
    }
    buffer_fini(&reason);
}

static void on_look(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    look(context);
}

/* --- who asks for it */

static void begin_reload(struct server *server)
{
    struct reload *reload = xcalloc(1, sizeof *reload);
    server->reload = reload;
    reload->server = server;
    reload->deadline_ms = clock_steady_ms() + reload_wait_ms;
    reload->timer = evtimer_new(server->base, on_look, reload);
    CHECK(reload->timer != NULL);
    look(reload);
    notify_send("RELOADING=1\nSTATUS=reading the configuration again\nMONOTONIC_USEC=%llu",
                (unsigned long long)(clock_steady_ns() / 1000));
}

void server_reload(struct server *server, struct control_call *call)
{
    if (server->reload != NULL && server->reload->call_count == calls_max) {
        if (call != NULL)
            control_fail(call, CONTROL_SOFTWARE, "the configuration is being read already");
        return;
    }
    if (server->reload == NULL)
        begin_reload(server);
    else /* who asks now may have changed it just before */
        server->reload->has_read = false;
    if (call != NULL)
        server->reload->calls[server->reload->call_count++] = call;
}

void server_end_reload(struct server *server)
{
    if (server->reload == NULL)
        return;
    fail_calls(server->reload, CONTROL_SOFTWARE, bytes_of_text("the server stops"));
    free_reload(server->reload);
}

void server_set_loader(struct server *server, server_loader *load, void *context)
{
    server->load = load;
    server->load_context = context;
}

void server_free_reloaded(struct server *server)
{
    forget_last(server);
}
