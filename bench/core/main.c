/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-instructions: runs one row and prints how many messages were measured; without a row it
 * prints the names of all, with --facts what else the figures depend on. It counts nothing itself:
 * bench/instructions runs it under callgrind.
 */
#include <gnu/libc-version.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "rows.h"

static const struct row *const sets[] = {core_rows, wire_rows};
enum { set_count = sizeof sets / sizeof sets[0] };

static const struct row *find(const char *name)
{
    for (size_t i = 0; i < set_count; i++)
        for (const struct row *row = sets[i]; row->name != NULL; row++)
            if (strcmp(row->name, name) == 0)
                return row;
    return NULL;
}

static void print_names(void)
{
    for (size_t i = 0; i < set_count; i++)
        for (const struct row *row = sets[i]; row->name != NULL; row++)
            puts(row->name);
}

static void print_facts(void)
{
    struct utsname machine;
    uname(&machine);
#ifdef __clang__
    puts("compiler: " __VERSION__);
#else
    puts("compiler: gcc " __VERSION__);
#endif
    printf("processor: %s\nlibrary: glibc %s\n", machine.machine, gnu_get_libc_version());
}

int main(int argc, char **argv)
{
    if (argc == 1) {
        print_names();
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--facts") == 0) {
        print_facts();
        return 0;
    }
    const struct row *row = argc == 2 ? find(argv[1]) : NULL;
    if (row == NULL) {
        fprintf(stderr, "usage: bench-instructions [ROW|--facts]\n");
        return 64;
    }
    printf("%zu\n", row->run());
    return 0;
}
