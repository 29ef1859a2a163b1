// SPDX-License-Identifier: Apache-2.0
//
// What an operator does while clients are connected: policies, topic permissions, an alarm; and the
// exchange types that operators install.

use crate::features::take_from;
use crate::harness::*;
use lapin::options::*;
use lapin::{BasicProperties, Channel, ExchangeKind};
use std::time::{Duration, Instant};

pub fn register(suite: &mut Suite) {
    suite.test("policy_changes_a_queue_at_once", policy);
    suite.test("topic_permissions_are_obeyed", topic_permissions);
    suite.test("alarm_blocks_publishers_while_consumers_go_on", alarm);
    suite.test(
        "consistent_hash_divides_and_keeps_keys_together",
        consistent_hash,
    );
    suite.test("delayed_messages_come_when_they_are_due", delayed);
}

async fn policy(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let queue = t.queue(&channel).await?;
    publish(&channel, &queue, &numbers(5)).await?;
    let (name, pattern) = (t.name("policy"), format!("^{queue}$"));
    let definition = r#"{"max-length":2}"#;
    t.control(&["set_policy", &name, &pattern, definition])
        .await?;
    let cut = poll("cut down to the policy's length", || async {
        Ok(t.counts(&queue).await?.0 == 2)
    })
    .await;
    let published = publish(&channel, &queue, &["new"]).await;
    t.control(&["clear_policy", &name]).await?;
    cut.and(published)?;
    expect(
        drain(&channel, &queue).await?,
        vec!["4".to_owned(), "new".to_owned()],
        "what is left",
    )?;
    publish(&channel, &queue, &numbers(5)).await?;
    expect(
        drain(&channel, &queue).await?,
        numbers(5),
        "no limit without the policy",
    )
}

/// RabbitMQ says from 3.13 on which of the permissions it is.
fn expect_refused<T>(result: lapin::Result<T>, wanted: &str) -> Outcome {
    let Err(error) = result else {
        return Err(format!("not refused: {wanted}").into());
    };
    let (code, text) = reason(&error).ok_or_else(|| format!("403 expected, got {error:?}"))?;
    expect(code, 403, "reply code")?;
    expect_true(text.ends_with(wanted), text)
}

async fn topic_permissions(t: Context) -> Outcome {
    let user = t.name("user");
    t.control(&["add_user", &user, "secret"]).await?;
    let obeyed = topic_permissions_of(&t, &user).await;
    t.control(&["delete_user", &user]).await?;
    obeyed
}

async fn topic_permissions_of(t: &Context, user: &str) -> Outcome {
    let channel = t.channel().await?;
    let exchange = t.exchange(&channel, ExchangeKind::Topic).await?;
    let queue = t.queue(&channel).await?;
    bind(&channel, &queue, &exchange, "#").await?;
    let (write, read) = ("^{username}[.]", "^open[.]");
    t.control(&["set_permissions", user, ".*", ".*", ".*"])
        .await?;
    t.control(&["set_topic_permissions", user, &exchange, write, read])
        .await?;
    let limited = t
        .connect_to(&address_of(user, "secret", &setting("AMQP_VHOST")))
        .await?;
    let publisher = limited.create_channel().await?;
    publisher
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    publish_to(
        &publisher,
        &exchange,
        &format!("{user}.news"),
        b"x",
        persistent(),
    )
    .await?;
    take_from(&channel, &queue).await?;
    let refused = |key: &str| {
        format!("access to topic '{key}' in exchange '{exchange}' in vhost '/' refused for user '{user}'")
    };
    let options = BasicPublishOptions::default();
    let (to, key) = (exchange.as_str().into(), "other.news".into());
    let confirm = publisher
        .basic_publish(to, key, options, b"x", persistent())
        .await?;
    expect_refused(confirm.await, &refused("other.news"))?;
    let reader = limited.create_channel().await?;
    expect_refused(
        bind(&reader, &queue, &exchange, "closed.#").await,
        &refused("closed.#"),
    )?;
    let reader = limited.create_channel().await?;
    Ok(bind(&reader, &queue, &exchange, "open.#").await?)
}

async fn alarm(t: Context) -> Outcome {
    let watermark = "set_vm_memory_high_watermark";
    t.control(&[watermark, "0.00001"]).await?;
    let blocked = publishers_are_blocked(&t).await;
    t.control(&[watermark, "0.9"]).await?;
    let (publisher, _channel, queue, confirm) = blocked?;
    within("the confirm", confirm).await??;
    poll("released", || async { Ok(!publisher.status().blocked()) }).await?;
    let reader = t.channel().await?;
    let message = take_from(&reader, &queue).await?;
    expect(body_of(&message.data).as_str(), "waits", "what had to wait")
}

type Blocked = (lapin::Connection, Channel, String, lapin::PublisherConfirm);

async fn publishers_are_blocked(t: &Context) -> Result<Blocked, Failure> {
    let publisher = t.connect().await?;
    let channel = publisher.create_channel().await?;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    let reader = t.channel().await?;
    let queue = t.queue(&reader).await?;
    let mut consumer = consume(&reader, &queue, true).await?;
    let (to, options) = (queue.as_str().into(), BasicPublishOptions::default());
    let confirm = channel
        .basic_publish("".into(), to, options, b"waits", persistent())
        .await?;
    poll("blocked", || async { Ok(publisher.status().blocked()) }).await?;
    expect(waiting(&mut consumer).await?.len(), 0, "deliveries")?;
    let options = BasicCancelOptions::default();
    reader.basic_cancel(consumer.tag(), options).await?;
    Ok((publisher, channel, queue, confirm))
}

async fn consistent_hash(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let kind = ExchangeKind::Custom("x-consistent-hash".into());
    let exchange = t.exchange(&channel, kind).await?;
    let mut queues = Vec::new();
    for _ in 0..3 {
        let queue = t.queue(&channel).await?;
        bind(&channel, &queue, &exchange, "10").await?;
        queues.push(queue);
    }
    let keys = numbers(300);
    for _ in 0..2 {
        for key in &keys {
            publish_to(&channel, &exchange, key, key.as_bytes(), persistent()).await?;
        }
    }
    let mut total = 0;
    for queue in &queues {
        let got = drain(&channel, queue).await?;
        total += got.len();
        expect_true(got.len() > 60, format!("its part: {}", got.len()))?;
        let (first, second) = got.split_at(got.len() / 2);
        expect_true(first == second, "the same keys in both turns")?;
    }
    expect(total, 2 * keys.len(), "messages in all")
}

async fn delayed_exchange(t: &Context, channel: &Channel) -> Result<String, Failure> {
    let kind = ExchangeKind::Custom("x-delayed-message".into());
    let arguments = [("x-delayed-type", text("topic"))];
    match t.exchange_with(channel, kind, false, &arguments).await {
        Err(_) if std::env::var("BROKER_NAME").as_deref() == Ok("rabbitmq") => {
            Err(Skip("a plug-in that Debian's RabbitMQ has not").into())
        }
        declared => declared,
    }
}

async fn delayed(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let exchange = delayed_exchange(&t, &channel).await?;
    let queue = t.queue(&channel).await?;
    bind(&channel, &queue, &exchange, "to.#").await?;
    let started = Instant::now();
    for (body, delay_ms) in [("late", 900), ("soon", 300)] {
        let headers = table(&[("x-delay", int(delay_ms))]);
        let properties = BasicProperties::default().with_headers(headers);
        publish_to(&channel, &exchange, "to.q", body.as_bytes(), properties).await?;
    }
    publish_to(&channel, &exchange, "to.q", b"now", persistent()).await?;
    let taken = take(&mut consume(&channel, &queue, true).await?, 3).await?;
    expect(
        bodies(&taken).join(" "),
        "now soon late".to_owned(),
        "in the order of their times",
    )?;
    expect_true(
        started.elapsed() > Duration::from_millis(700),
        "the last one waited for its time",
    )
}
