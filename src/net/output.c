/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output gathers for a whole turn of the loop and is written with as few system calls as possible.
 * Frames stand behind each other in one growing buffer; a body above by_reference_bytes is not
 * copied but stands between two offsets of that buffer as a part with a reference to its message,
 * so that the cost of a large fan-out is its frames' heads.
 *
 * Invariant: the stream of bytes is data with each part inserted in front of data[part.at]; parts
 * rise by at; all bytes in front of data_written, and of the parts before part_first, are written.
 *
 * The cost of deliveries is noted in marks at positions of that stream, one for about mark_bytes of
 * output and not one per delivery: whoever sent them gets their credit back a little late, which is
 * cheaper than a ring entry for each.
 */
#include "net/output.h"

#include <stdlib.h>
#include <string.h>

#include "amqp/frame.h"
#include "base/check.h"
#include "base/xmalloc.h"

enum {
    by_reference_bytes = 16 * 1024,
    mark_bytes = 16 * 1024,
    compact_bytes = 64 * 1024,
    vectors_max = 64,
};

static void drop_parts(struct output *output)
{
    for (size_t i = output->part_first; i < output->part_count; i++)
        message_unref(output->parts[i].message);
    output->part_first = output->part_count = 0;
    output->part_written = 0;
}

void output_fini(struct output *output)
{
    drop_parts(output);
    buffer_fini(&output->data);
    free(output->parts);
    free(output->marks);
    *output = (struct output){.queued_bytes = output->written_bytes,
                              .written_bytes = output->written_bytes,
                              .write_count = output->write_count};
}

/* --- adding */

static void add_part(struct output *output, struct bytes bytes, struct message *message)
{
    output->parts =
        xgrow(output->parts, &output->part_capacity, output->part_count + 1, sizeof *output->parts);
    output->parts[output->part_count++] =
        (struct output_part){.at = output->data.size, .bytes = bytes, .message = message};
    output->queued_bytes += bytes.size;
}

static void add_body_by_reference(struct output *output, uint16_t channel, struct message *message,
                                  size_t frame_max)
{
    struct bytes body = message_body(message);
    size_t payload_max = frame_max == 0 ? body.size : frame_max - AMQP_FRAME_OVERHEAD;
    while (body.size > 0) {
        size_t size = body.size < payload_max ? body.size : payload_max;
        bool is_last = size == body.size;
        amqp_frame_write_start(&output->data, AMQP_FRAME_BODY, channel, size);
        add_part(output, bytes_of(body.data, size), is_last ? message_ref(message) : NULL);
        amqp_frame_write_end(&output->data);
        body = bytes_of(body.data + size, body.size - size);
    }
}

void output_add_content(struct output *output, uint16_t channel, struct message *message,
                        size_t frame_max)
{
    size_t before = output->data.size;
    amqp_frame_write_header(&output->data, channel, message->body_size,
                            message_properties(message));
    if (message->body_size > by_reference_bytes)
        add_body_by_reference(output, channel, message, frame_max);
    else
        amqp_frame_write_body(&output->data, channel, message_body(message), frame_max);
    output_appended(output, before);
}

static bool last_mark_grows(const struct output *output)
{
    if (output->mark_count == output->mark_first)
        return false;
    uint64_t begin = output->mark_count - output->mark_first > 1
                         ? output->marks[output->mark_count - 2].position
                         : output->written_bytes;
    return output->marks[output->mark_count - 1].position < begin + mark_bytes;
}

void output_charge(struct output *output, uint64_t cost)
{
    if (!last_mark_grows(output)) {
        output->marks = xgrow(output->marks, &output->mark_capacity, output->mark_count + 1,
                              sizeof *output->marks);
        output->marks[output->mark_count++] = (struct output_mark){0};
    }
    struct output_mark *mark = &output->marks[output->mark_count - 1];
    mark->position = output->queued_bytes;
    mark->cost += cost;
}

/* --- writing */

static size_t gather(const struct output *output, struct iovec *vectors)
{
    size_t count = 0, at = output->data_written, skip = output->part_written;
    for (size_t i = output->part_first; i <= output->part_count && count + 2 <= vectors_max; i++) {
        size_t end = i < output->part_count ? output->parts[i].at : output->data.size;
        if (end > at)
            vectors[count++] = (struct iovec){output->data.data + at, end - at};
        at = end;
        if (i == output->part_count)
            break;
        struct bytes bytes = output->parts[i].bytes;
        vectors[count++] =
            (struct iovec){(uint8_t *)(uintptr_t)bytes.data + skip, bytes.size - skip};
        skip = 0;
    }
    return count;
}

/* Takes bytes off the front. */
static void advance(struct output *output, size_t bytes)
{
    output->written_bytes += bytes;
    while (bytes > 0) {
        bool has_part = output->part_first < output->part_count;
        struct output_part *part = has_part ? &output->parts[output->part_first] : NULL;
        size_t run = (has_part ? part->at : output->data.size) - output->data_written;
        size_t taken = bytes < run ? bytes : run;
        output->data_written += taken;
        bytes -= taken;
        if (bytes == 0 || !has_part)
            break;
        taken = part->bytes.size - output->part_written;
        taken = bytes < taken ? bytes : taken;
        output->part_written += taken;
        bytes -= taken;
        if (output->part_written == part->bytes.size) {
            message_unref(part->message);
            output->part_first++;
            output->part_written = 0;
        }
    }
    CHECK(output->data_written <= output->data.size);
}

static void collect_marks(struct output *output)
{
    while (output->mark_first < output->mark_count &&
           output->marks[output->mark_first].position <= output->written_bytes)
        output->cost_written += output->marks[output->mark_first++].cost;
    if (output->mark_first == output->mark_count)
        output->mark_first = output->mark_count = 0;
}

/* What is written need not be kept in front of a long rest. */
static void compact(struct output *output)
{
    size_t gone = output->data_written;
    if (gone == output->data.size) {
        CHECK(output->part_first == output->part_count ||
              output->parts[output->part_first].at == gone);
    } else if (gone < compact_bytes || gone < output->data.size / 2) {
        return;
    }
    memmove(output->data.data, output->data.data + gone, output->data.size - gone);
    output->data.size -= gone;
    output->data_written = 0;
    size_t left = output->part_count - output->part_first;
    for (size_t i = 0; i < left; i++) {
        output->parts[i] = output->parts[output->part_first + i];
        output->parts[i].at -= gone;
    }
    output->part_count = left;
    output->part_first = 0;
    size_t marks_left = output->mark_count - output->mark_first;
    if (output->mark_first > 0)
        memmove(output->marks, output->marks + output->mark_first,
                marks_left * sizeof *output->marks);
    output->mark_count = marks_left;
    output->mark_first = 0;
}

enum output_result output_write(struct output *output, struct stream *stream)
{
    struct iovec vectors[vectors_max];
    enum output_result result = OUTPUT_DONE;
    while (result == OUTPUT_DONE && output_unwritten(output) > 0) {
        size_t count = gather(output, vectors);
        ssize_t written = stream_write(stream, vectors, (int)count);
        if (written > 0) {
            advance(output, (size_t)written);
            output->write_count++;
        } else {
            result = written == STREAM_AGAIN ? OUTPUT_FULL : OUTPUT_BROKEN;
        }
    }
    collect_marks(output);
    if (output->data_written > 0)
        compact(output);
    return result;
}

void output_trim(struct output *output)
{
    if (output_unwritten(output) > 0 || !output_is_large(output))
        return;
    buffer_fini(&output->data);
    free(output->parts);
    output->parts = NULL;
    output->part_capacity = 0;
}

size_t output_memory_bytes(const struct output *output)
{
    size_t bytes = output->data.capacity;
    for (size_t i = output->part_first; i < output->part_count; i++)
        bytes += output->parts[i].bytes.size;
    return bytes;
}
