/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Method payloads. What is decoded and encoded again is as long as it was, and the same octets from
 * then on (the first time, bits that mean nothing are cleared); what cannot be decoded says so with
 * one of two codes and a text.
 */
#include "amqp/method.h"
#include "base/check.h"
#include "fuzz.h"

const char fuzz_name[] = "method_decode";

static void check_round_trip(const struct amqp_method *method, size_t size)
{
    struct buffer once = {0}, twice = {0};
    struct amqp_method again;
    struct amqp_error error;
    amqp_method_encode(&once, method);
    CHECK(once.size == size);
    bool is_decoded = amqp_method_decode(&again, buffer_bytes(&once), &error);
    CHECK(is_decoded);
    amqp_method_encode(&twice, &again);
    CHECK(bytes_equal(buffer_bytes(&once), buffer_bytes(&twice)));
    buffer_fini(&once);
    buffer_fini(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct amqp_method method;
    struct amqp_error error = {0};
    if (amqp_method_decode(&method, bytes_of(data, size), &error)) {
        check_round_trip(&method, size);
        return 0;
    }
    CHECK(error.code == AMQP_FRAME_ERROR || error.code == AMQP_COMMAND_INVALID);
    CHECK(error.text[0] != '\0' && strlen(error.text) <= AMQP_SHORTSTR_MAX);
    return 0;
}
