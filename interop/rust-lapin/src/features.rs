// SPDX-License-Identifier: Apache-2.0
//
// What a queue's arguments make of its messages: time to live, dead letters, limits, priorities, single
// active consumers, quorum queues.

use crate::harness::*;
use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::*;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, ExchangeKind};
use std::time::Duration;

pub fn register(suite: &mut Suite) {
    suite.test("expired_messages_are_dead_lettered", expired);
    suite.test(
        "expiration_of_a_message_is_taken_off_and_told",
        expiration_told,
    );
    suite.test(
        "rejected_messages_get_the_dead_letter_routing_key",
        rejected,
    );
    suite.test("retry_queues_count_deaths", retry);
    suite.test("unused_queue_expires", unused);
    suite.test("max_length_drops_the_oldest", max_length);
    suite.test("full_queue_nacks_publishes", full);
    suite.test("priorities_come_first", priorities);
    suite.test("single_active_consumer_hands_over", single_active);
    suite.test("quorum_queue_counts_deliveries_and_buries_poison", poison);
    suite.test("quorum_queue_must_be_durable", quorum_durable);
    suite.test("wrong_arguments_are_406", wrong_arguments);
}

/// (exchange, queue of what arrives at it)
pub async fn dead_letters(t: &Context, channel: &Channel) -> Result<(String, String), Failure> {
    let exchange = t.exchange(channel, ExchangeKind::Fanout).await?;
    let dead = t.queue(channel).await?;
    bind(channel, &dead, &exchange, "").await?;
    Ok((exchange, dead))
}

/// The next message of a queue, which may be on its way.
pub async fn take_from(channel: &Channel, queue: &str) -> Result<Delivery, Failure> {
    let mut consumer = consume(channel, queue, true).await?;
    let message = take(&mut consumer, 1).await?.remove(0);
    let options = BasicCancelOptions::default();
    channel.basic_cancel(consumer.tag(), options).await?;
    Ok(message)
}

fn header(message: &Delivery, key: &str) -> Option<AMQPValue> {
    let headers = message.properties.headers().as_ref()?;
    headers.inner().get(key).cloned()
}

/// x-death without its times, which must be there.
fn deaths(message: &Delivery) -> Result<Vec<FieldTable>, Failure> {
    let Some(AMQPValue::FieldArray(entries)) = header(message, "x-death") else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for entry in entries.as_slice() {
        let AMQPValue::FieldTable(death) = entry else {
            return Err(format!("a death that is no table: {entry:?}").into());
        };
        let mut without_time = FieldTable::default();
        for (key, value) in death.inner() {
            if key.as_str() != "time" {
                without_time.insert(key.clone(), value.clone());
            }
        }
        let time = death.inner().get("time");
        expect_true(
            matches!(time, Some(AMQPValue::Timestamp(_))),
            "the time of a death",
        )?;
        found.push(without_time);
    }
    Ok(found)
}

fn death(count: i64, queue: &str, reason: &str) -> FieldTable {
    table(&[
        ("count", AMQPValue::LongLongInt(count)),
        ("exchange", text("")),
        ("queue", text(queue)),
        ("reason", text(reason)),
        ("routing-keys", list(vec![text(queue)])),
    ])
}

async fn expired(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let (exchange, dead) = dead_letters(&t, &channel).await?;
    let arguments = [
        ("x-message-ttl", int(50)),
        ("x-dead-letter-exchange", text(&exchange)),
    ];
    let queue = t.queue_with(&channel, Flags::default(), &arguments).await?;
    publish(&channel, &queue, &["x"]).await?;
    let message = take_from(&channel, &dead).await?;
    expect(message.routing_key.as_str(), queue.as_str(), "routing key")?;
    expect(
        deaths(&message)?,
        vec![death(1, &queue, "expired")],
        "x-death",
    )?;
    for (key, wanted) in [("reason", "expired"), ("queue", &queue), ("exchange", "")] {
        let key = format!("x-first-death-{key}");
        expect(header(&message, &key), Some(text(wanted)), &key)?;
    }
    Ok(())
}

async fn expiration_told(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let (exchange, dead) = dead_letters(&t, &channel).await?;
    let arguments = [("x-dead-letter-exchange", text(&exchange))];
    let queue = t.queue_with(&channel, Flags::default(), &arguments).await?;
    let properties = BasicProperties::default().with_expiration("40".into());
    publish_to(&channel, "", &queue, b"x", properties).await?;
    let message = take_from(&channel, &dead).await?;
    expect(message.properties.expiration(), &None, "expiration")?;
    let told = deaths(&message)?[0]
        .inner()
        .get("original-expiration")
        .cloned();
    expect(told, Some(text("40")), "original-expiration")
}

async fn rejected(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let dead = t.queue(&channel).await?;
    let arguments = [
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(&dead)),
    ];
    let queue = t.queue_with(&channel, Flags::default(), &arguments).await?;
    publish(&channel, &queue, &["x"]).await?;
    let reject = BasicRejectOptions { requeue: false };
    get_one(&channel, &queue).await?.reject(reject).await?;
    let message = take_from(&channel, &dead).await?;
    expect(message.routing_key.as_str(), dead.as_str(), "routing key")?;
    expect(
        deaths(&message)?,
        vec![death(1, &queue, "rejected")],
        "x-death",
    )
}

/// The usual way to retry later: a work queue, and one whose messages expire back into it.
async fn retry(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let later = t.name("later");
    let exclusive = Flags {
        exclusive: true,
        ..Flags::default()
    };
    let out = [
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(&later)),
    ];
    let work = t.queue_with(&channel, Flags::default(), &out).await?;
    let back = [
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(&work)),
        ("x-message-ttl", int(20)),
    ];
    declare(&channel, &later, exclusive, &back).await?;
    let mut consumer = consume(&channel, &work, false).await?;
    publish(&channel, &work, &["x"]).await?;
    for attempt in 0..4 {
        let message = take(&mut consumer, 1).await?.remove(0);
        let wanted = match attempt {
            0 => vec![],
            n => vec![death(n, &later, "expired"), death(n, &work, "rejected")],
        };
        expect(
            deaths(&message)?,
            wanted,
            &format!("deaths at try {attempt}"),
        )?;
        message
            .reject(BasicRejectOptions { requeue: false })
            .await?;
    }
    Ok(())
}

async fn unused(t: Context) -> Outcome {
    let arguments = [("x-expires", int(300))];
    let channel = t.channel().await?;
    let queue = t.queue_with(&channel, Flags::default(), &arguments).await?;
    poll("deleted when nobody used it", || async {
        tokio::time::sleep(Duration::from_millis(600)).await; // asking is a use of the queue
        Ok(!t.is_there(&queue).await?)
    })
    .await
}

async fn max_length(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let (exchange, dead) = dead_letters(&t, &channel).await?;
    let arguments = [
        ("x-max-length", int(2)),
        ("x-dead-letter-exchange", text(&exchange)),
    ];
    let queue = t.queue_with(&channel, Flags::default(), &arguments).await?;
    publish(&channel, &queue, &["1", "2", "3"]).await?;
    let dropped = take_from(&channel, &dead).await?;
    expect(body_of(&dropped.data).as_str(), "1", "body")?;
    expect(
        header(&dropped, "x-first-death-reason"),
        Some(text("maxlen")),
        "reason",
    )?;
    expect(
        drain(&channel, &queue).await?,
        vec!["2".to_owned(), "3".to_owned()],
        "what is left",
    )
}

async fn full(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let arguments = [
        ("x-max-length", int(1)),
        ("x-overflow", text("reject-publish")),
    ];
    let queue = t.queue_with(&channel, Flags::default(), &arguments).await?;
    publish(&channel, &queue, &["1"]).await?;
    let second = publish_to(&channel, "", &queue, b"2", persistent()).await?;
    expect(second, Confirmation::Nack(None), "confirm of the second")?;
    expect(
        drain(&channel, &queue).await?,
        vec!["1".to_owned()],
        "what is left",
    )
}

async fn priorities(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let arguments = [("x-max-priority", int(5))];
    let queue = t.queue_with(&channel, Flags::default(), &arguments).await?;
    let sent = [("a", 0), ("b", 5), ("c", 3), ("d", 5), ("e", 0), ("f", 200)];
    for (body, priority) in sent {
        let properties = BasicProperties::default().with_priority(priority);
        publish_to(&channel, "", &queue, body.as_bytes(), properties).await?;
    }
    expect(
        drain(&channel, &queue).await?.join(""),
        "bdfcae".to_owned(),
        "in this order",
    )
}

async fn single_active(t: Context) -> Outcome {
    let (one, two) = (t.channel().await?, t.channel().await?);
    let publisher = t.confirm_channel().await?;
    let arguments = [("x-single-active-consumer", AMQPValue::Boolean(true))];
    let queue = t
        .queue_with(&publisher, Flags::default(), &arguments)
        .await?;
    let mut first = consume(&one, &queue, true).await?;
    let mut second = consume(&two, &queue, true).await?;
    publish(&publisher, &queue, &["1", "2"]).await?;
    expect(
        bodies(&take(&mut first, 2).await?).join(""),
        "12".to_owned(),
        "to the first",
    )?;
    expect(
        waiting(&mut second).await?.len(),
        0,
        "deliveries to the one that waits",
    )?;
    one.basic_cancel(first.tag(), BasicCancelOptions::default())
        .await?;
    publish(&publisher, &queue, &["3"]).await?;
    expect(
        bodies(&take(&mut second, 1).await?).join(""),
        "3".to_owned(),
        "to the second",
    )
}

async fn poison(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let (exchange, dead) = dead_letters(&t, &channel).await?;
    let arguments = [
        ("x-queue-type", text("quorum")),
        ("x-delivery-limit", int(2)),
        ("x-dead-letter-exchange", text(&exchange)),
    ];
    let queue = t.queue_with(&channel, DURABLE, &arguments).await?;
    publish(&channel, &queue, &["poison"]).await?;
    let mut consumer = consume(&channel, &queue, false).await?;
    for attempt in 0..3 {
        let message = within("a delivery", consumer.next())
            .await?
            .ok_or("the consumer was cancelled")??;
        let count = match header(&message, "x-delivery-count") {
            Some(AMQPValue::LongLongInt(count)) => count,
            _ => 0,
        };
        expect(
            (count, message.redelivered),
            (attempt, attempt > 0),
            "x-delivery-count, redelivered",
        )?;
        let requeue = BasicNackOptions {
            requeue: true,
            ..Default::default()
        };
        message.nack(requeue).await?;
    }
    let buried = take_from(&channel, &dead).await?;
    expect(
        header(&buried, "x-first-death-reason"),
        Some(text("delivery_limit")),
        "reason",
    )
}

async fn quorum_durable(t: Context) -> Outcome {
    let name = t.name("q");
    let arguments = [("x-queue-type", text("quorum"))];
    expect_error(
        declare(&t.channel().await?, &name, Flags::default(), &arguments).await,
        406,
        &format!(
            "PRECONDITION_FAILED - invalid property 'non-durable' for queue '{name}' in vhost '/'"
        ),
    )
}

async fn wrong_arguments(t: Context) -> Outcome {
    let name = t.name("wrong");
    for (argument, value, reason) in [
        ("x-message-ttl", -1, "{value_negative,-1}"),
        ("x-expires", 0, "{value_zero,0}"),
        ("x-max-priority", 256, "{max_value_exceeded,256}"),
    ] {
        let arguments = [(argument, int(value))];
        expect_error(
            declare(&t.channel().await?, &name, Flags::default(), &arguments).await,
            406,
            &format!(
                "PRECONDITION_FAILED - invalid arg '{argument}' for queue '{name}' in vhost '/': {reason}"
            ),
        )?;
    }
    Ok(())
}
