/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_TOP_SCREEN_H
#define LEVERET_CLI_TOP_SCREEN_H

#include <stdint.h>

struct options;
struct top;

/* Shows it on the terminal until somebody quits; the exit status. */
int top_screen_run(struct top *top, const struct options *options, int64_t interval_ms);

#endif
