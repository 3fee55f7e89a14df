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


def test_the_others_are_gpus_in_the_order_of_their_numbers() -> None:
    ids = [device.id for device in gl.devices()[:-1]]
    assert ids == [f"cuda:{i}" for i in range(len(ids))]


def test_devices_are_equal_where_they_are_the_same_and_cannot_be_changed() -> None:
    assert gl.devices() == gl.devices()
    with pytest.raises(FrozenInstanceError):
        gl.devices()[0].units = 3  # type: ignore[misc]


@pytest.mark.gpu
def test_a_gpu_is_listed() -> None:
    gpu = gl.devices()[0]
    assert gpu.id == "cuda:0"
    assert gpu.units > gpu.granularity > 0
