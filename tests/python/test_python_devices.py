"""greenlane.devices()."""

import os
from dataclasses import FrozenInstanceError

import greenlane as gl
import pytest


def test_the_cpu_is_the_last_device() -> None:
    cpu = gl.devices()[-1]
    assert cpu.id == "cpu"
    assert cpu.units == len(os.sched_getaffinity(0))
    assert (cpu.granularity, cpu.remainder) == (1, 0)
    assert cpu.obstacle == ""
    assert cpu.name != ""


def test_gpus_are_listed_by_number() -> None:
    ids = [device.id for device in gl.devices()[:-1]]
    assert ids == [f"cuda:{i}" for i in range(len(ids))]


def test_devices_are_comparable_and_immutable() -> None:
    assert gl.devices() == gl.devices()
    with pytest.raises(FrozenInstanceError):
        gl.devices()[0].units = 3  # type: ignore[misc]


@pytest.mark.gpu
def test_a_gpu_is_listed() -> None:
    gpu = gl.devices()[0]
    assert gpu.id == "cuda:0"
    assert gpu.units > gpu.granularity > 0
