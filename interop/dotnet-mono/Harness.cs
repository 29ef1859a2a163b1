// SPDX-License-Identifier: Apache-2.0
//
// A test is a name and a method that gets a context: the context opens connections, makes names that are
// unique to the run, and afterwards removes every queue and exchange that it declared, over a connection
// of its own, because the test's may be dead.

using System;
using System.Collections;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using System.Text;
using System.Threading;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

class Mismatch : Exception
{
    public Mismatch(string reason) : base(reason) { }
}

/// <summary>Short forms for what the tests say.</summary>
static class Check
{
    public const int WaitMs = 20000;

    public static void Equal<V>(string what, V wanted, V got)
    {
        if (!EqualityComparer<V>.Default.Equals(wanted, got))
            throw new Mismatch(what + ": expected " + wanted + ", got " + got);
    }

    public static void True(string what, bool condition)
    {
        if (!condition)
            throw new Mismatch(what);
    }

    public static void Eventually(string what, Func<bool> holds)
    {
        var watch = Stopwatch.StartNew();
        while (!holds()) {
            True(what + ": not so after " + WaitMs + " ms", watch.ElapsedMilliseconds < WaitMs);
            Thread.Sleep(20);
        }
    }

    /// <summary>The action must make the broker close the channel, or the connection, so.</summary>
    public static void Refused(ushort code, string text, Action action)
    {
        try {
            action();
        } catch (OperationInterruptedException error) {
            Equal("reply", code + " " + text, error.ShutdownReason.ReplyCode + " " + error.ShutdownReason.ReplyText);
            return;
        }
        throw new Mismatch("not refused: " + text);
    }
}

/// <summary>What a consumer got.</summary>
class Inbox : QueueingBasicConsumer
{
    public Inbox(IModel channel) : base(channel) { }

    public string Tag;

    public BasicDeliverEventArgs Next()
    {
        object item;
        Check.True("a delivery", Queue.Dequeue(Check.WaitMs, out item));
        return (BasicDeliverEventArgs)item;
    }

    public string[] Take(int count)
    {
        return Enumerable.Range(0, count).Select(n => Context.Text(Next().Body)).ToArray();
    }

    public bool IsQuiet()
    {
        object item;
        return !Queue.Dequeue(300, out item);
    }
}

class Context
{
    static readonly string Run = Guid.NewGuid().ToString("N").Substring(0, 8);
    static int count;

    readonly int number = ++count;
    int names;
    readonly List<IConnection> connections = new List<IConnection>();
    readonly List<string> queues = new List<string>();
    readonly List<string> exchanges = new List<string>();

    public static string Setting(string name)
    {
        var value = Environment.GetEnvironmentVariable(name);
        if (value == null)
            throw new Mismatch(name + " is not set: start the suite with interop/run");
        return value;
    }

    public static readonly bool Quick = Environment.GetEnvironmentVariable("INTEROP_QUICK") == "1";

    public static byte[] Bytes(string text) { return Encoding.UTF8.GetBytes(text); }

    public static string Text(object bytes) { return Encoding.UTF8.GetString((byte[])bytes); }

    /// <summary>This client's newest protocol is AMQP 0-9; RabbitMQ takes it for 0-9-1.</summary>
    public static ConnectionFactory Factory()
    {
        return new ConnectionFactory {
            Protocol = Protocols.AMQP_0_9,
            HostName = Setting("AMQP_HOST"),
            Port = int.Parse(Setting("AMQP_PORT")),
            UserName = Setting("AMQP_USER"),
            Password = Setting("AMQP_PASSWORD"),
            VirtualHost = Setting("AMQP_VHOST"),
        };
    }

    public IConnection Connect(ConnectionFactory factory = null)
    {
        var connection = (factory ?? Factory()).CreateConnection();
        connections.Add(connection);
        return connection;
    }

    public IModel Channel() { return Connect().CreateModel(); }

    public string Name(string suffix) { return "net." + Run + "." + number + "." + ++names + "." + suffix; }

    public static IDictionary Table(params object[] pairs)
    {
        var table = new Hashtable();
        for (var i = 0; i < pairs.Length; i += 2)
            table[pairs[i]] = pairs[i + 1];
        return table;
    }

    public string Queue(IModel channel, bool durable = false, IDictionary arguments = null)
    {
        var name = Name("q");
        queues.Add(name);
        channel.QueueDeclare(name, false, durable, false, false, false, arguments);
        return name;
    }

    public string Exchange(IModel channel, string type, bool durable = false, IDictionary arguments = null)
    {
        var name = Name("x");
        exchanges.Add(name);
        channel.ExchangeDeclare(name, type, false, durable, false, false, false, arguments);
        return name;
    }

    public static void Bind(IModel channel, string queue, string exchange, string key, IDictionary arguments = null)
    {
        channel.QueueBind(queue, exchange, key, false, arguments);
    }

    public static IBasicProperties Persistent(IModel channel)
    {
        var properties = channel.CreateBasicProperties();
        properties.SetPersistent(true);
        return properties;
    }

    /// <summary>
    /// Publishes in a transaction: this client has no confirms. The channel must have begun one.
    /// </summary>
    public static void Publish(IModel channel, string queue, params string[] bodies)
    {
        foreach (var body in bodies)
            channel.BasicPublish("", queue, Persistent(channel), Bytes(body));
        channel.TxCommit();
    }

    public IModel TxChannel()
    {
        var channel = Channel();
        channel.TxSelect();
        return channel;
    }

    public static Inbox Consume(IModel channel, string queue, bool noAck = true, IDictionary arguments = null)
    {
        var inbox = new Inbox(channel);
        inbox.Tag = channel.BasicConsume(queue, noAck, "", false, false, arguments, inbox);
        return inbox;
    }

    public static string[] Drain(IModel channel, string queue)
    {
        var bodies = new List<string>();
        for (var got = channel.BasicGet(queue, true); got != null; got = channel.BasicGet(queue, true))
            bodies.Add(Text(got.Body));
        return bodies.ToArray();
    }

    /// <summary>The next message of a queue, which may be on its way.</summary>
    public static BasicGetResult Get(IModel channel, string queue, bool noAck = true)
    {
        BasicGetResult got = null;
        Check.Eventually("a message in " + queue, () => (got = channel.BasicGet(queue, noAck)) != null);
        return got;
    }

    public static object Header(IBasicProperties properties, string key)
    {
        var value = properties.IsHeadersPresent() ? properties.Headers[key] : null;
        return value is byte[] ? Text(value) : value;
    }

    public static void Shell(string command)
    {
        var start = new ProcessStartInfo("/bin/sh", "-c \"" + command.Replace("\\", "\\\\").Replace("\"", "\\\"") + "\"");
        start.UseShellExecute = false;
        start.RedirectStandardOutput = true;
        using (var process = Process.Start(start)) {
            process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            Check.Equal("status of " + command, 0, process.ExitCode);
        }
    }

    public void CleanUp()
    {
        foreach (var connection in connections)
            connection.Abort(1000);
        if (queues.Count + exchanges.Count == 0)
            return;
        using (var connection = Factory().CreateConnection()) {
            var channel = connection.CreateModel();
            foreach (var name in queues)
                channel.QueueDelete(name, false, false, false);
            foreach (var name in exchanges)
                channel.ExchangeDelete(name, false, false);
        }
    }
}

static class Suite
{
    const int TimeoutMs = 180000;

    static readonly List<KeyValuePair<string, Action<Context>>> tests =
        new List<KeyValuePair<string, Action<Context>>>();

    public static void Test(string name, Action<Context> body)
    {
        tests.Add(new KeyValuePair<string, Action<Context>>(name, body));
    }

    static string Guarded(Action body)
    {
        string reason = null;
        var thread = new Thread(() => {
            try {
                body();
            } catch (ThreadAbortException) {
                reason = "not done after " + TimeoutMs + " ms";
            } catch (Exception error) {
                reason = error.GetType().Name + ": " + error.Message;
                Console.WriteLine("# " + error.StackTrace.Replace("\n", "\n# "));
            }
        });
        thread.IsBackground = true;
        thread.Start();
        if (!thread.Join(TimeoutMs)) {
            thread.Abort();
            return "not done after " + TimeoutMs + " ms";
        }
        return reason;
    }

    static bool RunOne(string name, Action<Context> body)
    {
        var context = new Context();
        var reason = Guarded(() => body(context));
        reason = reason ?? Guarded(context.CleanUp);
        var line = reason == null ? "ok " + name : "not ok " + name + ": " + reason;
        Console.WriteLine(string.Join(" ", line.Split((char[])null, StringSplitOptions.RemoveEmptyEntries)));
        return reason == null;
    }

    static int Main(string[] names)
    {
        Console.WriteLine("# RabbitMQ.Client of Mono, " + typeof(IModel).Assembly.GetName().Version);
        Tests.Register();
        var chosen = tests.Where(test => names.Length == 0 || names.Contains(test.Key)).ToList();
        var failed = chosen.Count(test => !RunOne(test.Key, test.Value));
        // Threads of connections that a failed test left behind must not keep the process.
        Environment.Exit(failed > 0 || chosen.Count == 0 ? 1 : 0);
        return 1;
    }
}
