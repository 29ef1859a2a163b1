/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream of frames into the assembler of one channel, as a connection drives it: frames are read
 * until one is incomplete or invalid, methods are decoded, contents put together. The inline reader
 * and the complete one have to agree, no part of a frame may pass for one, and the octets of a
 * body's frames add up to what its header announced.
 */
#include "amqp/content.h"
#include "amqp/frame.h"
#include "amqp/method.h"
#include "base/check.h"
#include "fuzz.h"

const char fuzz_name[] = "frames";

enum { frame_max = 4096 };

static void check_error(const struct amqp_error *error)
{
    CHECK(error->code == AMQP_FRAME_ERROR || error->code == AMQP_UNEXPECTED_FRAME ||
          error->code == AMQP_COMMAND_INVALID);
    CHECK(error->text[0] != '\0' && strlen(error->text) <= AMQP_SHORTSTR_MAX);
}

static void check_readers_agree(struct bytes input, enum amqp_frame_result result,
                                const struct amqp_frame *frame, size_t consumed)
{
    struct amqp_frame other;
    struct amqp_error error;
    size_t other_consumed;
    CHECK(amqp_frame_read_slow(input, frame_max, &other, &other_consumed, &error) == result);
    if (result != AMQP_FRAME_COMPLETE)
        return;
    CHECK(other.type == frame->type && other.channel == frame->channel);
    CHECK(other.payload.data == frame->payload.data && other.payload.size == frame->payload.size);
    CHECK(other_consumed == consumed);
    struct bytes part = bytes_of(input.data, consumed - 1);
    CHECK(amqp_frame_read(part, frame_max, &other, &other_consumed, &error) ==
          AMQP_FRAME_INCOMPLETE);
}

/* False where the connection would be closed. */
static bool on_method(struct amqp_content *content, struct bytes payload)
{
    struct amqp_method method;
    struct amqp_error error;
    if (!amqp_method_decode(&method, payload, &error)) {
        check_error(&error);
        return false;
    }
    if (amqp_method_has_content(method.id))
        amqp_content_expect(content, method.id, payload);
    return true;
}

static bool on_content(struct amqp_content *content, const struct amqp_frame *frame)
{
    struct amqp_error error;
    uint64_t missing = content->body_missing;
    switch (amqp_content_on_frame(content, frame, &error)) {
    case AMQP_CONTENT_INVALID:
        check_error(&error);
        return false;
    case AMQP_CONTENT_COMPLETE:
        CHECK(content->body_missing == 0 && amqp_content_is_idle(content));
        break;
    case AMQP_CONTENT_MORE:
        CHECK(content->body_missing > 0 && content->body_missing <= content->body_size);
        break;
    }
    if (frame->type == AMQP_FRAME_BODY)
        CHECK(content->body_missing == missing - frame->payload.size);
    amqp_content_keep(content);
    return true;
}

static bool on_frame(struct amqp_content *content, const struct amqp_frame *frame)
{
    if (frame->type == AMQP_FRAME_HEARTBEAT)
        return true;
    if (frame->type == AMQP_FRAME_METHOD && amqp_content_is_idle(content))
        return on_method(content, frame->payload);
    return on_content(content, frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    struct amqp_content content;
    struct amqp_frame frame;
    struct amqp_error error;
    size_t consumed = 0;
    enum amqp_frame_result result;
    amqp_content_init(&content);
    while ((result = amqp_frame_read(input, frame_max, &frame, &consumed, &error)) ==
           AMQP_FRAME_COMPLETE) {
        check_readers_agree(input, result, &frame, consumed);
        input = bytes_of(input.data + consumed, input.size - consumed);
        if (!on_frame(&content, &frame))
            break;
    }
    if (result != AMQP_FRAME_COMPLETE)
        check_readers_agree(input, result, &frame, consumed);
    if (result == AMQP_FRAME_INVALID)
        check_error(&error);
    amqp_content_fini(&content);
    return 0;
}
