#!/usr/bin/env bash
# Capacity to adapt: the highest rate within an objective, searched three times, since one search is one
# opinion. What each found is in capacity-1.json to capacity-3.json.
#
# usage: scripts/capacity.sh TARGET [objective]
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:?usage: scripts/capacity.sh TARGET [objective]}
objective=${2:-p99 < 50ms, failed < 0.1%}
sclients=${SCLIENTS:-target/release/sclients}
[ -x "$sclients" ] || cargo build --release --quiet --bin sclients
for search in 1 2 3; do
    "$sclients" capacity --slo "$objective" --format json "$target" > "capacity-$search.json"
done
