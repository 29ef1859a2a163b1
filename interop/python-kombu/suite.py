# SPDX-License-Identifier: Apache-2.0
"""The suite of kombu: the module registers its tests when it is imported."""

import messaging  # noqa: F401
from interop_suite import main

main()
