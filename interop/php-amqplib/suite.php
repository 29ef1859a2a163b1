<?php
// SPDX-License-Identifier: Apache-2.0
//
// The suite of php-amqplib: the files register their tests when they are loaded. Those that restart the
// broker come last, so that a broker that does not come back spoils nothing else.

declare(strict_types=1);

require __DIR__ . '/harness.php';
require __DIR__ . '/tests/connections.php';
require __DIR__ . '/tests/publishing.php';
require __DIR__ . '/tests/consuming.php';
require __DIR__ . '/tests/routing.php';
require __DIR__ . '/tests/features.php';
require __DIR__ . '/tests/errors.php';
require __DIR__ . '/tests/tls.php';
require __DIR__ . '/tests/restart.php';

exit(run_tests(array_slice($argv, 1)));
