"""Build entry point; static metadata lives in pyproject.toml."""

from setuptools import setup

# An SPDX string in pyproject.toml needs setuptools >= 77; Debian 12 has 66.
setup(license="GPL-3.0-only")
