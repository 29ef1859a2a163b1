/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of frames that make a message. Within a channel nothing may come between a method with
 * content, its header and its bodies; a state and the count of missing octets is all there is to
 * know. The frames of a small message nearly always arrive in one read, so method and properties
 * are views into the input, and are copied only when the input ends in between (amqp_content_keep).
 *
 * Invariant: kept holds nothing, the method, or the method and the properties. In the state BODY
 * body_missing is above 0; in the others nothing is missing. A body frame that has more than is
 * missing is an error and takes nothing. Body frames without octets are allowed, as RabbitMQ does.
 */
#include "amqp/content.h"

#include "amqp/method.h"
#include "base/check.h"

void amqp_content_init(struct amqp_content *content)
{
    *content = (struct amqp_content){.state = AMQP_CONTENT_IDLE};
}

void amqp_content_fini(struct amqp_content *content)
{
    buffer_fini(&content->kept);
}

void amqp_content_expect(struct amqp_content *content, uint32_t method_id, struct bytes payload)
{
    CHECK(content->state == AMQP_CONTENT_IDLE);
    content->state = AMQP_CONTENT_HEADER;
    content->method_id = method_id;
    content->method = payload;
    content->properties = bytes_of(NULL, 0);
    content->body_size = 0;
    content->body_missing = 0;
    buffer_clear(&content->kept);
}

/* Frame errors name the method that the content belongs to. */
static enum amqp_content_result invalid(const struct amqp_content *content,
                                        struct amqp_error *error)
{
    error->class_id = amqp_method_class(content->method_id);
    error->method_id = amqp_method_number(content->method_id);
    return AMQP_CONTENT_INVALID;
}

static enum amqp_content_result no_header(const struct amqp_content *content,
                                          struct amqp_error *error)
{
    amqp_error_set(error, AMQP_UNEXPECTED_FRAME,
                   "expected content header for class %u, got non content header frame instead",
                   amqp_method_class(content->method_id));
    return invalid(content, error);
}

static enum amqp_content_result no_body(const struct amqp_content *content,
                                        struct amqp_error *error)
{
    amqp_error_set(error, AMQP_UNEXPECTED_FRAME,
                   "expected content body, got non content body frame instead");
    return invalid(content, error);
}

static enum amqp_content_result no_method(struct amqp_error *error)
{
    amqp_error_set(error, AMQP_UNEXPECTED_FRAME,
                   "expected method frame, got non method frame instead");
    return AMQP_CONTENT_INVALID;
}

static enum amqp_content_result wrong_class(const struct amqp_content *content, uint16_t class_id,
                                            struct amqp_error *error)
{
    amqp_error_set(error, AMQP_UNEXPECTED_FRAME,
                   "expected content header for class %u, got one for class %u instead",
                   amqp_method_class(content->method_id), class_id);
    return invalid(content, error);
}

static enum amqp_content_result body_too_large(const struct amqp_content *content, uint64_t size,
                                               struct amqp_error *error)
{
    amqp_error_set(error, AMQP_FRAME_ERROR,
                   "content body size %llu exceeds maximum allowed size %d",
                   (unsigned long long)size, AMQP_BODY_BYTES_MAX);
    return invalid(content, error);
}

enum amqp_content_result amqp_content_on_header(struct amqp_content *content, struct bytes payload,
                                                struct amqp_error *error)
{
    struct amqp_content_header header;
    CHECK(content->state == AMQP_CONTENT_HEADER);
    if (!amqp_content_header_decode(payload, &header, error))
        return invalid(content, error);
    if (header.weight != 0)
        return no_header(content, error);
    if (header.class_id != amqp_method_class(content->method_id))
        return wrong_class(content, header.class_id, error);
    if (header.body_size > AMQP_BODY_BYTES_MAX)
        return body_too_large(content, header.body_size, error);
    content->properties = header.properties;
    content->body_size = header.body_size;
    content->body_missing = header.body_size;
    content->state = header.body_size > 0 ? AMQP_CONTENT_BODY : AMQP_CONTENT_IDLE;
    return header.body_size > 0 ? AMQP_CONTENT_MORE : AMQP_CONTENT_COMPLETE;
}

enum amqp_content_result amqp_content_on_body(struct amqp_content *content, struct bytes payload,
                                              struct amqp_error *error)
{
    CHECK(content->state == AMQP_CONTENT_BODY);
    if (payload.size > content->body_missing) {
        amqp_error_set(error, AMQP_FRAME_ERROR,
                       "content body frame exceeds remaining content size");
        return invalid(content, error);
    }
    content->body_missing -= payload.size;
    if (content->body_missing > 0)
        return AMQP_CONTENT_MORE;
    content->state = AMQP_CONTENT_IDLE;
    return AMQP_CONTENT_COMPLETE;
}

enum amqp_content_result amqp_content_on_frame(struct amqp_content *content,
                                               const struct amqp_frame *frame,
                                               struct amqp_error *error)
{
    switch ((enum amqp_content_state)content->state) {
    case AMQP_CONTENT_HEADER:
        return frame->type == AMQP_FRAME_HEADER
                   ? amqp_content_on_header(content, frame->payload, error)
                   : no_header(content, error);
    case AMQP_CONTENT_BODY:
        return frame->type == AMQP_FRAME_BODY ? amqp_content_on_body(content, frame->payload, error)
                                              : no_body(content, error);
    case AMQP_CONTENT_IDLE:
        break;
    }
    CHECK(frame->type != AMQP_FRAME_METHOD);
    return no_method(error);
}

void amqp_content_keep(struct amqp_content *content)
{
    struct buffer *kept = &content->kept;
    size_t method_size = content->method.size;
    if (content->state == AMQP_CONTENT_IDLE)
        return;
    if (kept->size == 0)
        buffer_append_bytes(kept, content->method);
    if (kept->size == method_size)
        buffer_append_bytes(kept, content->properties);
    content->method = bytes_of(kept->data, method_size);
    content->properties = bytes_of(kept->data + method_size, content->properties.size);
}
