# SPDX-License-Identifier: Apache-2.0
"""How a test is marked."""


def test(*needs, **options):
    """needs: paths of the API that the broker must answer; options: of the browser's context."""

    def mark(function):
        function.needs = needs
        function.options = options
        return function

    return mark
