#!/usr/bin/env bash
# A soak to adapt: the scenario is run and kept, told of once a minute, and judged by its limits and its drift.
# Ends with the run's exit code: 0 where all limits held.
#
# usage: scripts/soak.sh [DIR] [sclients options, TARGET]
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1-} in
    "" | -* | *://*) dir=soak-$(date +%Y%m%d-%H%M%S) ;;
    *) dir=$1 && shift ;;
esac
sclients=${SCLIENTS:-target/release/sclients}
[ -x "$sclients" ] || cargo build --release --quiet --bin sclients
"$sclients" run configs/soak.toml --out "$dir" --junit "$dir.xml" --progress 60s "$@"
