// SPDX-License-Identifier: Apache-2.0
//
// Opening, authenticating, keeping and closing connections.

use crate::harness::*;
use std::time::Duration;

pub fn register(suite: &mut Suite) {
    suite.test("connection_opens_and_closes_cleanly", opens_and_closes);
    suite.test("tuned_limits", tuned_limits);
    suite.test("many_channels", many_channels);
    suite.test("wrong_password_is_refused_with_403", wrong_password);
    suite.test("missing_vhost_is_refused_with_530", missing_vhost);
    suite.test("idle_connection_survives_by_heartbeats", heartbeats);
    suite.test("update_secret_is_answered", update_secret);
    suite.test("closed_connection_gives_its_messages_back", gives_back);
    suite.test("amqplain", amqplain);
}

async fn opens_and_closes(t: Context) -> Outcome {
    let connection = t.connect().await?;
    expect(connection.status().connected(), true, "connected")?;
    let _channel = connection.create_channel().await?;
    connection.close(200, "bye".into()).await?;
    expect(
        connection.status().connected(),
        false,
        "connected, after close",
    )
}

async fn tuned_limits(t: Context) -> Outcome {
    let connection = t
        .connect_to(&format!("{}&channel_max=7&frame_max=8192", address()))
        .await?;
    let tuned = connection.configuration();
    expect(
        (tuned.channel_max(), tuned.frame_max()),
        (7, 8192),
        "channel_max, frame_max",
    )?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(Default::default()).await?;
    let queue = t.queue(&channel).await?;
    let body = "x".repeat(100_000);
    publish(&channel, &queue, &[&body]).await?;
    expect_true(
        drain(&channel, &queue).await? == [body],
        "100 KB in frames of 8 KB",
    )
}

async fn many_channels(t: Context) -> Outcome {
    let connection = t.connect().await?;
    let mut channels = Vec::new();
    for _ in 0..if quick() { 100 } else { 500 } {
        channels.push(connection.create_channel().await?);
    }
    let queue = t.queue(&channels[0]).await?;
    for channel in &channels {
        channel.confirm_select(Default::default()).await?;
        publish(channel, &queue, &["x"]).await?;
    }
    expect(
        t.counts(&queue).await?.0 as usize,
        channels.len(),
        "messages",
    )?;
    for channel in &channels {
        channel.close(200, "bye".into()).await?;
    }
    connection.create_channel().await?;
    Ok(())
}

async fn wrong_password(_: Context) -> Outcome {
    let wrong = address_of(&setting("AMQP_USER"), "wrong", &setting("AMQP_VHOST"));
    let opening = lapin::Connection::connect(&wrong, Default::default());
    expect_error(
        within("the refusal", opening).await?,
        403,
        "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker \
         logfile.",
    )
}

async fn missing_vhost(_: Context) -> Outcome {
    let missing = address_of(
        &setting("AMQP_USER"),
        &setting("AMQP_PASSWORD"),
        "no-such-vhost",
    );
    let opening = lapin::Connection::connect(&missing, Default::default());
    let refused = within("the refusal", opening).await?;
    expect_error(refused, 530, "NOT_ALLOWED - vhost no-such-vhost not found")
}

async fn heartbeats(t: Context) -> Outcome {
    let connection = t
        .connect_to(&address().replace("heartbeat=30", "heartbeat=1"))
        .await?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    connection.create_channel().await?;
    Ok(())
}

async fn update_secret(t: Context) -> Outcome {
    let connection = t.connect().await?;
    let secret = setting("AMQP_PASSWORD");
    within(
        "update-secret-ok",
        connection.update_secret(secret.into(), "rotated".into()),
    )
    .await??;
    connection.create_channel().await?;
    Ok(())
}

async fn gives_back(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let queue = t.queue(&channel).await?;
    publish(&channel, &queue, &["kept"]).await?;
    let other = t.connect().await?;
    let holder = other.create_channel().await?;
    let held = get_one(&holder, &queue).await?;
    expect(body_of(&held.delivery.data), "kept".into(), "held")?;
    other.close(200, "bye".into()).await?;
    let back = &take(&mut consume(&channel, &queue, true).await?, 1).await?[0];
    expect(
        (body_of(&back.data), back.redelivered),
        ("kept".into(), true),
        "body, redelivered",
    )
}

async fn amqplain(t: Context) -> Outcome {
    let connection = t
        .connect_to(&format!("{}&auth_mechanism=amqplain", address()))
        .await?;
    connection.create_channel().await?;
    Ok(())
}
