#!/bin/sh
# What: `import openvino` looks up Google Analytics' server to report the import, and keeps an id in the user's home.
# Versions: openvino 2026.4.1, openvino-telemetry 2025.2.0 (which it requires).
# Expected: importing a runtime does nothing; or what is reported begins with a question, as the package's own
#   documentation of an opt-in dialogue lets one think.
# Observed: two files below ~/intel after the import alone, without a question, and also where standard input is no
#   terminal. None where CI=true is set before it; CI=1 isn't enough.
# Why it matters: a product that promises that nothing leaves the machine breaks it by an import, and its tests, which
#   run where CI=true is set, never see it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check openvino==2026.4.1 openvino-telemetry==2025.2.0
files() {  # how many files an import leaves in an empty home: $1 an assignment
    mkdir "$work/home"
    env -i HOME="$work/home" PATH="$PATH" $1 "$work/venv/bin/python" -c "import openvino" < /dev/null > /dev/null 2>&1
    find "$work/home" -type f | wc -l
    rm -r "$work/home"
}
plain=$(files A=1)
one=$(files CI=1)
ci=$(files CI=true)
echo "openvino 2026.4.1: files in an empty home after its import"
echo "expected: none"
echo "observed: $plain; with CI=1 $one; with CI=true $ci"
[ "$plain" -gt 0 ] && [ "$one" -gt 0 ] && [ "$ci" = 0 ] || { echo "changed"; exit 1; }
