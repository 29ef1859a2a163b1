/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line, read as rabbitmqctl reads it: options stand anywhere, `--` ends them, a flag is
 * turned off by `--no-NAME` or `--NAME=false`, names are not abbreviated, -qp / is -q -p /, and
 * what looks like a negative number is none. Those that say which node and with which cookie mean
 * nothing here and are read over.
 *
 * An option that is wrong is only noted here: that there is no such command is said first.
 */
#include "cli/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "net/control_address.h"

enum { TIMEOUT_S_MAX = 1000000 };

enum kind { FLAG, TEXT, INTEGER, COUNT_OR_FLAG };

/* What an option is for; those of some commands only are for the command to read. */
enum meaning {
    COMMANDS_OWN,
    DATA_DIR,
    DRY_RUN,
    FORMATTER,
    HEADERS,
    HELP,
    NOTHING,
    OUTPUT_FILE,
    PADDING,
    PRINTER,
    QUIET,
    SILENT,
    TIMEOUT,
    VERSION,
    VHOST,
};

static const struct known {
    const char *name;
    char letter;
    enum kind kind;
    enum meaning meaning;
} known_options[] = {
    {"aliases-file", 0, TEXT, NOTHING},
    {"across-all-vhosts", 0, FLAG, COMMANDS_OWN},
    {"all", 'a', FLAG, COMMANDS_OWN},
    {"apply-to", 0, TEXT, COMMANDS_OWN},
    {"batch", 0, FLAG, COMMANDS_OWN},
    {"by-source", 0, FLAG, COMMANDS_OWN},
    {"data-dir", 'D', TEXT, DATA_DIR},
    {"default-queue-type", 0, TEXT, COMMANDS_OWN},
    {"description", 0, TEXT, COMMANDS_OWN},
    {"dry-run", 0, FLAG, DRY_RUN},
    {"duration", 'd', INTEGER, COMMANDS_OWN},
    {"enabled", 'E', FLAG, COMMANDS_OWN},
    {"enabled-plugins-file", 0, TEXT, NOTHING},
    {"erlang-cookie", 0, TEXT, NOTHING},
    {"file", 0, TEXT, OUTPUT_FILE},
    {"filter", 0, TEXT, COMMANDS_OWN},
    {"force", 0, FLAG, COMMANDS_OWN},
    {"format", 0, TEXT, COMMANDS_OWN},
    {"formatter", 0, TEXT, FORMATTER},
    {"global", 0, FLAG, COMMANDS_OWN},
    {"help", '?', FLAG, HELP},
    {"help", 'h', FLAG, HELP},
    {"idempotent", 0, FLAG, COMMANDS_OWN},
    {"if-empty", 'e', FLAG, COMMANDS_OWN},
    {"if-unused", 'u', FLAG, COMMANDS_OWN},
    {"implicitly-enabled", 0, FLAG, COMMANDS_OWN},
    {"interval", 0, TEXT, COMMANDS_OWN},
    {"limit", 0, INTEGER, COMMANDS_OWN},
    {"list-commands", 0, FLAG, COMMANDS_OWN},
    {"local", 0, FLAG, COMMANDS_OWN},
    {"longnames", 'l', FLAG, NOTHING},
    {"minimal", 'm', FLAG, COMMANDS_OWN},
    {"mnesia-dir", 0, TEXT, NOTHING},
    {"no-wait", 0, FLAG, COMMANDS_OWN},
    {"node", 'n', TEXT, NOTHING},
    {"number", 'N', INTEGER, COMMANDS_OWN},
    {"object-type", 0, TEXT, COMMANDS_OWN},
    {"offline", 0, FLAG, COMMANDS_OWN},
    {"once", 0, FLAG, COMMANDS_OWN},
    {"online", 0, FLAG, COMMANDS_OWN},
    {"pad-to-header", 0, FLAG, PADDING},
    {"pattern", 0, TEXT, COMMANDS_OWN},
    {"per-connection-delay", 0, INTEGER, COMMANDS_OWN},
    {"pid", 'P', INTEGER, COMMANDS_OWN},
    {"plugins-dir", 0, TEXT, NOTHING},
    {"print-stacktrace", 0, FLAG, NOTHING},
    {"printer", 0, TEXT, PRINTER},
    {"priority", 0, INTEGER, COMMANDS_OWN},
    {"protected-from-deletion", 0, FLAG, COMMANDS_OWN},
    {"queue-pattern", 0, TEXT, COMMANDS_OWN},
    {"queue-timeout", 0, INTEGER, COMMANDS_OWN},
    {"quiet", 'q', FLAG, QUIET},
    {"rabbitmq-home", 0, TEXT, NOTHING},
    {"reverse", 0, FLAG, COMMANDS_OWN},
    {"rows", 0, TEXT, COMMANDS_OWN},
    {"script-name", 0, TEXT, NOTHING},
    {"silent", 's', FLAG, SILENT},
    {"skip-if-unchanged", 0, FLAG, COMMANDS_OWN},
    {"sort", 0, TEXT, COMMANDS_OWN},
    {"table-headers", 0, FLAG, HEADERS},
    {"tags", 0, TEXT, COMMANDS_OWN},
    {"timeout", 't', INTEGER, TIMEOUT},
    {"tracking", 0, FLAG, COMMANDS_OWN},
    {"unit", 0, TEXT, COMMANDS_OWN},
    {"used", 0, FLAG, COMMANDS_OWN},
    {"user", 0, TEXT, COMMANDS_OWN},
    {"version", 'V', FLAG, VERSION},
    {"vhost", 'p', TEXT, VHOST},
    {"vhost-pattern", 0, TEXT, COMMANDS_OWN},
    {"view", 0, TEXT, COMMANDS_OWN},
    {"wait", 0, COUNT_OR_FLAG, COMMANDS_OWN},
    {"within", 0, INTEGER, COMMANDS_OWN},
};

static const struct known *find_long(const char *name, size_t size)
{
    for (size_t i = 0; i < sizeof known_options / sizeof known_options[0]; i++) {
        const struct known *known = &known_options[i];
        if (strlen(known->name) == size && memcmp(known->name, name, size) == 0)
            return known;
    }
    return NULL;
}

static const struct known *find_letter(char letter)
{
    for (size_t i = 0; i < sizeof known_options / sizeof known_options[0]; i++) {
        if (known_options[i].letter == letter)
            return &known_options[i];
    }
    return NULL;
}

/* --- values */

static bool is_integer(const char *text)
{
    char *end;
    strtoll(text, &end, 10);
    return *text != '\0' && *end == '\0';
}

static bool is_negative_number(const char *text)
{
    char *end;
    strtod(text, &end);
    return text[0] == '-' && text[1] != '\0' && *end == '\0';
}

static bool is_word(const char *text)
{
    return text[0] != '-' || text[1] == '\0' || text[1] == ' ' || is_negative_number(text);
}

/* The longest that can be waited for is as long as ever. */
static void read_timeout(struct options *options, const char *text)
{
    long long seconds = strtoll(text, NULL, 10);
    options->has_timeout = true;
    options->timeout_ms = (seconds > TIMEOUT_S_MAX ? TIMEOUT_S_MAX : seconds) * 1000;
}

/* NULL: a flag. */
static void add_own(struct options *options, const char *name, const char *value, bool is_on)
{
    if (options->other_count == OPTIONS_OTHERS_MAX)
        return;
    options->others[options->other_count].name = name;
    options->others[options->other_count].is_off = !is_on;
    options->others[options->other_count++].value = value;
}

static void apply_flag(struct options *options, const struct known *known, bool is_on)
{
    switch (known->meaning) {
    case DRY_RUN:
        options->is_dry = is_on;
        break;
    case HEADERS:
        options->has_headers = is_on;
        break;
    case HELP:
        options->wants_help = is_on;
        break;
    case PADDING:
        options->is_padded = is_on;
        break;
    case QUIET:
        options->is_quiet = is_on;
        break;
    case SILENT:
        options->is_silent = is_on;
        break;
    case VERSION:
        options->wants_version = is_on;
        break;
    case COMMANDS_OWN:
        add_own(options, known->name, NULL, is_on);
        break;
    default:
        break;
    }
}

static void apply_value(struct options *options, const struct known *known, const char *value)
{
    switch (known->meaning) {
    case DATA_DIR:
        options->data_dir = value;
        break;
    case FORMATTER:
        options->formatter = value;
        break;
    case OUTPUT_FILE:
        options->file = value;
        break;
    case PRINTER:
        options->printer = value;
        break;
    case TIMEOUT:
        read_timeout(options, value);
        break;
    case VHOST:
        options->vhost = value;
        break;
    case COMMANDS_OWN:
        add_own(options, known->name, value, true);
        break;
    default:
        break;
    }
}

/* --- the words of the command line, one after the other */

struct reader {
    struct options *options;
    char **words;
    size_t count;
    size_t next;
};

/* "NAME : VALUE", a line of what is said later. */
static void note_invalid(struct reader *reader, const char *name, size_t name_size,
                         const char *value)
{
    buffer_append_format(&reader->options->invalid, "\n%.*s : %s", (int)name_size, name,
                         value != NULL ? value : "");
}

/* The value behind "=", or the next word. NULL where there is none. */
static const char *take_value(struct reader *reader, const char *attached)
{
    if (attached != NULL || reader->next >= reader->count || !is_word(reader->words[reader->next]))
        return attached;
    return reader->words[reader->next++];
}

/* name is what was typed, with its dashes; attached is what stands behind a "=". */
static void read_option(struct reader *reader, const struct known *known, bool is_negated,
                        const char *name, size_t name_size, const char *attached)
{
    struct options *options = reader->options;
    bool is_counted = known != NULL && known->kind == COUNT_OR_FLAG && !is_negated &&
                      (attached != NULL ||
                       (reader->next < reader->count && is_integer(reader->words[reader->next])));
    if (known == NULL) {
        note_invalid(reader, name, name_size, NULL);
    } else if (known->kind == TEXT || known->kind == INTEGER || is_counted) {
        const char *value = take_value(reader, attached);
        if (value == NULL || (known->kind == INTEGER && !is_integer(value)))
            note_invalid(reader, name, name_size, value);
        else
            apply_value(options, known, value);
    } else if (attached == NULL || strcmp(attached, "true") == 0) {
        apply_flag(options, known, !is_negated);
    } else if (strcmp(attached, "false") == 0) {
        apply_flag(options, known, is_negated);
    } else {
        note_invalid(reader, name, name_size, attached);
    }
}

/* --NAME, --no-NAME, --NAME=VALUE */
static void read_long(struct reader *reader, const char *word)
{
    size_t size = strcspn(word, "=");
    const char *attached = word[size] == '=' ? word + size + 1 : NULL;
    const struct known *known = find_long(word + 2, size - 2);
    bool is_negated = known == NULL && size > 5 && strncmp(word, "--no-", 5) == 0;
    if (is_negated)
        known = find_long(word + 5, size - 5);
    if (is_negated && known != NULL && known->kind != FLAG && known->kind != COUNT_OR_FLAG)
        known = NULL;
    read_option(reader, known, is_negated, word, size, attached);
}

/* -q, -qs, -p=/, -t5 */
static void read_letters(struct reader *reader, const char *word)
{
    size_t size = strcspn(word, "=");
    const char *attached = word[size] == '=' ? word + size + 1 : NULL;
    if (size > 2 && attached == NULL && strspn(word + 2, "0123456789") == size - 2) {
        attached = word + 2;
        size = 2;
    }
    for (size_t i = 1; i < size; i++) {
        char name[] = {'-', word[i], '\0'};
        read_option(reader, find_letter(word[i]), false, name, 2, i + 1 == size ? attached : NULL);
    }
}

static void read_words(struct reader *reader)
{
    struct options *options = reader->options;
    bool has_ended = false;
    while (reader->next < reader->count) {
        char *word = reader->words[reader->next++];
        if (has_ended || is_word(word))
            options->words[options->word_count++] = word;
        else if (strcmp(word, "--") == 0)
            has_ended = true;
        else if (word[1] == '-')
            read_long(reader, word);
        else
            read_letters(reader, word);
    }
}

/* Where no -D says it. A server that works in ./data is one that somebody tries out here. */
static const char *default_data_dir(void)
{
    const char *named = getenv("LEVERET_DATA_DIR");
    if (named != NULL && named[0] != '\0')
        return named;
    return access("data/" CONTROL_SOCKET_NAME, F_OK) == 0 ? "data" : LEVERET_STATE_DIR;
}

void options_init(struct options *options, int argc, char **argv)
{
    size_t count = argc > 0 ? (size_t)argc : 0;
    *options = (struct options){.data_dir = default_data_dir(),
                                .vhost = "/",
                                .formatter = "table",
                                .has_headers = true,
                                .line = argv + 1,
                                .line_count = count > 0 ? count - 1 : 0,
                                .words = xcalloc(count + 1, sizeof options->words[0])};
    struct reader reader = {options, argv, count, 1};
    read_words(&reader);
    if (options->is_silent) {
        options->is_quiet = true;
        options->has_headers = false;
    }
}

void options_fini(struct options *options)
{
    buffer_fini(&options->invalid);
    free(options->words);
}

/* The last one counts. SIZE_MAX: it was not given. */
static size_t other_index(const struct options *options, const char *name)
{
    for (size_t i = options->other_count; i > 0; i--) {
        if (strcmp(options->others[i - 1].name, name) == 0)
            return i - 1;
    }
    return SIZE_MAX;
}

bool options_has(const struct options *options, const char *name)
{
    size_t i = other_index(options, name);
    return i != SIZE_MAX && !options->others[i].is_off;
}

const char *options_value(const struct options *options, const char *name)
{
    size_t i = other_index(options, name);
    return i != SIZE_MAX ? options->others[i].value : NULL;
}

void options_complain(const struct options *options, const char *format, ...)
{
    va_list arguments;
    fputs("Error (argument validation): ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputs("\nArguments given:\n\t", stderr);
    for (size_t i = 0; i < options->line_count; i++)
        fprintf(stderr, "%s%s", i > 0 ? " " : "", options->line[i]);
    fputs("\n\n", stderr);
}
