/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whoever sets a pattern is trusted with it, not with the server's time: (a+)+$ may take
 * exponential time on a name that somebody else chooses. A match gives up after a fixed amount of
 * work, and one that gave up is none, as in RabbitMQ.
 *
 * The matcher does not tell how much it did, only that a limit was reached. So a name is tried with
 * a small limit first, which nearly always is enough, and then with larger ones; those that were
 * reached are what it cost.
 */
#include "broker/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/xmalloc.h"

enum { TRIES = 4, MATCH_HEAP_KIB_MAX = 1024 };

static const uint32_t step_limits[TRIES] = {200, 2000, 20000, 100000};

struct pattern {
    pcre2_code *code;                   /* owned */
    pcre2_match_context *limits[TRIES]; /* owned */
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
    pattern->code = code;
    for (size_t i = 0; i < TRIES; i++) {
        pattern->limits[i] = pcre2_match_context_create(NULL);
        CHECK(pattern->limits[i] != NULL);
        pcre2_set_match_limit(pattern->limits[i], step_limits[i]);
        pcre2_set_heap_limit(pattern->limits[i], MATCH_HEAP_KIB_MAX);
    }
    return pattern;
}

void pattern_free(struct pattern *pattern)
{
    if (pattern == NULL)
        return;
    pcre2_code_free(pattern->code);
    for (size_t i = 0; i < TRIES; i++)
        pcre2_match_context_free(pattern->limits[i]);
    free(pattern);
}

static void spend(size_t *steps_left, size_t steps)
{
    *steps_left -= steps < *steps_left ? steps : *steps_left;
}

bool pattern_matches(const struct pattern *pattern, struct bytes name, size_t *steps_left)
{
    /* One pair of offsets: whether it matches is all that is asked. */
    pcre2_match_data *scratch = pcre2_match_data_create(1, NULL);
    CHECK(scratch != NULL);
    int result = PCRE2_ERROR_MATCHLIMIT;
    for (size_t i = 0; i < TRIES && result == PCRE2_ERROR_MATCHLIMIT; i++) {
        if (i > 0 && step_limits[i] > *steps_left)
            break;
        result =
            pcre2_match(pattern->code, text_of(name), name.size, 0, 0, scratch, pattern->limits[i]);
        spend(steps_left, step_limits[i]);
    }
    pcre2_match_data_free(scratch);
    return result >= 0;
}
