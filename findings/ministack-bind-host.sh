#!/usr/bin/env bash
# MiniStack 1.5.33: with BIND_HOST=127.0.0.1, by which it is to listen on the loopback interface alone, its listener for
# IoT devices still listens on all interfaces, at port 8883. It is there unless IOT_MTLS_ENABLED=0, also if nothing of
# IoT is ever used (it needs the package `cryptography`, as KMS does).
#
# Output seen, of ss:
#   0.0.0.0:8883
#   127.0.0.1:4566
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check ministack==1.5.33 cryptography==50.0.2
# In a network of its own, in which there is only the loopback interface.
unshare --map-root-user --net bash -euo pipefail -s -- "$work" <<'ISOLATED'
work=$1
trap 'kill "$server" 2>/dev/null && wait "$server" || true' EXIT
ip link set lo up
TMPDIR=$work BIND_HOST=127.0.0.1 GATEWAY_PORT=4566 "$work/venv/bin/ministack" >"$work/log" 2>&1 &
server=$!
for _ in $(seq 200); do
    grep -q 'MQTT listening' "$work/log" && break
    sleep 0.1
done
listeners=$(ss --listening --tcp --numeric --no-header | awk '{print $4}')
echo "$listeners"
grep -qxF 127.0.0.1:4566 <<<"$listeners"
grep -qxF 0.0.0.0:8883 <<<"$listeners"
ISOLATED
