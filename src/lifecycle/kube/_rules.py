"""The table of all rules. A module of rules has a tuple RULES; list it here."""

from typing import Final

from lifecycle.kube import (
    _rules_app,
    _rules_app_http,
    _rules_budget,
    _rules_hook_calls,
    _rules_hook_commands,
    _rules_hooks,
    _rules_misplaced,
    _rules_patience,
    _rules_pause,
    _rules_probes,
    _rules_process,
    _rules_scripts,
    _rules_sidecars,
    _rules_supervisor,
    _rules_supervisor_copy,
    _rules_trigger,
    _rules_workload,
)
from lifecycle.kube._rule import Rule

RULES: Final[tuple[Rule, ...]] = tuple(
    sorted(
        (
            *_rules_app.RULES,
            *_rules_app_http.RULES,
            *_rules_budget.RULES,
            *_rules_hook_calls.RULES,
            *_rules_hook_commands.RULES,
            *_rules_hooks.RULES,
            *_rules_pause.RULES,
            *_rules_patience.RULES,
            *_rules_probes.RULES,
            *_rules_misplaced.RULES,
            *_rules_sidecars.RULES,
            *_rules_process.RULES,
            *_rules_scripts.RULES,
            *_rules_supervisor_copy.RULES,
            *_rules_supervisor.RULES,
            *_rules_trigger.RULES,
            *_rules_workload.RULES,
        ),
        key=lambda rule: rule.id,
    )
)
