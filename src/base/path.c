/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of files as text: nothing here looks at a disk.
 */
#include "base/path.h"

#include <stdio.h>
#include <string.h>

#include "base/xmalloc.h"

char *path_join(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = xmalloc(size);
    snprintf(path, size, "%s/%s", folder, name);
    return path;
}
