//! The list of all cases.

use super::*;

/// Hands the names of all cases to a macro; each is a function of this module that takes a [`Factory`].
#[macro_export]
macro_rules! for_each_conformance_case {
    ($stamp:ident) => {
        $stamp! {
            // ownership
            the_first_epoch_is_not_zero
            an_acquire_gives_a_larger_epoch
            a_shard_that_does_not_exist_is_refused
            an_old_fence_is_rejected_with_the_epoch_in_force
            a_rejected_commit_changes_nothing
            a_fence_of_another_incarnation_is_rejected
            a_fence_of_another_owner_is_refused
            a_load_with_an_old_fence_is_a_conflict
            a_read_with_an_old_fence_is_a_conflict
            a_prune_with_an_old_fence_is_a_conflict
            a_released_shard_takes_no_commit
            a_release_with_an_old_fence_is_a_conflict
            a_released_shard_can_be_acquired
            an_empty_store_loads_empty
            the_high_waters_read_back
            a_commit_that_skips_a_number_is_not_applied
            a_repeated_commit_number_is_not_applied
            after_an_unknown_commit_the_fence_is_out_of_force
            a_task_that_exists_is_not_inserted_again
            a_job_that_exists_is_not_inserted_again
            a_failed_commit_is_not_applied_in_part
            commits_wait_in_the_order_in_which_they_were_made
            a_read_sees_the_commits_made_before_it
            a_load_sees_the_commits_made_before_it
            answers_come_one_per_shard_in_order
            an_update_of_an_absent_row_changes_nothing
            a_delete_of_an_absent_row_changes_nothing
            changes_apply_in_the_order_of_their_fields
            the_store_describes_itself
            // states
            a_pending_task_reads_back
            a_scheduled_task_reads_back
            a_waiting_task_reads_back
            a_ready_task_reads_back
            a_running_task_reads_back
            a_completed_task_reads_back
            a_failed_task_reads_back
            a_cancelled_task_reads_back
            a_skipped_task_reads_back
            every_place_reads_back
            every_trigger_reads_back
            every_outcome_reads_back
            every_skip_reason_reads_back
            every_settling_reads_back
            every_flag_reads_back
            counters_and_parent_counts_read_back
            an_error_with_a_trace_reads_back
            an_attempt_of_an_earlier_generation_reads_back
            a_lease_that_is_not_the_last_attempts_reads_back
            times_before_the_epoch_read_back
            an_update_replaces_the_whole_state
            an_update_keeps_what_was_submitted
            a_plain_spec_reads_back
            a_rich_spec_reads_back
            every_backoff_reads_back
            every_answer_to_a_lost_worker_reads_back
            every_priority_reads_back
            odd_names_read_back
            a_large_body_is_not_resident
            a_body_at_the_limit_is_resident
            a_given_id_reads_back
            a_rewritten_body_replaces_the_old_one
            a_rewritten_body_survives_an_update
            a_deleted_task_is_gone
            the_largest_key_reads_back
            // flow
            a_flow_of_a_task_reads_back
            the_graph_keeps_a_template_that_its_row_loses
            what_stands_before_an_attempt_reads_back
            a_cold_approval_is_paged_in_and_listed
            a_job_inside_another_reads_back
            a_deadline_and_a_limit_read_back
            a_load_brings_jobs_that_are_watched_until_they_end
            jobs_inside_others_can_be_left_out_of_lists
            jobs_inside_others_are_not_counted
            ended_jobs_inside_others_are_left_to_them
            // graphs
            a_job_reads_back
            every_job_status_reads_back
            every_sweep_reads_back
            every_job_flag_reads_back
            job_counts_read_back
            a_job_update_keeps_what_was_submitted
            a_graph_reads_back
            a_graph_of_several_chunks_reads_back
            a_graph_with_rich_specs_reads_back
            a_chunk_is_read_alone
            an_absent_chunk_is_left_out
            a_large_body_is_not_in_the_graph
            a_jobs_task_is_resident_without_its_spec
            a_jobs_task_is_whole_for_the_reader
            a_jobs_task_with_a_large_body_is_whole_for_the_reader
            a_jobs_task_beyond_the_first_chunk_is_whole_for_the_reader
            a_rewritten_body_of_a_jobs_task_wins_over_the_graph
            a_rewritten_body_of_a_jobs_task_is_resident
            a_large_rewritten_body_of_a_jobs_task_is_whole_for_the_reader
            the_tasks_of_a_job_come_in_order
            the_tasks_of_a_job_start_from_an_index
            the_marks_of_a_job_say_what_its_rows_say
            a_task_is_found_in_its_job_by_name
            a_deleted_job_is_gone_with_its_graph
            a_deleted_job_leaves_its_neighbours
            a_load_removes_a_staged_job
            a_load_keeps_a_published_job
            a_load_brings_the_jobs_of_hot_tasks
            a_load_brings_every_job_with_a_sweep
            a_load_leaves_quiet_jobs_out
            a_staged_job_is_not_shown
            a_staged_job_is_shown_once_published
            // paging
            a_load_brings_hot_tasks_in_order_of_key
            a_load_leaves_cold_tasks_out
            a_load_counts_cold_ready_tasks_by_lane
            a_load_counts_cold_timers
            a_load_knows_the_earliest_cold_timer
            a_lane_page_comes_by_priority_then_age
            a_lane_page_keeps_to_its_limit
            a_lane_page_keeps_to_its_lane
            a_lane_page_brings_the_oldest_of_each_priority
            a_lane_page_names_a_row_once
            a_lane_page_of_an_empty_lane_is_empty
            a_task_that_turned_hot_leaves_its_lane
            a_task_that_turned_cold_enters_its_lane
            a_task_moves_between_lanes
            a_deleted_task_leaves_its_lane
            a_timer_page_comes_by_due_then_key
            a_timer_page_keeps_to_its_limit
            a_timer_page_keeps_to_its_instant
            a_timer_page_knows_the_next_timer
            a_timer_page_that_took_all_knows_no_next
            timers_that_are_not_asked_for_are_not_read
            a_moved_timer_takes_its_new_place
            requested_tasks_come_in_the_order_asked
            a_task_asked_for_twice_comes_once
            requested_rows_that_do_not_exist_are_left_out
            // records
            attempts_come_in_order_with_the_last_one
            an_attempt_with_an_error_reads_back
            an_attempt_of_a_deleted_task_is_gone
            an_output_reads_back
            the_last_output_wins
            an_output_of_a_deleted_task_is_gone
            an_absent_output_is_none
            a_claim_reads_back
            every_kind_of_claim_is_apart
            claims_of_tenants_are_apart
            the_last_claim_of_a_name_wins
            a_deleted_claim_is_gone
            a_claim_is_found_in_every_tenant
            an_expired_claim_is_pruned
            a_claim_outlives_its_target_until_it_is_deleted
            claims_are_listed_by_what_they_lead_to
            ended_tasks_are_found_with_their_claims
            // logs
            logs_come_in_order_of_their_numbers
            a_repeated_log_chunk_is_ignored
            logs_go_on_after_a_page
            logs_of_attempts_are_apart
            every_stream_reads_back
            a_large_log_chunk_reads_back
            a_flood_of_output_keeps_its_head_and_tail
            the_cut_of_a_flood_is_marked_once
            logs_of_a_deleted_task_are_gone
            a_log_tail_is_the_end_of_what_was_printed
            a_log_tail_keeps_whole_characters
            // settings
            lanes_read_back
            queues_read_back
            limits_read_back
            loans_read_back
            workers_read_back
            the_last_setting_wins
            definitions_keep_every_version
            a_deleted_definition_is_not_listed
            a_load_brings_the_newest_version_of_each_definition
            definitions_are_listed_by_kind_and_tenant
            audit_records_come_newest_first
            // feed
            events_read_back
            every_kind_of_event_reads_back
            events_come_after_a_position
            a_page_of_events_keeps_to_its_limit
            a_page_of_events_ends_inside_a_commit
            commits_without_events_leave_no_row
            the_latest_position_is_that_of_the_newest_commit
            pruned_events_are_a_gap
            a_prune_keeps_young_events
            a_prune_keeps_to_its_limit
            // lists
            tasks_are_listed_newest_first
            a_page_of_tasks_goes_on_where_it_ended
            a_full_last_page_has_no_next
            tasks_are_listed_without_their_bodies
            tasks_are_filtered_by_tenant
            tasks_are_filtered_by_every_status
            tasks_are_filtered_by_several_statuses
            a_status_follows_an_update
            tasks_are_filtered_by_job
            a_ready_task_that_a_pause_set_aside_is_listed
            a_ready_task_that_a_sweep_has_not_reached_is_listed
            tasks_are_filtered_standalone
            dead_letters_are_listed
            a_redriven_dead_letter_is_not_listed
            jobs_are_listed_newest_first
            jobs_are_filtered_by_every_status
            jobs_are_filtered_by_tenant_and_terms
            ended_tasks_of_jobs_are_left_to_their_jobs
            ended_jobs_are_found_with_their_claims
            a_job_that_is_being_deleted_is_not_found_again
            // terms
            terms_ask_for_names_and_types
            terms_ask_for_tags
            terms_ask_for_workers_and_errors
            terms_ask_for_numbers
            terms_ask_for_parts_of_texts
            terms_are_negated
            conditions_hold_together
            tasks_are_counted_by_queue_and_status
            counts_follow_updates_and_deletes
            counts_are_bounded
            counts_are_kept_by_tenant
            jobs_are_counted_by_status
            a_term_that_fits_little_still_gets_its_page
            // ids
            terms_ask_for_ids
            an_id_finds_tasks_of_jobs_by_their_names
            a_list_by_id_goes_on_where_a_page_ended
            a_list_by_id_goes_on_past_many_jobs
            what_an_id_finds_meets_the_other_conditions
            the_beginning_of_an_id_finds_what_has_it
            jobs_are_found_by_their_ids
            a_job_inside_another_is_found_by_the_id_it_shares
            an_id_leads_to_nothing_that_is_staged
            // schedules
            schedules_read_back
            a_schedule_is_edited_updated_and_deleted
            schedules_are_listed_by_name_and_tenant
            every_result_of_an_occurrence_reads_back
            the_ledger_is_paged_newest_first
            the_ledger_outlives_its_schedule_and_is_pruned_by_age
            // random
            random_commits_answer_like_the_model
        }
    };
}

/// All cases by name.
pub fn cases() -> Vec<(&'static str, Case)> {
    macro_rules! table {
        ($($case:ident)*) => {
            vec![$((stringify!($case), $case as Case)),*]
        };
    }
    for_each_conformance_case!(table)
}
