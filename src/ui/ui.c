/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The web interface: files of HTML, CSS and JavaScript beside this one, which the build puts into
 * the program (src/ui/embed), so that there is no folder to install, to find or to change. They are
 * served as they are, by src/http; everything they show they get from the management API.
 */
#include "ui/ui.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/check.h"
#include "ui/ui_internal.h"

const struct ui_file *ui_find(const char *name)
{
    const char *wanted = name[0] == '\0' ? "index.html" : name;
    for (size_t i = 0; i < ui_file_count; i++) {
        if (strcmp(ui_files[i].name, wanted) == 0)
            return &ui_files[i];
    }
    return NULL;
}

const char *ui_type(const struct ui_file *file)
{
    static const struct {
        const char *ending, *type;
    } types[] = {{".html", "text/html; charset=utf-8"},
                 {".css", "text/css; charset=utf-8"},
                 {".js", "text/javascript; charset=utf-8"},
                 {".svg", "image/svg+xml"}};
    const char *ending = strrchr(file->name, '.');
    for (size_t i = 0; ending != NULL && i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].ending, ending) == 0)
            return types[i].type;
    }
    return "application/octet-stream";
}

void ui_tag(const struct ui_file *file, char tag[UI_TAG_SIZE])
{
    unsigned long long hash = XXH3_64bits(file->bytes, file->size);
    int size = snprintf(tag, UI_TAG_SIZE, "\"%016llx\"", hash);
    CHECK(size == UI_TAG_SIZE - 1);
}
