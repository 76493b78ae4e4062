"""The command `run_study` for a study that could be read: what it prints, and what its exit status says."""

from __future__ import annotations

import sys

from rich.console import Console

from harness import command_line
from harness.driver import actions
from harness.driver.session import Options
from harness.spec import StudyError, StudySpec

EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130


def run(spec: StudySpec, options: Options) -> int:
    """Conduct, resume or (with `dry_run`) estimate `spec`; return the exit status."""
    console = Console(quiet=options.quiet, stderr=options.json)  # with --json, standard output is JSON and nothing else
    actions.print_surroundings(options, console)
    try:
        actions.check(spec, options)
        if options.dry_run:
            actions.print_preview(spec, options, console)
            return 0
        actions.run(spec, options, console)
        with actions.faults(options):
            return _conclude(options)
    except KeyboardInterrupt as stopped:
        print(stopped, file=sys.stderr)
        return EXIT_INTERRUPTED
    except StudyError as error:
        print(error, file=sys.stderr)
        return EXIT_BAD_INPUT
    except actions.StudyFailed as error:
        print(error, file=sys.stderr)
        return EXIT_FAILED


def _conclude(options: Options) -> int:
    """Print the small table and the verdicts, or the summary as JSON; return the exit status."""
    from harness import report

    summary = report.headline(options.output)
    if options.json:
        command_line.print_json(summary, indent=2)
    else:
        console = Console()
        console.print(report.terminal_table(options.output))
        lines = [summary["sentence"], *(f"warning: {warning}" for warning in summary["warnings"])]
        if options.report:
            lines.append(f"Report: {options.output / 'report.html'}")
        for line in lines:
            console.print(line, highlight=False, markup=False)
    return command_line.EXIT_UNDECIDED if options.fail_if_undecided and not summary["decided"] else 0
