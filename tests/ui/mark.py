# SPDX-License-Identifier: Apache-2.0
"""How a test is marked."""


def test(**options):
    """options: of the browser's context."""

    def mark(function):
        function.options = options
        return function

    return mark
