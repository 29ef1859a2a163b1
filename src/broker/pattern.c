/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whoever sets a pattern is trusted with it, not with the server's time: (a+)+$ may take
 * exponential time on a name that somebody else chooses. A match gives up after a fixed amount of
 * work, and one that gave up is none, as in RabbitMQ.
 */
#include "broker/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/xmalloc.h"

enum {
    MATCH_WORK_MAX = 100000, /* steps of the matcher: some milliseconds */
    MATCH_HEAP_KIB_MAX = 1024,
};

struct pattern {
    pcre2_code *code;            /* owned */
    pcre2_match_context *limits; /* owned */
};

static PCRE2_SPTR text_of(struct bytes text)
{
    return text.size > 0 ? text.data : (PCRE2_SPTR) "";
}

struct pattern *pattern_new(struct bytes text, char *reason, size_t reason_size)
{
    int error;
    size_t offset;
    pcre2_code *code = pcre2_compile(text_of(text), text.size, 0, &error, &offset, NULL);
    if (code == NULL) {
        PCRE2_UCHAR message[256];
        pcre2_get_error_message(error, message, sizeof message);
        snprintf(reason, reason_size, "{\"%s\",%zu}", (const char *)message, offset);
        return NULL;
    }
    struct pattern *pattern = xmalloc(sizeof *pattern);
    *pattern = (struct pattern){code, pcre2_match_context_create(NULL)};
    CHECK(pattern->limits != NULL);
    pcre2_set_match_limit(pattern->limits, MATCH_WORK_MAX);
    pcre2_set_heap_limit(pattern->limits, MATCH_HEAP_KIB_MAX);
    return pattern;
}

void pattern_free(struct pattern *pattern)
{
    if (pattern == NULL)
        return;
    pcre2_code_free(pattern->code);
    pcre2_match_context_free(pattern->limits);
    free(pattern);
}

bool pattern_matches(const struct pattern *pattern, struct bytes name)
{
    /* One pair of offsets: whether it matches is all that is asked. */
    pcre2_match_data *scratch = pcre2_match_data_create(1, NULL);
    CHECK(scratch != NULL);
    int result =
        pcre2_match(pattern->code, text_of(name), name.size, 0, 0, scratch, pattern->limits);
    pcre2_match_data_free(scratch);
    return result >= 0;
}
