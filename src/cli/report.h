/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_REPORT_H
#define LEVERET_CLI_REPORT_H

struct json_t;
struct options;

/* report; the exit status. */
int report_run(const struct options *options, const struct json_t *arguments);

#endif
