# shellcheck shell=bash
# What the parts of tests/run share: counts, logs, builds. Sourced, never run.

total_passed=0
total_failed=0
total_skipped=0
# Of the part that runs now.
passed=0
failed=0
skipped=0

jobs=${NINJA_JOBS:-$(nproc)}
logs=build/test-logs

# say LINE...
say() {
	printf '%s\n' "$@"
}

# add PASSED FAILED SKIPPED
add() {
	passed=$((passed + $1))
	failed=$((failed + $2))
	skipped=$((skipped + $3))
}

# check WHAT COMMAND...: one test, passed if the command succeeds; its output is shown if it doesn't.
check() {
	local what=$1 log
	shift
	log=$logs/$(tr -c 'a-z0-9\n' - <<<"$what").log
	if "$@" >"$log" 2>&1 </dev/null; then
		add 1 0 0
	else
		add 0 1 0
		say ""
		say "--- $what failed: $*"
		tail -60 "$log"
		return 1
	fi
}

# build_in DIR [MESON OPTION...]: configures DIR once and builds it. What fails counts as a failed test.
build_in() {
	local dir=$1 log=$logs/$1.log
	shift
	if [ ! -f "$dir/build.ninja" ]; then
		rm -rf "$dir/meson-private"
		if ! meson setup "$dir" "$@" >"$log" 2>&1 </dev/null; then
			add 0 1 0
			say "" "--- meson setup $dir failed"
			tail -40 "$log"
			return 1
		fi
	fi
	if ! ninja -C "$dir" -j "$jobs" >"$log" 2>&1 </dev/null; then
		add 0 1 0
		say "" "--- the build in $dir failed"
		if grep -q '^FAILED' "$log"; then
			sed -n '/^FAILED/,$p' "$log" | grep -v '^\[' | head -60
		else
			tail -40 "$log"
		fi
		return 1
	fi
}

# count_into KIND FILE: adds what tests/runner/counts finds there; shows what failed.
count_into() {
	local counts details=$logs/details.txt
	if ! counts=$(tests/runner/counts "$1" "$2" 2>"$details"); then
		counts="0 1 0"
	fi
	# shellcheck disable=SC2086
	add $counts
	if [ -s "$details" ]; then
		say ""
		cat "$details"
	fi
}

# meson_tests DIR MESON-TEST-ARGUMENT...: runs and counts tests of a build.
meson_tests() {
	local dir=$1 before=$failed rc=0 json
	shift
	rm -f "$dir"/meson-logs/testlog*.json
	# A busy machine is slow, not wrong: what hangs is still ended.
	meson test -C "$dir" --no-rebuild --num-processes "$jobs" --timeout-multiplier 6 "$@" >"$logs/meson-test.log" 2>&1 </dev/null || rc=$?
	json=$(compgen -G "$dir/meson-logs/testlog*.json") # a wrapper's name is part of it
	if [ ! -f "$json" ]; then
		add 0 1 0
		say "" "--- meson test $* did not run"
		tail -20 "$logs/meson-test.log"
		return
	fi
	count_into meson "$json"
	# A run that fails without a failed test is a failure too.
	[ $rc -eq 0 ] || [ "$failed" -gt "$before" ] || add 0 1 0
}

# The names of a build's tests that begin with PREFIX.
tests_named() {
	meson test -C "$1" --no-rebuild --list 2>/dev/null </dev/null | sed 's/.* \/ //' | grep "^$2" || true
}

# count_logs FOLDER WHAT: one test for each FOLDER/NAME.log, passed where NAME.ok stands beside it.
count_logs() {
	local log
	for log in "$1"/*.log; do
		if [ -f "${log%.log}.ok" ]; then
			add 1 0 0
		else
			add 0 1 0
			say "" "--- $2 $(basename "$log" .log)"
			tail -60 "$log"
		fi
	done
}

# own_runner PATH: a part that brings its own runner, which ends in `N passed, M failed[, K skipped]`.
own_runner() {
	local log last rc=0
	log=$logs/$(basename "$(dirname "$1")").log
	"$@" >"$log" 2>&1 </dev/null || rc=$?
	last=$(tail -1 "$log")
	if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed(,\ ([0-9]+)\ skipped)?$ ]]; then
		add "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}" "${BASH_REMATCH[4]:-0}"
		[ $rc -eq 0 ] || [ "${BASH_REMATCH[2]}" -gt 0 ] || add 0 1 0
	else
		add 0 1 0
		rc=1
	fi
	if [ $rc -ne 0 ]; then
		say "" "--- $1 failed"
		tail -60 "$log"
	fi
}
