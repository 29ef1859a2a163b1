# SPDX-License-Identifier: Apache-2.0
"""The suite of kombu: the modules register their tests when they are imported."""

import features  # noqa: F401
import messaging  # noqa: F401
import queue_types  # noqa: F401
from interop_suite import main

main()
