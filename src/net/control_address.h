/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_NET_CONTROL_ADDRESS_H
#define LEVERET_NET_CONTROL_ADDRESS_H

struct sockaddr_un;

/* The name of the control socket in the data folder. */
#define CONTROL_SOCKET_NAME "control.sock"

/* The address of the socket in a folder that folder_fd holds open, for bind or connect while it is
 * open. */
void control_address(int folder_fd, struct sockaddr_un *address);

#endif
