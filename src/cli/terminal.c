/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What asks terminfo, apart from the rest: <term.h> takes words like lines and columns for itself.
 * A terminal that is not known is found here and not by newterm, which leaks where it fails.
 */
#include "cli/terminal.h"

#include <curses.h>
#include <term.h>
#include <unistd.h>

bool terminal_is_known(void)
{
    int error;
    if (setupterm(NULL, STDOUT_FILENO, &error) != OK)
        return false;
    del_curterm(cur_term);
    return true;
}
