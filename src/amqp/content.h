/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AMQP_CONTENT_H
#define LEVERET_AMQP_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "amqp/error.h"
#include "amqp/frame.h"
#include "base/buffer.h"
#include "base/bytes.h"

/* Puts the frames of one channel together: a method that has content, its header, its bodies. It
 * stores no body: the caller, told by the header how large it will be, copies the payload of each
 * body frame to where it belongs.
 *
 *     amqp_content_expect      when a method with content was decoded
 *     amqp_content_on_frame    for every frame of the channel but a method while none is expected
 *     amqp_content_keep        before the input that the frames point into goes away
 *
 * A complete content stays readable until the next amqp_content_expect. */

/* The largest body that a header may announce. */
enum { AMQP_BODY_BYTES_MAX = 512 * 1024 * 1024 };

enum amqp_content_state {
    AMQP_CONTENT_IDLE,   /* a method is expected */
    AMQP_CONTENT_HEADER, /* the header of a content is expected */
    AMQP_CONTENT_BODY,   /* its body is not complete */
};

struct amqp_content {
    uint8_t state; /* enum amqp_content_state */
    uint32_t method_id;
    struct bytes method;     /* the method's payload, see amqp_method_decode */
    struct bytes properties; /* see properties.h */
    uint64_t body_size;
    uint64_t body_missing; /* how many octets of the body are still to come */
    struct buffer kept;    /* owned: what method and properties point into once kept */
};

enum amqp_content_result {
    AMQP_CONTENT_MORE,     /* taken, but the content is not complete */
    AMQP_CONTENT_COMPLETE, /* taken, and it is: method, properties and body_size are final */
    AMQP_CONTENT_INVALID,  /* not allowed here; *error is set and closes the connection */
};

void amqp_content_init(struct amqp_content *content);
void amqp_content_fini(struct amqp_content *content);

static inline bool amqp_content_is_idle(const struct amqp_content *content)
{
    return content->state == AMQP_CONTENT_IDLE;
}

/* A method with content came; payload is its frame's, of which a view is kept. Only when idle. */
void amqp_content_expect(struct amqp_content *content, uint32_t method_id, struct bytes payload);

/* A frame of the channel came (as amqp_frame_read gives it), and it is not a method while idle. */
enum amqp_content_result amqp_content_on_frame(struct amqp_content *content,
                                               const struct amqp_frame *frame,
                                               struct amqp_error *error)
    __attribute__((warn_unused_result));

/* The two steps of amqp_content_on_frame, for a caller that knows the frame's type. */
enum amqp_content_result amqp_content_on_header(struct amqp_content *content, struct bytes payload,
                                                struct amqp_error *error)
    __attribute__((warn_unused_result));
enum amqp_content_result amqp_content_on_body(struct amqp_content *content, struct bytes payload,
                                              struct amqp_error *error)
    __attribute__((warn_unused_result));

/* Copies what method and properties point to, unless idle or already done. Views that were decoded
 * from the method's payload before point to the old place: decode content->method again. */
void amqp_content_keep(struct amqp_content *content);

#endif
