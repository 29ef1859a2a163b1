# SPDX-License-Identifier: Apache-2.0
"""The suite of kombu and Celery: the modules register their tests when they are imported."""

import messaging  # noqa: F401
import workers  # noqa: F401
from interop_suite import main

main()
