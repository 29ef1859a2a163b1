/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_CERTIFICATES_H
#define LEVERET_CLI_CERTIFICATES_H

struct json_t;
struct options;

/* check_certificate_expiration [--within N] [--unit days|weeks|months|years]: from the server's
 * answer to "diagnosis"; the exit status. */
int certificates_check(const struct json_t *answer, const struct options *options);

/* certificates: what is in the files of each listener, from the same answer; the exit status. */
int certificates_list(const struct json_t *answer, const struct options *options);

#endif
