"""Build entry point; static metadata lives in pyproject.toml."""

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildPy(build_py):
    """Takes collectd's plugin along; setuptools knows only one folder of top-level modules."""

    def find_modules(self) -> list[tuple[str, str, str]]:
        """Package, name and file of each module that is in no package."""
        name = "rct_collector_collectd"
        return [*super().find_modules(), ("", name, f"plugins/collectd/{name}.py")]


# An SPDX string in pyproject.toml needs setuptools >= 77; Debian 12 has 66.
setup(license="GPL-3.0-only", cmdclass={"build_py": BuildPy})
