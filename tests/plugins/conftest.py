"""The vendors of CRMs, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from tests.harness.crms import CRMS
from tests.harness.vendor import Vendor


@pytest.fixture
def vendor_of() -> Iterator[Callable[[str], Vendor]]:
    """Start the vendor of this name; all are closed afterwards."""
    with ExitStack() as open_:
        yield lambda name: open_.enter_context(closing(CRMS[name][1]()))
