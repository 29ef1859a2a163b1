// SPDX-License-Identifier: Apache-2.0
//
// Runs every test file in the order below and prints one line per test. The files that restart the
// broker come last, so that a broker that does not come back spoils nothing else.

'use strict';

const { runAll } = require('./harness');

require('./tests/publishing');
require('./tests/consuming');
require('./tests/routing');
require('./tests/messages');
require('./tests/features');
require('./tests/queue-types');
require('./tests/lifetimes');
require('./tests/errors');
require('./tests/connections');
require('./tests/tls');
require('./tests/restart');

runAll(process.argv.slice(2)).then((failed) => process.exit(failed === 0 ? 0 : 1));
