"""The configuration file: where it is, and how it is read."""

from __future__ import annotations

import errno
import os
import re
import select
import stat
import time
from pathlib import Path
from typing import Any

from rct_collector.errors import ConfigError
from rct_collector.option import shown

DEFAULT_PATH = Path("/etc/rct-collector/config.yaml")
ENVIRONMENT = "RCT_COLLECTOR_CONFIG"

#: Names the largest size of a file, in MiB. One is enough for a few thousand devices, and keeps
#: what is no configuration at all out of the memory.
LARGEST = "RCT_COLLECTOR_CONFIG_MIB"

#: Seconds in which a pipe is to say everything.
PIPE_TIMEOUT_S = 5.0

_MIB = 1 << 20


def read(path: Path) -> Any:
    """What a YAML file says, not checked yet.

    Raises:
        ConfigError: It cannot be read, is too large, or is no YAML.
    """
    return interpret(content_of(path), str(path))


def interpret(content: bytes, origin: str) -> Any:
    """What the content of a YAML file says, not checked yet.

    Args:
        content: The bytes of the file.
        origin: File name or the like, for messages.

    Raises:
        ConfigError: It is no text, or no YAML.
    """
    import yaml  # here, since collectd's blocks need no YAML

    from rct_collector.config.document import read_yaml

    try:
        return read_yaml(content.decode())
    except UnicodeDecodeError as error:
        raise ConfigError([f"{origin}: is not UTF-8 text (byte {error.start})"]) from error
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f"line {where.line + 1}: " if where else ""
        what = getattr(error, "problem", None) or "not YAML"
        raise ConfigError([f"{origin}: {line}{what}"]) from error
    except (ValueError, OverflowError) as error:  # an escape of no character
        raise ConfigError([f"{origin}: not YAML ({error})"]) from error


def content_of(path: Path) -> bytes:
    """The bytes of a regular file or a pipe, as many as are allowed.

    Raises:
        ConfigError: It cannot be read, is something else, or has more.
    """
    most = _most()
    try:
        # Whoever opens a pipe otherwise waits until somebody writes into it, perhaps for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    try:
        status = os.fstat(descriptor)
        if stat.S_ISFIFO(status.st_mode):
            found = _from_pipe(descriptor, most)
        elif stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
            found = _all(descriptor, most)  # a folder says itself that it is one
        else:
            raise ConfigError([f"{path}: is neither a file nor a pipe"])
    except OSError as error:
        raise _unreadable(path, error) from error
    finally:
        os.close(descriptor)
    if len(found) > most:
        needed = max(-(-status.st_size // _MIB), most // _MIB + 1)
        raise ConfigError(
            [
                f"{path}: is larger than {most // _MIB} MiB; if it is meant to be, set"
                f" {LARGEST}={needed} in the environment"
            ]
        )
    return found


def _unreadable(path: Path, error: Exception) -> ConfigError:
    return ConfigError([f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}"])


def _most() -> int:
    """The largest size of a file, in bytes."""
    text = os.environ.get(LARGEST) or "1"
    if not re.fullmatch("[1-9][0-9]{0,3}", text):
        raise ConfigError([f"{LARGEST}: found {shown(text)}, expected MiB, from 1 to 9999"])
    return int(text) * _MIB


def _all(descriptor: int, most: int) -> bytes:
    """What there is, and a byte more than the most if there is more."""
    found = bytearray()
    while len(found) <= most and (piece := os.read(descriptor, most + 1 - len(found))):
        found += piece
    return bytes(found)


def _from_pipe(descriptor: int, most: int) -> bytes:
    """The same from a pipe, whose writer may not have begun yet, or be in no hurry."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    found = bytearray()
    until = time.monotonic() + PIPE_TIMEOUT_S
    while len(found) <= most:
        try:
            piece = os.read(descriptor, most + 1 - len(found))
        except BlockingIOError:  # somebody writes, but not now
            piece = None
        if piece:
            found += piece
            continue
        if found and piece is not None:
            break
        told = poll.poll(max(0.0, until - time.monotonic()) * 1000)
        if not told:
            raise TimeoutError(errno.ETIMEDOUT, "nobody writes into the pipe, or not to its end")
        if not told[0][1] & select.POLLIN:  # hung up
            break
    return bytes(found)
