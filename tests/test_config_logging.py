"""The option ``logging``: what is taken, and which key is wrong."""

from __future__ import annotations

import pytest

from rct_collector.config import Config, interpret
from rct_collector.errors import ConfigError

DEVICES = "devices: [{name: roof, driver: rct, address: 'tcp://192.0.2.1'}]\n"


def parsed(text):
    return Config.parse(interpret((DEVICES + text).encode(), "file"), "file")


def test_words_of_yaml_become_what_they_mean():
    found = parsed(
        "logging:\n"
        "  version: 1\n"
        "  disable_existing_loggers: no\n"
        "  handlers:\n"
        "    file: {class: logging.handlers.RotatingFileHandler, filename: /var/log/x,"
        " maxBytes: 1000000, backupCount: 3, delay: true, encoding: null, mode: '1'}\n"
        "  root: {level: 15, handlers: [file]}\n"
    ).logging
    assert found == {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {
            "file": {
                "class": "logging.handlers.RotatingFileHandler",
                "filename": "/var/log/x",
                "maxBytes": 1000000,
                "backupCount": 3,
                "delay": True,
                "encoding": None,
                "mode": "1",
            }
        },
        "root": {"level": 15, "handlers": ["file"]},
    }
    assert type(found["handlers"]["file"]["maxBytes"]) is int


@pytest.mark.parametrize("text", ["", "logging:\n", "logging: {}\n", "logging: ~\n"])
def test_nothing_is_what_is_usual(text):
    assert parsed(text).logging == {}


H = "handlers: {h: {class: logging.StreamHandler}}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("loud", "logging: found 'loud', expected a mapping"),
        ("[a]", "logging: found ['a'], expected a mapping"),
        ("{version: 2}", "logging.version: found 2, expected 1"),
        ("{handler: {}}", "logging.handler: found {}, expected no such key; known: version"),
        ("{handler: {}}", "did you mean 'handlers'?"),
        ("{disable_existing_loggers: 3}", "disable_existing_loggers: found 3, expected true"),
        ("{handlers: [a]}", "logging.handlers: found ['a'], expected a mapping"),
        ("{handlers: {h: stderr}}", "logging.handlers.h: found 'stderr', expected a mapping"),
        ("{handlers: {h: {level: INFO}}}", "logging.handlers.h: found {'level': 'INFO'}, expected a"
         " mapping with a class"),
        ("{handlers: {h: {class: 3}}}", "logging.handlers.h.class: found 3, expected the name"),
        ("{handlers: {h: {class: x, level: LOUD}}}", "logging.handlers.h.level: found 'LOUD'"),
        ("{handlers: {h: {class: x, level: info}}}", "did you mean 'INFO'?"),
        ("{handlers: {h: {class: x, formatter: f}}}", "logging.handlers.h.formatter: found 'f',"
         " expected names under logging.formatters: of which there are none"),
        (f"{{{H}, root: {{handlers: [g]}}}}", "logging.root.handlers: found ['g'], expected names"
         " under logging.handlers: h"),
        (f"{{{H}, root: {{handlers: h}}}}", "logging.root.handlers: found 'h', expected a list"),
        ("{root: {propagate: x}}", "logging.root.propagate: found 'x', expected true or false"),
        ("{loggers: {a: {levels: INFO}}}", "logging.loggers.a.levels: found 'INFO', expected no"),
        ("{loggers: {a: {filters: [x]}}}", "logging.loggers.a.filters: found ['x'], expected"),
        ("{root: 3}", "logging.root: found 3, expected a mapping"),
    ],
)  # fmt: skip
def test_the_key_that_is_wrong_is_named(text, told):
    with pytest.raises(ConfigError) as error:
        parsed(f"logging: {text}\n")
    (problem,) = error.value.problems
    assert problem.startswith("file: logging")
    assert told in problem
