/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leveretctl consume_event_stream: a line of JSON for each event, as it comes. The server keeps
 * them for whoever has a stream and asks again before long.
 */
#include "cli/event_view.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli/ask.h"
#include "cli/client.h"
#include "cli/options.h"
#include "net/control.h"

enum { look_ms = 100 };

/* False where it cannot be written. */
static bool print_events(const json_t *events)
{
    for (size_t i = 0; i < json_array_size(events); i++) {
        char *text = json_dumps(json_array_get(events, i), JSON_COMPACT);
        puts(text != NULL ? text : "");
        free(text);
    }
    return fflush(stdout) == 0;
}

static json_t *name_of(json_int_t stream)
{
    return json_pack("{s:I}", "stream", stream);
}

/* What there is. *is_over where that cannot be told any more. */
static int follow(const struct options *options, json_int_t stream, bool *has_more, bool *is_over)
{
    json_t *answer;
    int status = ask_server(options, "event_stream_next", name_of(stream), &answer);
    *is_over = status != CONTROL_OK || !print_events(json_object_get(answer, "events"));
    *has_more = json_is_true(json_object_get(answer, "has_more"));
    json_decref(answer);
    return status;
}

static int follow_until(const struct options *options, json_int_t stream, int64_t end_ms)
{
    struct timespec pause = {.tv_nsec = look_ms * 1000000L};
    bool has_more = false, is_over = false;
    int status = CONTROL_OK;
    while (!is_over && client_now_ms() < end_ms) {
        if (!has_more)
            nanosleep(&pause, NULL);
        status = follow(options, stream, &has_more, &is_over);
    }
    return status;
}

int event_view_run(const struct options *options, const struct json_t *arguments)
{
    json_t *answer;
    char *end = NULL;
    const char *text = options_value(options, "duration");
    long duration_s = text != NULL ? strtol(text, &end, 10) : 0;
    if (text != NULL &&
        (*text == '\0' || *end != '\0' || duration_s <= 0 || duration_s > INT32_MAX)) {
        options_complain(options, "--duration: a number of seconds is expected");
        return CONTROL_USAGE;
    }
    int64_t end_ms = text != NULL ? client_now_ms() + (int64_t)duration_s * 1000 : INT64_MAX;
    json_t *pattern = json_object_get(arguments, "pattern");
    int status =
        ask_server(options, "event_stream", json_pack("{s:O}", "pattern", pattern), &answer);
    if (status != CONTROL_OK)
        return status;
    json_int_t stream = json_integer_value(json_object_get(answer, "stream"));
    json_decref(answer);
    status = follow_until(options, stream, end_ms);
    if (status == CONTROL_OK) {
        status = ask_server(options, "event_stream_end", name_of(stream), &answer);
        json_decref(answer);
    }
    return status;
}
