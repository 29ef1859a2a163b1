/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_TESTS_SIM_CLIENT_H
#define LEVERET_TESTS_SIM_CLIENT_H

#include "oracle.h"
#include "sim_random.h"

/* What a run does more and less of: drawn from the seed, so that each run visits another corner. */
struct sim_options {
    struct vhost_config vhost;
    unsigned session_max;
    unsigned reactor_count;
    unsigned body_bytes_max;
    uint64_t output_bytes;
    unsigned weights[32];  /* of the clients' actions */
    unsigned commands_max; /* of a batch */
    unsigned steps;
    unsigned commit_percent, complete_percent, read_percent; /* of the steps */
    unsigned crash_permille, stop_permille, alarm_percent, policy_percent;
    unsigned pause_percent, pause_ms_max; /* between steps */
};

struct clients {
    struct oracle *oracle;
    struct sim_random *random;
    const struct sim_options *options;
    struct command_batch *batch; /* where commands go */
    uint64_t tags;
    unsigned reactor; /* whose connections act */
};

/* Draws the weights of the actions. */
void clients_draw(struct sim_random *random, struct sim_options *options);
/* One client does something, if it can. */
void clients_act(struct clients *clients);
/* Sessions that ended, failed channels: says what a client must say. true where there was one. */
bool clients_answer(struct clients *clients);
/* All output is written. */
void clients_return_credit(struct clients *clients);
/* All sockets are closed. */
void clients_leave(struct clients *clients);
/* Session 0 declares what always exists; it must be free. */
void clients_set_up(struct clients *clients);
/* Session 0 consumes from the queue, and acks what has come. */
void clients_drain(struct clients *clients, struct bytes queue);
bool clients_ack_all(struct clients *clients);

#endif
