/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands about queues, exchanges, bindings, connections, channels and consumers, and all
 * definitions at once.
 */
#include "cli/command_tables.h"

#include "cli/move.h"
#include "cli/status.h"

static const struct command commands[] = {
    {.name = "close_connection",
     .help = "Closes a connection",
     .usage = "<connection pid> <explanation>",
     .arguments = {"pid", "explanation"},
     .banner = "Closing connection {pid}, reason: {explanation}..."},
    {.name = "close_all_connections",
     .print = status_print_closed,
     .help = "Closes all connections to a virtual host, or all there are",
     .usage = "[--vhost <vhost> | --global] [--limit <limit>] [--per-connection-delay <ms>] "
              "<explanation>",
     .arguments = {"explanation"},
     .options = "global limit=0 per-connection-delay=0",
     .has_vhost = true,
     .banner = "Closing all connections in vhost {vhost}, reason: {explanation}...",
     .banner_other = "Closing all connections to the server (across all vhosts), reason: "
                     "{explanation}..."},
    {.name = "close_all_user_connections",
     .help = "Closes all connections of a user",
     .usage = "<username> <explanation>",
     .arguments = {"user", "explanation"},
     .banner = "Closing connections of user {user}, reason: {explanation}..."},
    {.name = "delete_queue",
     .print = status_print_deleted,
     .help = "Deletes a queue",
     .usage = "[--vhost <vhost>] <queue_name> [--if-empty|-e] [--if-unused|-u]",
     .arguments = {"queue"},
     .options = "if-empty if-unused",
     .has_vhost = true,
     .banner = "Deleting queue '{queue}' on vhost '{vhost}' {if-empty?if queue is empty }"
               "{if-empty+if-unused?and }{if-unused?if queue is unused }..."},
    {.name = "purge_queue",
     .help = "Removes all messages of a queue that nobody has to settle",
     .usage = "[--vhost <vhost>] <queue>",
     .arguments = {"queue"},
     .has_vhost = true,
     .banner = "Purging queue '{queue}' in vhost '{vhost}' ..."},
    {.name = "move_messages",
     .run = move_run,
     .help = "Moves the messages of a queue that are ready to another queue, in their order",
     .usage = "[--vhost <vhost>] <queue> <queue> [--number|-N <number>]",
     .arguments = {"queue", "destination"},
     .options = "number=",
     .has_vhost = true,
     .banner =
         "Moving messages of queue '{queue}' to queue '{destination}' in vhost '{vhost}' ..."},
    {.name = "export_definitions",
     .kind = COMMAND_EXPORT,
     .help = "Writes all definitions to a file, as JSON",
     .usage = "<file_path | \"-\"> [--format json]",
     .arguments = {"file"},
     .options = "format=json",
     .banner = "Exporting definitions in JSON to a file at \"{file}\" ...",
     .banner_other = ""},
    {.name = "import_definitions",
     .kind = COMMAND_IMPORT,
     .help = "Reads definitions from a file, or from standard input",
     .usage = "[<file_path | \"-\">] [--format json] [--skip-if-unchanged]",
     .arguments = {"file"},
     .optional_count = 1,
     .options = "format=json skip-if-unchanged",
     .has_vhost = true,
     .banner = "Importing definitions in JSON from a file at \"{file}\" ...",
     .banner_other = "Importing definitions in JSON from standard input ...",
     .success = "Successfully started definition import. This process is asynchronous and can take "
                "some time.",
     .success_is_chatter = true},
    {.name = "list_exchanges",
     .kind = COMMAND_LIST,
     .help = "Lists the exchanges of a virtual host",
     .usage = "[--vhost <vhost>] [<column> ...]",
     .has_vhost = true,
     .banner = "Listing exchanges for vhost {vhost} ...",
     .columns = "name type",
     .columns_other = "durable auto_delete internal arguments policy",
     .is_empty_if_absent = true},
    {.name = "list_bindings",
     .kind = COMMAND_LIST,
     .help = "Lists the bindings of a virtual host",
     .usage = "[--vhost <vhost>] [<column> ...]",
     .has_vhost = true,
     .banner = "Listing bindings for vhost {vhost}...",
     .columns = "source_name source_kind destination_name destination_kind routing_key arguments",
     .columns_other = "",
     .is_empty_if_absent = true},
    {.name = "list_queues",
     .kind = COMMAND_LIST,
     .help = "Lists the queues of a virtual host",
     .usage = "[--vhost <vhost>] [--online] [--offline] [--local] [<column> ...]",
     .options = "online offline local",
     .has_vhost = true,
     .banner = "Listing queues for vhost {vhost} ...",
     .columns = "name messages",
     .columns_other =
         "messages_ready messages_unacknowledged messages_ready_ram messages_unacknowledged_ram "
         "messages_ram messages_persistent message_bytes message_bytes_ready "
         "message_bytes_unacknowledged message_bytes_persistent "
         "message_bytes_ram disk_reads disk_writes memory consumers consumer_capacity "
         "consumer_utilisation durable auto_delete exclusive arguments policy operator_policy type "
         "state exclusive_consumer_tag single_active_consumer_tag owner_pid "
         "head_message_timestamp slave_pids synchronised_slave_pids pid leader members online",
     .is_empty_if_absent = true},
    {.name = "list_connections",
     .kind = COMMAND_LIST,
     .help = "Lists the connections",
     .usage = "[<column> ...]",
     .banner = "Listing connections ...",
     .columns = "user peer_host peer_port state",
     .columns_other = "pid name vhost protocol auth_mechanism channels channel_max frame_max "
                      "timeout connected_at client_properties host port recv_oct recv_cnt "
                      "send_oct send_cnt send_pend ssl ssl_protocol ssl_key_exchange ssl_cipher "
                      "ssl_hash peer_cert_subject peer_cert_issuer peer_cert_validity"},
    {.name = "list_channels",
     .kind = COMMAND_LIST,
     .help = "Lists the channels",
     .usage = "[<column> ...]",
     .banner = "Listing channels ...",
     .columns = "pid user consumer_count messages_unacknowledged",
     .columns_other = "connection name number vhost transactional confirm messages_uncommitted "
                      "acks_uncommitted messages_unconfirmed prefetch_count "
                      "global_prefetch_count"},
    {.name = "list_consumers",
     .kind = COMMAND_LIST,
     .help = "Lists the consumers of a virtual host",
     .usage = "[--vhost <vhost>] [<column> ...]",
     .has_vhost = true,
     .banner = "Listing consumers in vhost {vhost} ...",
     .columns = "queue_name channel_pid consumer_tag ack_required prefetch_count active arguments",
     .columns_other = "activity_status",
     .is_empty_if_absent = true,
     .column_order = "queue_name channel_pid consumer_tag ack_required prefetch_count active "
                     "activity_status arguments"},
};

const struct command_table commands_objects = {commands, sizeof commands / sizeof commands[0]};
