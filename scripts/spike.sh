#!/usr/bin/env bash
# A spike to adapt: is the server as it was once the spike is over? Ends with 0 where the limits of the phase
# after it held, and leaves their verdicts for a CI system in spike.xml.
#
# usage: scripts/spike.sh [sclients options, TARGET]
set -euo pipefail
cd "$(dirname "$0")/.."
sclients=${SCLIENTS:-target/release/sclients}
[ -x "$sclients" ] || cargo build --release --quiet --bin sclients
rm -f spike.xml
"$sclients" run configs/spike.toml --junit spike.xml "$@"
