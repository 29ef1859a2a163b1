/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The syntax of rabbitmq.conf: one `key = value` per line, `#` comments (anywhere in a line, as a
 * value that is not quoted ends at one), 'quoted values', and `include`.
 *
 *   - A key is words of letters, digits, "-" and "_", joined by dots; "\." is a dot inside a word.
 *   - A value is what stands between the "=" and the end of the line or a "#", without the blanks
 * around it. Between single quotes it is taken as it is; double quotes are characters like others.
 *   - `include PATH` reads a file, every *.conf of a folder, or what a pattern of the shell
 * matches, in alphabetical order; PATH is written as a value is, and relative to the folder of the
 * including file.
 *   - Anything else is a mistake, and so are bytes that are not UTF-8.
 *
 * Files are read whole before they are looked at, and their size, their number and the depth of
 * includes are bounded: what is named by mistake, a device or a log file, ends in a message.
 */
#include "config/config.h"

#include <errno.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/utf8.h"
#include "base/xmalloc.h"
#include "config/config_internal.h"

enum {
    INCLUDE_DEPTH_MAX = 8,
    FILE_COUNT_MAX = 1000,
    FILE_BYTES_MAX = 4 << 20,
};

struct source {
    struct config *config;
    struct config_messages *messages;
    const char *path;
    int line;
    int depth;
    int *file_count; /* of all that are read for one config_load_file */
};

static bool record_path(const struct source *parent, const char *path);

__attribute__((format(printf, 2, 3))) static bool fail(const struct source *source,
                                                       const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    config_report(source->messages, CONFIG_ERROR, source->path, source->line, "%s", text);
    return false;
}

/* --- lines --- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static char *skip_blanks(char *text)
{
    while (is_blank(*text))
        text++;
    return text;
}

/* Cuts the text at a comment, and the blanks at its end. */
static void trim_end(char *text)
{
    text[strcspn(text, "#")] = '\0';
    size_t size = strlen(text);
    while (size > 0 && is_blank(text[size - 1]))
        size--;
    text[size] = '\0';
}

/* A value in single quotes with nothing but a comment behind it loses its quotes; any other value
 * is what it is. */
static char *unquote(char *text)
{
    char *end = text[0] == '\'' ? strchr(text + 1, '\'') : NULL;
    char *rest = end == NULL ? NULL : skip_blanks(end + 1);
    if (rest != NULL && (*rest == '\0' || *rest == '#')) {
        *end = '\0';
        return text + 1;
    }
    trim_end(text);
    return *text == '\0' ? NULL : text;
}

static bool record_setting(const struct source *source, char *line, char *equals)
{
    *equals = '\0';
    trim_end(line);
    char *value = unquote(skip_blanks(equals + 1));
    if (value == NULL)
        return fail(source, "%.80s: the value is missing", line);
    return config_record(source->config, line, value, source->path, source->line, source->messages);
}

/* What is included by this line; NULL if it is none that includes. */
static char *included_by(char *line)
{
    static const char WORD[] = "include";
    size_t size = sizeof(WORD) - 1;
    if (strncmp(line, WORD, size) != 0 || !is_blank(line[size]))
        return NULL;
    char *path = skip_blanks(line + size);
    return *path == '=' ? NULL : path;
}

/* path as seen from the folder of the including file. */
static char *resolve(const struct source *source, const char *path)
{
    const char *slash = strrchr(source->path, '/');
    if (path[0] == '/' || slash == NULL)
        return xstrdup(path);
    struct buffer text;
    buffer_init(&text);
    buffer_append(&text, source->path, (size_t)(slash - source->path) + 1);
    buffer_append(&text, path, strlen(path) + 1);
    return (char *)text.data;
}

static bool record_include(const struct source *source, char *text)
{
    const char *path = unquote(text);
    if (path == NULL || *path == '\0')
        return fail(source, "include: a file or folder is expected");
    if (source->depth >= INCLUDE_DEPTH_MAX)
        return fail(source, "include %.200s: more than %d files include each other", path,
                    INCLUDE_DEPTH_MAX);
    char *resolved = resolve(source, path);
    bool ok = record_path(source, resolved);
    free(resolved);
    return ok;
}

static bool record_line(const struct source *source, char *line)
{
    line = skip_blanks(line);
    if (*line == '\0' || *line == '#')
        return true;
    char *included = included_by(line);
    if (included != NULL)
        return record_include(source, included);
    char *equals = strchr(line, '=');
    if (equals == NULL || (size_t)(equals - line) > strcspn(line, "#"))
        return fail(source, "\"key = value\" is expected, not \"%.60s\"", line);
    return record_setting(source, line, equals);
}

/* --- files --- */

/* Records every line of size bytes at text, whose last byte is followed by one more, a NUL. */
static bool record_lines(struct source *source, char *text, size_t size)
{
    bool ok = true;
    char *end = text + size;
    while (text < end) {
        char *newline = memchr(text, '\n', (size_t)(end - text));
        char *line_end = newline == NULL ? end : newline;
        size_t length = (size_t)(line_end - text);
        source->line++;
        *line_end = '\0';
        if (length > 0 && text[length - 1] == '\r')
            text[--length] = '\0';
        if (memchr(text, '\0', length) != NULL || !utf8_is_valid(bytes_of(text, length)))
            ok = fail(source, "this line is not text in UTF-8");
        else
            ok = record_line(source, text) && ok;
        text = line_end + 1;
    }
    return ok;
}

/* For whoever wants to know whether it is still being written. */
static void remember_file(const struct source *source, struct bytes text)
{
    struct config *config = source->config;
    config->files_hash = bytes_hash(bytes_of_text(source->path), config->files_hash);
    config->files_hash = bytes_hash(text, config->files_hash);
    config->lacks_end |= text.size > 0 && text.data[text.size - 1] != '\n';
}

/* Reads the file into *text and adds a NUL. Says why if it cannot. */
static bool read_file(const struct source *source, struct buffer *text)
{
    FILE *file = fopen(source->path, "re");
    if (file == NULL)
        return fail(source, "cannot be read: %s", strerror(errno));
    char chunk[8192];
    size_t size;
    while (text->size <= FILE_BYTES_MAX && (size = fread(chunk, 1, sizeof(chunk), file)) > 0)
        buffer_append(text, chunk, size);
    bool failed = ferror(file) != 0;
    int error = errno;
    fclose(file);
    if (failed)
        return fail(source, "cannot be read: %s", strerror(error));
    if (text->size > FILE_BYTES_MAX)
        return fail(source, "is larger than a configuration can be");
    remember_file(source, buffer_bytes(text));
    buffer_append_u8(text, '\0');
    return true;
}

static bool record_file(const struct source *parent, const char *path)
{
    struct source source = *parent;
    source.path = path;
    source.line = 0;
    source.depth++;
    ++*source.file_count;
    if (*source.file_count == FILE_COUNT_MAX + 1)
        return fail(&source, "more than %d files are included", FILE_COUNT_MAX);
    if (*source.file_count > FILE_COUNT_MAX)
        return false;
    struct buffer text;
    buffer_init(&text);
    bool ok = read_file(&source, &text) && record_lines(&source, (char *)text.data, text.size - 1);
    buffer_fini(&text);
    return ok;
}

/* Every file that the pattern matches; none is no mistake. glob sorts by the locale's rules, which
 * are those of the bytes unless somebody changes the locale. */
static bool record_pattern(const struct source *parent, const char *pattern)
{
    glob_t found = {0};
    int result = glob(pattern, 0, NULL, &found);
    bool ok = result == 0 || result == GLOB_NOMATCH;
    if (!ok)
        ok = fail(parent, "%.200s cannot be searched", pattern);
    for (size_t i = 0; i < found.gl_pathc; i++)
        ok = record_file(parent, found.gl_pathv[i]) && ok;
    globfree(&found);
    return ok;
}

static bool record_folder(const struct source *parent, const char *path)
{
    struct buffer pattern;
    buffer_init(&pattern);
    /* A folder's own name is no pattern: what could be one in it is escaped. */
    for (const char *at = path; *at != '\0'; at++) {
        if (strchr("*?[\\", *at) != NULL)
            buffer_append_u8(&pattern, '\\');
        buffer_append_u8(&pattern, (uint8_t)*at);
    }
    static const char EVERY[] = "/*.conf";
    buffer_append(&pattern, EVERY, sizeof(EVERY));
    bool ok = record_pattern(parent, (const char *)pattern.data);
    buffer_fini(&pattern);
    return ok;
}

/* A file, a folder or a pattern. */
static bool record_path(const struct source *parent, const char *path)
{
    struct stat status;
    bool exists = stat(path, &status) == 0;
    if (exists && S_ISDIR(status.st_mode))
        return record_folder(parent, path);
    if (!exists && strpbrk(path, "*?[") != NULL)
        return record_pattern(parent, path);
    return record_file(parent, path);
}

bool config_load_file(struct config *config, const char *path, struct config_messages *messages)
{
    int file_count = 0;
    struct source source = {
        .config = config, .messages = messages, .path = path, .file_count = &file_count};
    bool ok = record_path(&source, path);
    return config_apply_pending(config, messages) && ok;
}
