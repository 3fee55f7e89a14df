"""Random numbers in graphs are those of the calls without a graph, on lanes that run at once."""

import threading
from pathlib import Path

import greenlane as gl
import pytest
import torch
from module_pipeline import serving
from torch import Tensor, nn

CALLS = 1000
CONCURRENT_CALLS = 10_000


class Noisy(nn.Module):
    """Drops elements, and adds the noise of a diffusion step."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns what is left of x with noise on it, and numbers in [0, 1)."""
        dropped = nn.functional.dropout(x, 0.3, training=True)
        return dropped + torch.randn_like(x), torch.rand(7, device=x.device)


class OfItsOwn(nn.Module):
    """Draws from a generator that only the module knows."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = torch.Generator("cuda").manual_seed(1)

    def forward(self, x: Tensor) -> Tensor:
        """Adds noise to x."""
        return x + torch.randn(x.shape, device=x.device, generator=self.generator)


def has_random_captures() -> bool:
    """Returns whether this PyTorch keeps the random numbers of captures apart (2.13 and newer)."""
    major, minor = (int(part) for part in torch.__version__.split(".")[:2])
    return (major, minor) >= (2, 13)


def eager(seed: int, calls: int, x: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Returns the results of calls without a graph, from PyTorch's default generator."""
    torch.cuda.manual_seed(seed)
    return [Noisy()(x) for _ in range(calls)]


def assert_same(results: list[tuple[Tensor, Tensor]], wanted: list[tuple[Tensor, Tensor]]) -> None:
    for place in range(2):
        got = torch.stack([each[place] for each in results])
        assert torch.equal(got, torch.stack([each[place] for each in wanted]))


@pytest.mark.parametrize(("keys", "mode"), [("", None), ("gates = '1us'", "gates")])
def test_an_engines_numbers_are_those_of_eager_calls(tmp_path: Path, keys: str, mode: str | None) -> None:
    x = torch.randn(513, device="cuda")
    with serving(tmp_path, Noisy(), [x.cpu()], f"seed = 7\n{keys}", mode=mode) as pipeline:
        torch.cuda.manual_seed(11)
        before = torch.cuda.get_rng_state()
        results = [pipeline["net"](x) for _ in range(CALLS)]
        assert torch.equal(torch.cuda.get_rng_state(), before), "an engine with a seed drew from the default generator"
        stats = pipeline.stats().engines["net"].graphs
        assert stats is not None
        assert stats.replays >= CALLS
    assert_same(results, eager(7, CALLS, x))


def test_engines_on_two_lanes_keep_their_numbers_apart(tmp_path: Path) -> None:
    xs = {name: torch.randn(64, device="cuda") for name in ("one", "other")}
    tables = ["device = 'cuda:0'\n"]
    for seed, (name, x) in enumerate(xs.items()):
        torch.save([x.cpu()], tmp_path / f"{name}.pt")
        tables.append(f"[engine.{name}]\nmodule = '{name}'\ninputs = '{name}.pt'\nseed = {seed}\n")
        tables.append(f"[lane.{name}]\nunits = 24\n")
    file = tmp_path / "pipeline.toml"
    file.write_text("".join(tables))
    results: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in xs}

    def call(pipeline: gl.Pipeline, name: str) -> None:
        with torch.cuda.stream(torch.cuda.Stream()):
            results[name].extend(pipeline[name](xs[name]) for _ in range(CONCURRENT_CALLS))

    torch.cuda.synchronize()
    with gl.Pipeline(file, modules={name: Noisy() for name in xs}) as pipeline:
        threads = [threading.Thread(target=call, args=(pipeline, name)) for name in xs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        torch.cuda.synchronize()
    for seed, (name, x) in enumerate(xs.items()):
        assert_same(results[name], eager(seed, CONCURRENT_CALLS, x))


def test_pytorchs_seed_repeats_a_pipeline(tmp_path: Path) -> None:
    x = torch.zeros(64, device="cuda")
    seen = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        with serving(tmp_path, Noisy(), [x.cpu()]) as pipeline:
            seen.append([pipeline["net"](x) for _ in range(5)])
    assert_same(seen[0], seen[1])
    assert not torch.equal(seen[0][0][0], seen[2][0][0])


def test_a_package_draws_as_without_a_graph(models: Path, tmp_path: Path) -> None:
    x = torch.load(models / "noise.inputs.pt")[0].cuda()
    package = gl.load(models / "noise.pt2")
    torch.cuda.manual_seed(9)
    wanted = [package(x).clone() for _ in range(CALLS)]
    file = tmp_path / "pipeline.toml"
    file.write_text(
        f"device = 'cuda:0'\n[engine.net]\nmodel = '{models}/noise.pt2'\ninputs = '{models}/noise.inputs.pt'\n"
        "seed = 9\n[lane.net]\nunits = 24\n"
    )
    with gl.Pipeline(file) as pipeline:
        results = [pipeline["net"](x) for _ in range(CALLS)]
    assert torch.equal(torch.stack(results), torch.stack(wanted))


def test_a_bound_module_draws_as_without_a_graph_or_says_why_not() -> None:
    model, x = Noisy(), torch.randn(64, device="cuda")
    wanted = eager(5, 20, x)
    lane = gl.partition("cuda:0", {"one": 24})["one"]
    with gl.bind(model, lane, graphs="resident"), torch.inference_mode():
        torch.cuda.manual_seed(5)
        results = [model(x) for _ in range(20)]
        report = gl.graph_report(model)
        assert report is not None
        if has_random_captures():
            assert report.obstacle == ""
            assert report.graphs[0].replays == 19
        else:
            assert "PyTorch 2.1" in report.obstacle
            assert "only while a pipeline opens" in report.obstacle
    assert_same(results, wanted)


def test_numbers_of_a_modules_own_generator_are_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="draws random numbers from a generator of its own"),
        serving(tmp_path, OfItsOwn(), [torch.zeros(8)]),
    ):
        pass


def test_others_draw_after_a_capture_as_before(tmp_path: Path) -> None:
    x = torch.zeros(16, device="cuda")
    torch.cuda.manual_seed(2)
    wanted = [torch.rand(5, device="cuda") for _ in range(4)]
    torch.cuda.manual_seed(2)
    found = [torch.rand(5, device="cuda")]
    graph, drawn = torch.cuda.CUDAGraph(), torch.empty(5, device="cuda")
    with torch.cuda.graph(graph):  # PyTorch's own words for graphs stay in use
        drawn.copy_(torch.rand(5, device="cuda"))
    with serving(tmp_path, Noisy(), [x.cpu()]) as pipeline:
        pipeline["net"](x)
        found.append(torch.rand(5, device="cuda"))
        graph.replay()
        found.append(drawn.clone())
        pipeline["net"](x)
        found.append(torch.rand(5, device="cuda"))
    assert torch.equal(torch.stack(found), torch.stack(wanted))
