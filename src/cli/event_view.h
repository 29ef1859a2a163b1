/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_EVENT_VIEW_H
#define LEVERET_CLI_EVENT_VIEW_H

struct json_t;
struct options;

/* consume_event_stream; the exit status. */
int event_view_run(const struct options *options, const struct json_t *arguments);

#endif
