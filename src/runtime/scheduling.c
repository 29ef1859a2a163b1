/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux's scheduler (EEVDF: Stoica and Abdel-Wahab, 1995) runs the thread whose turn has to end
 * first among those that had no more than their share. Who asks for shorter turns gets them earlier
 * and more often: a thread that just woke up need not wait until the next tick, which is up to 4
 * ms, for the end of another one's turn.
 *
 * A file of its own, because <linux/sched/types.h> and <sched.h> cannot be included together.
 */
#include "runtime/scheduling.h"

#include <linux/sched.h>
#include <linux/sched/types.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { short_turn_ns = 100 * 1000 }; /* the shortest that there is; the usual one has 0.7 to 3 ms */

void scheduling_prefer_latency(void)
{
    struct sched_attr attributes = {.size = sizeof attributes};
    if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0 ||
        attributes.sched_policy != SCHED_NORMAL)
        return;
    attributes.sched_runtime = short_turn_ns;
    (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
}
