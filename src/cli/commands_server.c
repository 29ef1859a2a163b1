/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands about the server itself.
 */
#include "cli/command_tables.h"

#include "cli/alarm_limit.h"
#include "cli/check.h"

static const struct command commands[] = {
    {.name = "await_startup",
     .kind = COMMAND_AWAIT,
     .help = "Waits until the server serves",
     .usage = "[--timeout <seconds>]"},
    {.name = "check",
     .help = "Verifies a data folder in which no server works: every row, every counter",
     .usage = "",
     .run = check_run,
     .banner = "Checking the data folder ..."},
    {.name = "ping",
     .help = "Says whether the server answers",
     .usage = "",
     .banner = "Will ping the server.",
     .success = "Ping succeeded"},
    {.name = "reload",
     .help = "Reads the TLS certificates again; connections stay",
     .usage = "",
     .banner = "Reloading certificates ..."},
    {.name = "set_disk_free_limit",
     .help = "Sets how little disk space sets off the alarm, until the next start",
     .usage = "<size> | mem_relative <fraction>",
     .check = alarm_limit_check_disk,
     .arguments = {"limit", "size"},
     .optional_count = 1,
     .banner = "Setting disk free limit to {size} times the total RAM ...",
     .banner_other = "Setting disk free limit to {limit} bytes ..."},
    {.name = "set_vm_memory_high_watermark",
     .help = "Sets how much memory sets off the alarm, until the next start",
     .usage = "<fraction> | absolute <size>",
     .check = alarm_limit_check_memory,
     .arguments = {"limit", "size"},
     .optional_count = 1,
     .banner = "Setting memory threshold to {size} bytes ...",
     .banner_other = "Setting memory threshold to {limit} ..."},
    {.name = "status",
     .kind = COMMAND_STATUS,
     .help = "Says what the server is and does",
     .usage = "",
     .banner = "Status of the server ..."},
    {.name = "stop",
     .kind = COMMAND_STOP,
     .help = "Stops the server and waits for its end",
     .usage = "",
     .banner = "Stopping the server ..."},
};

const struct command_table commands_server = {commands, sizeof commands / sizeof commands[0]};
