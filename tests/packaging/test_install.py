"""Installed packages feed the agents, and never stand in their way, whatever is done with them."""

from __future__ import annotations

import re
import signal
import socket
import stat
import urllib.request
from contextlib import contextmanager

import pytest

from tests.inverter import running_inverter
from tests.packaging.system import OURS
from tests.plugins.agent import complaints
from tests.processes import free_port, get, wait_for

pytestmark = [
    pytest.mark.debian,
    pytest.mark.slow,
    pytest.mark.timeout(900),
]

#: What an administrator may have beside ours, under collectd's own main configuration.
COLLECTD = """
Hostname "solar1"
FQDNLookup false
LoadPlugin logfile
<Plugin logfile>
  LogLevel info
  File "/var/log/collectd.log"
  PrintSeverity true
</Plugin>
LoadPlugin csv
<Plugin csv>
  DataDir "/var/lib/collectd/csv"
  StoreRates false
</Plugin>
"""

METRICS = "/tmp/metrics"  # noqa: S108 - of the system
TELEGRAF = f"""
[agent]
  interval = "1s"
  flush_interval = "200ms"
  omit_hostname = true
[[inputs.internal]]
[[outputs.file]]
  files = ["{METRICS}"]
"""

CONFFILE = "/etc/collectd/collectd.conf.d/rct-collector.conf"


def with_base(wanted):
    """A package of those for some, and what all of them need."""
    kinds = ("bridge", "collectd", "daemon", "telegraf", "web")
    for_some = {f"rct-collector-{name}" for name in kinds}
    return [name for name in OURS if name == wanted or name not in for_some]


FOR_COLLECTD = with_base("rct-collector-collectd")
FOR_TELEGRAF = with_base("rct-collector-telegraf")
FOR_SERVICE = with_base("rct-collector-daemon")
FOR_PAGE = with_base("rct-collector-web")
FOR_BRIDGE = with_base("rct-collector-bridge")


@pytest.fixture(scope="module")
def inverter():
    with running_inverter() as running:
        yield running


class Collectd:
    """collectd of the system, with its own main configuration."""

    def __init__(self, system, folder):
        self.system = system
        self.output = folder / "collectd"
        system.write("/etc/collectd/collectd.conf.d/admin.conf", COLLECTD)

    def running(self):
        self.system.run("rm", "-f", "/var/log/collectd.log")
        return self.system.running("collectd", "-f", log=self.output)

    def log(self):
        """What it said since its start."""
        path = self.system.path("/var/log/collectd.log")
        return self.output.read_text() + (path.read_text() if path.exists() else "")

    def values(self, name):
        """Values of one series."""
        folder = self.system.path("/var/lib/collectd/csv/solar1/inverter-roof")
        return [
            float(line.partition(",")[2])
            for path in folder.glob(f"{name}-20??-??-??")
            for line in path.read_text().splitlines(keepends=True)[1:]
            if line.endswith("\n")
        ]

    def works_without_us(self):
        """It starts, stays and ends as it should."""
        with self.running() as process:
            assert wait_for(lambda: "entering read-loop" in self.log()), self.log()
            assert process.poll() is None
        assert process.returncode == 0, self.log()
        assert "rct_collector" not in self.log()


@pytest.fixture
def collectd(system, tmp_path):
    return Collectd(system, tmp_path)


class Telegraf:
    """The real Telegraf of the system, as the user and with the folders of its own package."""

    def __init__(self, system, folder):
        self.system = system
        self.output = folder / "telegraf"
        system.write("/etc/telegraf/telegraf.conf", TELEGRAF)

    def running(self):
        self.system.run("rm", "-f", METRICS)
        program = ("/usr/bin/telegraf", "--config", "/etc/telegraf/telegraf.conf")
        folder = ("--config-directory", "/etc/telegraf/telegraf.d")
        user = ("setpriv", "--reuid=telegraf", "--regid=telegraf", "--init-groups")
        return self.system.running(*user, *program, *folder, log=self.output)

    def lines(self, *words):
        """Lines of the output with all of some words in them."""
        path = self.system.path(METRICS)
        text = path.read_text() if path.exists() else ""
        return [line for line in text.splitlines() if all(word in line for word in words)]

    def works_without_us(self):
        with self.running() as process:
            assert wait_for(lambda: self.lines("internal_")), self.output.read_text()
            assert process.poll() is None
        assert process.returncode == 0, self.output.read_text()
        assert self.errors() == []

    def errors(self):
        """What went wrong."""
        return [line for line in complaints(self.output.read_text().splitlines()) if " E! " in line]


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def feeds(collectd):
    """Values of a new collectd arrive in a file."""
    collectd.system.run("rm", "-rf", "/var/lib/collectd/csv")
    with collectd.running() as process:
        wanted = ("power-grid", "power-pv", "percent-battery_0_soc")
        assert wait_for(lambda: all(map(collectd.values, wanted))), collectd.log()
        assert 0 <= collectd.values("percent-battery_0_soc")[0] <= 100
        assert process.poll() is None
    assert process.returncode == 0
    assert not [line for line in collectd.log().splitlines() if "[error] rct_col" in line]


def test_collectd_gets_values_once_the_address_is_named(collectd, built, inverter):
    said = collectd.system.install(*built.packages(*FOR_COLLECTD))
    assert "write its address into /etc/rct-collector/config.yaml" in said
    collectd.system.name_address(inverter.address)
    feeds(collectd)


def test_without_an_address_collectd_works_and_is_told_what_to_edit(collectd, built):
    collectd.system.install(*built.packages(*FOR_COLLECTD))
    with collectd.running() as process:
        assert wait_for(lambda: "entering read-loop" in collectd.log()), collectd.log()
        assert process.poll() is None
    assert process.returncode == 0
    assert "/etc/rct-collector/config.yaml: devices[0].address: " in collectd.log()
    assert "tcp://" in collectd.log()


def test_removed_installed_again_and_purged_collectd_goes_on(collectd, built, inverter):
    system = collectd.system
    before = files(system)
    system.install(*built.packages(*FOR_COLLECTD))
    system.name_address(inverter.address)
    system.remove(*FOR_COLLECTD)
    assert system.installed() == set()
    assert system.path(CONFFILE).exists()
    collectd.works_without_us()

    system.install(*built.packages(*FOR_COLLECTD))
    feeds(collectd)

    system.purge(*FOR_COLLECTD)
    collectd.works_without_us()
    assert files(system) - before == set()


def test_the_settings_come_back_after_a_purge_of_collectd(collectd, built, inverter):
    system = collectd.system
    system.install(*built.packages(*FOR_COLLECTD))
    system.name_address(inverter.address)
    kept = system.read(CONFFILE)
    system.remove("rct-collector-collectd")
    # What purging collectd does; it cannot be installed again without a network.
    system.run("rm", "-r", "/etc/collectd/collectd.conf.d")
    system.install(*built.packages(*FOR_COLLECTD))
    assert system.read(CONFFILE) == kept
    feeds(Collectd(system, collectd.output.parent))


def test_what_was_edited_outlives_an_upgrade(collectd, built, newer, inverter):
    system = collectd.system
    system.install(*built.packages(*FOR_COLLECTD))
    system.name_address(inverter.address)
    wanted = [p for p in newer if p.name.partition("_")[0] in FOR_COLLECTD]
    learnt = system.path("/var/lib/rct-collector")
    learnt.chmod(0o2775)  # as the first packages had it
    system.install(*wanted)
    assert mode(learnt) == 0o2770
    assert system.run("dpkg-query", "-W", "-f${Version}", "rct-collector").endswith(".1")
    assert "# This line is new." in system.read(CONFFILE)
    assert "# This line is new." not in system.read("/etc/rct-collector/config.yaml")
    feeds(collectd)


@pytest.mark.telegraf
@pytest.mark.parametrize("first", ["telegraf", "rct-collector-telegraf"])
def test_telegraf_gets_values_once_the_address_is_named(
    system, built, inverter, telegraf_package, first, tmp_path
):
    ours = built.packages(*FOR_TELEGRAF)
    if first == "telegraf":
        system.install(telegraf_package)
    said = system.install(*ours)
    assert "write its address into /etc/rct-collector/config.yaml" in said
    if first != "telegraf":
        system.install(telegraf_package)
    agent = Telegraf(system, tmp_path)
    assert {"rct-collector", "dialout"} <= groups(system, "telegraf")
    system.name_address(inverter.address)
    with agent.running() as process:
        assert wait_for(lambda: agent.lines("inverter_power,source=roof", "grid_watts=")), (
            agent.output.read_text()
        )
        learnt = system.path("/var/lib/rct-collector/roof.json")
        assert wait_for(learnt.exists, 120), agent.output.read_text()
        assert (mode(learnt.parent), mode(learnt)) == (0o2770, 0o640)
        assert learnt.parent.stat().st_gid == learnt.stat().st_gid != 0
        assert process.poll() is None
    assert process.returncode == 0
    assert agent.errors() == []
    assert "cannot keep" not in agent.output.read_text()


@pytest.mark.telegraf
def test_removed_and_purged_telegraf_goes_on(system, built, telegraf_package, tmp_path):
    system.install(telegraf_package)
    before, member = files(system), groups(system, "telegraf")
    agent = Telegraf(system, tmp_path)
    system.install(*built.packages(*FOR_TELEGRAF))

    with agent.running() as process:  # without an address
        said = "/etc/rct-collector/config.yaml: devices[0].address: "
        assert wait_for(lambda: said in agent.output.read_text()), agent.output.read_text()
        assert wait_for(lambda: agent.lines("internal_"))
        assert process.poll() is None
    assert process.returncode == 0

    system.remove(*FOR_TELEGRAF)
    assert system.path("/etc/telegraf/telegraf.d/rct-collector.conf").exists()
    agent.works_without_us()
    system.purge(*FOR_TELEGRAF)
    agent.works_without_us()
    assert files(system) - before - {"/etc/telegraf/telegraf.conf"} == set()
    assert groups(system, "telegraf") == member


def test_telegraf_of_debian_becomes_a_member_and_leaves_what_it_was_not_in_before(system, built):
    system.run("adduser", "--quiet", "--system", "--group", "--no-create-home", "_telegraf")
    system.run("adduser", "--quiet", "_telegraf", "dialout")
    system.install(*built.packages(*FOR_TELEGRAF))
    assert groups(system, "_telegraf") == {"_telegraf", "dialout", "rct-collector"}
    system.purge(*FOR_TELEGRAF)
    assert groups(system, "_telegraf") == {"_telegraf", "dialout"}


@pytest.fixture
def notified(system):
    """The socket of the system that the service is told of, and what came to it."""
    path = system.path("/run/notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        path.chmod(0o666)
        sock.settimeout(120)

        def until(word):
            while word not in (told := sock.recv(4096).decode()):
                pass
            return told

        yield until


def test_the_service_collects_as_its_user_once_an_address_is_named(
    system, built, inverter, notified, tmp_path
):
    system.install(*built.packages(*FOR_SERVICE))
    assert {"rct-collector", "dialout"} == groups(system, "rct-collector")
    assert system.run("getent", "group", "rct-collector-control").strip().endswith(":")
    assert system.path(
        "/etc/systemd/system/multi-user.target.wants/rct-collector.service"
    ).is_symlink()
    assert (
        system.run("systemd-analyze", "verify", "--man=no", "rct-collector.service", check=False)
        == ""
    )
    unit = system.read("/lib/systemd/system/rct-collector.service")
    (condition,) = re.findall("^ExecCondition=(.*)$", unit, flags=re.M)
    (begin,) = re.findall("^ExecStart=(.*)$", unit, flags=re.M)
    as_user = ("setpriv", "--reuid=rct-collector", "--regid=rct-collector", "--init-groups")

    def may_start():
        return system.run("sh", "-c", f"{condition} && echo yes", check=False) == "yes\n"

    assert not may_start()
    system.name_address(inverter.address)
    assert may_start()
    start = (*as_user, "env", "NOTIFY_SOCKET=/run/notify", *begin.split())
    log = tmp_path / "log"
    with system.running(*start, log=log) as process:
        notified("READY=1")
        notified("STATUS=1 of 1 device up")
        process.send_signal(signal.SIGHUP)  # the command needs /proc, which is not in the system
        notified("RELOADING=1")
        notified("READY=1")
        assert "was read again: 1 device unchanged" in log.read_text()
        learnt = system.path("/var/lib/rct-collector/roof.json")
        assert wait_for(learnt.exists, 120), log.read_text()
        assert (mode(learnt.parent), mode(learnt)) == (0o2770, 0o640)
        assert process.poll() is None
    notified("STOPPING=1")
    assert process.returncode == 0
    assert "cannot" not in log.read_text()


def test_the_service_leaves_nothing_behind(system, built, inverter):
    before = files(system)
    system.install(*built.packages(*FOR_SERVICE))
    system.name_address(inverter.address)
    system.write("/var/log/rct-collector/log", "as the option logging may want it\n")
    system.remove(*FOR_SERVICE)
    assert system.path("/var/log/rct-collector/log").exists()
    system.purge(*FOR_SERVICE)
    assert not system.path("/var/log/rct-collector").exists()
    assert files(system) - before == set()


#: One of those whom systemd makes up for a service (DynamicUser); no list of users names it.
MADE_UP = "61184"


class MadeUp:
    """A service of a user that systemd makes up, started as its unit says, but in no sandbox."""

    def __init__(self, system, name):
        self.system = system
        self.name = f"{name}.service"
        self._unit = system.read(f"/lib/systemd/system/{self.name}")
        assert self.value("DynamicUser") == "yes"
        self.folder = f"/var/lib/{self.value('StateDirectory')}"

    def value(self, key):
        (found,) = re.findall(rf"^{key}=-?(.*)$", self._unit, flags=re.M)
        return found

    def is_understood(self):
        """Whether systemd finds all that the unit names, and nothing wrong with it."""
        return self.system.run("systemd-analyze", "verify", "--man=no", self.name) == ""

    def is_on(self):
        wanted = f"/etc/systemd/system/multi-user.target.wants/{self.name}"
        return self.system.path(wanted).is_symlink()

    @contextmanager
    def running(self, log):
        """The program, with what root reads for it and the folder that root makes for it."""
        make = ("install", "-d", "-m", self.value("StateDirectoryMode"), "-o", MADE_UP)
        self.system.run(*make, "-g", MADE_UP, self.folder)
        groups = self.value("SupplementaryGroups").replace(" ", ",")
        user = f"setpriv --reuid={MADE_UP} --regid={MADE_UP} --groups={groups}"
        script = f"set -a; . {self.value('EnvironmentFile')}; STATE_DIRECTORY={self.folder}"
        begin = f"exec {user} sh -c 'exec {self.value('ExecStart')}'"
        with self.system.running("sh", "-c", f"{script}; {begin}", log=log) as process:
            yield process
        assert process.returncode == 0, log.read_text()

    def left(self, before):
        """What is there that was not before, but for what it has kept in its folder."""
        found = files(self.system) - before
        return {name for name in found if not f"{name}/".startswith(f"{self.folder}/")}


def test_the_page_answers_once_somebody_starts_it(system, built, tmp_path):
    before = files(system)
    system.install(*built.packages(*FOR_PAGE))
    service, log = MadeUp(system, "rct-collector-web"), tmp_path / "log"
    assert not service.is_on()
    assert service.is_understood()
    address = f"http://127.0.0.1:{free_port()}"
    options = service.value("EnvironmentFile")
    system.write(options, f'OPTIONS="--port {address.rpartition(":")[2]}"\n')
    with service.running(log):
        assert "<title>" in (wait_for(lambda: get(f"{address}/")) or log.read_text())
        way_in = system.run("rct-collector", "web", "link").strip()  # as root
        place, _, token = way_in.partition("/#token=")
        assert place == address
        login = urllib.request.Request(f"{address}/login")
        login.add_header("Authorization", f"Bearer {token}")
        with urllib.request.urlopen(login, timeout=60) as answer:
            assert answer.read() == b'{"right":"read"}'
    assert "Traceback" not in log.read_text()

    system.purge(*FOR_PAGE)
    assert service.left(before) == {options}


def test_the_bridge_looks_for_the_broker_that_it_is_told_of(system, built, tmp_path):
    before = files(system)
    system.install(*built.packages(*FOR_BRIDGE))
    service, log = MadeUp(system, "rct-collector-bridge"), tmp_path / "log"
    assert service.is_on()
    assert service.is_understood()
    options = service.value("EnvironmentFile")
    assert service.value("ConditionPathExists") == options
    assert not system.path(options).exists()
    port = free_port()
    example = system.read("/usr/share/doc/rct-collector-bridge/examples/bridge.env")
    named = re.sub(r"(?m)^(\w+_BROKER=).*", rf"\1mqtt://127.0.0.1:{port}", example)
    system.write(options, named)
    system.run("chmod", "600", options)
    with service.running(log) as process:
        said = f"127.0.0.1:{port} cannot be reached, and is tried again: "
        assert wait_for(lambda: said in log.read_text()), log.read_text()
        assert process.poll() is None
    assert "Traceback" not in log.read_text()

    system.purge(*FOR_BRIDGE)
    assert service.left(before) == {"/etc/rct-collector", options}


#: Where a USB device would be, with what udev reads there: a hub, and a device at its socket 4.
USB = "/sys/devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1.4"
HIDRAW = f"{USB}/1-1.4:1.0/0003:0665:5161.0001/hidraw/hidraw0"


def plugged_in(system, vendor, product):
    """Have a device at a socket of the system, as the kernel tells of it."""
    nodes = {
        "/sys/devices/pci0000:00/0000:00:14.0": ("bus/pci", {}),
        f"{USB.rpartition('/')[0]}": ("bus/usb", {"idVendor": "05e3", "idProduct": "0608"}),
        USB: ("bus/usb", {"idVendor": vendor, "idProduct": product}),
        f"{USB}/1-1.4:1.0": ("bus/usb", {}),
        HIDRAW.removesuffix("/hidraw/hidraw0"): ("bus/hid", {}),
        HIDRAW: ("class/hidraw", {}),
    }
    kinds = {
        USB: "DEVTYPE=usb_device\n",
        f"{USB}/1-1.4:1.0": "DEVTYPE=usb_interface\n",
        HIDRAW: "MAJOR=240\nMINOR=0\nDEVNAME=hidraw0\n",
    }
    for node, (subsystem, attributes) in nodes.items():
        system.run("mkdir", "-p", node, f"/sys/{subsystem}")
        system.run("ln", "-s", f"/sys/{subsystem}", f"{node}/subsystem")
        system.write(f"{node}/uevent", kinds.get(node, ""))
        for name, value in attributes.items():
            system.write(f"{node}/{name}", f"{value}\n")


def test_the_usb_port_of_an_inverter_is_open_to_the_group_and_has_a_link_by_its_socket(
    system, built
):
    system.install(*built.packages("python3-rctclient", "python3-rct-collector", "rct-collector"))
    plugged_in(system, "0665", "5161")
    said = rules_for(system, HIDRAW)
    assert f"GROUP {system.run('getent', 'group', 'rct-collector').split(':')[2]}\n" in said
    assert "MODE 0660\n" in said
    assert "DEVLINKS=/dev/voltronic-pci-0000:00:14.0-usb-0:1.4:1.0\n" in said


def test_another_usb_port_is_left_alone(system, built):
    system.install(*built.packages("python3-rctclient", "python3-rct-collector", "rct-collector"))
    plugged_in(system, "0665", "5162")
    said = rules_for(system, HIDRAW)
    assert "DEVPATH=" in said
    assert "GROUP" not in said
    assert "MODE" not in said
    assert "voltronic" not in said


def rules_for(system, device):
    """What udev does for a device, by our rules alone."""
    (ours,) = system.folder.glob("lib/udev/rules.d/*rct-collector.rules")
    for other in ours.parent.glob("*.rules"):
        if other != ours:
            system.run("rm", f"/lib/udev/rules.d/{other.name}")
    # It would look whether /sys is what the kernel makes.
    return system.run("env", "SYSTEMD_DEVICE_VERIFY_SYSFS=0", "udevadm", "test", device)


def groups(system, user):
    return set(system.run("id", "-nG", user).split())


#: What the system itself writes when packages come and go, and systemd when it is asked of a unit.
_OTHERS = (
    "/run/systemd/",
    *("/tmp/", "/var/cache/", "/var/log/", "/var/lib/apt/", "/var/lib/dpkg/"),  # noqa: S108
    "/var/lib/collectd/",  # the values
)


def files(system):
    """All files of the system that somebody put there, except for groups and users."""
    found = system.run("find", "/", "-xdev", "-not", "-type", "d").splitlines()
    found += system.run("find", "/etc", "/var/lib", "-xdev", "-type", "d").splitlines()
    return {
        name
        for name in found
        if not name.startswith(_OTHERS) and not name.endswith(("-", ".pyc")) and name != "/"
    }
