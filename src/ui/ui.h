/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_UI_UI_H
#define LEVERET_UI_UI_H

#include <stddef.h>

/* A file of the web interface. It is in the program and lives as long. */
struct ui_file {
    const char *name; /* below the root, without a "/" before it */
    const unsigned char *bytes;
    size_t size;
};

enum { UI_TAG_SIZE = 19 };

/* The file of that name, the page itself for an empty one; NULL where there is none. */
const struct ui_file *ui_find(const char *name);
/* Its content type, for a header. */
const char *ui_type(const struct ui_file *file);
/* An entity tag: other bytes, another tag. */
void ui_tag(const struct ui_file *file, char tag[UI_TAG_SIZE]);

#endif
