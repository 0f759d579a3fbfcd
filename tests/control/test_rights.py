"""Who may do what."""

import grp
import os
import socket
import subprocess
import sys

import pytest

from rct_collector import trust
from rct_collector.control import rights
from rct_collector.control.rights import UNMAPPED, Rights, rights_of
from rct_collector.lines.holder import Holder, other_end

#: Groups of a host: name → number and members.
GROUPS = {trust.GROUP: (901, ["telegraf"]), rights.CONTROL: (902, ["operator"])}
USERS = {0: ("root", 0), 501: ("telegraf", 501), 502: ("operator", 901), 503: ("guest", 503)}


@pytest.fixture(autouse=True)
def host(monkeypatch):
    """A host with some users, where the collector is one of its own."""

    def group(name):
        number, members = GROUPS[name]
        return grp.struct_group((name, "x", number, members))

    def user(uid):
        name, gid = USERS[uid]
        return trust.pwd.struct_passwd((name, "x", uid, gid, "", "/", "/bin/sh"))

    monkeypatch.setattr(trust.grp, "getgrnam", group)
    monkeypatch.setattr(trust.pwd, "getpwuid", user)
    monkeypatch.setattr(os, "geteuid", lambda: 500)


READS = Rights(reads=True)
NOTHING = Rights()


@pytest.mark.parametrize(
    ("uid", "groups", "right"),
    [
        (0, (0,), Rights(reads=True, governs=True)),
        (500, (500,), Rights(reads=True, governs=True)),
        (501, (501,), READS),  # a member
        (502, (901,), Rights(reads=True, sets=True)),  # its own group, and a member
        (503, (503,), NOTHING),
        (503, (503, 901), READS),  # a service has groups that its user has not
        (503, (503, 902), NOTHING),  # who sets must be able to read
        (503, (503, 901, 902), Rights(reads=True, sets=True)),
        (0, (0, 902), Rights(reads=True, sets=True, governs=True)),
        (61234, (61234, 901), READS),  # a user that is in no list, as DynamicUser= makes it
        (61234, (61234,), NOTHING),
        (UNMAPPED, (901, 902), NOTHING),  # from another name space; it may be anybody
        (None, (), NOTHING),
    ],
)
def test_rights_are_those_of_user_and_groups(uid, groups, right):
    assert rights_of(Holder(uid, 1, groups=groups)) == right


def test_an_unmapped_user_has_no_rights_even_if_we_are_called_so_ourselves(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: UNMAPPED)
    assert rights_of(Holder(UNMAPPED, 1, groups=(901, 902))) == NOTHING


def test_a_host_without_the_groups_lets_root_and_the_own_user_read(monkeypatch):
    monkeypatch.setattr(trust.grp, "getgrnam", lambda name: {}[name])
    assert rights_of(Holder(0, 1, groups=(0, 901, 902))) == Rights(reads=True, governs=True)
    assert rights_of(Holder(501, 1, groups=(901, 902))) == NOTHING


def test_the_kernel_tells_who_is_at_the_other_end(monkeypatch):
    monkeypatch.undo()
    one, other = socket.socketpair()
    with one, other:
        found = other_end(one)
    assert (found.uid, found.pid) == (os.geteuid(), os.getpid())
    assert found.groups[0] == os.getegid()
    assert set(os.getgroups()) <= set(found.groups)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give itself groups")
@pytest.mark.parametrize("count", [1, 200])
def test_groups_that_a_process_has_beyond_those_of_its_user_count(count):
    """As those that systemd gives to a service by SupplementaryGroups."""
    groups = list(range(4711, 4711 + count))
    program = (
        "import os, socket; from rct_collector.lines.holder import other_end;"
        f"os.setgroups({groups}); one, other = socket.socketpair();"
        "print(*other_end(one).groups)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
    assert set(groups) <= set(map(int, said.split()))
