// SPDX-License-Identifier: Apache-2.0

package main

// Queues and exchanges that come and go with their users.

import (
	"errors"
	"regexp"

	amqp "github.com/rabbitmq/amqp091-go"
)

var lifetimeTests = []test{
	{name: "server_named_queue", body: serverNamedQueue},
	{name: "exclusive_queue_vanishes_with_its_connection", body: exclusiveQueueVanishes},
	{name: "exclusive_queue_vanishes_with_a_dropped_connection", body: exclusiveQueueVanishesOnDrop},
	{name: "auto_delete_queue_vanishes_with_its_last_consumer", body: autoDeleteQueueVanishes},
	{name: "auto_delete_queue_without_consumers_stays", body: autoDeleteQueueStays},
	{name: "auto_delete_exchange_vanishes_with_its_last_binding", body: autoDeleteExchangeVanishes},
	{name: "deleting_a_queue_removes_its_bindings", body: deletingAQueueUnbinds},
	{name: "declaring_again_is_idempotent", body: declaringAgain},
	{name: "deleting_what_is_missing_succeeds", body: deletingWhatIsMissing},
}

func serverNamedQueue(t *T) {
	channel := t.confirmChannel()
	one, two := t.serverNamedQueue(channel), t.serverNamedQueue(channel)
	if !regexp.MustCompile(`^amq\.gen-[A-Za-z0-9_-]{22}$`).MatchString(one) {
		t.fatalf("unexpected name %s", one)
	}
	t.equal("the same name twice", one == two, false)
	t.publishConfirmed(channel, "", one, text("x"))
	t.equal("messages", t.ready(channel, one), 1)
}

func exclusiveQueueVanishes(t *T) {
	owner, other := t.connect(), t.connect()
	queue := t.queue(t.channelOn(owner), "q", queueOptions{exclusive: true})
	t.must(owner.Close())
	t.eventually("the queue to be gone", func() bool { return !t.exists(other, queue) })
}

func exclusiveQueueVanishesOnDrop(t *T) {
	owner, other := t.connect(), t.connect()
	queue := t.queue(t.channelOn(owner), "q", queueOptions{exclusive: true})
	t.drop(owner)
	gone := func() bool {
		asking := t.channelOn(other)
		_, err := asking.QueueDeclarePassive(queue, false, false, false, false, nil)
		var reply *amqp.Error
		return errors.As(err, &reply) && reply.Code == amqp.NotFound
	}
	t.eventually("the queue to be gone", gone)
}

func autoDeleteQueueVanishes(t *T) {
	connection := t.connect()
	channel := t.channelOn(connection)
	queue := t.queue(channel, "q", queueOptions{autoDelete: true})
	t.consumeAs(channel, queue, "one", true)
	t.consumeAs(channel, queue, "two", true)
	t.must(channel.Cancel("one", false))
	t.equal("exists with a consumer left", t.exists(connection, queue), true)
	t.must(channel.Cancel("two", false))
	t.eventually("the queue to be gone", func() bool { return !t.exists(connection, queue) })
}

func autoDeleteQueueStays(t *T) {
	owner, other := t.connect(), t.connect()
	queue := t.queue(t.channelOn(owner), "q", queueOptions{autoDelete: true})
	t.must(owner.Close())
	t.equal("exists", t.exists(other, queue), true)
}

func checkExchangeGone(t *T, channel *channel, exchange string) {
	err := channel.ExchangeDeclarePassive(exchange, "fanout", false, true, false, false, nil)
	t.checkReply(err, 404, "NOT_FOUND - no exchange '"+exchange+"' in vhost '/'")
}

func autoDeleteExchangeVanishes(t *T) {
	channel := t.channel()
	exchange := t.exchange(channel, "x", "fanout", false, true, nil)
	queue := t.transientQueue(channel, "q")
	t.bind(channel, queue, exchange, "")
	t.must(channel.ExchangeDeclarePassive(exchange, "fanout", false, true, false, false, nil))
	t.must(channel.QueueUnbind(queue, "", exchange, nil))
	checkExchangeGone(t, channel, exchange)
}

func deletingAQueueUnbinds(t *T) {
	channel := t.channel()
	exchange := t.exchange(channel, "x", "fanout", false, true, nil)
	queue := t.transientQueue(channel, "q")
	t.bind(channel, queue, exchange, "")
	_, err := channel.QueueDelete(queue, false, false, false)
	t.must(err)
	checkExchangeGone(t, channel, exchange)
}

func declaringAgain(t *T) {
	channel := t.confirmChannel()
	queue := t.durableQueue(channel, "q")
	t.publishConfirmed(channel, "", queue, persistent("x"))
	again, err := channel.QueueDeclare(queue, true, false, false, false, nil)
	t.must(err)
	t.equal("queue", again, amqp.Queue{Name: queue, Messages: 1, Consumers: 0})
	exchange := t.exchange(channel, "x", "topic", true, false, nil)
	t.must(channel.ExchangeDeclare(exchange, "topic", true, false, false, false, nil))
}

func deletingWhatIsMissing(t *T) {
	channel := t.channel()
	deleted, err := channel.QueueDelete(t.name("missing"), false, false, false)
	t.must(err)
	t.equal("messages", deleted, 0)
	t.must(channel.ExchangeDelete(t.name("missing"), false, false))
}
