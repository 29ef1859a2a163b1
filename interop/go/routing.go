// SPDX-License-Identifier: Apache-2.0

package main

// The exchange types, exchange-to-exchange bindings and alternate exchanges. Each test publishes with
// confirms, so that what a queue holds afterwards is final.

import (
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

var routingTests = []test{
	{name: "direct_routing", body: directRouting},
	{name: "topic_routing", body: topicRouting},
	{name: "fanout_routing", body: fanoutRouting},
	{name: "one_copy_for_several_bindings", body: oneCopy},
	{name: "headers_routing", body: headersRouting},
	{name: "exchange_to_exchange", body: exchangeToExchange},
	{name: "exchange_cycle", body: exchangeCycle},
	{name: "alternate_exchange", body: alternateExchange},
}

func directRouting(t *T) {
	channel := t.confirmChannel()
	exchange := t.transientExchange(channel, "x", "direct")
	one, two := t.transientQueue(channel, "one"), t.transientQueue(channel, "two")
	t.bind(channel, one, exchange, "red")
	t.bind(channel, one, exchange, "green")
	t.bind(channel, two, exchange, "green")
	for _, key := range []string{"red", "green", "blue"} {
		t.publishConfirmed(channel, exchange, key, text(key))
	}
	t.must(channel.QueueUnbind(one, "green", exchange, nil))
	t.publishConfirmed(channel, exchange, "green", text("later"))
	t.equal("queue one", t.drain(channel, one), []string{"red", "green"})
	t.equal("queue two", t.drain(channel, two), []string{"green", "later"})
}

func topicRouting(t *T) {
	channel := t.confirmChannel()
	exchange := t.transientExchange(channel, "x", "topic")
	keys := []string{"a", "a.b", "a.b.c", "x.b", "x.b.c", "b", "stock.usd.nyse"}
	expected := map[string][]string{
		"a.b":       {"a.b"},
		"a.*":       {"a.b"},
		"a.#":       {"a", "a.b", "a.b.c"},
		"*.b":       {"a.b", "x.b"},
		"#.b":       {"a.b", "x.b", "b"},
		"#.b.#":     {"a.b", "a.b.c", "x.b", "x.b.c", "b"},
		"*.*.*":     {"a.b.c", "x.b.c", "stock.usd.nyse"},
		"stock.#.#": {"stock.usd.nyse"},
		"*.usd.*":   {"stock.usd.nyse"},
		"#":         keys,
		"a*":        {},
	}
	queues := map[string]string{}
	for pattern := range expected {
		queues[pattern] = t.serverNamedQueue(channel)
		t.bind(channel, queues[pattern], exchange, pattern)
	}
	for _, key := range keys {
		t.publishConfirmed(channel, exchange, key, text(key))
	}
	for pattern, bodies := range expected {
		t.equal("pattern "+pattern, t.drain(channel, queues[pattern]), bodies)
	}
}

func fanoutRouting(t *T) {
	channel := t.confirmChannel()
	exchange := t.transientExchange(channel, "x", "fanout")
	var queues []string
	for i := 0; i < 10; i++ {
		queues = append(queues, t.transientQueue(channel, fmt.Sprint("q", i)))
		t.bind(channel, queues[i], exchange, fmt.Sprint("ignored", i%2))
	}
	t.publishConfirmed(channel, exchange, "whatever", text("to all"))
	for _, queue := range queues {
		t.equal("queue "+queue, t.drain(channel, queue), []string{"to all"})
	}
}

func oneCopy(t *T) {
	channel := t.confirmChannel()
	exchange := t.transientExchange(channel, "x", "topic")
	queue := t.transientQueue(channel, "q")
	for _, pattern := range []string{"#", "a.*", "a.b"} {
		t.bind(channel, queue, exchange, pattern)
	}
	t.publishConfirmed(channel, exchange, "a.b", text("once"))
	t.equal("messages", t.drain(channel, queue), []string{"once"})
}

func headersRouting(t *T) {
	channel := t.confirmChannel()
	exchange := t.transientExchange(channel, "x", "headers")
	all, any := t.transientQueue(channel, "all"), t.transientQueue(channel, "any")
	for queue, match := range map[string]string{all: "all", any: "any"} {
		arguments := amqp.Table{"x-match": match, "kind": "report", "size": int32(7)}
		t.must(channel.QueueBind(queue, "", exchange, false, arguments))
	}
	for _, message := range []struct {
		body    string
		headers amqp.Table
	}{
		{"both", amqp.Table{"kind": "report", "size": int32(7)}},
		{"kind", amqp.Table{"kind": "report", "size": int32(8)}},
		{"size", amqp.Table{"size": int32(7)}},
		{"more", amqp.Table{"kind": "report", "size": int32(7), "other": true}},
		{"none", amqp.Table{"kind": "letter"}},
		{"without", nil},
	} {
		t.publishConfirmed(channel, exchange, "", amqp.Publishing{Headers: message.headers, Body: []byte(message.body)})
	}
	t.equal("all", t.drain(channel, all), []string{"both", "more"})
	t.equal("any", t.drain(channel, any), []string{"both", "kind", "size", "more"})
}

func exchangeToExchange(t *T) {
	channel := t.confirmChannel()
	source := t.transientExchange(channel, "source", "topic")
	target := t.transientExchange(channel, "target", "direct")
	queue := t.transientQueue(channel, "q")
	t.bind(channel, queue, target, "a.b")
	t.must(channel.ExchangeBind(target, "a.*", source, false, nil))
	for _, key := range []string{"a.b", "a.c", "b.b"} {
		t.publishConfirmed(channel, source, key, text(key))
	}
	t.must(channel.ExchangeUnbind(target, "a.*", source, false, nil))
	t.publishConfirmed(channel, source, "a.b", text("after the unbind"))
	t.equal("messages", t.drain(channel, queue), []string{"a.b"})
}

// Exchanges bound in a circle deliver one copy and come to an end.
func exchangeCycle(t *T) {
	channel := t.confirmChannel()
	var ring []string
	for i := 0; i < 3; i++ {
		ring = append(ring, t.transientExchange(channel, fmt.Sprint("x", i), "fanout"))
	}
	for i := range ring {
		t.must(channel.ExchangeBind(ring[(i+1)%3], "", ring[i], false, nil))
	}
	queue := t.transientQueue(channel, "q")
	t.bind(channel, queue, ring[0], "")
	t.bind(channel, queue, ring[2], "")
	t.publishConfirmed(channel, ring[1], "", text("once"))
	t.equal("messages", t.drain(channel, queue), []string{"once"})
}

func alternateExchange(t *T) {
	channel := t.confirmChannel()
	other := t.transientExchange(channel, "other", "fanout")
	main := t.exchange(channel, "main", "direct", false, false, amqp.Table{"alternate-exchange": other})
	known, unknown := t.transientQueue(channel, "known"), t.transientQueue(channel, "unknown")
	t.bind(channel, known, main, "known")
	t.bind(channel, unknown, other, "")
	for _, key := range []string{"known", "unknown"} {
		t.confirmed(t.publishDeferred(channel, main, key, true, text(key)))
	}
	t.equal("known", t.drain(channel, known), []string{"known"})
	t.equal("unknown", t.drain(channel, unknown), []string{"unknown"})
	t.equal("returns", len(channel.returned), 0)
}
