"""`python -m greenlane.report`: the contents of the page, and what is refused."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from greenlane.report.__main__ import main

from python.report_files import GPU, RESULTS, engine, every_kind, plan, profile, run, save, trace

SECTIONS = {
    *("summary", "latency", "distributions", "timeline"),
    *("curves", "plans", "map", "environment", "repeat"),
}


def page_of(folder: Path, *files: Path) -> str:
    """Returns the page made from these files."""
    page = folder / "page.html"
    assert main([*map(str, files), "-o", str(page)]) == 0
    return page.read_text()


def sections(page: str) -> set[str]:
    return set(re.findall(r'<section id="(\w+)">', page))


def body(page: str) -> str:
    """Returns the page's body, without Plotly's own script."""
    return page[page.index("<body>") :]


def test_every_kind_of_file_has_its_sections(tmp_path: Path) -> None:
    results, traced, profiled, planned = every_kind(tmp_path)
    always = {"environment", "repeat"}
    assert sections(page_of(tmp_path, results, traced, profiled, planned)) == SECTIONS
    assert sections(page_of(tmp_path, results)) == always | {"summary", "latency", "map"}
    assert sections(page_of(tmp_path, traced)) == always | {"distributions", "timeline"}
    assert sections(page_of(tmp_path, profiled)) == always | {"curves"}
    assert sections(page_of(tmp_path, planned)) == always | {"plans", "map"}


@pytest.mark.parametrize("name", ["h200-compare", "h200-neighbour", "h200-memory"])
def test_recorded_results_are_shown(name: str, tmp_path: Path) -> None:
    file = RESULTS / f"{name}.json"
    page = body(page_of(tmp_path, file))
    assert sections(page) == {"summary", "latency", "map", "environment", "repeat"}
    known = json.loads(file.read_text())
    for mode in known["modes"]:
        assert f">{mode['mode']}</td>" in page
        for each in mode["engines"]:
            assert f"<td>{each['name']}</td>" in page
    assert "NVIDIA H200 (cuda:0)" in page
    assert f"torch {known['versions']['torch']}" in page
    assert f"greenlane run {known['config']}" in page
    assert "lanes are drawn in their order, not by SM number" in page


def test_the_hardware_queues_of_a_gpu_are_named(tmp_path: Path) -> None:
    device = {**GPU, "hardware_queues": 12}
    page = body(page_of(tmp_path, save(tmp_path, "r.json", run(engine("policy", 1.0), device=device))))
    assert "hardware queues 12" in page
    assert "hardware queues" not in body(page_of(tmp_path, save(tmp_path, "r.json", run(engine("policy", 1.0)))))


def test_recorded_runs_with_gates_are_shown(tmp_path: Path) -> None:
    runs = json.loads((RESULTS / "h200-gates.json").read_text())["runs"]
    shown = 0
    for title, known in runs.items():
        if "gate" not in known or not title.startswith("both"):
            continue
        mode = known | {"engines": list(known["engines"].values())}
        results = {"versions": known["versions"], "device": known["device"], "config": "x.toml", "modes": [mode]}
        assert f"{known['gate']['passes']} urgent calls passed" in page_of(tmp_path, save(tmp_path, "g.json", results))
        shown += 1
    assert shown > 3


def test_long_kernels_are_told_with_the_advice_on_them(tmp_path: Path) -> None:
    results, profiled, planned = run(engine("hog", 900.0), mode="gates"), profile("policy", "hog"), plan()
    assert "cannot be cut" not in body(page_of(tmp_path, save(tmp_path, "run.json", results)))
    results["modes"][0]["advice"] = ["engine 'hog': kernel 'matmul<1>' takes 1090 µs and cannot be cut"]
    files = {"run.json": results, "profile.json": profiled, "plan.json": planned}
    page = unescape(body(page_of(tmp_path, *(save(tmp_path, name, each) for name, each in files.items()))))
    assert "Mode gates: engine 'hog': kernel 'matmul<1>' takes 1090 µs and cannot be cut." in page
    assert "hog: kernel 'gemm' and 2 others take 1090 µs on 132 SMs and cannot be cut." in page
    assert "engine 'hog' has units apart from 'policy': a kernel takes 1090 µs and cannot be cut." in page
    profiled["engines"][1]["long_kernel"] = {"time_us": 1090.0, "kernels": 1, "units": 132}
    page = unescape(body(page_of(tmp_path, save(tmp_path, "profile.json", profiled))))
    assert "hog: a kernel takes 1090 µs on 132 SMs and cannot be cut." in page


def test_a_missed_deadline_is_highlighted(tmp_path: Path) -> None:
    page = body(page_of(tmp_path, RESULTS / "h200-neighbour.json"))
    assert re.findall(r'<td class="missed number">([^<]+)<', page) == [
        *("10000 (100 %)", "1200 (100 %)", "4252 (42.5 %)", "144 (12 %)")
    ]
    assert '<td class="late number">1925 µs</td>' in page
    assert "6319 of 10000 requests were never begun" in page
    assert "8.58 ×" in page  # priority's p99 over that on lanes


def test_half_a_surrogate_pair_is_replaced(tmp_path: Path) -> None:
    assert "<td>a?b</td>" in page_of(tmp_path, save(tmp_path, "r.json", run(engine("a\ud800b", 1.0))))


def test_missing_values_and_failures_are_shown(tmp_path: Path) -> None:
    nothing = dict.fromkeys(("p50_us", "p90_us", "p99_us", "p999_us", "max_us", "mean_us"))
    broken = engine("vision", 1.0, 5000.0, requests=0, rate_hz=0.0, error="it threw", checked=None) | nothing
    page = page_of(tmp_path, save(tmp_path, "r.json", run(engine("policy", 100.0, checked=False), broken)))
    assert "vision: it threw" in page
    assert page.count('class="missed number">wrong<') == page.count('class="missed number">failed<') == 1
    alone = page_of(tmp_path, save(tmp_path, "r.json", run(broken)))
    assert "latency" not in sections(alone)


def test_the_chosen_plan_is_marked(tmp_path: Path) -> None:
    page = body(page_of(tmp_path, *every_kind(tmp_path)))
    assert page.count("← chosen") == 1
    assert "policy 16 | head rest (head, hog)" in page
    assert "planned on 16 SMs" in page
    assert page.count("planned on 116 SMs") == 2  # head has the rest, hog is beside it
    assert "plan: p99 measured: 220 \\u00b5s on 16 SMs" in page
    other = profile("policy")
    other["device"] = other["device"] | {"name": "another GPU"}
    assert "planned on" not in page_of(tmp_path, save(tmp_path, "o.json", other), save(tmp_path, "p.json", plan()))


def test_a_handwritten_plan_is_shown(tmp_path: Path) -> None:
    lanes = [{"name": "a", "units": 16}, {"name": "b", "units": "rest"}, {"name": "c", "beside": "b"}]
    engines = [{"name": "policy", "lane": "a"}, {"name": "head", "lane": "b"}, {"name": "hog", "lane": "c"}]
    page = page_of(tmp_path, save(tmp_path, "plan.json", {"lanes": lanes, "engines": engines}))
    assert sections(page) == {"plans", "environment", "repeat"}
    for units in ("16", "rest", "beside b"):
        assert f"<td>{units}</td>" in page


def test_the_page_has_the_commands_to_repeat_it(tmp_path: Path) -> None:
    files = every_kind(tmp_path)
    commands = re.findall(r"<pre>(.*?)</pre>", page_of(tmp_path, *files), re.DOTALL)[0].splitlines()
    given = ["--seconds 20 --check --json results.json --trace trace.json"]
    assert commands[:2] == [f"greenlane run robot.toml --mode {mode} {given[0]}" for mode in ("lanes", "shared")]
    assert commands[2] == "greenlane profile robot.toml --out profile.json"
    assert commands[3] == "greenlane plan robot.toml --profile profile.json --out plan.json"
    assert commands[4].startswith("python -m greenlane.report ")
    results = run(engine("policy", 100.0, 50.0))
    results["modes"][0]["spin_ms"] = 2.5
    assert "--seconds 20 --spin-ms 2.5 --check" in page_of(tmp_path, save(tmp_path, "spun.json", results))
    recorded = page_of(tmp_path, RESULTS / "h200-neighbour.json")
    assert "--mode compare --seconds 20 --check --json h200-neighbour.json" in recorded


EVIL = "</script><script>alert(1)</script>\"'&<u>"


def test_text_of_files_is_never_markup(tmp_path: Path) -> None:
    results = run(engine(EVIL, 100.0, 50.0, lane=EVIL, error=EVIL), mode=EVIL)
    results |= {"config": EVIL, "versions": {EVIL: EVIL}, "device": results["device"] | {"name": EVIL}}
    traced = json.loads(json.dumps(trace(3)).replace("policy", json.dumps(EVIL)[1:-1]))
    profiled = json.loads(json.dumps(profile("policy", "head")).replace("policy", json.dumps(EVIL)[1:-1]))
    planned = json.loads(json.dumps(plan()).replace("policy", json.dumps(EVIL)[1:-1]))
    documents = {"results": results, "trace": traced, "profile": profiled, "plan": planned}
    files = [save(tmp_path, f"<i>{name}.json", document) for name, document in documents.items()]
    page = body(page_of(tmp_path, *files))
    assert "alert(1)" in page
    for markup in ("<script>alert", "<u>", "<i>"):
        assert markup not in page
    for markup in ("\\u003cscript", "\\u003cu\\u003e", "\\u003ci\\u003e"):
        assert markup not in page  # nor in texts of plots, some of which Plotly reads as HTML
    assert page.count("<script>") == page.count("</script>") == page.count('class="plotly-graph-div"')


class References(HTMLParser):
    """A parser that finds everything on a page that a browser would load or lead to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.policy = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"] or ""
        loading = {"src", "srcset", "href", "xlink:href", "data", "action", "poster", "background"}
        self.found += [f"{tag} {name}={value}" for name, value in attrs if name in loading]
        if tag in ("link", "iframe", "object", "embed", "base", "form"):
            self.found.append(tag)


def test_the_page_is_self_contained(tmp_path: Path) -> None:
    page = page_of(tmp_path, *every_kind(tmp_path))
    references = References(page)
    assert [each for each in references.found if not re.fullmatch(r"a href=#\w+", each)] == []
    assert len(references.found) == len(SECTIONS)
    assert references.policy.startswith("default-src 'none'; ")
    assert "http" not in references.policy
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert page.count("plotly.js v") == 1
    assert page.count('"showSendToCloud": false') == page.count('class="plotly-graph-div"')  # no button uploads it


def test_equal_files_give_equal_pages(tmp_path: Path) -> None:
    files = every_kind(tmp_path)
    assert page_of(tmp_path, *files) == page_of(tmp_path, *files)


def changed(document: dict[str, Any], change: Callable[[dict[str, Any]], object]) -> str:
    change(document)
    return json.dumps(document)


REFUSED = {
    "no JSON": ("{", "it is no JSON"),
    "no text": ("\udcff", "it is no JSON"),
    "no object": ("[1]", "the file is no object"),
    "nothing known": ("{}", "it is no result, trace, profile, plan or audit"),
    "another trace": (json.dumps({"traceEvents": [{"ph": "X", "name": "a"}]}), "it has no modes of `greenlane run`"),
    "a key is missing": (
        changed(run(engine("a", 1.0)), lambda d: d["modes"][0]["engines"][0].pop("lane")),
        "modes[0].engines[0].lane is missing",
    ),
    "a text for a number": (
        changed(run(engine("a", 1.0)), lambda d: d["modes"][0]["engines"][0].update(p99_us="1")),
        "modes[0].engines[0].p99_us is not a number",
    ),
    "not finite": (
        changed(run(engine("a", 1.0)), lambda d: d["modes"][0]["engines"][0].update(p99_us=float("nan"))),
        "modes[0].engines[0].p99_us is not a number",
    ),
    "less than nothing": (
        changed(run(engine("a", 1.0)), lambda d: d["device"].update(units=-1)),
        "device.units is not a count",
    ),
    "no such lane": (
        changed(plan(), lambda d: d["lanes"][1].update(units="most")),
        "lanes[1].units is not a number",
    ),
    "a point without latency": (
        changed(profile("a"), lambda d: d["engines"][0]["curve"][3].pop("p99_us")),
        "engines[0].curve[3].p99_us is missing",
    ),
    "a request without latency": (
        changed(trace(1), lambda d: d["traceEvents"][5]["args"].pop("latency_us")),
        "traceEvents[5].args.latency_us is missing",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_unusable_file_is_refused(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, why = REFUSED[case]
    file = tmp_path / "file.json"
    file.write_text(text, errors="surrogateescape")
    assert main([str(file), str(RESULTS / "h200-memory.json"), "-o", str(tmp_path / "page.html")]) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"greenlane.report: '{file}' cannot be shown: {why}")
    assert "; " in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert list(tmp_path.iterdir()) == [file]


def test_an_unwritable_page_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = save(tmp_path, "results.json", run(engine("a", 1.0)))
    before = file.read_bytes()
    for page, why in (
        (tmp_path / "none" / "page.html", "No such file or directory"),
        (tmp_path, "it is a folder"),
        (file, "it is one of the files to read"),
    ):
        assert main([str(file), "-o", str(page)]) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"greenlane.report: '{page}' cannot be written: {why}; name ")
    assert main([str(tmp_path / "none.json"), "-o", str(tmp_path / "page.html")]) == 2
    assert "none.json' cannot be read: No such file or directory" in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["results.json"]
    assert file.read_bytes() == before


def test_an_unfinished_page_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert main([str(RESULTS / "h200-memory.json"), "-o", str(tmp_path / "page.html")]) == 2
    assert "page.html' cannot be written: No space left on device" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_link_and_a_pipe_are_not_replaced(tmp_path: Path) -> None:
    results = str(RESULTS / "h200-memory.json")
    (tmp_path / "real.html").write_text("an older one")
    (tmp_path / "real.html").chmod(0o604)
    (tmp_path / "link.html").symlink_to("real.html")
    assert main([results, "-o", str(tmp_path / "link.html")]) == 0
    assert (tmp_path / "link.html").is_symlink()
    assert "<html" in (tmp_path / "real.html").read_text()
    assert (tmp_path / "real.html").stat().st_mode & 0o777 == 0o604
    os.mkfifo(tmp_path / "pipe")
    with (
        (tmp_path / "read").open("w") as read,
        subprocess.Popen(["timeout", "60", "cat", tmp_path / "pipe"], stdout=read) as reader,
    ):
        assert main([results, "-o", str(tmp_path / "pipe")]) == 0
        assert (tmp_path / "pipe").is_fifo()
        assert reader.wait(timeout=60) == 0
    assert (tmp_path / "read").read_text() == (tmp_path / "real.html").read_text().replace("link.html", "pipe")


def test_a_file_with_the_suffix_part_is_unchanged(tmp_path: Path) -> None:
    (tmp_path / "page.html.part").write_text("precious")
    assert main([str(RESULTS / "h200-memory.json"), "-o", str(tmp_path / "page.html")]) == 0
    assert (tmp_path / "page.html.part").read_text() == "precious"


def test_a_refused_file_keeps_the_former_page(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("an older one")
    assert main([str(save(tmp_path, "bad.json", {})), "-o", str(page)]) == 2
    assert page.read_text() == "an older one"


def test_missing_plotly_is_reported_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("greenlane.report._")]:
        if name not in ("greenlane.report.__main__", "greenlane.report._error"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "plotly", None)
    assert main([str(RESULTS / "h200-memory.json"), "-o", str(tmp_path / "page.html")]) == 2
    assert "plotly is not installed; install it with `pip install 'greenlane[report]'`" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_report_runs_as_a_program(tmp_path: Path) -> None:
    def report(*arguments: Path | str) -> subprocess.CompletedProcess[str]:
        path = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "python")}
        command = [sys.executable, "-m", "greenlane.report", *map(str, arguments)]
        return subprocess.run(command, env=path, capture_output=True, text=True, timeout=120, check=False)

    page = tmp_path / "page.html"
    done = report(RESULTS / "h200-compare.json", "-o", page)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"written to {page}\n", "")
    assert page.read_text().startswith("<!DOCTYPE html>")
    refused = report(tmp_path / "none.json", "-o", page)
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)


def in_shell(script: str, folder: Path, *arguments: Path | str) -> subprocess.CompletedProcess[str]:
    """Runs a script in which "$@" makes a page of small results."""
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "python")}
    results = save(folder, "results.json", run(engine("a", 1.0)))
    command = ["sh", "-c", script, "sh", sys.executable, "-m", "greenlane.report", str(results), *map(str, arguments)]
    return subprocess.run(command, env=path, capture_output=True, text=True, timeout=120, check=False, cwd=folder)


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1"])
def test_standard_output_holds_only_the_page(tmp_path: Path, name: str) -> None:
    done = in_shell('echo before > page.html; "$@" >> page.html', tmp_path, "-o", name)
    assert (done.returncode, done.stderr.count("\n")) == (0, 1), done.stderr
    assert "written to " in done.stderr
    page = (tmp_path / "page.html").read_text()
    assert page.startswith("before\n<!DOCTYPE html>")
    assert page.rstrip().endswith("</html>")
    piped = in_shell('"$@" | cat', tmp_path, "-o", name).stdout
    assert piped.startswith("<!DOCTYPE html>")
    assert piped.rstrip().endswith("</html>")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["page.html", "results.json"]


@pytest.mark.parametrize("target", [">/dev/full", ">&-"])
def test_a_page_is_kept_if_printing_fails(tmp_path: Path, target: str) -> None:
    done = in_shell(f'"$@" {target}', tmp_path, "-o", "page.html")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.startswith("greenlane.report: standard output cannot be written: ")
    assert (tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")


def test_an_unprintable_page_is_an_error(tmp_path: Path) -> None:
    for target in (">/dev/full", ">&-"):
        done = in_shell(f'"$@" {target}', tmp_path, "-o", "-")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr


def test_a_circular_link_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert main([str(save(tmp_path, "r.json", run(engine("a", 1.0)))), "-o", str(tmp_path / "loop")]) == 2
    assert "loop' cannot be written: Too many levels of symbolic links" in capsys.readouterr().err
    assert (tmp_path / "loop").is_symlink()
