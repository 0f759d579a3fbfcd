#!/usr/bin/env python3
"""Install the programs that the tests talk to, or let read what was written.

Databases and brokers behind Telegraf and collectd: Graphite's carbon and web application,
InfluxDB 1.x, PostgreSQL, Prometheus, Mosquitto, RabbitMQ, NATS and rrdtool; etcd, which keeps a
fleet's keys; dnsmasq, which leads inverters to the collector; Chromium, which shows the page
without a window; docker-compose, which only reads a file here; for recordings of lines and dumps
of bytes tcpdump, tshark, hexdump and xxd; and to measure valgrind, which counts instructions, and a
C compiler, for what ours is measured beside. What is missing is installed with apt-get, as root or
with sudo; no service is started or enabled. The tests start what they need themselves, on loopback,
on free ports and in folders of their own.

Exit status: 0 all are there, 1 something failed, 2 wrong usage, 3 some are missing and there is
no way to install them.
"""

from __future__ import annotations

import sys

from setup_tools import command_line, ensure, exit_status

#: Debian package → a file of it by which it is known to be installed.
PACKAGES = {
    "bsdextrautils": "/usr/bin/hexdump",
    "chromium": "/usr/bin/chromium",
    "dnsmasq-base": "/usr/sbin/dnsmasq",
    "docker-compose": "/usr/bin/docker-compose",
    "etcd-server": "/usr/bin/etcd",
    "gcc": "/usr/bin/gcc",
    "graphite-carbon": "/usr/bin/carbon-cache",
    "graphite-web": "/usr/bin/graphite-manage",
    "influxdb": "/usr/bin/influxd",
    "libc6-dev": "/usr/include/stdio.h",
    "mosquitto": "/usr/sbin/mosquitto",
    "nats-server": "/usr/sbin/nats-server",
    "postgresql": "/usr/lib/postgresql/*/bin/postgres",
    "prometheus": "/usr/bin/prometheus",
    "rabbitmq-server": "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "rrdtool": "/usr/bin/rrdtool",
    "tcpdump": "/usr/bin/tcpdump",
    "tshark": "/usr/bin/tshark",
    "valgrind": "/usr/bin/valgrind",
    "xxd": "/usr/bin/xxd",
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = command_line(__doc__ or "")
    parser.add_argument("--no-install", action="store_true", help="only tell what is missing")
    install = not parser.parse_args(arguments).no_install
    purpose = "which the tests need; no service is started"
    return exit_status(lambda: ensure(PACKAGES, install=install, purpose=purpose))


if __name__ == "__main__":
    sys.exit(main())
