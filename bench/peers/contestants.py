"""The contestants, in the order of the table."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import mps
import own
from launches import in_one_process, in_processes
from mixes import Mix
from rows import Row
from setting import Setting

ENOUGH_ALONE = 1.5  # seconds for an engine by itself, at most

Run = Callable[[Setting, Mix], list[Row]]


def alone(setting: Setting, mix: Mix, known: Row | None = None) -> Row:
    """Measures every engine by itself on the whole device; the others' figures are relative to these. Engines that are
    known from another mix are not measured again."""
    row = known or Row("alone", "alone", setting.variants()[0])
    missing = [engine.name for engine in mix.engines if row.engine(engine.name) is None]
    if not missing:
        return row
    options = ["--alone", "--engines", *missing, "--seconds", str(min(setting.seconds, ENOUGH_ALONE))]
    fresh = Row("alone", "alone")
    [measured] = in_one_process(setting, mix, fresh, whole_device(setting), [row.variant], options=options)
    measured.engines = row.engines + measured.engines
    return measured


def whole_device(setting: Setting) -> str:
    """Returns the way in which an engine gets an ordinary stream."""
    return "plain" if setting.on_gpu else "threads"


def plain(setting: Setting, mix: Mix) -> list[Row]:
    """Races plain streams."""
    return in_one_process(setting, mix, Row("plain streams", "shared"), whole_device(setting), setting.variants())


def priority(setting: Setting, mix: Mix) -> list[Row]:
    """Races stream priorities."""
    return in_one_process(setting, mix, Row("stream priorities", "shared"), "priority", setting.variants())


def processes(setting: Setting, mix: Mix) -> list[Row]:
    """Races one process for each engine; the driver gives them the whole device in turns."""
    row = Row("separate processes", "shared")
    return in_processes(setting, mix, row, whole_device(setting), setting.variants()[:1], {})


def with_mps(setting: Setting, mix: Mix) -> list[Row]:
    """Races MPS as it is, and with active-thread percentages."""
    shared = under_mps(setting, mix, Row("MPS", "shared"), limited=False)
    return shared + under_mps(setting, mix, Row("MPS percentages", "partitioned"), limited=True)


def under_mps(setting: Setting, mix: Mix, row: Row, *, limited: bool) -> list[Row]:
    """Races one process for each engine, under a daemon of its own."""
    control = mps.find()
    if control is None:
        row.status, row.what_happened = "absent", f"{mps.NAME} is not on the path, nor in {', '.join(mps.PLACES)}"
        return [row]
    try:
        daemon = mps.Daemon(control, setting.new_file("mps"))
    except (subprocess.SubprocessError, OSError) as error:
        row.status, row.what_happened = "absent", f"the daemon does not start: {error}"
        return [row]
    with daemon:
        environments = mps.environments(mix, setting.units, daemon.environment, limited=limited)
        row.notes["asked"] = {
            name: {key: value for key, value in each.items() if "DIRECTORY" not in key}
            for name, each in environments.items()
        }
        rows = in_processes(setting, mix, row, "plain", setting.variants(), environments)
        for each in rows:
            each.notes["servers"] = daemon.ask("get_server_list")
            if each.status == "failed":
                each.what_happened = f"{each.what_happened}; MPS: {daemon.log()}"
    return rows


def torch_green(setting: Setting, mix: Mix) -> list[Row]:
    """Races PyTorch's green contexts."""
    return in_one_process(setting, mix, Row("torch green contexts", "partitioned"), "torch_green", setting.variants())


def cuda_core(setting: Setting, mix: Mix) -> list[Row]:
    """Races cuda.core by hand."""
    return in_one_process(setting, mix, Row("cuda.core", "partitioned"), "cuda_core", setting.variants())


def holoscan(setting: Setting, mix: Mix) -> list[Row]:
    """Races Holoscan's pool of green contexts as documented; if that fails, also with SMs scheduled together."""
    path = os.environ.get("PYTHONPATH", "")
    environment = {"PYTHONPATH": f"{setting.holoscan}{os.pathsep}{path}"} if setting.holoscan else None
    variants = setting.variants()[:1]
    rows = in_one_process(setting, mix, Row("Holoscan pool", "partitioned"), "holoscan_pool", variants, environment)
    if rows[0].status == "failed":
        row = Row("Holoscan pool, SMs together", "partitioned")
        rows += in_one_process(setting, mix, row, "holoscan_aligned", variants, environment)
    return rows


def xsched(setting: Setting, mix: Mix) -> list[Row]:
    """Races XSched's queues over plain streams."""
    row = Row("XSched", "scheduled")
    if setting.xsched is None:
        row.status, row.what_happened = "absent", "not installed: it is in no package index; see --xsched"
        return [row]
    libraries = setting.xsched / "lib"
    environment = {"LD_LIBRARY_PATH": f"{libraries}:{os.environ.get('LD_LIBRARY_PATH', '')}"}
    return in_one_process(setting, mix, row, "xsched", setting.variants()[::-1], environment)


def greenlane(variant: str, *options: str | Path) -> Run:
    """Makes a contestant of greenlane's own."""
    return lambda setting, mix: [own.run(setting, mix, Row("greenlane", "greenlane", variant), *options)]


def planned(setting: Setting, mix: Mix) -> list[Row]:
    """Races greenlane's planner."""
    return [own.run_planned(setting, mix, Row("greenlane", "greenlane", "plan"))]


# All contestants, by the names that --only takes.
ALL: dict[str, Run] = {
    "plain": plain,
    "priority": priority,
    "processes": processes,
    "mps": with_mps,
    "torch": torch_green,
    "cuda-core": cuda_core,
    "holoscan": holoscan,
    "xsched": xsched,
    "lanes-eager": greenlane("lanes, eager", "--graphs", "off"),
    "lanes-untuned": greenlane("lanes, graphs", "--graphs", "untuned"),
    "lanes": greenlane("lanes"),
    "gates": greenlane("gates", "--mode", "gates"),
    "plan": planned,
}
# The contestants on a machine without a GPU.
ON_CPU = ("plain", "processes", "xsched", "lanes", "gates", "plan")
