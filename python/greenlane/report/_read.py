"""Reads files, and tells their kind by their form."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from greenlane._fields import Fields, MalformedError
from greenlane.report._audits import Audit
from greenlane.report._error import ReportError
from greenlane.report._forms import Profile, Run, Source
from greenlane.report._plans import Plan
from greenlane.report._trace import Trace


@dataclass(frozen=True)
class Documents:
    """The contents of all files, by kind, in the order of the command line."""

    files: list[Path]
    runs: list[Run] = field(default_factory=list)
    traces: list[Trace] = field(default_factory=list)
    profiles: list[Profile] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    audits: list[Audit] = field(default_factory=list)

    def sources(self) -> list[tuple[str, Source]]:
        """Returns every file with its kind."""
        return [
            *(("results", run.source) for run in self.runs),
            *(("trace", trace.source) for trace in self.traces),
            *(("profile", profile.source) for profile in self.profiles),
            *(("plan", plan.source) for plan in self.plans),
            *(("audit", audit.source) for audit in self.audits),
        ]

    def deadlines_us(self) -> dict[str, float]:
        """Returns the engines' deadlines in microseconds by name, from results; profiles and plans do not have them."""
        return {
            engine.name: engine.deadline_us
            for run in self.runs
            for mode in run.modes
            for engine in mode.engines
            if engine.deadline_us is not None
        }


def read(files: Sequence[Path]) -> Documents:
    """Reads all files.

    :raises ReportError: a file is missing, no JSON, of no known form, or malformed. The error names the first such
        file.
    """
    documents = Documents(list(files))
    for file in files:
        # The name alone, unless another file has the same name.
        same = [other for other in files if other.name == file.name]
        _add(documents, file, file.name if len(same) == 1 else str(file))
    return documents


def _add(documents: Documents, file: Path, name: str) -> None:
    value = _json(file)
    try:
        fields = Fields(value)
        if fields.has("traceEvents"):
            documents.traces.append(Trace.of(fields, name))
        elif fields.has("audit"):
            documents.audits.append(Audit.of(fields, name))
        elif fields.has("modes"):
            documents.runs.append(Run.of(fields, name))
        elif fields.has("lanes", "engines"):
            documents.plans.append(Plan.of(fields, name))
        elif fields.has("device", "engines"):
            documents.profiles.append(Profile.of(fields, name))
        else:
            raise MalformedError("it is no result, trace, profile, plan or audit")
    except MalformedError as error:
        raise ReportError(
            f"'{file}' cannot be shown",
            str(error),
            "give what `greenlane run --json` or `--trace`, `greenlane profile`, `plan` or `audit --json` wrote",
        ) from error


def _json(file: Path) -> object:
    try:
        return json.loads(file.read_bytes())
    except OSError as error:
        raise ReportError(f"'{file}' cannot be read", error.strerror or str(error), "check the path") from error
    except (ValueError, RecursionError) as error:
        raise ReportError(
            f"'{file}' cannot be shown", f"it is no JSON ({error})", "was it cut off, or is it another file?"
        ) from error
