// SPDX-License-Identifier: Apache-2.0
//
// The tests, those that restart the broker last, so that one that does not come back spoils nothing else.

using System;
using System.Collections;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Linq;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;
using static Context;

static class Tests
{
    public static void Register()
    {
        Suite.Test("connection_opens_and_closes_cleanly", Opens);
        Suite.Test("tuned_limits", Tuned);
        Suite.Test("wrong_password_is_refused", WrongPassword);
        Suite.Test("missing_vhost_is_refused_with_530", MissingVhost);
        Suite.Test("many_channels", ManyChannels);
        Suite.Test("transaction_commits_and_rolls_back", Transaction);
        Suite.Test("mandatory_unroutable_message_is_returned", Returned);
        Suite.Test("all_properties_round_trip", Properties);
        Suite.Test("header_types_round_trip", Headers);
        Suite.Test("bodies_around_the_frame_size", FrameSize);
        Suite.Test("publish_and_consume_in_order", InOrder);
        Suite.Test("get_returns_message_count_and_get_empty", Gets);
        Suite.Test("prefetch_limits_unacked", Prefetch);
        Suite.Test("reject_requeues_or_drops", Reject);
        Suite.Test("closed_channel_gives_its_messages_back", GivesBack);
        Suite.Test("double_ack_is_406", DoubleAck);
        Suite.Test("exclusive_consumer_is_alone", ExclusiveConsumer);
        Suite.Test("consumer_priority", ConsumerPriority);
        Suite.Test("rpc_with_direct_reply_to", DirectReplyTo);
        Suite.Test("exchange_types_route", ExchangeTypes);
        Suite.Test("cc_and_bcc", CcAndBcc);
        Suite.Test("purge_and_delete_count", PurgeAndDelete);
        Suite.Test("missing_things_are_404", Missing);
        Suite.Test("inequivalent_declare_is_406", Inequivalent);
        Suite.Test("expired_messages_are_dead_lettered", Expired);
        Suite.Test("rejected_messages_get_the_dead_letter_routing_key", Rejected);
        Suite.Test("max_length_drops_the_oldest", MaxLength);
        Suite.Test("priorities_come_first", Priorities);
        Suite.Test("single_active_consumer_hands_over", SingleActiveConsumer);
        Suite.Test("quorum_queue_counts_deliveries_and_buries_poison", Quorum);
        Suite.Test("wrong_arguments_are_406", WrongArguments);
        Suite.Test("durable_things_survive", Durable);
        Suite.Test("what_was_committed_survives_a_crash", Crash);
    }

    static string Joined(IEnumerable<string> bodies) { return string.Join(" ", bodies); }

    static string[] Numbers(int count) { return Enumerable.Range(0, count).Select(n => n.ToString()).ToArray(); }

    // --- connections ---------------------------------------------------------------------------

    static void Opens(Context t)
    {
        var connection = t.Connect();
        Check.Equal("product", "RabbitMQ", Text(connection.ServerProperties["product"]));
        var closed = new BlockingCollection<ShutdownEventArgs>();
        connection.ConnectionShutdown += (from, reason) => closed.Add(reason);
        connection.CreateModel().Close();
        connection.Close(200, "bye");
        ShutdownEventArgs how;
        Check.True("the shutdown event", closed.TryTake(out how, Check.WaitMs));
        Check.Equal("initiator", ShutdownInitiator.Application, how.Initiator);
    }

    static void Tuned(Context t)
    {
        var factory = Factory();
        factory.RequestedChannelMax = 7;
        factory.RequestedFrameMax = 8192;
        factory.RequestedHeartbeat = 13;
        var connection = t.Connect(factory);
        Check.Equal("tuned", "7 8192 13", connection.ChannelMax + " " + connection.FrameMax + " " + connection.Heartbeat);
        var channel = connection.CreateModel();
        var queue = t.Queue(channel);
        var body = new string('x', 100000);
        channel.TxSelect();
        Publish(channel, queue, body);
        Check.True("100 KB in frames of 8 KB", Text(Get(channel, queue).Body) == body);
    }

    /// <summary>This client tells of no capabilities, so the broker drops the socket.</summary>
    static void WrongPassword(Context t)
    {
        var factory = Factory();
        factory.Password = "wrong";
        try {
            t.Connect(factory);
        } catch (BrokerUnreachableException) {
            return;
        } catch (PossibleAuthenticationFailureException) {
            return;
        }
        throw new Mismatch("a wrong password was accepted");
    }

    static void MissingVhost(Context t)
    {
        var factory = Factory();
        factory.VirtualHost = "missing";
        try {
            t.Connect(factory);
        } catch (BrokerUnreachableException error) {
            Exception refusal = null;
            foreach (Exception one in error.ConnectionErrors.Values)
                refusal = one;
            Check.Refused(530, "NOT_ALLOWED - vhost missing not found", () => { throw refusal; });
            return;
        }
        throw new Mismatch("a vhost that is missing was opened");
    }

    static void ManyChannels(Context t)
    {
        var connection = t.Connect();
        var channels = Enumerable.Range(0, Quick ? 50 : 200).Select(n => connection.CreateModel()).ToList();
        var queue = t.Queue(channels[0]);
        foreach (var channel in channels) {
            channel.TxSelect();
            Publish(channel, queue, "x");
        }
        Check.Equal("messages", channels.Count, Drain(channels[0], queue).Length);
    }

    // --- publishing ----------------------------------------------------------------------------

    static void Transaction(Context t)
    {
        var channel = t.TxChannel();
        var queue = t.Queue(channel);
        channel.BasicPublish("", queue, null, Bytes("rolled back"));
        channel.TxRollback();
        channel.BasicPublish("", queue, null, Bytes("committed"));
        Check.Equal("before the commit", 0, Drain(t.Channel(), queue).Length);
        channel.TxCommit();
        Check.Equal("messages", "committed", Joined(Drain(channel, queue)));
    }

    static void Returned(Context t)
    {
        var channel = t.Channel();
        var exchange = t.Exchange(channel, "direct");
        var returned = new BlockingCollection<BasicReturnEventArgs>();
        channel.BasicReturn += (from, message) => returned.Add(message);
        channel.BasicPublish(exchange, "nowhere", true, false, Persistent(channel), Bytes("x"));
        BasicReturnEventArgs back;
        Check.True("the return", returned.TryTake(out back, Check.WaitMs));
        Check.Equal("return", "312 NO_ROUTE nowhere x",
            back.ReplyCode + " " + back.ReplyText + " " + back.RoutingKey + " " + Text(back.Body));
        Check.Equal("exchange", exchange, back.Exchange);
    }

    static void Properties(Context t)
    {
        var channel = t.TxChannel();
        var queue = t.Queue(channel);
        var sent = channel.CreateBasicProperties();
        sent.ContentType = "application/json";
        sent.ContentEncoding = "gzip";
        sent.DeliveryMode = 2;
        sent.Priority = 7;
        sent.CorrelationId = "correlation";
        sent.ReplyTo = "reply";
        sent.Expiration = "600000";
        sent.MessageId = "id";
        sent.Timestamp = new AmqpTimestamp(1700000000);
        sent.Type = "kind";
        sent.UserId = Setting("AMQP_USER");
        sent.AppId = "application";
        channel.BasicPublish("", queue, sent, Bytes("x"));
        channel.BasicPublish("", queue, null, Bytes(""));
        channel.TxCommit();
        var got = Get(channel, queue).BasicProperties;
        Check.Equal("properties", Shown(sent), Shown(got));
        Check.True("no headers", !got.IsHeadersPresent());
        Check.True("no type of an empty message", !Get(channel, queue).BasicProperties.IsTypePresent());
    }

    static string Shown(IBasicProperties p)
    {
        return string.Join(" ", p.ContentType, p.ContentEncoding, p.DeliveryMode, p.Priority, p.CorrelationId,
            p.ReplyTo, p.Expiration, p.MessageId, p.Timestamp.UnixTime, p.Type, p.UserId, p.AppId);
    }

    static void Headers(Context t)
    {
        var channel = t.TxChannel();
        var queue = t.Queue(channel);
        var sent = channel.CreateBasicProperties();
        sent.Headers = Table("text", "text €", "int", -5, "time", new AmqpTimestamp(1700000000), "none", null,
            "table", Table("deep", 1), "decimal", 1.5m);
        channel.BasicPublish("", queue, sent, Bytes("x"));
        channel.TxCommit();
        var got = Get(channel, queue).BasicProperties;
        Check.Equal("text", "text €", (string)Header(got, "text"));
        Check.Equal("int", -5, (int)Header(got, "int"));
        Check.Equal("time", 1700000000, ((AmqpTimestamp)Header(got, "time")).UnixTime);
        Check.True("void", got.Headers.Contains("none") && Header(got, "none") == null);
        Check.Equal("table", 1, (int)((IDictionary)Header(got, "table"))["deep"]);
        Check.Equal("decimal", 1.5m, (decimal)Header(got, "decimal"));
    }

    static void FrameSize(Context t)
    {
        var channel = t.TxChannel();
        var queue = t.Queue(channel);
        const int limit = 131072 - 8;
        var sizes = new[] { 0, 1, limit - 1, limit, limit + 1, 2 * limit, 2 * limit + 1 };
        Publish(channel, queue, sizes.Select(size => new string('x', size)).ToArray());
        Check.Equal("sizes", string.Join(" ", sizes), Joined(Drain(channel, queue).Select(body => body.Length + "")));
    }

    // --- consuming -----------------------------------------------------------------------------

    static void InOrder(Context t)
    {
        var channel = t.TxChannel();
        var queue = t.Queue(channel);
        var sent = Numbers(Quick ? 500 : 3000);
        Publish(channel, queue, sent);
        Check.Equal("bodies", Joined(sent), Joined(Consume(t.Channel(), queue).Take(sent.Length)));
    }

    static void Gets(Context t)
    {
        var channel = t.TxChannel();
        var queue = t.Queue(channel);
        Publish(channel, queue, "a", "b");
        var first = channel.BasicGet(queue, true);
        Check.Equal("first", "a 1 False", Text(first.Body) + " " + first.MessageCount + " " + first.Redelivered);
        Check.Equal("second", 0u, channel.BasicGet(queue, true).MessageCount);
        Check.True("empty", channel.BasicGet(queue, true) == null);
    }

    static void Prefetch(Context t)
    {
        var publisher = t.TxChannel();
        var queue = t.Queue(publisher);
        Publish(publisher, queue, Numbers(5));
        var channel = t.Channel();
        channel.BasicQos(0, 2, false);
        var inbox = Consume(channel, queue, false);
        var tags = new[] { inbox.Next().DeliveryTag, inbox.Next().DeliveryTag };
        Check.True("no third one", inbox.IsQuiet());
        channel.BasicAck(tags[1], true);
        Check.Equal("the next two", "2 3", Joined(inbox.Take(2)));
        Check.True("no fifth one", inbox.IsQuiet());
    }

    static void Reject(Context t)
    {
        var publisher = t.TxChannel();
        var queue = t.Queue(publisher);
        Publish(publisher, queue, "x");
        var channel = t.Channel();
        channel.BasicReject(Get(channel, queue, false).DeliveryTag, true);
        var again = Get(channel, queue, false);
        Check.Equal("redelivered", true, again.Redelivered);
        channel.BasicReject(again.DeliveryTag, false);
        Check.True("gone", channel.BasicGet(queue, true) == null);
    }

    static void GivesBack(Context t)
    {
        var publisher = t.TxChannel();
        var queue = t.Queue(publisher);
        Publish(publisher, queue, Numbers(3));
        var channel = t.Channel();
        Consume(channel, queue, false).Take(3);
        channel.Close();
        var reader = t.Channel();
        Check.Equal("redelivered", true, Get(reader, queue).Redelivered);
        Check.Equal("the rest, in order", "1 2", Joined(Drain(reader, queue)));
    }

    static void DoubleAck(Context t)
    {
        var publisher = t.TxChannel();
        var queue = t.Queue(publisher);
        Publish(publisher, queue, "x");
        var channel = t.Channel();
        var tag = Get(channel, queue, false).DeliveryTag;
        channel.BasicAck(tag, false);
        channel.BasicAck(tag, false);
        Check.Refused(406, "PRECONDITION_FAILED - unknown delivery tag 1", () => channel.QueueDeclare());
    }

    static void ExclusiveConsumer(Context t)
    {
        var channel = t.Channel();
        var queue = t.Queue(channel);
        var other = t.Channel();
        channel.BasicConsume(queue, true, "", false, true, null, new Inbox(channel));
        Check.Refused(403, "ACCESS_REFUSED - queue '" + queue + "' in vhost '/' in exclusive use",
            () => Consume(other, queue));
    }

    static void ConsumerPriority(Context t)
    {
        var publisher = t.TxChannel();
        var queue = t.Queue(publisher);
        var low = Consume(t.Channel(), queue);
        var high = Consume(t.Channel(), queue, true, Table("x-priority", 10));
        Publish(publisher, queue, Numbers(4));
        Check.Equal("to the higher", "0 1 2 3", Joined(high.Take(4)));
        Check.True("nothing to the lower", low.IsQuiet());
    }

    static void DirectReplyTo(Context t)
    {
        var client = t.Channel();
        var server = t.Channel();
        var requests = t.Queue(server);
        var replies = Consume(client, "amq.rabbitmq.reply-to");
        var properties = client.CreateBasicProperties();
        properties.ReplyTo = "amq.rabbitmq.reply-to";
        properties.CorrelationId = "c1";
        client.BasicPublish("", requests, properties, Bytes("question"));
        var request = Get(server, requests).BasicProperties;
        Check.True("its address", request.ReplyTo.StartsWith("amq.rabbitmq.reply-to."));
        server.BasicPublish("", request.ReplyTo, request, Bytes("answer"));
        var reply = replies.Next();
        Check.Equal("reply", "c1 answer", reply.BasicProperties.CorrelationId + " " + Text(reply.Body));
    }

    // --- topology ------------------------------------------------------------------------------

    static void ExchangeTypes(Context t)
    {
        var channel = t.TxChannel();
        foreach (var row in new[] { "direct a.b a.b,a.c a.b", "fanout - a.b,x a.b,x", "topic a.* a.b,b.c,a.c a.b,a.c" }) {
            var words = row.Split(' ');
            var exchange = t.Exchange(channel, words[0]);
            var queue = t.Queue(channel);
            Bind(channel, queue, exchange, words[1]);
            foreach (var key in words[2].Split(','))
                channel.BasicPublish(exchange, key, null, Bytes(key));
            channel.TxCommit();
            Check.Equal(words[0], words[3], string.Join(",", Drain(channel, queue)));
        }
        var headers = t.Exchange(channel, "headers");
        var matched = t.Queue(channel);
        Bind(channel, matched, headers, "", Table("x-match", "all", "kind", "a", "size", 1));
        foreach (var kind in new[] { "a", "b" }) {
            var properties = channel.CreateBasicProperties();
            properties.Headers = Table("kind", kind, "size", 1);
            channel.BasicPublish(headers, "", properties, Bytes(kind));
        }
        channel.TxCommit();
        Check.Equal("headers", "a", Joined(Drain(channel, matched)));
    }

    /// <summary>This client cannot write arrays, so CC is beyond it: what it sends is refused.</summary>
    static void CcAndBcc(Context t)
    {
        var channel = t.Channel();
        var queue = t.Queue(channel);
        var properties = channel.CreateBasicProperties();
        properties.Headers = Table("CC", queue);
        channel.BasicPublish("", queue, properties, Bytes("x"));
        try {
            channel.QueueDeclare();
        } catch (OperationInterruptedException error) {
            Check.Equal("code", 406, (int)error.ShutdownReason.ReplyCode);
            return;
        }
        throw new Mismatch("a CC that is no array was taken");
    }

    static void PurgeAndDelete(Context t)
    {
        var channel = t.TxChannel();
        var queue = t.Queue(channel);
        Publish(channel, queue, "a", "b");
        Check.Equal("purged", 2u, channel.QueuePurge(queue, false));
        Publish(channel, queue, "c");
        Check.Equal("deleted with", 1u, channel.QueueDelete(queue, false, false, false));
        Check.True("server-named", t.Channel().QueueDeclare().StartsWith("amq.gen-"));
    }

    static void Missing(Context t)
    {
        var name = t.Name("missing");
        var text = "NOT_FOUND - no queue '" + name + "' in vhost '/'";
        Check.Refused(404, text, () => t.Channel().QueueDeclare(name, true, false, false, false, false, null));
        Check.Refused(404, text, () => t.Channel().BasicGet(name, true));
        Check.Refused(404, "NOT_FOUND - no exchange '" + name + "' in vhost '/'",
            () => t.Channel().ExchangeDeclare(name, "direct", true, false, false, false, false, null));
    }

    static void Inequivalent(Context t)
    {
        var queue = t.Queue(t.Channel(), true);
        Check.Refused(406, "PRECONDITION_FAILED - inequivalent arg 'durable' for queue '" + queue
            + "' in vhost '/': received 'false' but current is 'true'",
            () => t.Channel().QueueDeclare(queue, false, false, false, false, false, null));
    }

    // --- what a queue's arguments make of its messages -----------------------------------------

    static string DeadLetters(Context t, IModel channel, out string dead)
    {
        var exchange = t.Exchange(channel, "fanout");
        dead = t.Queue(channel);
        Bind(channel, dead, exchange, "");
        return exchange;
    }

    static void Expired(Context t)
    {
        var channel = t.TxChannel();
        string dead;
        var exchange = DeadLetters(t, channel, out dead);
        var queue = t.Queue(channel, false, Table("x-message-ttl", 50, "x-dead-letter-exchange", exchange));
        Publish(channel, queue, "x");
        var message = Get(channel, dead);
        Check.Equal("routing key", queue, message.RoutingKey);
        Check.Equal("reason", "expired", (string)Header(message.BasicProperties, "x-first-death-reason"));
        Check.Equal("queue", queue, (string)Header(message.BasicProperties, "x-first-death-queue"));
        var death = (IDictionary)((IList)Header(message.BasicProperties, "x-death"))[0];
        Check.Equal("count", 1L, (long)death["count"]);
        Check.Equal("reason", "expired", Text(death["reason"]));
        Check.True("time", ((AmqpTimestamp)death["time"]).UnixTime > 1700000000);
    }

    static void Rejected(Context t)
    {
        var channel = t.TxChannel();
        var dead = t.Queue(channel);
        var queue = t.Queue(channel, false, Table("x-dead-letter-exchange", "", "x-dead-letter-routing-key", dead));
        Publish(channel, queue, "x");
        var reader = t.Channel();
        reader.BasicReject(Get(reader, queue, false).DeliveryTag, false);
        Check.Equal("routing key", dead, Get(reader, dead).RoutingKey);
    }

    static void MaxLength(Context t)
    {
        var channel = t.TxChannel();
        string dead;
        var exchange = DeadLetters(t, channel, out dead);
        var queue = t.Queue(channel, false, Table("x-max-length", 2, "x-dead-letter-exchange", exchange));
        Publish(channel, queue, "1", "2", "3");
        var dropped = Get(channel, dead);
        Check.Equal("dropped", "1 maxlen",
            Text(dropped.Body) + " " + Header(dropped.BasicProperties, "x-first-death-reason"));
        Check.Equal("what is left", "2 3", Joined(Drain(channel, queue)));
    }

    static void Priorities(Context t)
    {
        var channel = t.TxChannel();
        var queue = t.Queue(channel, false, Table("x-max-priority", 5));
        foreach (var pair in new[] { "a0", "b5", "c3", "d5", "e0", "f9" }) {
            var properties = channel.CreateBasicProperties();
            properties.Priority = (byte)(pair[1] - '0');
            channel.BasicPublish("", queue, properties, Bytes(pair.Substring(0, 1)));
        }
        channel.TxCommit();
        Check.Equal("in this order", "b d f c a e", Joined(Drain(channel, queue)));
    }

    static void SingleActiveConsumer(Context t)
    {
        var publisher = t.TxChannel();
        var queue = t.Queue(publisher, false, Table("x-single-active-consumer", true));
        var one = t.Channel();
        var first = Consume(one, queue);
        var second = Consume(t.Channel(), queue);
        Publish(publisher, queue, "1", "2");
        Check.Equal("to the first", "1 2", Joined(first.Take(2)));
        Check.True("nothing to the one that waits", second.IsQuiet());
        one.BasicCancel(first.Tag);
        Publish(publisher, queue, "3");
        Check.Equal("to the second", "3", Joined(second.Take(1)));
    }

    static void Quorum(Context t)
    {
        var setup = t.Channel();
        string dead;
        var exchange = DeadLetters(t, setup, out dead);
        var queue = t.Queue(setup, true,
            Table("x-queue-type", "quorum", "x-delivery-limit", 2, "x-dead-letter-exchange", exchange));
        setup.BasicPublish("", queue, Persistent(setup), Bytes("poison"));
        var channel = t.Channel();
        var inbox = Consume(channel, queue, false);
        for (var n = 0; n < 3; n++) {
            var message = inbox.Next();
            var count = Header(message.BasicProperties, "x-delivery-count");
            Check.Equal("x-delivery-count", n == 0 ? null : n.ToString(), count == null ? null : count.ToString());
            channel.BasicReject(message.DeliveryTag, true);
        }
        Check.Equal("reason", "delivery_limit",
            (string)Header(Get(setup, dead).BasicProperties, "x-first-death-reason"));
    }

    static void WrongArguments(Context t)
    {
        var name = t.Name("wrong");
        foreach (var row in new[] { "x-message-ttl -1 {value_negative,-1}", "x-expires 0 {value_zero,0}",
            "x-max-priority 256 {max_value_exceeded,256}" }) {
            var words = row.Split(' ');
            Check.Refused(406, "PRECONDITION_FAILED - invalid arg '" + words[0] + "' for queue '" + name
                + "' in vhost '/': " + words[2], () => t.Channel().QueueDeclare(
                    name, false, false, false, false, false, Table(words[0], int.Parse(words[1]))));
        }
    }

    // --- restarts ------------------------------------------------------------------------------

    static void Durable(Context t)
    {
        var connection = t.Connect();
        var closed = new BlockingCollection<ShutdownEventArgs>();
        connection.ConnectionShutdown += (from, how) => closed.Add(how);
        var channel = connection.CreateModel();
        channel.TxSelect();
        var exchange = t.Exchange(channel, "topic", true);
        var queue = t.Queue(channel, true);
        Bind(channel, queue, exchange, "to.#");
        Publish(channel, queue, "a", "b");
        Shell(Setting("BROKER_RESTART"));
        ShutdownEventArgs reason;
        Check.True("the shutdown event", closed.TryTake(out reason, Check.WaitMs));
        Check.Equal("reason", "320 CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'",
            reason.ReplyCode + " " + reason.ReplyText);
        channel = t.TxChannel();
        channel.BasicPublish(exchange, "to.queue", Persistent(channel), Bytes("c"));
        channel.TxCommit();
        Check.Equal("messages", "a b c", Joined(Drain(channel, queue)));
    }

    static void Crash(Context t)
    {
        var channel = t.TxChannel();
        var queue = t.Queue(channel, true);
        for (var n = 0; n < 20; n++)
            Publish(channel, queue, Numbers(50).Select(body => n + "." + body).ToArray());
        channel.BasicPublish("", queue, Persistent(channel), Bytes("not committed"));
        Shell(Setting("BROKER_CRASH"));
        var bodies = Drain(t.Channel(), queue);
        Check.Equal("messages", 1000, bodies.Length);
        Check.Equal("the first and the last", "0.0 19.49", bodies[0] + " " + bodies[999]);
    }
}
