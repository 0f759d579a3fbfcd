"""The module that collectd's Python plugin has built in; what ours uses of it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

NOTIF_FAILURE: int
NOTIF_WARNING: int
NOTIF_OKAY: int

class Config:
    key: str
    values: tuple[str | float | bool, ...]
    children: tuple[Config, ...]
    parent: Config | None

class Values:
    def __init__(
        self,
        type: str = ...,
        values: Sequence[float] = ...,
        plugin_instance: str = ...,
        type_instance: str = ...,
        plugin: str = ...,
        host: str = ...,
        time: float = ...,
        interval: float = ...,
        meta: dict[str, Any] = ...,
    ) -> None: ...
    def dispatch(
        self,
        *,
        type: str = ...,
        values: Sequence[float] = ...,
        plugin_instance: str = ...,
        type_instance: str = ...,
        plugin: str = ...,
        host: str = ...,
        time: float = ...,
        interval: float = ...,
        meta: dict[str, Any] = ...,
    ) -> None: ...

class Notification:
    def __init__(self, type: str = ...) -> None: ...
    def dispatch(
        self,
        *,
        type: str = ...,
        message: str = ...,
        plugin_instance: str = ...,
        type_instance: str = ...,
        plugin: str = ...,
        host: str = ...,
        time: float = ...,
        severity: int = ...,
        meta: Mapping[str, str | int | float | bool] = ...,
    ) -> None: ...

def error(text: str) -> None: ...
def warning(text: str) -> None: ...
def notice(text: str) -> None: ...
def info(text: str) -> None: ...
def debug(text: str) -> None: ...
def register_config(
    callback: Callable[[Config], None], *, data: object = ..., name: str = ...
) -> str: ...
def register_init(callback: Callable[[], None], *, data: object = ..., name: str = ...) -> str: ...
def register_read(
    callback: Callable[[], None], interval: float = ..., *, data: object = ..., name: str = ...
) -> str: ...
def register_shutdown(
    callback: Callable[[], None], *, data: object = ..., name: str = ...
) -> str: ...
