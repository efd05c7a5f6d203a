"""Names for parameters: the same in every process that collects the tests."""

import re


def named(value: object) -> str:
    """The value as it is written, without the address that it happens to have."""
    return re.sub(r" at 0x[0-9a-f]+| id='\d+'", "", repr(value))
