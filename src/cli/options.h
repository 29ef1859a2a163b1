/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_OPTIONS_H
#define LEVERET_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

enum { OPTIONS_OTHERS_MAX = 16 };

/* What the command line says beside the command: rabbitmqctl's options, wherever they stand. Texts
 * are borrowed from argv. */
struct options {
    const char *data_dir;
    const char *vhost;
    const char *formatter;
    const char *printer; /* NULL, or "file": into the file */
    const char *file;
    int64_t timeout_ms; /* where has_timeout; else the command's own */
    bool has_timeout;
    bool is_dry;    /* the banner is all */
    bool is_quiet;  /* no banners */
    bool is_silent; /* no banners and no headers */
    bool has_headers;
    bool is_padded; /* cells of a table are as wide as their header */
    bool wants_help;
    bool wants_version;
    struct {
        const char *name;         /* "apply-to" */
        const char *value;        /* NULL: a flag */
        bool is_off;              /* a flag that was turned off */
    } others[OPTIONS_OTHERS_MAX]; /* those that only some commands know */
    size_t other_count;
    struct buffer
        invalid; /* what is wrong, a line for each option, which begins with its newline */
    char **line; /* the whole command line, borrowed */
    size_t line_count;
    char **words; /* owned: the command and its arguments; then NULL */
    size_t word_count;
};

/* Reads the command line. What is wrong with it is in invalid, for whoever knows the command. */
void options_init(struct options *options, int argc, char **argv);
void options_fini(struct options *options);

/* Was an option given that only some commands know, and with which value? NULL: it was not, or it
 * is a flag. */
bool options_has(const struct options *options, const char *name);
const char *options_value(const struct options *options, const char *name);

/* "Error (argument validation): ..." with the command line, on standard error. */
void options_complain(const struct options *options, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
