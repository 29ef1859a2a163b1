/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands about queues, exchanges and bindings, and all definitions at once.
 */
#include "cli/command_tables.h"

static const struct command commands[] = {
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
     .columns_other = "durable auto_delete internal arguments policy"},
    {.name = "list_bindings",
     .kind = COMMAND_LIST,
     .help = "Lists the bindings of a virtual host",
     .usage = "[--vhost <vhost>] [<column> ...]",
     .has_vhost = true,
     .banner = "Listing bindings for vhost {vhost}...",
     .columns = "source_name source_kind destination_name destination_kind routing_key arguments",
     .columns_other = ""},
    {.name = "list_queues",
     .kind = COMMAND_LIST,
     .help = "Lists the queues of a virtual host",
     .usage = "[--vhost <vhost>] [<column> ...]",
     .has_vhost = true,
     .banner = "Listing queues for vhost {vhost} ...",
     .columns = "name messages",
     .columns_other = "messages_ready messages_unacknowledged consumers message_bytes_ready "
                      "durable auto_delete exclusive arguments policy operator_policy type"},
};

const struct command_table commands_objects = {commands, sizeof commands / sizeof commands[0]};
