/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_UNIT_H
#define LEVERET_CLI_UNIT_H

struct options;

/* In which amounts of memory and disk space are told. */
struct unit {
    const char *name;
    double bytes;
    int digits; /* behind the point */
};

/* That of --unit, in gigabytes unless it says otherwise. NULL where there is none of that name,
 * which was said. */
const struct unit *unit_of_options(const struct options *options);

#endif
