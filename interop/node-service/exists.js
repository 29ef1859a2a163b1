// SPDX-License-Identifier: Apache-2.0

'use strict';

const { assert } = require('../node-amqplib/harness');

// Whether the queue exists, asked without using it: a passive declaration would renew its x-expires.
module.exports = async function exists(t, queue) {
  const channel = await t.channel();
  try {
    await channel.bindQueue(queue, 'amq.direct', t.name('probe'));
  } catch (error) {
    assert.equal(error.code, 404, error.message);
    return false;
  }
  await channel.close();
  return true;
};
