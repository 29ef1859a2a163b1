/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_TERMINAL_H
#define LEVERET_CLI_TERMINAL_H

#include <stdbool.h>

/* Is the type of the terminal, as TERM has it, one that curses knows? */
bool terminal_is_known(void);

#endif
