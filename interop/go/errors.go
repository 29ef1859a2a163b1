// SPDX-License-Identifier: Apache-2.0

package main

// Mistakes, and what the broker answers: the code, the text, and that only what had to close was closed.

import (
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

var errorTests = []test{
	{name: "passive_declare_of_a_missing_queue_404", body: missingQueue},
	{name: "passive_declare_of_a_missing_exchange_404", body: missingExchange},
	{name: "redeclare_of_a_queue_inequivalent_406", body: inequivalentQueue},
	{name: "redeclare_of_an_exchange_inequivalent_406", body: inequivalentExchange},
	{name: "publish_to_a_missing_exchange_404", body: publishToMissingExchange},
	{name: "publish_to_an_internal_exchange_403", body: publishToInternalExchange},
	{name: "bind_a_missing_queue_404", body: bindMissingQueue},
	{name: "consume_from_a_missing_queue_404", body: consumeFromMissingQueue},
	{name: "exclusive_queue_of_another_connection_405", body: exclusiveQueueLocked},
	{name: "second_exclusive_consumer_403", body: exclusiveConsumer},
	{name: "reserved_names_403", body: reservedNames},
	{name: "default_exchange_is_not_to_be_bound_403", body: defaultExchange},
	{name: "delete_of_a_queue_in_use_406", body: deleteInUse},
	{name: "delete_of_a_queue_not_empty_406", body: deleteNotEmpty},
	{name: "delete_of_an_exchange_in_use_406", body: deleteExchangeInUse},
	{name: "double_ack_406", body: doubleAck},
	{name: "commit_without_transaction_406", body: commitWithoutTransaction},
	{name: "confirm_on_a_transactional_channel_406", body: confirmOnTransactional},
	{name: "immediate_540", body: immediate},
	{name: "reused_consumer_tag_530", body: reusedConsumerTag},
	{name: "wrong_password_403", body: wrongPassword},
	{name: "missing_vhost_530", body: missingVhost},
	{name: "errors_leave_other_channels_alone", body: errorsLeaveOthersAlone},
}

func noQueue(name string) string { return fmt.Sprintf("NOT_FOUND - no queue '%s' in vhost '/'", name) }
func noExchange(name string) string {
	return fmt.Sprintf("NOT_FOUND - no exchange '%s' in vhost '/'", name)
}

func checkUsable(t *T, on *connection) {
	err := t.channelOn(on).ExchangeDeclarePassive("amq.topic", "topic", true, false, false, false, nil)
	t.must(err)
}

func missingQueue(t *T) {
	connection := t.connect()
	channel := t.channelOn(connection)
	queue := t.name("missing")
	_, err := channel.QueueDeclarePassive(queue, false, false, false, false, nil)
	t.channelError(channel, err, 404, noQueue(queue))
	checkUsable(t, connection)
}

func missingExchange(t *T) {
	channel := t.channel()
	exchange := t.name("missing")
	err := channel.ExchangeDeclarePassive(exchange, "direct", false, false, false, false, nil)
	t.channelError(channel, err, 404, noExchange(exchange))
}

func inequivalentQueue(t *T) {
	connection := t.connect()
	queue := t.transientQueue(t.channelOn(connection), "q")
	declare := func(durable, autoDelete bool, arguments amqp.Table, difference string) {
		channel := t.channelOn(connection)
		_, err := channel.QueueDeclare(queue, durable, autoDelete, false, false, arguments)
		t.channelError(channel, err, 406, fmt.Sprintf(
			"PRECONDITION_FAILED - inequivalent arg %s", fmt.Sprintf(difference, queue)))
	}
	declare(true, false, nil, "'durable' for queue '%s' in vhost '/': received 'true' but current is 'false'")
	declare(false, true, nil, "'auto_delete' for queue '%s' in vhost '/': received 'true' but current is 'false'")
	declare(false, false, amqp.Table{"x-message-ttl": int32(1000)},
		"'x-message-ttl' for queue '%s' in vhost '/': received the value '1000' of type 'signedint' but current is none")
}

func inequivalentExchange(t *T) {
	connection := t.connect()
	exchange := t.transientExchange(t.channelOn(connection), "x", "direct")
	declare := func(kind string, durable bool, difference string) {
		channel := t.channelOn(connection)
		err := channel.ExchangeDeclare(exchange, kind, durable, false, false, false, nil)
		t.channelError(channel, err, 406, fmt.Sprintf(
			"PRECONDITION_FAILED - inequivalent arg %s", fmt.Sprintf(difference, exchange)))
	}
	declare("fanout", false, "'type' for exchange '%s' in vhost '/': received 'fanout' but current is 'direct'")
	declare("direct", true, "'durable' for exchange '%s' in vhost '/': received 'true' but current is 'false'")
}

func publishToMissingExchange(t *T) {
	connection := t.connect()
	channel := t.channelOn(connection)
	exchange := t.name("missing")
	t.publish(channel, exchange, "", text("x"))
	t.checkReply(t.awaitClose(channel.closed), 404, noExchange(exchange))
	checkUsable(t, connection)
}

func publishToInternalExchange(t *T) {
	channel := t.channel()
	exchange := t.name("x")
	t.exchanges = append(t.exchanges, exchange)
	t.must(channel.ExchangeDeclare(exchange, "fanout", false, false, true, false, nil))
	t.publish(channel, exchange, "", text("x"))
	t.checkReply(t.awaitClose(channel.closed), 403, fmt.Sprintf(
		"ACCESS_REFUSED - cannot publish to internal exchange '%s' in vhost '/'", exchange))
}

func bindMissingQueue(t *T) {
	channel := t.channel()
	queue := t.name("missing")
	err := channel.QueueBind(queue, "", "amq.fanout", false, nil)
	t.channelError(channel, err, 404, noQueue(queue))
}

func consumeFromMissingQueue(t *T) {
	channel := t.channel()
	queue := t.name("missing")
	_, err := channel.Consume(queue, "", true, false, false, false, nil)
	t.channelError(channel, err, 404, noQueue(queue))
}

func exclusiveQueueLocked(t *T) {
	owner := t.channel()
	queue := t.queue(owner, "q", queueOptions{exclusive: true})
	locked := fmt.Sprintf("RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '%s' in vhost '/'. "+
		"It could be originally declared on another connection or the exclusive property value does not "+
		"match that of the original declaration.", queue)
	connection := t.connect()
	refuse := func(operation func(on *channel) error) {
		other := t.channelOn(connection)
		t.channelError(other, operation(other), 405, locked)
	}
	refuse(func(on *channel) error {
		_, err := on.Consume(queue, "", true, false, false, false, nil)
		return err
	})
	refuse(func(on *channel) error {
		_, err := on.QueueDeclare(queue, false, false, true, false, nil)
		return err
	})
	refuse(func(on *channel) error { return on.QueueBind(queue, "", "amq.fanout", false, nil) })
	refuse(func(on *channel) error {
		_, err := on.QueuePurge(queue, false)
		return err
	})
	refuse(func(on *channel) error {
		_, err := on.QueueDelete(queue, false, false, false)
		return err
	})
	t.equal("messages", t.ready(owner, queue), 0)
}

func exclusiveConsumer(t *T) {
	channel, other := t.channel(), t.channel()
	queue := t.transientQueue(channel, "q")
	_, err := channel.Consume(queue, "", true, true, false, false, nil)
	t.must(err)
	_, err = other.Consume(queue, "", true, false, false, false, nil)
	t.channelError(other, err, 403, fmt.Sprintf("ACCESS_REFUSED - queue '%s' in vhost '/' in exclusive use", queue))
}

func reservedNames(t *T) {
	connection := t.connect()
	channel := t.channelOn(connection)
	_, err := channel.QueueDeclare("amq.mine", false, false, false, false, nil)
	t.channelError(channel, err, 403, "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'")
	channel = t.channelOn(connection)
	err = channel.ExchangeDeclare("amq.mine", "direct", false, false, false, false, nil)
	t.channelError(channel, err, 403, "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'")
}

func defaultExchange(t *T) {
	channel := t.channel()
	queue := t.transientQueue(channel, "q")
	err := channel.QueueBind(queue, "key", "", false, nil)
	t.channelError(channel, err, 403, "ACCESS_REFUSED - operation not permitted on the default exchange")
}

func deleteInUse(t *T) {
	channel, other := t.channel(), t.channel()
	queue := t.transientQueue(channel, "q")
	t.consume(channel, queue, true)
	_, err := other.QueueDelete(queue, true, false, false)
	t.channelError(other, err, 406, fmt.Sprintf("PRECONDITION_FAILED - queue '%s' in vhost '/' in use", queue))
}

func deleteNotEmpty(t *T) {
	publisher, queue := filledQueue(t, "x")
	_, err := publisher.QueueDelete(queue, false, true, false)
	t.channelError(publisher, err, 406, fmt.Sprintf("PRECONDITION_FAILED - queue '%s' in vhost '/' not empty", queue))
}

func deleteExchangeInUse(t *T) {
	channel := t.channel()
	exchange := t.transientExchange(channel, "x", "fanout")
	t.bind(channel, t.transientQueue(channel, "q"), exchange, "")
	err := channel.ExchangeDelete(exchange, true, false)
	t.channelError(channel, err, 406, fmt.Sprintf("PRECONDITION_FAILED - exchange '%s' in vhost '/' in use", exchange))
}

func doubleAck(t *T) {
	_, queue := filledQueue(t, "x")
	channel := t.channel()
	delivery := t.get(channel, queue, false)
	t.must(delivery.Ack(false))
	t.must(delivery.Ack(false))
	t.checkReply(t.awaitClose(channel.closed), 406, "PRECONDITION_FAILED - unknown delivery tag 1")
}

func commitWithoutTransaction(t *T) {
	channel := t.channel()
	t.channelError(channel, channel.TxCommit(), 406, "PRECONDITION_FAILED - channel is not transactional")
}

func confirmOnTransactional(t *T) {
	channel := t.channel()
	t.must(channel.Tx())
	err := channel.Confirm(false)
	t.channelError(channel, err, 406, "PRECONDITION_FAILED - cannot switch from tx to confirm mode")
}

func immediate(t *T) {
	connection := t.connect()
	channel := t.channelOn(connection)
	t.must(channel.Publish("", t.name("nowhere"), false, true, text("x")))
	t.checkReply(t.awaitClose(connection.closed), 540, "NOT_IMPLEMENTED - immediate=true")
}

func reusedConsumerTag(t *T) {
	connection := t.connect()
	channel := t.channelOn(connection)
	queue := t.transientQueue(channel, "q")
	t.consumeAs(channel, queue, "twice", true)
	if _, err := channel.Consume(queue, "twice", true, false, false, false, nil); err == nil {
		t.fatalf("a consumer tag could be used twice")
	}
	t.checkReply(t.awaitClose(connection.closed), 530, "NOT_ALLOWED - attempt to reuse consumer tag 'twice'")
}

func wrongPassword(t *T) {
	where := urlOf("amqp", host(), environment("AMQP_PORT"), "wrong", environment("AMQP_VHOST", "/"))
	_, err := t.tryConnect(where, amqp.Config{})
	t.checkReply(err, 403, amqp.ErrCredentials.Reason) // the client puts its own text for the broker's
}

func missingVhost(t *T) {
	_, err := t.tryConnect(urlOf("amqp", host(), environment("AMQP_PORT"), password(), "missing"), amqp.Config{})
	t.checkReply(err, 530, "NOT_ALLOWED - vhost missing not found")
}

func errorsLeaveOthersAlone(t *T) {
	connection := t.connect()
	healthy := t.confirmChannelOn(connection)
	queue := t.transientQueue(healthy, "q")
	deliveries := t.consume(healthy, queue, true)
	for i := 0; i < 20; i++ {
		channel := t.channelOn(connection)
		missing := t.name("missing")
		_, err := channel.QueueDeclarePassive(missing, false, false, false, false, nil)
		t.channelError(channel, err, 404, noQueue(missing))
		t.publishConfirmed(healthy, "", queue, text(fmt.Sprint(i)))
		t.equal("body", string(t.next(deliveries).Body), fmt.Sprint(i))
	}
}
