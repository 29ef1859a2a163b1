// SPDX-License-Identifier: Apache-2.0

package main

// Consuming: prefetch, acknowledgements, requeueing, cancelling, request and reply.

import (
	"fmt"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

var consumingTests = []test{
	{name: "prefetch_per_consumer", body: prefetchPerConsumer},
	{name: "prefetch_per_channel", body: prefetchPerChannel},
	{name: "work_is_shared_round_robin", body: roundRobin},
	{name: "nack_requeues_in_place", body: nackRequeuesInPlace},
	{name: "ack_and_nack_multiple", body: ackAndNackMultiple},
	{name: "reject_without_requeue_drops", body: rejectDrops},
	{name: "closing_a_channel_requeues", body: closingRequeues},
	{name: "a_dropped_connection_requeues", body: droppingRequeues},
	{name: "recover_redelivers", body: recoverRedelivers},
	{name: "cancelled_consumer_gets_nothing", body: cancelledConsumer},
	{name: "cancel_notification_on_queue_delete", body: cancelNotification},
	{name: "purge_and_delete_count_messages", body: purgeAndDelete},
	{name: "many_consumers_get_every_message_once", body: manyConsumers},
	{name: "rpc", body: rpc},
}

// filledQueue declares a queue of these messages.
func filledQueue(t *T, bodies ...string) (*channel, string) {
	publisher := t.confirmChannel()
	queue := t.transientQueue(publisher, "q")
	for _, body := range bodies {
		t.publishConfirmed(publisher, "", queue, text(body))
	}
	return publisher, queue
}

func digits(count int) []string {
	var names []string
	for i := 0; i < count; i++ {
		names = append(names, strconv.Itoa(i))
	}
	return names
}

func prefetchPerConsumer(t *T) {
	publisher, queue := filledQueue(t, digits(10)...)
	channel := t.channel()
	t.must(channel.Qos(3, 0, false))
	deliveries := t.consume(channel, queue, false)
	first := t.take(deliveries, 3)
	t.equal("messages left", t.ready(publisher, queue), 7)
	t.must(first[1].Ack(false))
	t.equal("body", string(t.next(deliveries).Body), "3")
	t.equal("messages left", t.ready(publisher, queue), 6)
	t.must(first[2].Ack(true))
	t.take(deliveries, 2)
	t.equal("messages left", t.ready(publisher, queue), 4)
}

func prefetchPerChannel(t *T) {
	publisher, queue := filledQueue(t, digits(10)...)
	channel := t.channel()
	t.must(channel.Qos(4, 0, true))
	one := t.consume(channel, queue, false)
	two := t.consume(channel, queue, false)
	nextOfEither := func() amqp.Delivery {
		select {
		case delivery := <-one:
			return delivery
		case delivery := <-two:
			return delivery
		case <-time.After(wait):
			t.fatalf("no delivery after %s", wait)
		}
		panic("unreachable")
	}
	var last amqp.Delivery
	for i := 0; i < 4; i++ {
		last = nextOfEither()
	}
	t.equal("messages left", t.ready(publisher, queue), 6)
	t.must(channel.Ack(last.DeliveryTag, true))
	for i := 0; i < 4; i++ {
		nextOfEither()
	}
	t.equal("messages left", t.ready(publisher, queue), 2)
}

func roundRobin(t *T) {
	channel := t.confirmChannel()
	queue := t.transientQueue(channel, "q")
	one := t.consume(channel, queue, true)
	two := t.consume(channel, queue, true)
	for _, body := range digits(10) {
		t.publishConfirmed(channel, "", queue, text(body))
	}
	for i := 0; i < 10; i += 2 {
		t.equal("body", string(t.next(one).Body), strconv.Itoa(i))
		t.equal("body", string(t.next(two).Body), strconv.Itoa(i+1))
	}
}

func nackRequeuesInPlace(t *T) {
	_, queue := filledQueue(t, "a", "b", "c")
	channel := t.channel()
	first := t.get(channel, queue, false)
	t.equal("redelivered at first", first.Redelivered, false)
	t.must(first.Nack(false, true))
	for _, body := range []string{"a", "b", "c"} {
		delivery := t.get(channel, queue, false)
		t.equal("body", string(delivery.Body), body)
		t.equal("redelivered "+body, delivery.Redelivered, body == "a")
		t.must(delivery.Ack(false))
	}
}

func ackAndNackMultiple(t *T) {
	publisher, queue := filledQueue(t, digits(6)...)
	channel := t.channel()
	deliveries := t.take(t.consumeAs(channel, queue, "c", false), 6)
	t.must(channel.Cancel("c", false))
	t.must(deliveries[1].Nack(true, false))
	t.must(deliveries[3].Ack(true))
	t.must(channel.Nack(0, true, true))
	t.must(channel.Close())
	t.equal("messages left", t.ready(publisher, queue), 2)
	for _, body := range []string{"4", "5"} {
		delivery := t.get(publisher, queue, true)
		t.equal("body", string(delivery.Body), body)
		t.equal("redelivered", delivery.Redelivered, true)
	}
}

func rejectDrops(t *T) {
	publisher, queue := filledQueue(t, "gone", "kept")
	channel := t.channel()
	t.must(t.get(channel, queue, false).Reject(false))
	t.must(channel.Close())
	t.equal("messages", t.drain(publisher, queue), []string{"kept"})
}

func checkBackInQueue(t *T, publisher *channel, queue string) {
	t.eventually("b to be back", func() bool { return t.ready(publisher, queue) == 1 })
	delivery := t.get(publisher, queue, true)
	t.equal("body", string(delivery.Body), "b")
	t.equal("redelivered", delivery.Redelivered, true)
}

func closingRequeues(t *T) {
	publisher, queue := filledQueue(t, "a", "b")
	channel := t.channel()
	deliveries := t.take(t.consume(channel, queue, false), 2)
	t.must(deliveries[0].Ack(false))
	t.must(channel.Close())
	checkBackInQueue(t, publisher, queue)
}

func droppingRequeues(t *T) {
	publisher, queue := filledQueue(t, "a", "b")
	connection := t.connect()
	channel := t.channelOn(connection)
	deliveries := t.take(t.consume(channel, queue, false), 2)
	t.must(deliveries[0].Ack(false))
	t.must(channel.Qos(1, 0, false)) // its reply tells that the ack has arrived
	t.drop(connection)
	checkBackInQueue(t, publisher, queue)
}

func recoverRedelivers(t *T) {
	_, queue := filledQueue(t, "a", "b")
	channel := t.channel()
	deliveries := t.consume(channel, queue, false)
	t.take(deliveries, 2)
	t.must(channel.Recover(true))
	for i, delivery := range t.take(deliveries, 2) {
		t.equal("body", string(delivery.Body), []string{"a", "b"}[i])
		t.equal("redelivered", delivery.Redelivered, true)
		t.must(delivery.Ack(false))
	}
}

func cancelledConsumer(t *T) {
	channel := t.confirmChannel()
	queue := t.transientQueue(channel, "q")
	deliveries := t.consumeAs(channel, queue, "c", false)
	t.must(channel.Cancel("c", false))
	t.publishConfirmed(channel, "", queue, text("x"))
	t.equal("messages", t.ready(channel, queue), 1)
	if delivery, open := <-deliveries; open {
		t.fatalf("delivered after the cancel: %s", delivery.Body)
	}
}

func cancelNotification(t *T) {
	channel := t.channel()
	queue := t.transientQueue(channel, "q")
	cancelled := channel.NotifyCancel(make(chan string, 1))
	deliveries := t.consumeAs(channel, queue, "c", false)
	_, err := t.channel().QueueDelete(queue, false, false, false)
	t.must(err)
	select {
	case tag := <-cancelled:
		t.equal("cancelled consumer", tag, "c")
	case <-time.After(wait):
		t.fatalf("no basic.cancel after %s", wait)
	}
	if _, open := <-deliveries; open {
		t.fatalf("a delivery instead of the end")
	}
	t.must(channel.ExchangeDeclarePassive("amq.direct", "direct", true, false, false, false, nil))
}

func purgeAndDelete(t *T) {
	publisher, queue := filledQueue(t, "a", "b", "c")
	channel := t.channel()
	t.get(channel, queue, false)
	purged, err := channel.QueuePurge(queue, false)
	t.must(err)
	t.equal("purged", purged, 2)
	t.publishConfirmed(publisher, "", queue, text("d"))
	deleted, err := publisher.QueueDelete(queue, false, false, false)
	t.must(err)
	t.equal("deleted", deleted, 1)
}

func manyConsumers(t *T) {
	connection := t.connect()
	publisher := t.confirmChannelOn(connection)
	queue := t.transientQueue(publisher, "q")
	const consumers, messages = 20, 2000
	received := make(chan string, messages)
	for i := 0; i < consumers; i++ {
		channel := t.channelOn(t.connect())
		t.must(channel.Qos(10, 0, false))
		deliveries := t.consume(channel, queue, false)
		go func() {
			for delivery := range deliveries {
				received <- string(delivery.Body)
				_ = delivery.Ack(false)
			}
		}()
	}
	for i := 0; i < messages; i++ {
		t.publish(publisher, "", queue, text(strconv.Itoa(i)))
	}
	seen := map[string]bool{}
	for len(seen) < messages {
		select {
		case body := <-received:
			t.equal("seen before: "+body, seen[body], false)
			seen[body] = true
		case <-time.After(wait):
			t.fatalf("%d of %d messages arrived", len(seen), messages)
		}
	}
}

func rpc(t *T) {
	server := t.channel()
	requests := t.transientQueue(server, "requests")
	incoming := t.consume(server, requests, true)
	go func() {
		for request := range incoming {
			number, _ := strconv.Atoi(string(request.Body))
			reply := amqp.Publishing{
				CorrelationId: request.CorrelationId,
				Body:          []byte(strconv.Itoa(number * number)),
			}
			_ = server.Publish("", request.ReplyTo, false, false, reply)
		}
	}()

	client := t.channel()
	replyTo := t.serverNamedQueue(client)
	replies := t.consume(client, replyTo, true)
	for i := 0; i < 50; i++ {
		t.publish(client, "", requests, amqp.Publishing{
			ReplyTo: replyTo, CorrelationId: fmt.Sprint("request-", i), Body: []byte(strconv.Itoa(i)),
		})
	}
	answers := map[string]string{}
	for _, reply := range t.take(replies, 50) {
		answers[reply.CorrelationId] = string(reply.Body)
	}
	for i := 0; i < 50; i++ {
		t.equal("answer", answers[fmt.Sprint("request-", i)], strconv.Itoa(i*i))
	}
}
