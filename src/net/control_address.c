/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The address of a Unix socket holds some hundred bytes of path, and a data folder may lie deeper
 * than that. So the folder is opened, and the path leads through its descriptor.
 */
#include "net/control_address.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

void control_address(int folder_fd, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%s", folder_fd,
             CONTROL_SOCKET_NAME);
}
