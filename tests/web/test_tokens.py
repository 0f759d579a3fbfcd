"""Tokens: made once, of chance, where nobody else can read them."""

import os
import stat

import pytest

from rct_collector.errors import ConfigError
from rct_collector.web.tokens import Right, Tokens, address_of, load, note


def test_they_are_made_once_and_only_the_owner_reads_them(tmp_path):
    folder = tmp_path / "state" / "web"

    made = load(folder, make=True)

    assert load(folder, make=True) == load(folder, make=False) == made
    assert made[Right.READ] != made[Right.SET]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("read.token", "set.token"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600


def test_each_folder_has_its_own(tmp_path):
    words = [*load(tmp_path / "a", make=True).values(), *load(tmp_path / "b", make=True).values()]

    assert len(set(words)) == 4


def test_who_removes_one_shuts_out_those_who_had_it(tmp_path):
    before = load(tmp_path, make=True)
    (tmp_path / "set.token").unlink()

    after = load(tmp_path, make=True)

    assert after[Right.READ] == before[Right.READ]
    assert after[Right.SET] != before[Right.SET]


def test_a_link_needs_a_page_that_was_started(tmp_path):
    with pytest.raises(ConfigError, match=r"read\.token: No such file"):
        load(tmp_path, make=False)
    with pytest.raises(ConfigError, match="start the page first"):
        address_of(tmp_path)


def test_the_address_is_kept(tmp_path):
    note(tmp_path / "new", "https://solar.example")

    assert address_of(tmp_path / "new") == "https://solar.example"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o666])
def test_one_that_others_may_read_is_refused(tmp_path, mode):
    load(tmp_path, make=True)
    (tmp_path / "read.token").chmod(mode)

    with pytest.raises(ConfigError, match=r"read\.token: others may read it.*0600"):
        load(tmp_path, make=True)


@pytest.mark.parametrize("text", ["", "short", "a" * 42, "a" * 44, "ä" * 43, "a" * 42 + "\0"])
def test_what_is_no_token_is_refused(tmp_path, text):
    load(tmp_path, make=True)
    (tmp_path / "set.token").write_text(text)

    with pytest.raises(ConfigError, match=r"set\.token: there is no token in it"):
        load(tmp_path, make=True)


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_only_a_regular_file_is_read(tmp_path, kind):
    load(tmp_path, make=True)
    path = tmp_path / "read.token"
    path.rename(tmp_path / "kept")
    {
        "link": lambda: path.symlink_to(tmp_path / "kept"),
        "pipe": lambda: os.mkfifo(path, 0o600),
        "folder": lambda: path.mkdir(0o700),
    }[kind]()

    with pytest.raises(ConfigError, match=r"read\.token"):
        load(tmp_path, make=True)


def test_what_each_allows():
    tokens = Tokens({Right.READ: "r" * 43, Right.SET: "s" * 43})

    assert tokens.right("r" * 43) is Right.READ
    assert tokens.right("s" * 43) is Right.SET
    for word in ("", "r" * 42, "r" * 44, "R" * 43, "ä", "\udcff", "\0"):
        assert tokens.right(word) is Right.NONE
