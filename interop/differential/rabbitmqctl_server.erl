%% SPDX-License-Identifier: Apache-2.0
%%
%% RabbitMQ's own rabbitmqctl, kept running: reads commands, one a line, each argument in base64
%% behind a "=", and runs them with the code of the installed rabbitmqctl. To start that program for
%% every command of every script would take longer than all the rest. Behind the output of a command,
%% and behind what it says on standard error, comes a line with the byte 1 and "end"; the former has
%% its exit status.
-module(rabbitmqctl_server).
-export([main/0]).

-define(CONFIG, 'Elixir.RabbitMQ.CLI.Core.Config').
-define(OUTPUT, 'Elixir.RabbitMQ.CLI.Core.Output').
-define(EXIT_CODES, 'Elixir.RabbitMQ.CLI.Core.ExitCodes').
-define(HELPERS, 'Elixir.RabbitMQ.CLI.Core.Helpers').

main() ->
    {ok, _} = application:ensure_all_started(elixir),
    ok = application:load(rabbitmqctl),
    serve().

serve() ->
    case io:get_line("") of
        eof ->
            halt(0);
        Line ->
            Words = binary:split(unicode:characters_to_binary(string:trim(Line)), <<" ">>, [global]),
            Status = run([argument(Word) || Word <- Words]),
            io:format(standard_error, "~n\x01end~n", []),
            io:format("~n\x01end ~b~n", [Status]),
            serve()
    end.

run(Arguments) ->
    try 'Elixir.RabbitMQCtl':exec_command(Arguments, fun print/3) of
        {error, Status, nil} ->
            Status;
        {error, Status, Text} ->
            io:format(standard_error, "~ts~n", [Text]),
            Status;
        _ ->
            0
    catch
        Class:Reason:Stack ->
            io:format(standard_error, "~p ~p ~p~n", [Class, Reason, Stack]),
            70
    end.

%% Behind a letter, so that an empty argument is a word, too.
argument(<<"=", Word/binary>>) ->
    base64:decode(Word).

print(Result, Command, Options) ->
    Formatter = ?CONFIG:get_formatter(Command, Options),
    Printer = ?CONFIG:get_printer(Command, Options),
    case ?OUTPUT:print_output(?OUTPUT:format_output(Result, Formatter, Options), Printer, Options) of
        {error, Reason} = Error ->
            %% What a command finds out while it prints.
            {error, ?EXIT_CODES:exit_code_for(Error), ?HELPERS:string_or_inspect(Reason)};
        Printed ->
            Printed
    end.
