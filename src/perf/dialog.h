/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_PERF_DIALOG_H
#define LEVERET_PERF_DIALOG_H

#include "perf/worker.h"

enum { DIALOG_STEPS_MAX = 8 };

/* A connection that says a fixed text in steps and waits for the answer to each. */
struct dialog {
    struct actor actor;
    const struct options *options;         /* borrowed: lives in main */
    void (*on_end)(struct dialog *dialog); /* the last answer came */

    struct frames script; /* owned: put what is said there, then dialog_add_step() */
    struct {
        size_t end;
        uint32_t reply;
    } steps[DIALOG_STEPS_MAX];
    unsigned step_count;

    unsigned step;
    size_t sent_bytes;
    bool is_over; /* set by on_end: no further turn does anything */
};

void dialog_init(struct dialog *dialog, const struct options *options,
                 void (*on_end)(struct dialog *dialog));
void dialog_fini(struct dialog *dialog);

/* What was put into the script since the last step is answered with the method reply. */
void dialog_add_step(struct dialog *dialog, uint32_t reply);

/* The steps from a socket to an open connection. */
void dialog_add_handshake(struct dialog *dialog, uint32_t frame_max);

/* In on_end: from the first step on again. */
void dialog_restart(struct dialog *dialog);

#endif
