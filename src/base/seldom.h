/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BASE_SELDOM_H
#define LEVERET_BASE_SELDOM_H

/* A function that a path of every message hardly ever calls. It stays out of line, so that the
 * registers and the stack that it needs are saved and made by those calls alone. */
#define SELDOM __attribute__((noinline))

/* A function of the path of every message that gcc would call. */
#define OFTEN __attribute__((always_inline)) inline

#endif
