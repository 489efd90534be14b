#!/bin/sh
# Builds the sdist and from it the wheel, installs it into an empty environment, runs it from /.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
.venv/bin/python -m build --no-isolation --outdir "$work/dist" . >"$work/log" 2>&1 ||
    { cat "$work/log" >&2; exit 1; }
python3=$(readlink -f .venv/bin/python)
"$python3" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    --constraint constraints.txt "$work"/dist/*.whl 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
cp examples/ftp-farm.toml "$work/lb.toml"
cd /
"$work/venv/bin/twistd" lb-proxy --help >"$work/help"
grep -q -e --check "$work/help"
"$work/venv/bin/twist" lb-proxy --config "$work/lb.toml" --check
"$work/venv/bin/twistd" lb-proxy --config "$work/lb.toml" --check
"$work/venv/bin/lb-proxyctl" check "$work/lb.toml"
"$work/venv/bin/python" -c 'from twisted_lb.admin.page import POLICY'
echo "the wheel works from /"
