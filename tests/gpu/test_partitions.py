"""Partitions of a GPU: they are disjoint, have the stated size, and are returned."""

import gc

import greenlane as gl
import pytest
import torch


def sms_on(stream: torch.cuda.Stream) -> set[int]:
    """Returns the SMs that kernels on this stream run on."""
    from where import sms_of, where

    x = torch.zeros(1, dtype=torch.int32, device="cuda")
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        out = where(x)
    stream.synchronize()
    return sms_of(out)


def test_lanes_run_on_disjoint_sms_of_their_size() -> None:
    """Three lanes together hold the whole device, as the hardware's own register shows."""
    lanes = gl.partition("cuda:0", {"policy": 16, "vision": 48, "head": gl.REST})
    used = {name: sms_on(lane.torch_stream) for name, lane in lanes.items()}
    for name, lane in lanes.items():
        assert len(used[name]) == lane.units, (name, sorted(used[name]))
    assert not used["policy"] & used["vision"]
    assert not used["policy"] & used["head"]
    assert not used["vision"] & used["head"]
    device = torch.cuda.get_device_properties(0)
    assert sum(lane.units for lane in lanes.values()) == device.multi_processor_count


def test_a_partition_size_is_rounded_up() -> None:
    """A request is rounded up to the granularity, and the real size is reported."""
    granularity = gl.devices()[0].granularity
    lane = gl.partition("cuda:0", {"small": 1})["small"]
    assert lane.units == granularity
    assert len(sms_on(lane.torch_stream)) == granularity


def test_units_return_when_the_last_user_goes() -> None:
    """Held units are listed, and returned units can be taken again."""
    whole = gl.devices()[0].units
    first = gl.partition("cuda:0", {"first": whole - 16})
    with pytest.raises(RuntimeError, match="'first' holds"):
        gl.partition("cuda:0", {"second": 64})
    del first
    gc.collect()
    second = gl.partition("cuda:0", {"second": gl.REST})["second"]
    assert second.units == whole


def test_a_lane_of_the_whole_device_uses_all_sms() -> None:
    """A plain stream is no partition."""
    assert len(sms_on(gl.lane("cuda:0").torch_stream)) == gl.devices()[0].units


def test_opening_and_closing_lanes_leaks_no_memory() -> None:
    """This is also true if the caching allocator has seen the streams, which must then outlive their lanes."""
    x = torch.ones(1024, device="cuda")

    def cycle() -> None:
        for lane in gl.partition("cuda:0", {"a": 16, "b": gl.REST}).values():
            with lane:
                y = x * 2
            y.record_stream(lane.torch_stream)
            del y
            lane.synchronize()

    for _ in range(5):
        cycle()
    torch.cuda.synchronize()
    free = torch.cuda.mem_get_info()[0]
    for _ in range(200):
        cycle()
    torch.cuda.synchronize()
    assert free - torch.cuda.mem_get_info()[0] <= 2 << 20
