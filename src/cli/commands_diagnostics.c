/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rabbitmq-diagnostics' commands. What starts with check_ or is_ is for scripts, which look at the
 * exit status; all of them ask the server one thing and look at different parts of the answer.
 */
#include "cli/command_tables.h"

#include "cli/diagnosis.h"
#include "cli/top.h"

#define DIAGNOSIS "diagnosis"

static const struct command commands[] = {
    {.name = "alarms",
     .request = DIAGNOSIS,
     .print = diagnosis_alarms,
     .help = "Lists the alarms in effect",
     .usage = ""},
    {.name = "check_alarms",
     .request = DIAGNOSIS,
     .print = diagnosis_check_alarms,
     .help = "Fails where an alarm is in effect",
     .usage = ""},
    {.name = "check_local_alarms",
     .request = DIAGNOSIS,
     .print = diagnosis_check_local_alarms,
     .help = "Fails where an alarm is in effect",
     .usage = ""},
    {.name = "check_port_connectivity",
     .request = DIAGNOSIS,
     .print = diagnosis_check_connectivity,
     .help = "Fails where a port on which the server listens takes no connection",
     .usage = ""},
    {.name = "check_port_listener",
     .request = DIAGNOSIS,
     .print = diagnosis_check_port,
     .check = diagnosis_check_port_word,
     .help = "Fails where the server does not listen on a port",
     .usage = "<port>",
     .arguments = {"port"}},
    {.name = "check_protocol_listener",
     .request = DIAGNOSIS,
     .print = diagnosis_check_protocol,
     .help = "Fails where the server does not listen for a protocol: amqp, amqp/ssl, http, "
             "http/prometheus",
     .usage = "<protocol>",
     .arguments = {"protocol"}},
    {.name = "check_running",
     .request = DIAGNOSIS,
     .print = diagnosis_check_running,
     .help = "Fails where the server does not run",
     .usage = ""},
    {.name = "check_virtual_hosts",
     .request = DIAGNOSIS,
     .print = diagnosis_check_vhosts,
     .help = "Fails where a virtual host does not run",
     .usage = ""},
    {.name = "cluster_status",
     .request = DIAGNOSIS,
     .print = diagnosis_cluster,
     .help = "Says what the cluster is, which is this server alone",
     .usage = ""},
    {.name = "is_booting",
     .request = DIAGNOSIS,
     .print = diagnosis_booting,
     .help = "Says whether the server is still starting",
     .usage = ""},
    {.name = "is_running",
     .request = DIAGNOSIS,
     .print = diagnosis_running,
     .help = "Says whether the server runs",
     .usage = ""},
    {.name = "listeners",
     .request = DIAGNOSIS,
     .print = diagnosis_listeners,
     .help = "Lists where the server listens, and for what",
     .usage = ""},
    {.name = "memory_breakdown",
     .request = DIAGNOSIS,
     .print = diagnosis_memory,
     .help = "Says what the memory is used for",
     .usage = "[--unit bytes|mb|gb]",
     .options = "unit=gb"},
    {.name = "server_version",
     .request = DIAGNOSIS,
     .print = diagnosis_version,
     .help = "Says as which version of RabbitMQ the server presents itself",
     .usage = ""},
    {.name = "top",
     .run = top_run,
     .help = "Shows the queues, connections or channels that do the most, again and again",
     .usage = "[--view queues|connections|channels] [--sort <column>] [--reverse] "
              "[--filter <text>] [--interval <seconds>] [--once | --batch [--number <number>]] "
              "[--rows <number>]",
     .options = "view=queues sort= reverse filter= interval= once batch number= rows="},
};

const struct command_table commands_diagnostics = {commands, sizeof commands / sizeof commands[0]};
