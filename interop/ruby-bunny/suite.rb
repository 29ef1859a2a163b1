# SPDX-License-Identifier: Apache-2.0
#
# The suite of Bunny: the files register their tests when they are loaded. Those that restart the broker
# come last, so that a broker that does not come back spoils nothing else.

require_relative 'harness'
require_relative 'tests/connections'
require_relative 'tests/publishing'
require_relative 'tests/consuming'
require_relative 'tests/routing'
require_relative 'tests/features'
require_relative 'tests/errors'
require_relative 'tests/tls'
require_relative 'tests/restart'

exit run_tests(ARGV)
