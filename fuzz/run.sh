#!/usr/bin/env bash
# Fuzzes one target, or all targets in turn. SECONDS is the time per target, 600 by default. An input
# that takes longer than a second is a failure.
#   fuzz/run.sh [TARGET|all] [SECONDS]
# It needs a C++ compiler but no nightly toolchain. The flags are those of cargo-fuzz without a
# sanitizer, because the fuzzed code has no unsafe code.
set -euo pipefail
cd "$(dirname "$0")"
selected="${1:-all}" seconds="${2:-600}"
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Ccodegen-units=1"
cargo build --release --target "$host" --bins
for target in seeds/*/; do
  target=$(basename "$target")
  [[ $selected == all || $selected == "$target" ]] || continue
  mkdir -p "corpus/$target" "artifacts/$target"
  "target/$host/release/$target" "corpus/$target" "seeds/$target" -max_total_time="$seconds" \
    -timeout=1 -rss_limit_mb=2048 -max_len=65536 -artifact_prefix="artifacts/$target/" \
    -print_final_stats=1
done
