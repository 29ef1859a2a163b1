// SPDX-License-Identifier: Apache-2.0
//
// TLS: the server verified by its authority, the client known by its certificate, and refusals.

'use strict';

const { assert, broker, publishConfirmed, required, test } = require('../harness');
const { randomBytes } = require('node:crypto');
const { readFileSync } = require('node:fs');

const file = (name) => readFileSync(required(name));
const secure = () => ({ protocol: 'amqps', port: Number(required('AMQP_TLS_PORT')) });

async function roundTrip(t, connection) {
  assert.equal(connection.connection.stream.authorized, true);
  const channel = await t.confirmChannel(connection);
  const queue = await t.queue(channel, 'q');
  const body = randomBytes(500000);
  await publishConfirmed(channel, '', queue, body);
  assert.ok((await channel.get(queue, { noAck: true })).content.equals(body));
}

test('tls_server_verified', async (t) => {
  await roundTrip(t, await t.connect(secure(), { ca: [file('AMQP_CA_FILE')] }));
});

test('tls_server_verified_by_host_name', async (t) => {
  const options = { ca: [file('AMQP_CA_FILE')], family: 4 };
  await roundTrip(t, await t.connect({ ...secure(), hostname: 'localhost' }, options));
});

for (const version of ['TLSv1.2', 'TLSv1.3']) {
  test(`tls_mutual_${version}`, async (t) => {
    const options = {
      ca: [file('AMQP_CA_FILE')],
      cert: file('AMQP_CLIENT_CERT'),
      key: file('AMQP_CLIENT_KEY'),
      minVersion: version,
      maxVersion: version,
    };
    const connection = await t.connect(secure(), options);
    assert.equal(connection.connection.stream.getProtocol(), version);
    await roundTrip(t, connection);
  });
}

test('tls_unknown_authority_is_refused_by_the_client', async (t) => {
  await assert.rejects(t.connect(secure()), (error) =>
    ['SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'].includes(
      error.code,
    ),
  );
});

test('tls_wrong_password_403', async (t) => {
  const options = { ca: [file('AMQP_CA_FILE')] };
  await assert.rejects(t.connect({ ...secure(), password: 'wrong' }, options), /403 \(ACCESS-REFUSED\)/);
});

test('plain_client_on_the_tls_port_fails', async (t) => {
  const { port } = secure();
  await assert.rejects(t.connect({ ...broker(), port }));
  await roundTrip(t, await t.connect(secure(), { ca: [file('AMQP_CA_FILE')] }));
});
