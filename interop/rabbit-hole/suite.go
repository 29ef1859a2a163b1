// SPDX-License-Identifier: Apache-2.0

// Package suite names the module whose own tests are run, so that go.sum pins it.
package suite

import _ "github.com/michaelklishin/rabbit-hole/v2"
