#!/bin/sh
# Makes a virtual environment with Kardus in it: environment.sh DIR demo|dev
# Works on a fresh Debian or Ubuntu with Python 3.11 or newer; says in one line what is missing otherwise.
set -eu
directory=$1
kind=$2
python=${PYTHON:-python3}

fail() { echo "error: $1" >&2; exit 1; }

install_package() { # Debian packages, what they are for
    command -v apt-get >/dev/null || fail "$2 is missing: install it with your system's package manager (Debian: $1)"
    if [ "$(id -u)" = 0 ]; then as_root=""
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as_root="sudo -n"
    else fail "$2 is missing: run 'sudo apt-get install $1', then this command again"
    fi
    echo "-- installing $2 (Debian: $1)"
    # shellcheck disable=SC2086 # several packages
    $as_root apt-get update -qq && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $1 >/dev/null ||
        fail "$2 could not be installed: run 'apt-get install $1' and read its message, then this command again"
}

command -v "$python" >/dev/null || fail "no $python: install Python 3.11 or newer (apt-get install python3)"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" --version) is too old: install Python 3.11 or newer, or name one with PYTHON=python3.12 make ..."
"$python" -c 'import ensurepip, venv' 2>/dev/null || install_package python3-venv "Python's venv module"
if [ "$kind" = dev ] && ! command -v mosquitto >/dev/null && [ ! -x /usr/sbin/mosquitto ]; then
    install_package mosquitto "the Mosquitto broker, which the tests use"
    [ ! -d /run/systemd/system ] || echo "-- note: the package may also have started a broker of its own on port 1883"
fi
if [ "$kind" = dev ] && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
    install_package postgresql "PostgreSQL, which the tests start for themselves"
fi
if [ "$kind" = dev ] && ! command -v systemd-analyze >/dev/null; then
    install_package systemd "systemd-analyze, which the tests let judge the units"
fi
if [ "$kind" = dev ] && ! command -v chromium >/dev/null; then
    install_package chromium "Chromium, in which the tests open the page"
fi
rtsp="gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-base gstreamer1.0-plugins-good"
rtsp="$rtsp gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly"
has_rtsp() { # Debian's own Python has GStreamer's bindings
    /usr/bin/python3 -c 'import gi
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
assert all(Gst.ElementFactory.find(name) for name in ("x264enc", "x265enc", "rtph265pay"))'
}
if [ "$kind" = dev ] && ! has_rtsp >/dev/null 2>&1; then
    install_package "$rtsp" "GStreamer's RTSP server, the camera of the tests"
fi

case $kind in
    demo)
        what="the agent and the warehouse's side (no torch), about 1 minute"; target=".[demo]"
        used="kardus.* edge_agent.* warehouse.* simulator.*"
        ;;
    dev)
        what="everything: agent, training, export and the test tools, about 3 minutes and 6 GB"; target=".[dev]"
        used="kardus.* edge_agent.* warehouse.* simulator.* train.* export.* pytest hypothesis xdist timm openvino sklearn.metrics sklearn.model_selection"
        used="$used scipy.optimize scipy.stats lightning_fabric torch.utils.tensorboard" ;;
    *) fail "unknown kind '$kind': use demo or dev" ;;
esac
echo "-- installing $what into $directory"
[ -x "$directory/bin/python" ] || "$python" -m venv --without-pip "$directory"
set -- "$python" -m pip --python "$directory/bin/python" # a pip of the demo's own would be seconds of it: from 22.3 on
if [ "$kind" = dev ] || ! "$@" --version >/dev/null 2>&1; then
    set -- "$directory/bin/python" -m pip
    # asked each time: whoever was interrupted left an environment that has a Python and no pip
    "$@" --version >/dev/null 2>&1 || "$directory/bin/python" -Im ensurepip --upgrade --default-pip >/dev/null 2>&1 ||
        fail "pip could not be put into $directory: make room, check its rights, or install python3-pip; then this command again"
fi
# --no-compile: byte code of what is never imported is a seventh of the agent's environment. That of what is imported is
# made at once: without it each start takes a second longer, where the variable is set or the folder can't be written.
set -- "$@" install --no-compile --quiet --disable-pip-version-check -c constraints.txt
if [ "$kind" = demo ]; then
    # Most of it at once, by pips that needn't find out what needs what. What they leave, as where another Python or
    # processor needs other packages, comes with the last one, which also says what is wrong. What builds Kardus goes
    # into a folder of this run alone: pip leaves what is there already as it is, and a run that was killed left half.
    # None of them is in the background, where a shell has them ignore Ctrl-C.
    rm -rf "$directory"/build*
    build=$(mktemp -d "$directory/build.XXXXXX")
    trap 'rm -rf "$build"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    {
        echo "--target \"$build\" hatchling editables"
        xargs -n 16 echo --no-deps <deploy/demo_packages.txt
    } | xargs -P 5 -L 1 "$@" 2>/dev/null || true
    rm -rf "$build"/packaging-*.dist-info # the demo needs that one too, in its own place
    PYTHONPATH="$build" "$@" --no-build-isolation -e "$target" 2>/dev/null || "$@" -e "$target"
else
    "$@" -e "$target"
fi
set -f # the stars are for byte_code.py
# shellcheck disable=SC2086 # several modules
PYTHONDONTWRITEBYTECODE="" "$directory/bin/python" deploy/byte_code.py $used
touch "$directory/installed"
