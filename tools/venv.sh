#!/bin/sh
# Make a virtual environment: tools/venv.sh PYTHON FOLDER
#
# Says which Python it needs if PYTHON is not it. Where the distribution keeps venv in a
# package of its own (Debian, Ubuntu) and it is missing, installs that package.
set -eu

python=$1
folder=$2

fail() {
    printf 'error: %s\n' "$@" >&2
    exit 1
}

command -v "$python" >/dev/null ||
    fail "$python not found; Python 3.11 or newer is needed (or: make PYTHON=/path/to/python3)"

# Runs on any Python, so that an old one gets the message and no syntax error.
"$python" -c '
import sys
if sys.version_info < (3, 11):
    sys.exit("error: %s is Python %d.%d.%d; Python 3.11 or newer is needed "
             "(or: make PYTHON=/path/to/python3)" % ((sys.executable,) + sys.version_info[:3]))
'

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    command -v apt-get >/dev/null ||
        fail "$python cannot make virtual environments (no module ensurepip); install $package or the like"
    if [ "$(id -u)" -eq 0 ]; then
        sudo=
    elif command -v sudo >/dev/null; then
        sudo=sudo
    else
        fail "$python needs the package $package; as root: apt-get install $package"
    fi
    echo "installing $package, which $python needs to make virtual environments"
    $sudo apt-get update -q
    $sudo env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "$package" ||
        fail "could not install $package"
fi

# --clear: whatever an interrupted run has left behind goes.
"$python" -m venv --clear "$folder"
