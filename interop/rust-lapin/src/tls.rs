// SPDX-License-Identifier: Apache-2.0
//
// TLS by rustls: the server verified by its authority, the client known by its certificate, and refusals.

use crate::harness::*;
use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::{Connection, ConnectionProperties};

pub fn register(suite: &mut Suite) {
    suite.test("tls_with_server_verified", verified);
    suite.test("tls_mutual", mutual);
    suite.test("tls_external_by_common_name", external);
    suite.test("tls_carries_a_large_message", large);
    suite.test("tls_wrong_password_is_403", wrong_password);
    suite.test(
        "tls_with_another_authority_is_refused_by_the_client",
        other_authority,
    );
    suite.test("plain_client_on_the_tls_port_is_refused", plain_client);
}

fn tls_address(login: &str, query: &str) -> String {
    let (port, vhost) = (
        setting("AMQP_TLS_PORT"),
        setting("AMQP_VHOST").replace('/', "%2f"),
    );
    format!("amqps://{login}localhost:{port}/{vhost}{query}")
}

fn login() -> String {
    format!("{}:{}@", setting("AMQP_USER"), setting("AMQP_PASSWORD"))
}

fn config(with_certificate: bool) -> Result<OwnedTLSConfig, Failure> {
    let identity = OwnedIdentity::PKCS8 {
        pem: std::fs::read(setting("AMQP_CLIENT_CERT"))?,
        key: std::fs::read(setting("AMQP_CLIENT_KEY"))?,
    };
    Ok(OwnedTLSConfig {
        identity: with_certificate.then_some(identity),
        cert_chain: Some(std::fs::read_to_string(setting("AMQP_CA_FILE"))?),
    })
}

async fn connect(address: &str, config: OwnedTLSConfig) -> lapin::Result<Connection> {
    let runtime = lapin::runtime::default_runtime()?;
    Connection::connect_with_config(address, ConnectionProperties::default(), config, runtime).await
}

async fn round_trip(t: &Context, connection: Connection, body: &str) -> Outcome {
    let channel = connection.create_channel().await?;
    channel.confirm_select(Default::default()).await?;
    let queue = t.queue(&channel).await?;
    publish(&channel, &queue, &[body]).await?;
    expect_true(
        drain(&channel, &queue).await? == [body],
        "the message came back",
    )
}

async fn verified(t: Context) -> Outcome {
    let connection = connect(&tls_address(&login(), ""), config(false)?).await?;
    round_trip(&t, connection, "over TLS").await
}

async fn mutual(t: Context) -> Outcome {
    let connection = connect(&tls_address(&login(), ""), config(true)?).await?;
    round_trip(&t, connection, "over TLS").await
}

async fn external(t: Context) -> Outcome {
    let address = tls_address("", "?auth_mechanism=external");
    round_trip(
        &t,
        connect(&address, config(true)?).await?,
        "as the certificate's name",
    )
    .await
}

async fn large(t: Context) -> Outcome {
    let connection = connect(&tls_address(&login(), ""), config(false)?).await?;
    round_trip(&t, connection, &"leveret!".repeat(600_000)).await
}

async fn wrong_password(_: Context) -> Outcome {
    let address = tls_address(&format!("{}:wrong@", setting("AMQP_USER")), "");
    expect_error(
        within("the refusal", connect(&address, config(false)?)).await?,
        403,
        "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker \
         logfile.",
    )
}

async fn other_authority(_: Context) -> Outcome {
    let none = OwnedTLSConfig {
        identity: None,
        cert_chain: None,
    };
    let refused = within("the refusal", connect(&tls_address(&login(), ""), none)).await?;
    let error = refused
        .err()
        .ok_or("connected without trusting the authority")?;
    expect_true(
        format!("{error:?}").contains("UnknownIssuer"),
        format!("{error:?}"),
    )
}

async fn plain_client(t: Context) -> Outcome {
    let wrong_port = address().replace(&setting("AMQP_PORT"), &setting("AMQP_TLS_PORT"));
    let opening = Connection::connect(&wrong_port, ConnectionProperties::default());
    let refused = within("the refusal", opening).await?;
    expect_true(
        refused.is_err(),
        "AMQP without TLS was accepted on the TLS port",
    )?;
    verified(t).await
}
