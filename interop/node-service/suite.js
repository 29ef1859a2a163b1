// SPDX-License-Identifier: Apache-2.0
//
// Runs every test file in the order below and prints one line per test. What restarts the broker comes
// last, so that a broker that does not come back spoils nothing else.

'use strict';

const { runAll } = require('../node-amqplib/harness');

require('./tests/delayed-exchange');
require('./tests/topologies');
require('./tests/service');

runAll(process.argv.slice(2)).then((failed) => process.exit(failed === 0 ? 0 : 1));
