/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_POLICY_MATCH_H
#define LEVERET_CLI_POLICY_MATCH_H

struct json_t;
struct options;

/* "list_policies_that_match": those that match a queue or an exchange, of which the first one is in
 * force. The exit status. */
int policy_match_run(const struct options *options, const struct json_t *arguments);

#endif
