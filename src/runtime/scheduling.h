/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_SCHEDULING_H
#define LEVERET_RUNTIME_SCHEDULING_H

/*
 * The calling thread is told to the system as one that others wait for: it asks for a short turn on
 * a processor, and so gets it soon after it woke up, before threads that have long ones. Its share
 * of the processor stays what it is, as do its niceness and its policy. Where the system knows
 * nothing of this (Linux before 6.12), or the policy is not the ordinary one, nothing changes.
 */
void scheduling_prefer_latency(void);

#endif
