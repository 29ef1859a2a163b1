/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The units of --unit, which are rabbitmqctl's, in whatever case: a kilobyte is 1,000 bytes.
 */
#include "cli/unit.h"

#include <stddef.h>
#include <strings.h>

#include "cli/options.h"

const struct unit *unit_of_options(const struct options *options)
{
    static const struct unit units[] = {
        {"gb", 1e9, 4},        {"mb", 1e6, 4},        {"bytes", 1, 0},
        {"kb", 1e3, 4},        {"tb", 1e12, 4},       {"kilobytes", 1e3, 4},
        {"megabytes", 1e6, 4}, {"gigabytes", 1e9, 4}, {"terabytes", 1e12, 4},
    };
    const char *name = options_value(options, "unit");
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcasecmp(units[i].name, name != NULL ? name : "gb") == 0)
            return &units[i];
    }
    options_complain(options, "unit '%s' is not supported. Please use one of: bytes, mb, gb", name);
    return NULL;
}
