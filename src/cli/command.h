/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_COMMAND_H
#define LEVERET_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

struct json_t;
struct options;

enum { COMMAND_ARGUMENTS_MAX = 4 };

/* What comes after the server's answer. */
enum command_kind {
    COMMAND_CHANGE, /* nothing but a word of success */
    COMMAND_LIST,   /* rows, as a table */
    COMMAND_AWAIT,  /* as a change; a server that is not there yet is waited for */
    COMMAND_STOP,   /* the end of the server */
    COMMAND_EXPORT, /* the answer into a file */
    COMMAND_IMPORT, /* a file goes with the request */
    COMMAND_LIMITS, /* rows with --global, else the limits of the one */
};

/* A command of rabbitmqctl: data that says what it takes, sends and prints. */
struct command {
    const char *name;
    const char *request; /* what the server is asked; NULL: the same */
    enum command_kind kind;
    /* Does something with the server's answer; the exit status. NULL: what the kind says. */
    int (*print)(const struct json_t *result, const struct options *options);
    const char *help;  /* one line */
    const char *usage; /* behind the name */
    /* A command that needs no server: takes the request's arguments, gives the exit status. */
    int (*run)(const struct options *options, const struct json_t *arguments);
    /* What is wrong with the words behind it, and the exit status; NULL: nothing is looked at. */
    const char *(*check)(char *const *words, size_t count, int *status);
    const char *arguments[COMMAND_ARGUMENTS_MAX]; /* what the request calls them; then NULL */
    const char *rest;         /* takes any more as a list of this name; NULL: takes no more */
    size_t optional_count;    /* arguments at the end that need not be given */
    const char *options;      /* those of its own, with their defaults: "priority=0 global" */
    const char *banner_other; /* with --global, or where an optional argument is missing or "all" */
    bool is_headerless;       /* a list that has no headers as a table */
    bool has_vhost;           /* -p VHOST */
    bool has_password;        /* the last argument may come from standard input */
    const char *banner;       /* {NAME} is an argument; NULL: none */
    const char *success;      /* NULL: none */
    bool success_is_chatter;  /* not with -q */
    bool success_is_value;    /* what JSON calls it: "value", else "message" */
    const char *columns;      /* of a list, with blanks between */
    const char *columns_other; /* further ones that may be asked for; NULL: it takes no columns */
    const char *column_order;  /* the order in which they are shown; NULL: as they are asked for */
    bool is_blank_if_empty;    /* a list without rows is an empty line */
    bool is_empty_if_absent;   /* a list of a virtual host that is not there has no rows */
    int absent_status;         /* where there is no such virtual host or user; 0: the server's */
};

/* NULL where there is none. */
const struct command *command_find(const char *name);

/* All commands in the order of help; NULL behind the last. */
const struct command *command_at(size_t index);

/* A text with the arguments of a request in place of {NAME}; the caller frees it. */
char *command_text(const char *template, const struct json_t *arguments);

/* "leveretctl NAME USAGE". */
void command_print_usage(const struct command *command);

/* The request for what the command line says; the caller's. NULL with the exit status where that is
 * wrong, which was said. *columns is what a list is to show, with blanks between, and the caller's.
 */
struct json_t *command_request(const struct command *command, const struct options *options,
                               char **columns, int *status);

#endif
