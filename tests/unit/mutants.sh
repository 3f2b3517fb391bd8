#!/bin/bash
# mutants [--mutant NAME]: deliberate bugs in catalog, placement, store and volumes, each caught by the unit test named here: it
# fails with the bug and passes without. As a test (no argument): exit status 1 where one is missed. With one mutant, as
# tests/sim/mutants calls it: 1 where it is caught.
set -u
here=$(dirname "$(readlink -f "$0")")

# mutant, program, the test that fails with it
table="
zone_not_strict placement two_zones_are_never_three_unless_zones_are_only_preferred
group_rule_ignored placement a_group_stays_together_or_apart
selector_ignored placement a_selector_leaves_pools_out
thick_placed_anywhere rebalance a_thick_volume_moves_only_where_its_room_can_be_kept
tier_ignored placement a_pool_that_was_not_measured_serves_any_tier_only
reserve_without_compare volumes racing_creators_never_oversubscribe_and_never_share_a_name
takeover_after_outage volumes one_that_was_cut_off_itself_may_not_take_over_at_once
takeover_unprobed volumes a_dead_holder_is_succeeded_only_after_the_replicas_were_probed
drain_not_compared care a_draining_pool_gets_nothing_until_it_may_again
replaced_leaves_first membership a_learner_is_in_the_record_and_no_voter
copy_not_of_learner part each_node_that_a_volume_concerns_has_a_copy_and_no_other
copy_not_deleted part each_node_that_a_volume_concerns_has_a_copy_and_no_other
copy_not_rewritten part each_node_that_a_volume_concerns_has_a_copy_and_no_other
half_import_attached import half_of_an_import_is_nobody_elses
sums_go_unflushed checksums what_is_written_but_not_flushed_stays_at_hand
damage_outlives_end replay who_has_a_place_answers_for_nobody_before
late_piece_first entries what_is_carried_hides_nothing_newer
load_read_once entries a_payload_that_is_read_at_the_second_try_is_not_lost
turn_without_end levels a_search_in_vain_ends_with_its_turn
reap_at_once reap a_large_replica_is_given_back_in_turns
thick_promised_twice thick what_the_pool_has_not_got_is_not_promised
replace_overtaken replace what_is_applied_decides
replace_in_trim replace a_trim_that_is_half_applied_is_not_undone
segment_grows_unmoved map a_hash_grows_with_what_is_mapped_and_loses_none
hole_ends_searches map what_is_taken_out_is_gone_and_the_rest_is_found
hang_unnoticed device device_that_does_not_answer_a_write_fails_the_pool_in_bounded_time
close_waits_for_ever device pool_of_a_device_that_hangs_is_closed_in_bounded_time
open_waits_for_ever device pool_whose_device_hangs_is_not_waited_for_when_it_is_opened
works_wait_for_device device what_stands_in_a_batch_that_hangs_is_told_when_the_pool_fails
plans_unpaced plan_pace plans_take_a_tenth_of_the_time_however_many_changes_there_are
state_in_place mounts a_process_killed_at_any_moment_leaves_what_it_has_told
"

# passes PROGRAM TEST MUTANT
passes() {
	QUOIN_MUTANT=$3 timeout 60 "$here/mutant-$1" 2>&1 | grep -qE "^\[ +OK +\] $2$"
}

# fails PROGRAM TEST MUTANT
fails() {
	QUOIN_MUTANT=$3 timeout 60 "$here/mutant-$1" 2>&1 | grep -qE "^\[ +FAILED +\] $2$"
}

missed=0 caught=0
while read -r mutant program test; do
	[ -n "$mutant" ] || continue
	[ $# -lt 2 ] || [ "$2" = "$mutant" ] || continue
	if passes "$program" "$test" "" && fails "$program" "$test" "$mutant"; then
		echo "$mutant: caught by $test"
		caught=$((caught + 1))
	else
		echo "$mutant: MISSED by $test"
		missed=$((missed + 1))
	fi
done <<<"$table"
echo "mutants $((caught + missed)), missed $missed"
if [ $# -ge 2 ]; then
	[ "$caught" -eq 0 ]
else
	[ "$missed" -eq 0 ] && [ "$caught" -gt 0 ]
fi
