// SPDX-License-Identifier: Apache-2.0
//
// The broker restarts under its clients: what was durable is still there, and lapin's recovery finds its
// way back.

use crate::harness::*;
use futures_util::StreamExt;
use lapin::options::*;
use lapin::types::FieldTable;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind,
};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

pub fn register(suite: &mut Suite) {
    suite.test("automatic_recovery", recovery);
    suite.test("durable_things_survive", durable);
    suite.test("what_was_confirmed_survives_a_crash", crash);
}

/// Publishes and waits for the recovery as often as it takes.
async fn publish_in_the_end(channel: &Channel, exchange: &str, body: &[u8]) -> Outcome {
    loop {
        let options = BasicPublishOptions::default();
        let published = channel
            .basic_publish(
                exchange.into(),
                "to.queue".into(),
                options,
                body,
                persistent(),
            )
            .await;
        let error = match published {
            Ok(confirm) => match confirm.await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            },
            Err(error) => error,
        };
        channel.wait_for_recovery(error).await?;
    }
}

async fn recovery(t: Context) -> Outcome {
    let properties = ConnectionProperties::default().enable_auto_recover();
    let connection = Connection::connect(&address(), properties).await?;
    let (publisher, worker) = (
        connection.create_channel().await?,
        connection.create_channel().await?,
    );
    publisher
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    worker.basic_qos(10, BasicQosOptions::default()).await?;
    let exchange = t
        .exchange_with(&publisher, ExchangeKind::Topic, true, &[])
        .await?;
    let queue = t.queue_with(&publisher, DURABLE, &[]).await?;
    bind(&publisher, &queue, &exchange, "to.#").await?;
    let mut consumer = consume(&worker, &queue, false).await?;
    let (got, mut bodies) = tokio::sync::mpsc::unbounded_channel();
    let working = tokio::spawn(async move {
        while let Some(delivery) = consumer.next().await {
            match delivery {
                Ok(delivery) => {
                    let _ = got.send(body_of(&delivery.data));
                    let _ = delivery.ack(BasicAckOptions::default()).await;
                }
                Err(error) => worker.wait_for_recovery(error).await?,
            }
        }
        Ok::<(), lapin::Error>(())
    });
    publish_in_the_end(&publisher, &exchange, b"before").await?;
    expect(
        within("before", bodies.recv()).await?,
        Some("before".to_owned()),
        "before",
    )?;

    t.restart_broker().await?;

    within("after", publish_in_the_end(&publisher, &exchange, b"after")).await??;
    expect(
        within("after", bodies.recv()).await?,
        Some("after".to_owned()),
        "after",
    )?;
    expect(connection.status().connected(), true, "connected")?;
    working.abort();
    Ok(())
}

async fn durable(t: Context) -> Outcome {
    let connection = t.connect().await?;
    let channel = connection.create_channel().await?;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    let exchange = t
        .exchange_with(&channel, ExchangeKind::Topic, true, &[])
        .await?;
    let sink = t
        .exchange_with(&channel, ExchangeKind::Fanout, true, &[])
        .await?;
    let durable = t.queue_with(&channel, DURABLE, &[]).await?;
    let transient = t.queue(&channel).await?;
    let options = ExchangeBindOptions::default();
    let (to, from) = (sink.as_str(), exchange.as_str());
    channel
        .exchange_bind(
            to.into(),
            from.into(),
            "to.#".into(),
            options,
            FieldTable::default(),
        )
        .await?;
    bind(&channel, &durable, &sink, "").await?;
    let large = "leveret!".repeat(250_000);
    publish(&channel, &durable, &["acked", "first", &large, "last"]).await?;
    let lost = BasicProperties::default().with_delivery_mode(1);
    publish_to(&channel, "", &durable, b"transient", lost).await?;
    get_one(&channel, &durable)
        .await?
        .ack(BasicAckOptions::default())
        .await?;
    expect(
        body_of(&get_one(&channel, &durable).await?.data),
        "first".into(),
        "held unacked",
    )?;

    t.restart_broker().await?;

    poll("the client notices", || async {
        Ok(!connection.status().connected())
    })
    .await?;
    let channel = t.confirm_channel().await?;
    publish_to(&channel, &exchange, "to.sink", b"routed", persistent()).await?;
    let taken = take(&mut consume(&channel, &durable, true).await?, 4).await?;
    expect_true(
        bodies(&taken) == ["first", &large, "last", "routed"],
        "messages",
    )?;
    expect(
        taken[0].redelivered,
        true,
        "redelivered, of the one that was held",
    )?;
    expect(t.is_there(&transient).await?, false, "the transient queue")
}

/// Publishes these numbers in one burst and takes out those that are confirmed.
async fn publish_burst(
    channel: &Channel,
    queue: &str,
    left: &mut Vec<usize>,
) -> Result<(), lapin::Error> {
    let mut confirms = Vec::new();
    for number in left.iter() {
        let body = number.to_string();
        let options = BasicPublishOptions::default();
        let published = channel
            .basic_publish(
                "".into(),
                queue.into(),
                options,
                body.as_bytes(),
                persistent(),
            )
            .await?;
        confirms.push((*number, published));
    }
    for (number, confirm) in confirms {
        if matches!(confirm.await?, Confirmation::Ack(_)) {
            left.retain(|other| *other != number);
        }
    }
    Ok(())
}

/// Publishes bursts until it is enough, each until all of it is confirmed; what was not confirmed it
/// publishes again once the client has recovered. Now and then this client waits for ever when the
/// connection breaks within a burst, so a program needs a time limit and then another connection.
async fn publish_numbers(
    queue: String,
    confirmed: Arc<AtomicUsize>,
    is_enough: Arc<AtomicBool>,
) -> Result<(), lapin::Error> {
    let (limit, mut left) = (Duration::from_secs(15), Vec::new());
    while !left.is_empty() || !is_enough.load(Ordering::Relaxed) {
        let properties = ConnectionProperties::default().enable_auto_recover();
        let Ok(connection) = Connection::connect(&address(), properties).await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let channel = connection.create_channel().await?;
        let options = ConfirmSelectOptions::default();
        channel.confirm_select(options).await?;
        while !left.is_empty() || !is_enough.load(Ordering::Relaxed) {
            if left.is_empty() {
                let first = confirmed.load(Ordering::Relaxed);
                left = (first..first + 100).collect();
            }
            let burst = publish_burst(&channel, &queue, &mut left);
            let recovered = match tokio::time::timeout(limit, burst).await {
                Ok(Ok(())) => Ok(Ok(())),
                Ok(Err(error)) => {
                    tokio::time::timeout(limit, channel.wait_for_recovery(error)).await
                }
                Err(late) => Err(late),
            };
            if !matches!(recovered, Ok(Ok(()))) {
                break;
            }
            if left.is_empty() {
                confirmed.fetch_add(100, Ordering::Relaxed);
            }
        }
    }
    Ok(())
}

async fn crash(t: Context) -> Outcome {
    let channel = t.channel().await?;
    let queue = t.queue_with(&channel, DURABLE, &[]).await?;
    let confirmed = Arc::new(AtomicUsize::new(0));
    let is_enough = Arc::new(AtomicBool::new(false));
    let publishing = tokio::spawn(publish_numbers(
        queue.clone(),
        confirmed.clone(),
        is_enough.clone(),
    ));
    poll("the burst is on its way", || async {
        Ok(confirmed.load(Ordering::Relaxed) >= 500)
    })
    .await?;

    t.crash_broker().await?;
    let before = confirmed.load(Ordering::Relaxed);
    let goes_on = async {
        while confirmed.load(Ordering::Relaxed) == before {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), goes_on).await?;
    is_enough.store(true, Ordering::Relaxed);

    tokio::time::timeout(Duration::from_secs(100), publishing).await???;
    let reader = t.channel().await?;
    let held = t.counts(&queue).await?.0;
    let got = take(&mut consume(&reader, &queue, true).await?, held as usize).await?;
    let distinct: HashSet<String> = bodies(&got).into_iter().collect();
    expect(
        distinct.len(),
        confirmed.load(Ordering::Relaxed),
        "different messages",
    )
}
