/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_OPTIONS_H
#define LEVERET_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OPTIONS_OTHERS_MAX = 16 };

/* What the command line says beside the command: rabbitmqctl's options, wherever they stand. Texts
 * are borrowed from argv. */
struct options {
    const char *data_dir;
    const char *vhost;
    const char *formatter;
    int64_t timeout_ms; /* 0: the command's own */
    bool is_quiet;      /* no banners */
    bool is_silent;     /* no banners and no headers */
    bool has_headers;
    bool wants_help;
    bool wants_version;
    struct {
        const char *name;         /* "apply-to" */
        const char *value;        /* NULL: a flag */
    } others[OPTIONS_OTHERS_MAX]; /* those that only some commands know */
    size_t other_count;
    char **words; /* the command and its arguments */
    size_t word_count;
};

/* False where an option is wrong, which was said on standard error. Reorders argv. */
bool options_parse(struct options *options, int argc, char **argv)
    __attribute__((warn_unused_result));

/* Was an option given that only some commands know, and with which value? NULL: it was not, or it
 * is a flag. */
bool options_has(const struct options *options, const char *name);
const char *options_value(const struct options *options, const char *name);

/* "Error (argument validation): ..." with the words that were given, on standard error. */
void options_complain(const struct options *options, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
