"""Requests that run together on a GPU: a graph for each size, inside the lane, equal to runs alone."""

from pathlib import Path

import greenlane as gl
import torch
from module_pipeline import serving
from torch import Tensor, nn

LONG = 60.0


def pipeline_of(folder: Path, models: Path, keys: str) -> Path:
    """Writes a pipeline of the package whose rows vary."""
    file = folder / "pipeline.toml"
    package = f"model = '{models / 'rows.pt2'}'\ninputs = '{models / 'rows.inputs.pt'}'\n"
    file.write_text(f"device = 'cuda:0'\n[engine.rows]\n{package}{keys}\n[lane.rows]\nunits = 32\n")
    return file


def given(rows: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns inputs of so many rows."""
    generator = torch.Generator().manual_seed(seed)
    x, scale = torch.randn(rows, 256, generator=generator), torch.rand(rows, generator=generator)
    return x.half().cuda(), scale.half().cuda()


def alone(engine: gl.Engine, x: torch.Tensor, scale: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the outputs for these rows. The package takes two rows or more, so the rows run twice."""
    features, sums = engine(torch.cat([x, x]), torch.cat([scale, scale]))
    return features[: len(x)], sums[: len(x)]


def test_requests_of_a_run_get_their_rows_from_one_graph(models: Path, tmp_path: Path) -> None:
    reference = gl.load(models / "rows.pt2", device="cuda:0")
    keys = "max_batch = 8\nmax_delay_ms = 3.6e6\nbatch_sizes = [2, 8]"
    with gl.Pipeline(pipeline_of(tmp_path, models, keys)) as pipeline:
        engine = pipeline["rows"]
        graphs = pipeline.stats().engines["rows"].graphs
        assert graphs is not None
        assert graphs.obstacle == ""
        before = graphs.replays
        for turn in range(50):
            inputs = [given(rows, 100 * turn + rows) for rows in (1, 3, 2, 2)]
            runs = [engine.submit(*each) for each in inputs]
            for run, each in zip(runs, inputs, strict=True):
                features, sums = run.result(LONG)
                expected_features, expected_sums = alone(reference, *each)
                torch.testing.assert_close(features, expected_features, rtol=2e-2, atol=2e-2)
                torch.testing.assert_close(sums, expected_sums, rtol=2e-2, atol=2e-2)
        stats = pipeline.stats().engines["rows"]
        assert (stats.figures.batches, stats.figures.batch_rows, stats.figures.padding_rows) == (50, 400, 0)
        assert stats.graphs is not None
        assert stats.graphs.replays == before + 50


def test_a_run_is_padded_and_its_outputs_stay(models: Path, tmp_path: Path) -> None:
    reference = gl.load(models / "rows.pt2", device="cuda:0")
    with gl.Pipeline(pipeline_of(tmp_path, models, "max_batch = 8\ncheck_outputs = true")) as pipeline:
        engine = pipeline["rows"]
        kept = []
        for turn in range(30):
            inputs = given(1 + turn % 7, turn)
            kept.append((engine.submit(*inputs).result(LONG), inputs))
        for (features, sums), inputs in kept:
            expected_features, expected_sums = alone(reference, *inputs)
            torch.testing.assert_close(features, expected_features, rtol=2e-2, atol=2e-2)
            torch.testing.assert_close(sums, expected_sums, rtol=2e-2, atol=2e-2)
        assert pipeline.stats().engines["rows"].figures.padding_rows > 0


def test_requests_from_the_cpu_and_from_the_gpu_share_a_run(models: Path, tmp_path: Path) -> None:
    reference = gl.load(models / "rows.pt2", device="cuda:0")
    keys = "max_batch = 4\nmax_delay_ms = 3.6e6\ncheck_outputs = true"
    with gl.Pipeline(pipeline_of(tmp_path, models, keys)) as pipeline:
        engine = pipeline["rows"]
        for turn in range(20):
            here, there = given(2, turn), given(2, 100 + turn)
            runs = [engine.submit(*here), engine.submit(*(each.cpu() for each in there))]
            for run, each, device in zip(runs, (here, there), ("cuda", "cpu"), strict=True):
                features, sums = run.result(LONG)
                assert (features.device.type, sums.device.type) == (device, device)
                expected_features, expected_sums = alone(reference, *each)
                torch.testing.assert_close(features.cuda(), expected_features, rtol=2e-2, atol=2e-2)
                torch.testing.assert_close(sums.cuda(), expected_sums, rtol=2e-2, atol=2e-2)
        assert pipeline.stats().engines["rows"].figures.batches == 20


class Tagged(nn.Module):
    """Returns one of its inputs."""

    def forward(self, x: Tensor, tags: Tensor) -> tuple[Tensor, Tensor]:
        """Doubles the rows of x."""
        return 2 * x, tags


def test_an_output_that_is_an_input_waits_for_no_other_stream(tmp_path: Path) -> None:
    recorded = [torch.ones(4, 4), torch.zeros(4)]
    keys = "max_batch = 4\nrequest_queue = 20"
    inputs = [
        (torch.full((3, 4), float(i), device="cuda"), torch.full((3,), float(i), device="cuda")) for i in range(9)
    ]
    with serving(tmp_path, Tagged(), recorded, keys) as pipeline, torch.cuda.stream(torch.cuda.Stream()):
        torch.cuda.synchronize()
        with torch.cuda.stream(torch.cuda.default_stream()):
            torch.cuda._sleep(2_000_000_000)  # a second
        runs = [pipeline["net"].submit(*each) for each in inputs]
        for run, (x, tags) in zip(runs, inputs, strict=True):
            y, same = run.result(LONG)
            assert y.equal(2 * x)
            assert same.equal(tags)
        x, tags = (each.cpu() for each in inputs[4])
        y, same = pipeline["net"].submit(x, tags).result(LONG)
        assert y.equal(2 * x)
        assert same.equal(tags)
        torch.cuda.synchronize()


def test_rows_on_the_cpu_may_have_gaps(tmp_path: Path) -> None:
    recorded = [torch.ones(4, 4), torch.zeros(4)]
    with serving(tmp_path, Tagged(), recorded, "max_batch = 4") as pipeline:
        x, tags = torch.arange(24.0).reshape(6, 4)[::2], torch.arange(6.0)[::2]
        y, same = pipeline["net"].submit(x, tags).result(LONG)
        assert y.equal(2 * x)
        assert same.equal(tags)
