#!/bin/sh
# Build the Debian packages: packaging/build-deb.sh [FOLDER]
#
# FOLDER (default: dist/deb) gets the packages of rctclient and of rct-collector, with their
# sources. They are made of the files of the working tree that git knows or would add, with a copy
# of packaging/debian as debian. The system's Python is used, whatever comes first on the PATH.
#
#   RCTCLIENT_SOURCE   source archive of rctclient; fetched by tools/rctclient_source.py if not given
#   DEB_BUILD_OPTIONS  "nocheck" leaves out the tests
#
# Needs the packages that tools/debian_env.py installs, and no network.
set -eu

fail() {
    echo "build-deb.sh: error: $*" >&2
    exit 1
}

root=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-$root/dist/deb}
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

field() { dpkg-parsechangelog -l "$1/debian/changelog" -S "$2"; }

command -v dpkg-parsechangelog >/dev/null ||
    fail "dpkg-dev is missing; tools/debian_env.py installs what is needed"

# -- versions

upstream=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$root/rct_collector/_version.py")
# PEP 440 to Debian: a release comes after its candidates.
upstream=$(echo "$upstream" | sed -e 's/\.\{0,1\}\(dev\)/~\1/' -e 's/\([0-9]\)\(a\|b\|rc\)\([0-9]\)/\1~\2\3/')
version=$(field "$root/packaging" Version)
[ "${version%-*}" = "$upstream" ] ||
    fail "packaging/debian/changelog says $version, rct_collector/_version.py $upstream"
epoch=$(field "$root/packaging" Timestamp)
# What is newer than the changelog gets its date; a date to come would not be reproducible.
[ "$epoch" -le "$(date +%s)" ] || fail "packaging/debian/changelog has a date to come"

# -- sources

client=$(field "$root/packaging/rctclient" Version)
archive=${RCTCLIENT_SOURCE:-$(python3 "$root/tools/rctclient_source.py")}
(cd "$(dirname "$archive")" && sha256sum --check --quiet "$root/packaging/rctclient/SHA256SUMS") ||
    fail "$archive is not what packaging/rctclient/SHA256SUMS says"

# The files of the working tree, one name a line, without the top folder debian.
files() {
    if [ -e "$root/.git" ]; then
        git -C "$root" ls-files --cached --others --exclude-standard
    else
        # From a source archive: without what is made here.
        (cd "$root" && find . \( -name '.*' ! -name . ! -name .ci ! -name .editorconfig \
            ! -name .gitignore -o -name __pycache__ -o -name '*.egg-info' -o -path ./build \
            -o -path ./debian -o -path ./dist -o -path ./htmlcov \) -prune -o -type f -print) |
            sed 's|^\./||'
    fi | while IFS= read -r name; do
        if [ -e "$root/$name" ]; then echo "$name"; fi
    done | LC_ALL=C sort -u
}

# Modes too are those of nobody in particular: git keeps only whether a file can be run.
pack() {
    tar --create --directory="$root" --files-from="$work/files" --transform="s|^|$1/|" \
        --format=gnu --owner=0 --group=0 --numeric-owner --mode='u=rwX,go=rX' --mtime="@$epoch" |
        gzip -9n >"$2"
}

# -- builds

# build FOLDER VARIABLE=VALUE...
build() (
    cd "$1"
    shift
    umask 022
    env -i HOME="$work" PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
        DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS:-}" "$@" \
        dpkg-buildpackage --unsigned-source --unsigned-changes
)

case " ${DEB_BUILD_OPTIONS:-} " in *" nocheck "*) profiles=nocheck ;; *) profiles= ;; esac

files >"$work/files"

cp "$archive" "$work/python-rctclient_${client%-*}.orig.tar.gz"
tar -xzf "$archive" -C "$work"
mv "$work/rctclient-${client%-*}" "$work/rctclient"
cp -R "$root/packaging/rctclient/debian" "$work/rctclient/debian"
build "$work/rctclient" DEB_BUILD_PROFILES="$profiles"

# The first package serves the build of the others without being installed.
dpkg-deb --extract "$work/python3-rctclient_${client}_all.deb" "$work/extracted"
pack "rct-collector-$upstream" "$work/rct-collector_$upstream.orig.tar.gz"
tar -xzf "$work/rct-collector_$upstream.orig.tar.gz" -C "$work"
cp -R "$work/rct-collector-$upstream/packaging/debian" "$work/rct-collector-$upstream/debian"
build "$work/rct-collector-$upstream" \
    DEB_BUILD_PROFILES="$profiles pkg.rct-collector.extracted" \
    PYTHONPATH="$work/extracted/usr/lib/python3/dist-packages"

rm -f "$out"/*.deb "$out"/*.dsc "$out"/*.tar.* "$out"/*.changes "$out"/*.buildinfo
for kind in deb dsc 'tar.*' changes buildinfo; do
    mv "$work"/*.$kind "$out"
done
echo "The packages are in $out; install them with: apt install $out/*.deb"
