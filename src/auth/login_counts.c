/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many logins there were, as those who operate the server see it.
 */
#include "auth/login_counts.h"

#include <jansson.h>

json_t *login_counts_json(struct login_counts *counts)
{
    static const char *const protocols[] = {[LOGIN_BY_HTTP] = "http", [LOGIN_BY_AMQP] = "amqp091"};
    json_t *rows = json_array();
    for (unsigned i = 0; i < LOGIN_PROTOCOLS; i++) {
        uint64_t succeeded, failed;
        login_counts_read(counts, i, &succeeded, &failed);
        if (succeeded + failed > 0)
            json_array_append_new(rows,
                                  json_pack("{s:s, s:I, s:I, s:I}", "protocol", protocols[i],
                                            "auth_attempts", (json_int_t)(succeeded + failed),
                                            "auth_attempts_failed", (json_int_t)failed,
                                            "auth_attempts_succeeded", (json_int_t)succeeded));
    }
    return rows;
}
