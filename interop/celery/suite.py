# SPDX-License-Identifier: Apache-2.0
"""The suite of Celery: the modules register their tests when they are imported; the last one
kills workers and restarts the broker."""

import basics  # noqa: F401
import priorities  # noqa: F401
import quorum  # noqa: F401
import crashes  # noqa: F401
from interop_suite import main

main()
