# SPDX-License-Identifier: Apache-2.0
"""The suite of pika: the modules register their tests when they are imported."""

import connections  # noqa: F401
import delivery  # noqa: F401
import exchange_types  # noqa: F401
import features  # noqa: F401
import queue_types  # noqa: F401
import operating  # noqa: F401
import publishing  # noqa: F401
import recovery  # noqa: F401
import topology  # noqa: F401
from interop_suite import main

main()
