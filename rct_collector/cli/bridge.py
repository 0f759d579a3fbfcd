"""``rct-collector bridge``: settings by MQTT."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import click

from rct_collector.cli.main import start_logging
from rct_collector.errors import ConfigError, MissingToolError

#: How the variables begin that stand in for options.
VARIABLES = "RCT_COLLECTOR_BRIDGE"

_FILE = click.Path(path_type=Path)

_EPILOG = f"""\
Each option may also be given as a variable of the environment, {VARIABLES}_BROKER and so on. The
password is read from a file that others may not read, or from {VARIABLES}_PASSWORD: on the command
line everybody would see it.

\b
Topics:
  inverter/SOURCE/set        JSON-RPC: {{"jsonrpc": "2.0", "id": "7f", "method": "set",
                               "params": {{"name": …, "value": …, "time": …}}}}
  inverter/SOURCE/set/NAME   a plain value
  inverter/SOURCE/result     the answers
  inverter/SOURCE/setting/NAME
                             the present value of what may be set, retained
  inverter/bridge/availability
"""


@click.command("bridge", epilog=_EPILOG, context_settings={"auto_envvar_prefix": VARIABLES})
@click.option(
    "--broker",
    metavar="ADDRESS",
    default="mqtt://127.0.0.1",
    show_default=True,
    help="Where the broker is: mqtt://HOST[:PORT], or mqtts:// for TLS.",
)
@click.option("--username", metavar="NAME", default="", help="Name of the bridge at the broker.")
@click.option("--password-file", type=_FILE, metavar="FILE", help="File with the password.")
@click.option("--ca", type=_FILE, metavar="FILE", help="Certificates that are trusted, for TLS.")
@click.option("--certificate", type=_FILE, metavar="FILE", help="Our own certificate, for TLS.")
@click.option("--key", type=_FILE, metavar="FILE", help="The key of that certificate.")
@click.option(
    "--client",
    metavar="NAME",
    default="",
    help="Name of the session; another one with that name is ended (default: that of this host).",
)
@click.option(
    "--prefix",
    metavar="WORDS",
    default="inverter",
    show_default=True,
    help="What all topics begin with; Home Assistant is told of 'inverter' only.",
)
@click.option(
    "--state-dir",
    type=_FILE,
    metavar="FOLDER",
    help="Where is noted which commands were done (default: as for the collector).",
)
@click.pass_obj
def command(
    log_level: str | None,
    broker: str,
    username: str,
    password_file: Path | None,
    ca: Path | None,
    certificate: Path | None,
    key: Path | None,
    client: str,
    prefix: str,
    state_dir: Path | None,
) -> None:
    """Take settings from an MQTT broker to the devices of this host.

    What may be set is decided by the option writes of each device, and by the groups that this
    process is in. Retained commands, those older than a minute and repeated ones are refused.
    """
    import asyncio

    try:
        from rct_collector.bridge.broker import MqttBroker, address
        from rct_collector.bridge.service import run
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "paho":
            raise
        text = "the bridge needs paho-mqtt: python3-paho-mqtt, or the extra bridge"
        raise MissingToolError(text) from None
    from rct_collector.bridge.commands import TopicNames

    try:
        host, port, encrypted = address(broker)
        topics = TopicNames(prefix)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if not encrypted and (ca or certificate or key):
        raise click.UsageError("--ca, --certificate and --key are for mqtts://")
    server = MqttBroker(
        host=host, port=port, encrypted=encrypted, username=username,
        password=_password(username, password_file), ca=ca, certificate=certificate, key=key,
        client=client or f"rct-collector-bridge-{socket.gethostname()}"[:64],
    )  # fmt: skip
    start_logging(log_level, "info")
    asyncio.run(run(server, topics, state_dir or _state_dir()))


def _password(username: str, path: Path | None) -> str:
    """The password, from wherever nobody else can see it.

    Raises:
        ConfigError: The file cannot be used, or nobody is named whose it is.
    """
    from rct_collector.option import Invalid, read_secret

    found = os.environ.get(f"{VARIABLES}_PASSWORD", "")
    if path is not None:
        try:
            found = read_secret(str(path))
        except Invalid as error:
            raise ConfigError([f"--password-file: not {error}"]) from None
    if found and not username:
        raise click.UsageError("there is a password, and no --username")
    return found


def _state_dir() -> Path:
    """Where the collector keeps its own, unless systemd has given us a folder."""
    from rct_collector.config import Config, state_dir

    own = os.environ.get("STATE_DIRECTORY")
    found = Path(own.partition(":")[0]) if own else state_dir(Config())
    if found is None:
        raise click.UsageError("there is no folder to keep anything in: name one by --state-dir")
    return found
