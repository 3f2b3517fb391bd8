# shellcheck shell=bash
# The parts of tests/run: for each one part_NAME, and has_NAME where it may not be there yet. Sourced, never run.

# In the order in which they run: what is quick and tells most comes first.
every_part=(quick tidy unit crash sim integration quickstart fuzz sanitizers valgrind model docs vm bench ratchet fresh)
# Run by name only: `quick` is in the others, `fresh` fetches a whole Debian, `bench` measures.
by_name_only=" quick fresh bench "

sim_seeds=${SIM_SEEDS:-2000}
sim_batch=250
sim_mutants=(ack_before_durable quorum_of_one ignore_epoch read_uncommitted skip_crc)
crash_workloads=${CRASH_WORKLOADS:-40}
rot_flips=${ROT_FLIPS:-20000}
crash_batch=10
crash_subsets=50
crash_mutants=(trim_falls_through coalesce_across_snapshot write_into_frozen redirect_not_awaited redirect_unverified
	redirect_applied_unsettled redirect_in_place truncated_grain_reused)
# So many inputs and not so many seconds: what is found doesn't hang on how fast the machine is.
fuzz_bound=-runs=20000
[ -z "${FUZZ_SECONDS:-}" ] || fuzz_bound=-max_total_time=$FUZZ_SECONDS
fuzz_seed=${FUZZ_SEED:-1}
quickstart_mib=${QUICKSTART_MIB:-64}

has_sim() { grep -q "simulate" tests/sim/meson.build; }
has_crash() { grep -q "enumerate" tests/crash/meson.build; }
has_integration() { compgen -G "tests/integration/test_*.py" >/dev/null; }
has_fuzz() { grep -q "executable(" tests/fuzz/meson.build; }
has_valgrind() { grep -q "test(" tests/unit/store/meson.build; }
has_model() { [ -x tests/model/run ]; }
has_docs() { [ -x tests/docs/run ]; }
has_vm() { [ -x tests/vm/run ]; }
has_bench() { [ -x tests/bench/run ]; }
has_ratchet() { [ -x tests/ratchet/run ]; }

part_quick() {
	part_unit
	part_tidy
}

part_unit() {
	build_in build || return
	meson_tests build --suite unit
}

part_tidy() {
	local rc=0 last
	tests/tidy/tidy >"$logs/tidy.log" 2>&1 </dev/null || rc=$?
	last=$(tail -1 "$logs/tidy.log")
	if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
		add "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}" 0
	else
		add 0 1 0
	fi
	say ""
	sed '$d' "$logs/tidy.log"
	pytest_in tests/tidy 60
	pytest_in tests/runner 60
}

# pytest_in FOLDER SECONDS
pytest_in() {
	local xml before=$failed rc=0
	xml=$logs/$(tr / - <<<"$1").xml
	rm -f "$xml"
	timeout -k 30 "$2" /usr/bin/python3 -B -m pytest -q -p no:cacheprovider --junitxml="$xml" "$1" \
		>"$logs/pytest.log" 2>&1 </dev/null || rc=$?
	if [ -f "$xml" ]; then
		count_into junit "$xml"
	fi
	if [ $rc -ne 0 ] && [ "$failed" -eq "$before" ]; then
		add 0 1 0
		say "" "--- pytest $1 ended with $rc (124: it took longer than $2 s)"
		tail -60 "$logs/pytest.log"
	fi
}

part_integration() {
	build_in build || return
	pytest_in tests/integration 2700
}

part_quickstart() { own_runner tests/quickstart/run --mib "$quickstart_mib"; }

part_crash() {
	local mutant
	build_in build || return
	check "crash after every device operation" crash_enumerate build 900 "$crash_workloads"
	check "damage: never wrong data, never a crash" rot build 600 "$rot_flips"
	check "rounds keep up with writes of every size" timeout 120 build/tests/crash/amplify || true
	for mutant in skip_crc lost_slot_unnoticed; do
		check "damage finds the mutant $mutant" rot_finds build "$mutant" || true
	done
	check "the scrub finds what is bad" crash_scrub build 120 1..400
	for mutant in scrub_skips_frozen scrub_trusts_table; do
		check "the scrub's test catches the mutant $mutant" crash_scrub_finds "$mutant" || true
	done
	for mutant in "${crash_mutants[@]}"; do
		check "the enumeration catches the mutant $mutant" crash_mutant_is_caught "$mutant" || true
	done
}

# A violation, not a crash of the enumeration nor a time-out.
crash_mutant_is_caught() {
	local out rc=0
	out=$(timeout 300 build/tests/crash/enumerate --workloads 1..12 --mutant "$1" 2>&1) || rc=$?
	tail -3 <<<"$out"
	[ $rc -eq 1 ] && [[ $(tail -1 <<<"$out") =~ violations\ [1-9] ]]
}

# crash_scrub BUILD SECONDS WORKLOADS
crash_scrub() {
	timeout "$2" "$1/tests/crash/scrub" --workloads "$3"
}

crash_scrub_finds() {
	local out rc=0
	out=$(timeout 120 build/tests/crash/scrub --workloads 1..20 --mutant "$1" 2>&1) || rc=$?
	tail -3 <<<"$out"
	[ $rc -eq 1 ] && [[ $(tail -1 <<<"$out") =~ violations\ [1-9] ]]
}

# rot BUILD SECONDS FLIPS
rot() {
	local out
	out=$(timeout "$2" "$1/tests/crash/rot" --flips "$3" 2>&1) || { say "$out"; return 1; }
	say "$out"
	[[ $(tail -1 <<<"$out") =~ ^flips\ [0-9]+,\ states\ [1-9][0-9]*,\ violations\ 0$ ]]
}

# A violation, not a crash of the program nor a time-out.
rot_finds() {
	local rc=0
	timeout 300 "$1/tests/crash/rot" --mutant "$2" || rc=$?
	[ $rc -eq 1 ]
}

# crash_enumerate BUILD SECONDS WORKLOADS: batches, as many side by side as there are processors. At least
# 300,000 outcomes of a crash, where nobody asked for fewer workloads.
crash_enumerate() {
	local build=$1 seconds=$2 workloads=$3 dir=$logs/crash start end states=0 rc=0 log
	rm -rf "$dir"
	mkdir -p "$dir"
	for ((start = 1; start <= workloads; start += crash_batch)); do
		end=$((start + crash_batch - 1 < workloads ? start + crash_batch - 1 : workloads))
		while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
			wait -n || true
		done
		timeout "$seconds" "$build/tests/crash/enumerate" --workloads "$start..$end" \
			--subsets $crash_subsets >"$dir/$start.log" 2>&1 </dev/null &
	done
	wait
	for log in "$dir"/*.log; do
		if [[ $(tail -1 "$log") =~ ^workloads\ [0-9]+,\ states\ ([1-9][0-9]*),\ violations\ 0$ ]]; then
			states=$((states + BASH_REMATCH[1]))
		else
			cat "$log"
			rc=1
		fi
	done
	say "states of a crash: $states"
	[ $rc -eq 0 ] && { [ "$workloads" -lt 40 ] || [ $states -ge 300000 ]; }
}

# simulate_batch BUILD SECONDS FROM TO [ARGUMENT...]: succeeds if all seeds ran and none violated anything.
simulate_batch() {
	local build=$1 seconds=$2 from=$3 to=$4 out
	shift 4
	out=$(timeout "$seconds" "$build/tests/sim/simulate" --seeds "$from..$to" "$@" 2>&1) || { tail -40 <<<"$out"; return 1; }
	tail -40 <<<"$out"
	[[ $(tail -1 <<<"$out") == "seeds $((to - from + 1)), violations 0, "* ]]
}

# simulate_in BUILD SECONDS FROM TO [ARGUMENT...]: batches, as many side by side as there are processors.
simulate_in() {
	local build=$1 seconds=$2 from=$3 to=$4 dir start end
	shift 4
	dir=$logs/sim-$(tr / - <<<"$build")
	rm -rf "$dir"
	mkdir -p "$dir"
	for ((start = from; start <= to; start += sim_batch)); do
		end=$((start + sim_batch - 1 < to ? start + sim_batch - 1 : to))
		while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
			wait -n || true
		done
		{ simulate_batch "$build" "$seconds" "$start" "$end" "$@" >"$dir/$start.log" 2>&1 </dev/null &&
			touch "$dir/$start.ok"; } &
	done
	wait
	count_logs "$dir" "simulate: the batch of seeds that starts at"
}

sim_hash() {
	build/tests/sim/simulate --seeds 1..20 "$@" 2>/dev/null </dev/null | sed -n 's/.*, hash //p' | tail -1
}

same_seeds_same_hash() {
	local first second
	first=$(sim_hash)
	second=$(sim_hash --alone) # nor does a seed see anything of those before it
	say "first '$first', second '$second'"
	[ -n "$first" ] && [ "$first" = "$second" ]
}

# A mutant must be caught: a violation, not a crash of the simulator nor a time-out.
mutant_is_caught() {
	local out rc=0
	out=$(timeout 300 build/tests/sim/mutants --only "$1" 2>&1) || rc=$?
	tail -20 <<<"$out"
	return $rc
}

all_scenarios() {
	local out
	out=$(timeout 300 build/tests/sim/scenarios 2>&1) || { say "$out"; return 1; }
	say "$out"
	[[ $(tail -1 <<<"$out") =~ ^scenarios\ [1-9][0-9]*,\ failed\ 0$ ]]
}

part_sim() {
	local mutant
	build_in build || return
	simulate_in build 600 1 "$sim_seeds"
	simulate_in build 600 1 $((sim_seeds / 10)) --mode liveness
	check "named scenarios" all_scenarios || true
	check "each scenario fails with its mutants" timeout 600 build/tests/sim/scenarios --prove || true
	check "the same seeds give the same hash" same_seeds_same_hash || true
	for mutant in "${sim_mutants[@]}"; do
		check "the simulator catches the mutant $mutant" mutant_is_caught "$mutant" || true
	done
}

# The other compiler, and what both fuzz and sanitizers need: with the address sanitizer and the fuzzers.
build_clang() {
	CC=clang build_in build-clang -Db_sanitize=address,undefined -Db_lundef=false -Dc_args=-fsanitize=fuzzer-no-link
}

# fuzz_target TARGET: new inputs go to a copy of the corpus; a crash leaves its input beside the logs.
fuzz_target() {
	local name=${1##*/libfuzzer-} corpus
	corpus=$logs/corpus-$name
	rm -rf "$corpus"
	mkdir -p "$corpus"
	cp -r "tests/fuzz/corpus/$name/." "$corpus/" 2>/dev/null || true
	"$1" "$fuzz_bound" "-seed=$fuzz_seed" -timeout=10 -rss_limit_mb=2048 "-artifact_prefix=$logs/fuzz-$name-" "$corpus"
}

# As many side by side as there are processors.
part_fuzz() {
	local target name dir=$logs/fuzz
	build_in build || return
	meson_tests build --suite fuzz
	build_clang || return
	rm -rf "$dir"
	mkdir -p "$dir"
	for target in build-clang/tests/fuzz/libfuzzer-*; do
		[ -f "$target" ] && [ -x "$target" ] || continue
		name=${target##*/libfuzzer-}
		while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
			wait -n || true
		done
		{ fuzz_target "$target" >"$dir/$name.log" 2>&1 </dev/null && touch "$dir/$name.ok"; } &
	done
	wait
	count_logs "$dir" fuzz
}

# The thread sanitizer of Debian 12 needs its memory where kernels with more randomness may not put it.
without_randomness() {
	if setarch -R true 2>/dev/null; then
		echo "setarch -R"
	fi
}

part_sanitizers() {
	local wrapper
	if build_clang; then
		meson_tests build-clang --suite unit --timeout-multiplier 12
		if has_sim; then simulate_in build-clang 300 1 40; fi
	fi
	if build_in build-tsan -Db_sanitize=thread; then
		wrapper=$(without_randomness)
		meson_tests build-tsan --suite unit --timeout-multiplier 12 ${wrapper:+--wrapper "$wrapper"}
		if has_sim; then simulate_in build-tsan 300 1 10; fi
	fi
}

part_valgrind() {
	local names
	build_in build || return
	mapfile -t names < <(tests_named build store-)
	meson_tests build --timeout-multiplier 20 \
		--wrapper 'valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite' \
		"${names[@]}"
}

part_model() { own_runner tests/model/run; }
part_docs() { own_runner tests/docs/run; }
part_vm() { own_runner tests/vm/run; }
# That it runs and cleans up; figures worth keeping take longer, and a quiet machine.
part_bench() {
	build_in build || return
	check "the benchmark" timeout 3000 tests/bench/run --seconds 2 --repeat 3 --size-mib 256
}
part_ratchet() {
	build_in build && own_runner tests/ratchet/run
}
part_fresh() { own_runner tests/fresh/run; }
