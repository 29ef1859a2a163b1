/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many connections that are each in the middle of a question and its answer: opening and closing
 * things by the thousand (churn.c), opening very many connections (idle.c).
 *
 * What is said is the same each time, so it is encoded once and what a step takes is to compare a
 * method's number and to send the next bytes. Never more than one question of a connection is on
 * its way.
 */
#include "perf/dialog.h"

#include "perf/fail.h"
#include "perf/handshake.h"

static void read_answers(struct dialog *dialog)
{
    struct peer *peer = &dialog->actor.peer;
    peer_read(peer);
    for (struct frame frame; peer_next(peer, &frame);) {
        bool is_answer = frame.type == FRAME_METHOD && dialog->step < dialog->step_count &&
                         frame_method(&frame) == dialog->steps[dialog->step].reply;
        if (is_answer && dialog->sent_bytes == dialog->steps[dialog->step].end)
            dialog->step++;
        else
            peer_handle_other(&frame);
    }
}

static bool has_more_to_say(const struct dialog *dialog)
{
    return dialog->step < dialog->step_count &&
           dialog->sent_bytes < dialog->steps[dialog->step].end;
}

static void say(struct dialog *dialog)
{
    size_t left = dialog->steps[dialog->step].end - dialog->sent_bytes;
    dialog->sent_bytes +=
        peer_write(&dialog->actor.peer, dialog->script.data + dialog->sent_bytes, left);
}

static enum turn take_turn(struct actor *actor)
{
    struct dialog *dialog = (struct dialog *)actor;
    if (dialog->is_over)
        return TURN_SOCKET;
    if (actor->peer.is_readable)
        read_answers(dialog);
    if (dialog->step == dialog->step_count) {
        dialog->on_end(dialog);
        return TURN_AGAIN;
    }
    if (has_more_to_say(dialog) && actor->peer.is_writable)
        say(dialog);
    bool can_go_on = has_more_to_say(dialog) && actor->peer.is_writable;
    return can_go_on || actor->peer.is_readable ? TURN_AGAIN : TURN_SOCKET;
}

void dialog_init(struct dialog *dialog, const struct options *options,
                 void (*on_end)(struct dialog *dialog))
{
    *dialog = (struct dialog){.options = options, .on_end = on_end};
    dialog->actor.take_turn = take_turn;
}

void dialog_fini(struct dialog *dialog)
{
    frames_fini(&dialog->script);
}

void dialog_add_step(struct dialog *dialog, uint32_t reply)
{
    if (dialog->step_count == DIALOG_STEPS_MAX)
        fail("a dialog of too many steps");
    dialog->steps[dialog->step_count].end = dialog->script.bytes;
    dialog->steps[dialog->step_count++].reply = reply;
}

void dialog_add_handshake(struct dialog *dialog, uint32_t frame_max)
{
    handshake_put_protocol(&dialog->script);
    dialog_add_step(dialog, CONNECTION_START);
    handshake_put_start_ok(&dialog->script, dialog->options);
    dialog_add_step(dialog, CONNECTION_TUNE);
    handshake_put_open(&dialog->script, dialog->options, frame_max);
    dialog_add_step(dialog, CONNECTION_OPEN_OK);
}

void dialog_restart(struct dialog *dialog)
{
    dialog->step = 0;
    dialog->sent_bytes = 0;
}
