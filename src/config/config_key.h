/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CONFIG_CONFIG_KEY_H
#define LEVERET_CONFIG_CONFIG_KEY_H

#include "config/config.h"

/* Every key that rabbitmq.conf can hold, in one table. */

#define CONFIG_KEY_SEGMENTS_MAX 16

/* A key in its parts: "loopback_users.a\.b" has the segments "loopback_users" and "a.b". */
struct config_path {
    char *text; /* owned; what the segments point into */
    const char *segments[CONFIG_KEY_SEGMENTS_MAX];
    size_t count;
};

enum config_outcome {
    CONFIG_APPLIED,
    CONFIG_NO_EFFECT, /* known and harmless here; note may say why */
    CONFIG_NOT_YET,   /* known, but what it asks for will not happen */
    CONFIG_REFUSED,   /* reason says why */
};

/* One line on its way into struct config. */
struct config_assignment {
    struct config *config;
    const char *key;   /* as it was written */
    const char *name;  /* what $name of the pattern stands for; NULL without one */
    const char *value; /* after $(...) */
    char reason[200];  /* out: why it was refused */
    bool is_secret;    /* out: the value must not be shown */
};

struct config_choice {
    const char *word;
    int value;
};

struct config_key {
    const char *pattern; /* `$name` is any one segment, a last `**` one or more */
    enum config_outcome (*apply)(const struct config_key *key,
                                 struct config_assignment *assignment);
    size_t offset; /* of the field in struct config */
    size_t size;
    uint64_t min;                            /* of numbers */
    uint64_t max;                            /* 0: what the field holds */
    const struct config_choice *choices;     /* ended by a NULL word */
    const char *(*check)(const char *value); /* NULL, or what is wrong with it */
    const char *note;                        /* for messages */
};

/* Splits a key. False if it has empty segments, too many, or other characters than letters, digits,
 * "-",
 * "_" and escaped dots. */
bool config_path_init(struct config_path *path, const char *key);
void config_path_fini(struct config_path *path);

/* The table. */
const struct config_key *config_keys(size_t *count);

/* The first row whose pattern matches, with what $name stands for; NULL if the key is unknown. */
const struct config_key *config_key_find(const struct config_path *path, const char **name);

#endif
