"""What a supervisor for containers has to get right, case by case, and the tests that hold it to that.

Each row is a fault that some wrapper or init had. A row whose tests are renamed or removed is noticed here.
"""

import ast
from pathlib import Path

CASES: dict[str, tuple[str, ...]] = {
    # Exit status
    "the program's status is ours": ("test_the_status_of_the_program_is_passed_on",),
    "each of 256 statuses can be remapped": ("test_each_of_all_statuses_can_be_remapped",),
    "128 + N after signal N": ("test_a_program_that_dies_of_a_signal_gives_128_plus_its_number",),
    "not found, not executable, wrong usage": (
        "test_a_program_that_is_not_there_is_127",
        "test_a_program_that_cannot_be_executed_is_126",
    ),
    "no arguments, unknown options, --help": (
        "test_a_wrong_command_line_is_64_and_says_what_is_wrong",
        "test_help_and_version_are_on_stdout_and_0",
    ),
    "a failed start is said, and marked": ("test_a_program_that_is_not_there_is_127",),
    # Signals
    "every signal arrives, once, in order": ("test_every_signal_arrives_once_and_in_order",),
    "rewrites are not applied twice": ("test_a_signal_is_rewritten_once_by_name_or_number",),
    "a dropped signal never arrives": (
        "test_a_dropped_signal_never_arrives_and_the_next_one_does",
    ),
    "bad rewrites": ("test_a_rewrite_that_is_none_is_64",),
    "a group, or the main process alone": (
        "test_only_the_main_process_hears_unless_the_group_is_asked_for",
    ),
    "a group hears through a main process that ignores": (
        "test_only_the_main_process_hears_unless_the_group_is_asked_for",
    ),
    "survivors hear of the end, once": (
        "test_survivors_may_be_left_or_waited_for",
        "test_a_grandchild_finishes_its_cleanup_before_we_leave",
    ),
    "grandchildren finish their cleanup": (
        "test_a_grandchild_finishes_its_cleanup_before_we_leave",
    ),
    "who left the session is found": (
        "test_what_left_the_session_is_found_and_stopped",
        "test_what_left_the_session_and_ignores_term_is_killed",
    ),
    "mask and ignored signals are the launcher's": (
        "test_the_program_inherits_the_launchers_mask_and_ignored_signals",
    ),
    "a signal before the program is there": (
        "test_term_in_the_first_millisecond_stops_the_program_or_prevents_it",
        "test_term_to_pid_1_before_it_waits_is_not_lost",
        "test_signals_during_the_programs_start_are_neither_lost_nor_doubled",
    ),
    "a signal while waiting starts nothing": (
        "test_term_while_waiting_never_starts_the_program",
        "test_peers_are_told_to_quit_at_the_end",
    ),
    "a suspended program hears TERM": ("test_a_suspended_program_hears_that_it_is_to_stop",),
    "a second request": ("test_a_second_request_joins_unless_it_is_told_to_hurry",),
    "escalation reaches everybody": (
        "test_the_escalation_is_taken_step_by_step",
        "test_nobody_is_left_alive",
        "test_a_program_that_multiplies_while_it_is_killed_is_gone",
    ),
    "a parent's death": (
        "test_the_supervisor_itself_may_be_told_of_its_parents_death",
        "test_a_program_ends_with_a_supervisor_that_is_killed",
    ),
    # Reaping
    "a hundred orphans, a thousand, and a warning where they cannot be adopted": (
        "test_a_hundred_orphans_of_mixed_lifetimes_leave_no_zombie",
        "test_a_thousand_orphans_are_reaped",
        "test_a_filter_that_forbids_prctl_costs_one_warning",
    ),
    "ends that coalesce": ("test_the_program_and_its_orphans_may_end_in_the_same_instant",),
    "reaped orphans are named on request": ("test_reaped_orphans_are_named_only_on_request",),
    # Terminal and environment
    "a terminal, its end, ^C, job control": (
        "test_the_program_reads_from_the_terminal_and_sees_its_end",
        "test_control_c_reaches_the_program",
        "test_an_interactive_shell_has_job_control",
    ),
    "HUP and CONT of the hand-over": (
        "test_a_session_of_its_own_keeps_the_terminal_and_hears_no_hang_up",
        "test_a_hang_up_after_the_hand_over_is_forwarded",
    ),
    "terminal stops": ("test_terminal_stops_suspend_wrapper_and_program_and_cont_resumes_both",),
    "working directories": ("test_our_directory_is_the_root_and_the_programs_is_the_callers",),
    "nested wrappers": ("test_nested_supervisors_keep_status_and_signals",),
    "the environment is the launcher's": (
        "test_the_program_inherits_the_environment_without_our_own_variables",
    ),
    # Files and order
    "a file that comes later, that is there, that must not be empty": (
        "test_ports_urls_and_files_are_waited_for",
    ),
    "a predecessor's failure is passed on": (
        "test_a_failed_tekton_step_skips_its_followers",
        "test_success_is_waited_for_and_a_failure_is_passed_down_the_chain",
    ),
    "a failure that shall not count": (
        "test_always_zero_hides_the_failure_from_kubernetes_and_not_from_followers",
        "test_tekton_continues_on_error_when_asked",
    ),
    "a predecessor that was killed without a word": (
        "test_a_neighbour_killed_without_a_word_is_noticed_at_once",
        "test_a_tekton_step_that_is_killed_fails_its_followers_at_once",
        "test_a_program_that_the_kernel_kills_for_its_memory_is_told_apart",
    ),
    "no half marker": ("test_a_reader_never_sees_half_a_status",),
    "a directory that is missing": (
        "test_a_missing_directory_is_named_at_once_and_may_still_come",
    ),
    "markers of an earlier attempt": (
        "test_a_restarted_neighbours_old_status_is_not_believed",
        "test_a_status_from_before_the_machine_restarted_is_not_believed",
    ),
    "waiting too long, and heartbeats that stop": (
        "test_a_wait_that_times_out_fails_or_starts_all_the_same",
        "test_an_argo_container_waits_until_its_supervisor_is_ready",
    ),
    "a death before the watch, or during another wait": (
        "test_a_neighbour_that_was_dead_before_we_looked_counts_as_dead",
        "test_a_death_is_noticed_while_another_is_waited_for",
        "test_kubexit_notices_deaths_that_it_used_to_miss",
    ),
    "a sidecar ends after all mains": (
        "test_an_argo_sidecar_ends_when_all_mains_have_ended",
        "test_it_stops_when_one_or_all_of_the_others_have_ended",
    ),
    "a marker that cannot be written": ("test_a_marker_that_cannot_be_written_is_never_a_success",),
    "a copy of itself": ("test_it_installs_itself_whole_executable_and_atomically",),
    # Output
    "a copy of the output": (
        "test_stdout_and_stderr_are_copied_and_still_arrive",
        "test_both_may_go_to_one_file",
        "test_a_slow_reader_loses_nothing",
    ),
    "a descendant that holds the pipe": ("test_whoever_holds_the_pipe_does_not_hold_us",),
    # Timeouts, debugging, control
    "a run that takes too long": ("test_a_run_that_takes_too_long_is_stopped_with_its_own_status",),
    "cancelled before, during and after the run": (
        "test_a_file_cancels_before_and_during_the_run",
        "test_a_cancellation_after_the_end_changes_nothing",
    ),
    "a file that delivers signals": ("test_a_file_delivers_signals_and_is_removed",),
    "pauses and breakpoints": (
        "test_it_pauses_before_and_after_for_whoever_debugs",
        "test_tekton_timeouts_breakpoints_and_conditions",
    ),
    "retries": ("test_a_failure_is_tried_again_until_it_succeeds",),
    "peers are told to quit, and do not hold us": (
        "test_peers_are_told_to_quit_at_the_end",
        "test_a_peer_that_is_gone_or_silent_does_not_hold_us",
    ),
}


def written() -> set[str]:
    return {
        node.name
        for path in Path(__file__).parent.glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_case_has_its_tests() -> None:
    there = written()
    assert {case: names for case, names in CASES.items() if not names or set(names) - there} == {}
