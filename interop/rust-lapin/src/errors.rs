// SPDX-License-Identifier: Apache-2.0
//
// The errors of channels and connections, with their codes and texts.

use crate::harness::*;
use lapin::options::*;
use lapin::types::FieldTable;
use lapin::ExchangeKind;

pub fn register(suite: &mut Suite) {
    suite.test("missing_things_are_404", missing);
    suite.test("inequivalent_declare_is_406", inequivalent);
    suite.test("exclusive_queue_is_locked", locked);
    suite.test("reserved_names_are_403", reserved);
    suite.test("delete_if_empty_and_if_unused", delete_if);
    suite.test("unknown_exchange_type_is_refused", unknown_type);
    suite.test("connection_lives_on_after_a_channel_error", lives_on);
    suite.test("consumer_tag_used_twice_closes_the_connection", tag_twice);
}

async fn missing(t: Context) -> Outcome {
    let missing = t.name("missing");
    let no_queue = format!("NOT_FOUND - no queue '{missing}' in vhost '/'");
    let no_exchange = format!("NOT_FOUND - no exchange '{missing}' in vhost '/'");
    expect_error(passive(&t.channel().await?, &missing).await, 404, &no_queue)?;
    expect_error(get(&t.channel().await?, &missing).await, 404, &no_queue)?;
    expect_error(
        consume(&t.channel().await?, &missing, true).await,
        404,
        &no_queue,
    )?;
    let purge = QueuePurgeOptions::default();
    let purged = t
        .channel()
        .await?
        .queue_purge(missing.as_str().into(), purge)
        .await;
    expect_error(purged, 404, &no_queue)?;
    let channel = t.channel().await?;
    let queue = t.queue(&channel).await?;
    expect_error(
        bind(&channel, &queue, &missing, "a").await,
        404,
        &no_exchange,
    )
}

async fn inequivalent(t: Context) -> Outcome {
    let channel = t.channel().await?;
    let queue = t.queue_with(&channel, DURABLE, &[]).await?;
    expect_error(
        declare(&channel, &queue, Flags::default(), &[]).await,
        406,
        &format!(
            "PRECONDITION_FAILED - inequivalent arg 'durable' for queue '{queue}' in vhost '/': received 'false' \
             but current is 'true'"
        ),
    )?;
    let channel = t.channel().await?;
    let exchange = t.exchange(&channel, ExchangeKind::Direct).await?;
    let options = ExchangeDeclareOptions::default();
    let other = channel
        .exchange_declare(
            exchange.as_str().into(),
            ExchangeKind::Fanout,
            options,
            FieldTable::default(),
        )
        .await;
    expect_error(
        other,
        406,
        &format!(
            "PRECONDITION_FAILED - inequivalent arg 'type' for exchange '{exchange}' in vhost '/': received \
             'fanout' but current is 'direct'"
        ),
    )
}

async fn locked(t: Context) -> Outcome {
    let channel = t.channel().await?;
    let exclusive = Flags {
        exclusive: true,
        ..Flags::default()
    };
    let queue = t.queue_with(&channel, exclusive, &[]).await?;
    expect_error(
        passive(&t.channel().await?, &queue).await,
        405,
        &format!(
            "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{queue}' in vhost '/'. It could be \
             originally declared on another connection or the exclusive property value does not match that of the \
             original declaration."
        ),
    )
}

async fn reserved(t: Context) -> Outcome {
    expect_error(
        declare(&t.channel().await?, "amq.mine", Flags::default(), &[]).await,
        403,
        "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'",
    )?;
    let options = ExchangeDeleteOptions::default();
    expect_error(
        t.channel()
            .await?
            .exchange_delete("amq.topic".into(), options)
            .await,
        403,
        "ACCESS_REFUSED - deletion of system exchange 'amq.topic' in vhost '/' not allowed",
    )
}

async fn delete_if(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let queue = t.queue(&channel).await?;
    publish(&channel, &queue, &["x"]).await?;
    let if_empty = QueueDeleteOptions {
        if_empty: true,
        ..Default::default()
    };
    expect_error(
        channel.queue_delete(queue.as_str().into(), if_empty).await,
        406,
        &format!("PRECONDITION_FAILED - queue '{queue}' in vhost '/' not empty"),
    )?;
    let channel = t.channel().await?;
    let _consumer = consume(&channel, &queue, false).await?;
    let if_unused = QueueDeleteOptions {
        if_unused: true,
        ..Default::default()
    };
    expect_error(
        t.channel()
            .await?
            .queue_delete(queue.as_str().into(), if_unused)
            .await,
        406,
        &format!("PRECONDITION_FAILED - queue '{queue}' in vhost '/' in use"),
    )
}

/// Up to 3.13.0 a connection error (503), since then one of the channel (406).
async fn unknown_type(t: Context) -> Outcome {
    let kind = ExchangeKind::Custom("nonsense".into());
    let options = ExchangeDeclareOptions::default();
    let channel = t.channel().await?;
    let declared = channel
        .exchange_declare(t.name("x").into(), kind, options, FieldTable::default())
        .await;
    let error = declared
        .err()
        .ok_or("an exchange of an unknown type was declared")?;
    let (code, text) = reason(&error).ok_or("no reason")?;
    let name = if code == 503 {
        "COMMAND_INVALID"
    } else {
        "PRECONDITION_FAILED"
    };
    expect_true(code == 503 || code == 406, format!("code {code}"))?;
    expect(
        text,
        format!("{name} - unknown exchange type 'nonsense'"),
        "text",
    )
}

async fn lives_on(t: Context) -> Outcome {
    let connection = t.connect().await?;
    let (bad, good) = (
        connection.create_channel().await?,
        connection.create_channel().await?,
    );
    let missing = t.name("missing");
    let no_queue = format!("NOT_FOUND - no queue '{missing}' in vhost '/'");
    expect_error(passive(&bad, &missing).await, 404, &no_queue)?;
    expect(bad.status().connected(), false, "the bad channel is open")?;
    good.confirm_select(ConfirmSelectOptions::default()).await?;
    let queue = t.queue(&good).await?;
    publish(&good, &queue, &numbers(1)).await?;
    expect(
        drain(&connection.create_channel().await?, &queue).await?,
        numbers(1),
        "bodies",
    )
}

async fn tag_twice(t: Context) -> Outcome {
    let channel = t.channel().await?;
    let queue = t.queue(&channel).await?;
    let options = BasicConsumeOptions::default();
    let queue = queue.as_str();
    let _first = channel
        .basic_consume(queue.into(), "mine".into(), options, FieldTable::default())
        .await?;
    let again = channel
        .basic_consume(queue.into(), "mine".into(), options, FieldTable::default())
        .await;
    expect_error(
        again,
        530,
        "NOT_ALLOWED - attempt to reuse consumer tag 'mine'",
    )
}
