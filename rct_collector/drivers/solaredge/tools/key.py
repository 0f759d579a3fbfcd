"""``rct-collector solaredge key``: the key of a unit, of the four parameters that hold it."""

from __future__ import annotations

from typing import Any

import click

from rct_collector.drivers.outside import Outside
from rct_collector.drivers.solaredge.tools.jsonlines import JsonLines
from rct_collector.errors import CaptureError

#: The key is in these parameters, in this order, four bytes each.
PARAMETERS = (0x0239, 0x023A, 0x023B, 0x023C)

_EPILOG = """\b
Example:
  rct-collector solaredge command -c 12,H239/12,H23a/12,H23b/12,H23c -s 7F101234 \\
      /dev/ttyUSB0 > answers.json
  rct-collector solaredge key -o 7F101234.key answers.json
"""


@click.command("key", short_help="Make a key file of a unit's four parameters.", epilog=_EPILOG)
@click.argument("file", required=False, metavar="[FILE]")
@click.option(
    "-o", "output", metavar="FILE", help="Write the key there (default: standard output)."
)
@click.pass_obj
def command(outside: Outside, file: str | None, output: str | None) -> None:
    """Make the key with which a unit encrypts, of the answers to four reads.

    FILE, or standard input, holds the four lines that 'command' prints of the parameters 0239,
    023a, 023b and 023c, in this order. The key is 32 hexadecimal digits without an end of line; a
    file that is written here can be read by nobody else.
    """
    values = [
        item["data"]["value"]
        for item in JsonLines(outside, None if file == "-" else file)
        if isinstance(item.get("data"), dict) and "value" in item["data"]
    ]
    text = key_of(values).encode()
    if output:
        outside.replace(output, text, private=True)
    else:
        with outside.output(None) as out:
            out.write(text)


def key_of(values: list[Any]) -> str:
    """The key.

    Args:
        values: What the four parameters hold.

    Returns:
        32 lower-case hexadecimal digits.

    Raises:
        CaptureError: These are not the four parameters of a key.
    """
    if len(values) != len(PARAMETERS):
        raise CaptureError(
            f"a key is made of {len(PARAMETERS)} answers, those to 12,H239/12,H23a/12,H23b/12,H23c:"
            f" {len(values)} lines have a value"
        )
    if not all(type(value) is int and 0 <= value < 1 << 32 for value in values):
        raise CaptureError("a key is made of whole numbers of 32 bits: another value was found")
    if not any(values):
        raise CaptureError("all four parameters are 0: this unit does not give its key away")
    return b"".join(value.to_bytes(4, "little") for value in values).hex()
