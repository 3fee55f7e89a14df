"""greenlane.partition(), greenlane.lane() and Lane."""

import copy
import gc
import os
import pickle
from typing import Any

import greenlane as gl
import pytest
import torch

CORES = len(os.sched_getaffinity(0))


def all_cores_are_free() -> bool:
    return gl.partition("cpu", {"all": gl.REST})["all"].units == CORES


def test_a_partition_has_the_requested_units() -> None:
    lanes = gl.partition("cpu", {"one": 1})
    lane = lanes["one"]
    assert list(lanes) == ["one"]
    assert (lane.name, lane.units, lane.closed) == ("one", 1, False)
    assert lane.device == torch.device("cpu")
    assert len(lane.cpus) == 1
    assert set(lane.cpus) <= os.sched_getaffinity(0)


@pytest.mark.skipif(CORES < 2, reason="this machine has one core, which cannot be divided")
def test_partitions_do_not_overlap() -> None:
    lanes = gl.partition(torch.device("cpu"), {"rest": gl.REST, "one": 1})
    assert list(lanes) == ["rest", "one"]
    assert lanes["rest"].units == CORES - 1
    assert not set(lanes["rest"].cpus) & set(lanes["one"].cpus)


def test_units_return_with_the_last_handle() -> None:
    lanes = gl.partition("cpu", {"all": gl.REST})
    with pytest.raises(RuntimeError, match="'all' holds"):
        gl.partition("cpu", {"more": 1})
    del lanes
    gc.collect()
    assert all_cores_are_free()


def test_sizes_must_be_a_mapping() -> None:
    with pytest.raises(TypeError, match=r"the sizes must be a mapping .*, not \['a'\]"):
        gl.partition("cpu", ["a"])  # type: ignore[arg-type]


def test_a_refusal_lists_partitions_and_takes_nothing() -> None:
    with pytest.raises(
        RuntimeError, match=f"cannot give {CORES} cores of cpu to 'many': 'one' holds 1; {CORES - 1} of {CORES}"
    ) as error:
        gl.partition("cpu", {"one": 1, "many": CORES})
    assert "\n" not in str(error.value)
    assert all_cores_are_free()


@pytest.mark.parametrize("size", [0, -1, -2])
def test_an_invalid_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"cannot give {size} units to 'none'"):
        gl.partition("cpu", {"none": size})


def test_a_second_rest_is_refused() -> None:
    with pytest.raises(RuntimeError, match="more than one partition asks for `rest`"):
        gl.partition("cpu", {"a": gl.REST, "b": gl.REST})
    assert all_cores_are_free()


@pytest.mark.parametrize("device", ["xpu", "", "cuda:x", "cpu:1"])
def test_an_invalid_device_is_refused(device: str) -> None:
    with pytest.raises(RuntimeError, match="is no device"):
        gl.partition(device, {"one": 1})


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_missing_gpu_is_refused() -> None:
    with pytest.raises(RuntimeError, match="no CUDA device"):
        gl.partition("cuda:0", {"one": 1})


def test_auto_is_the_first_gpu_or_the_cpu() -> None:
    lane = gl.partition("auto", {"one": 1})["one"]
    assert lane.device.type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_a_lane_on_the_whole_device_takes_no_units() -> None:
    everything = gl.partition("cpu", {"all": gl.REST})
    lane = gl.lane("cpu", "beside")
    assert (lane.name, lane.units, lane.cpus) == ("beside", CORES, ())
    assert everything["all"].units == CORES
    assert gl.lane("cpu").name == "cpu"


def test_a_lane_may_have_a_priority() -> None:
    gl.lane("cpu", "later", priority=5).synchronize()


def test_a_closed_lane_is_marked_as_closed() -> None:
    lane = gl.lane("cpu", "gone")
    lane.close()
    lane.close()
    assert lane.closed


def test_a_cpu_lane_has_no_stream() -> None:
    lane = gl.lane("cpu", "host")
    uses: list[Any] = [lambda: lane.stream, lambda: lane.torch_stream, lane.__cuda_stream__, lane.__enter__]
    for use in uses:
        with pytest.raises(RuntimeError, match="lane 'host' has no stream"):
            use()


def test_the_repr_describes_the_lane() -> None:
    assert repr(gl.partition("cpu", {"one": 1})["one"]) == "Lane('one', device='cpu', units=1)"


@pytest.mark.gpu
def test_other_libraries_accept_a_gpu_lane_as_a_stream() -> None:
    lane = gl.partition("cuda:0", {"one": 1})["one"]
    assert lane.__cuda_stream__() == (0, lane.stream)
    with lane:
        assert torch.cuda.current_stream().cuda_stream == lane.stream
    assert torch.cuda.current_stream().cuda_stream != lane.stream


def test_the_error_of_a_cpu_lane_names_the_alternative() -> None:
    lane = gl.lane("cpu", "host")
    uses: list[Any] = [lambda: lane.stream, lambda: lane.torch_stream, lane.__cuda_stream__, lane.__enter__]
    for use in uses:
        with pytest.raises(
            RuntimeError, match=r"bind engines or modules to it \(greenlane.bind\) and call them, .*Pipeline$"
        ):
            use()


def test_leaving_an_unentered_lane_is_refused() -> None:
    with pytest.raises(RuntimeError, match="lane 'host' was exited without being entered: use `with lane:`"):
        gl.lane("cpu", "host").__exit__(None, None, None)


def test_a_lane_cannot_be_copied() -> None:
    lane = gl.lane("cpu", "host")
    ways: list[Any] = [copy.copy, copy.deepcopy, pickle.dumps]
    for way in ways:
        with pytest.raises(TypeError, match=r"^lane 'host' cannot be copied or saved: .*$"):
            way(lane)
