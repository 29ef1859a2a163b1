// SPDX-License-Identifier: Apache-2.0

package main

// What a queue's arguments make of its messages: time to live, dead letters, limits, priorities.

import (
	"context"

	amqp "github.com/rabbitmq/amqp091-go"
)

var featureTests = []test{
	{name: "expired_messages_are_dead_lettered", body: expiredMessages},
	{name: "expiration_of_a_message_is_taken_off_and_told", body: messageExpiration},
	{name: "rejected_messages_get_the_dead_letter_routing_key", body: rejectedMessages},
	{name: "retry_queues_count_deaths", body: retryQueues},
	{name: "max_length_drops_the_oldest", body: maxLength},
	{name: "full_queue_nacks_publishes", body: fullQueueNacks},
	{name: "priorities_come_first", body: priorities},
	{name: "wrong_arguments_are_406", body: wrongArguments},
}

func (t *T) queueWith(on *channel, suffix string, durable bool, arguments amqp.Table) string {
	name := t.name(suffix)
	t.queues = append(t.queues, name)
	_, err := on.QueueDeclare(name, durable, false, false, false, arguments)
	t.must(err)
	return name
}

// deadLetters is an exchange and the queue of what arrives at it.
func (t *T) deadLetters(on *channel) (exchange, queue string) {
	exchange = t.transientExchange(on, "dlx", "fanout")
	queue = t.transientQueue(on, "dead")
	t.bind(on, queue, exchange, "")
	return exchange, queue
}

// deaths is x-death without its times, which must be there.
func (t *T) deaths(delivery amqp.Delivery) []amqp.Table {
	list, ok := delivery.Headers["x-death"].([]any)
	if !ok {
		t.fatalf("x-death: %v", delivery.Headers["x-death"])
	}
	var deaths []amqp.Table
	for _, one := range list {
		death := one.(amqp.Table)
		if death["time"] == nil {
			t.fatalf("a death without its time: %v", death)
		}
		delete(death, "time")
		deaths = append(deaths, death)
	}
	return deaths
}

func (t *T) take1(on *channel, queue string) amqp.Delivery {
	var taken amqp.Delivery
	t.eventually("a message in "+queue, func() bool {
		delivery, found, err := on.Get(queue, true)
		t.must(err)
		taken = delivery
		return found
	})
	return taken
}

func expiredMessages(t *T) {
	channel := t.confirmChannel()
	exchange, dead := t.deadLetters(channel)
	queue := t.queueWith(channel, "q", false, amqp.Table{
		"x-message-ttl": 50, "x-dead-letter-exchange": exchange,
	})
	t.publishConfirmed(channel, "", queue, persistent("x"))
	delivery := t.take1(channel, dead)
	t.equal("routing key", delivery.RoutingKey, queue)
	t.equal("x-death", t.deaths(delivery), []amqp.Table{{
		"count": int64(1), "reason": "expired", "queue": queue, "exchange": "",
		"routing-keys": []any{queue},
	}})
	t.equal("x-first-death-reason", delivery.Headers["x-first-death-reason"], "expired")
	t.equal("x-first-death-queue", delivery.Headers["x-first-death-queue"], queue)
	t.equal("x-first-death-exchange", delivery.Headers["x-first-death-exchange"], "")
}

func messageExpiration(t *T) {
	channel := t.confirmChannel()
	exchange, dead := t.deadLetters(channel)
	queue := t.queueWith(channel, "q", false, amqp.Table{"x-dead-letter-exchange": exchange})
	t.publishConfirmed(channel, "", queue, amqp.Publishing{Expiration: "40", Body: []byte("x")})
	delivery := t.take1(channel, dead)
	t.equal("expiration", delivery.Expiration, "")
	t.equal("original-expiration", t.deaths(delivery)[0]["original-expiration"], "40")
}

func rejectedMessages(t *T) {
	channel := t.confirmChannel()
	dead := t.transientQueue(channel, "dead")
	queue := t.queueWith(channel, "q", false, amqp.Table{
		"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead,
	})
	source := t.transientExchange(channel, "x", "topic")
	t.bind(channel, queue, source, "a.*")
	t.publishConfirmed(channel, source, "a.b", text("x"))
	delivery := t.get(channel, queue, false)
	t.must(delivery.Nack(false, false))
	buried := t.take1(channel, dead)
	t.equal("routing key", buried.RoutingKey, dead)
	t.equal("x-death", t.deaths(buried), []amqp.Table{{
		"count": int64(1), "reason": "rejected", "queue": queue, "exchange": source,
		"routing-keys": []any{"a.b"},
	}})
}

// retryQueues is the usual way to retry later: a work queue, and one whose messages expire back into it.
func retryQueues(t *T) {
	channel := t.confirmChannel()
	work, later := t.name("work"), t.name("later")
	t.queueWith(channel, "work", false, amqp.Table{
		"x-dead-letter-exchange": "", "x-dead-letter-routing-key": later,
	})
	t.queueWith(channel, "later", false, amqp.Table{
		"x-dead-letter-exchange": "", "x-dead-letter-routing-key": work, "x-message-ttl": 20,
	})
	deliveries := t.consume(channel, work, false)
	t.publishConfirmed(channel, "", work, text("x"))
	t.must(t.next(deliveries).Reject(false))
	for try := int64(1); try <= 3; try++ {
		delivery := t.next(deliveries)
		deaths := t.deaths(delivery)
		t.equal("deaths", len(deaths), 2)
		t.equal("the last", []any{deaths[0]["queue"], deaths[0]["reason"], deaths[0]["count"]}, []any{later, "expired", try})
		t.equal("before it", []any{deaths[1]["queue"], deaths[1]["reason"], deaths[1]["count"]}, []any{work, "rejected", try})
		t.must(delivery.Reject(false))
	}
}

func maxLength(t *T) {
	channel := t.confirmChannel()
	exchange, dead := t.deadLetters(channel)
	queue := t.queueWith(channel, "q", false, amqp.Table{
		"x-max-length": 2, "x-dead-letter-exchange": exchange,
	})
	for _, body := range []string{"1", "2", "3"} {
		t.publishConfirmed(channel, "", queue, text(body))
	}
	t.equal("what is left", t.drain(channel, queue), []string{"2", "3"})
	dropped := t.take1(channel, dead)
	t.equal("dead letter", string(dropped.Body), "1")
	t.equal("reason", dropped.Headers["x-first-death-reason"], "maxlen")
}

func fullQueueNacks(t *T) {
	channel := t.confirmChannel()
	queue := t.queueWith(channel, "q", false, amqp.Table{
		"x-max-length": 1, "x-overflow": "reject-publish",
	})
	t.publishConfirmed(channel, "", queue, text("1"))
	deferred := t.publishDeferred(channel, "", queue, false, text("2"))
	limit, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	acked, err := deferred.WaitContext(limit)
	t.must(err)
	t.equal("acked", acked, false)
	t.equal("what is left", t.drain(channel, queue), []string{"1"})
	t.publishConfirmed(channel, "", queue, text("3"))
}

func priorities(t *T) {
	channel := t.confirmChannel()
	queue := t.queueWith(channel, "q", true, amqp.Table{"x-max-priority": 10})
	for _, one := range []struct {
		body     string
		priority uint8
	}{{"a", 0}, {"b", 9}, {"c", 5}, {"d", 9}, {"e", 0}} {
		t.publishConfirmed(channel, "", queue, amqp.Publishing{
			Body: []byte(one.body), Priority: one.priority, DeliveryMode: amqp.Persistent,
		})
	}
	t.equal("order", t.drain(channel, queue), []string{"b", "d", "c", "a", "e"})
}

func wrongArguments(t *T) {
	name := t.name("wrong")
	for _, one := range []struct {
		argument string
		value    any
		reason   string
	}{
		{"x-message-ttl", -1, "{value_negative,-1}"},
		{"x-max-priority", 256, "{max_value_exceeded,256}"},
		{"x-expires", 0, "{value_zero,0}"},
	} {
		channel := t.channel()
		_, err := channel.QueueDeclare(name, false, false, false, false, amqp.Table{one.argument: one.value})
		t.channelError(channel, err, amqp.PreconditionFailed,
			"PRECONDITION_FAILED - invalid arg '"+one.argument+"' for queue '"+name+"' in vhost '/': "+one.reason)
	}
}
