//! Plays every file of `testdata/` and compares it with itself. `UPDATE_EXPECT=1` rewrites what came out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::script;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

fn compare(name: &str) {
    let path = folder().join(name).with_extension("txt");
    let text = std::fs::read_to_string(&path).expect("the transcript can be read");
    expect_test::expect_file![path].assert_eq(&script::play(&text));
}

macro_rules! transcripts {
    ($($name:ident)*) => {
        $(#[test] fn $name() { compare(stringify!($name)); })*

        #[test]
        fn every_transcript_is_played() {
            let played: BTreeSet<String> = [$(stringify!($name)),*].iter().map(|name| (*name).to_owned()).collect();
            let files = std::fs::read_dir(folder()).expect("the folder can be read");
            let found = files.map(|file| file.expect("an entry").path().file_stem().expect("a name").to_string_lossy().into_owned());
            assert_eq!(played, found.collect());
        }
    };
}

transcripts! {
    a_cancel_reaches_the_child_of_a_group
    a_store_that_went_back_ends_what_was_granted_before
    a_checkpoint_goes_to_the_next_attempt
    a_child_that_was_not_published_is_asked_for_again
    a_child_whose_group_was_called_off_is_dropped
    a_crash_while_an_end_is_carried_on_loses_nothing
    a_deep_backlog_is_paged_back_in
    a_deep_backlog_of_jobs_is_paged_back_in
    a_definition_has_versions
    a_discarded_dead_letter_stays_failed
    a_flood_of_submissions_does_not_stop_grants
    a_group_fails_with_its_child
    a_group_is_carried_out_by_a_child_job
    a_handled_failure_does_not_fail_the_job
    a_job_that_exceeds_its_deadline_fails
    a_large_job_is_published_by_its_last_commit
    a_limit_by_key_holds_back_only_its_own_tasks
    a_limit_of_a_queue_or_a_type_holds_for_all_tenants
    a_new_session_of_a_worker_ends_the_old_one
    a_pause_does_not_lose_a_verdict
    a_pause_reaches_the_child_of_a_group
    a_paused_job_is_not_granted
    a_paused_queue_is_not_granted
    a_program_that_prints_is_not_silent
    a_rate_by_key_gives_its_burst_and_then_its_rate
    a_redelivered_grant_gets_its_full_time
    a_repeated_outcome_is_taken_once
    a_session_that_speaks_of_an_older_lease_is_granted_the_newer_again
    a_session_whose_lease_ran_out_gets_nothing_until_it_speaks
    a_silent_session_ends_and_its_leases_are_lost
    a_staged_job_that_was_not_published_is_gone_after_a_crash
    a_stale_token_changes_nothing
    a_sweep_keeps_nobody_waiting
    a_tenant_has_no_more_unfinished_tasks_than_its_quota
    a_tenant_submits_no_faster_than_its_quota
    a_unique_task_is_refused_replaced_or_put_off
    a_task_expires_in_its_queue
    a_task_is_granted_and_completes
    a_task_of_a_job_waits_for_its_delay
    a_verdict_may_skip_fail_or_complete
    a_wide_fan_out_goes_on_in_later_steps
    an_approval_is_answered_or_times_out
    an_attempt_that_runs_too_long_is_taken_back
    an_edit_and_its_redrive_may_come_together
    an_edited_body_is_what_runs_next
    an_error_that_is_never_retried_fails_at_once
    an_evaluated_task_waits_for_its_verdict
    an_interrupted_attempt_costs_nothing
    backoff_waits_are_fixed_linear_or_exponential
    cancel_ends_what_waits_and_what_runs
    cancel_of_a_job_stops_every_grant
    dead_letters_of_one_job_share_a_rerun
    deleted_rows_are_gone_and_their_names_are_free
    every_trigger_rule_on_a_diamond
    fail_fast_cancels_what_has_not_started
    fail_fast_reaches_the_child_of_a_group
    far_timers_are_paged_in_before_they_are_due
    gates_say_why_a_task_does_not_run
    groups_stand_in_groups_up_to_a_limit
    jobs_of_a_definition_wait_for_their_turn
    lease_expiry_requeues_the_task
    more_timers_than_memory_holds_fire_in_order
    nonsense_keys_are_not_found
    on_worker_lost_fails_or_holds
    paused_and_draining_workers_get_nothing
    priority_orders_a_lane_and_nothing_starves
    progress_is_told_once_a_second
    redrive_is_spaced_and_opens_a_generation
    rerun_from_failed_from_a_task_and_from_the_start
    retry_after_overrides_the_backoff
    silence_beyond_the_heartbeat_timeout_is_a_timeout
    skip_reasons_name_the_cause
    snoozes_beyond_the_limit_are_dead_letters
    snoozes_cost_no_retry
    tenants_take_turns_whatever_their_backlog
    the_limit_of_a_key_is_kept_by_one_shard
    the_same_body_answers_the_same_and_another_is_refused
    three_losses_are_poison
    urgent_work_passes_a_backlog_of_jobs
    weights_share_out_the_turns
    waiting_renewals_are_read_before_leases_expire
}
