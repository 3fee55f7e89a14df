"""Green contexts by hand, with the driver's functions through cuda.bindings.

The device is split once into the smallest groups. A partition is a union of groups, because separate splits may
overlap.
"""

from typing import Any

GROUP = 8  # SMs: the group size of this generation of GPUs


def call(function: Any, *arguments: Any) -> Any:
    """Returns the values of a driver function, or raises its error."""
    result, *values = function(*arguments)
    if int(result) != 0:
        raise RuntimeError(f"{function.__name__}: {result.name}")
    return values[0] if len(values) == 1 else values


def split(size: int, flags: int = 0) -> tuple[list[Any], Any]:
    """Returns the device in groups of `size` SMs, and the rest."""
    from cuda.bindings import driver

    kind = driver.CUdevResourceType.CU_DEV_RESOURCE_TYPE_SM
    whole = call(driver.cuDeviceGetDevResource, call(driver.cuDeviceGet, 0), kind)
    most = whole.sm.smCount // size
    groups, count, rest = call(driver.cuDevSmResourceSplitByCount, most, whole, flags, size)
    return list(groups[:count]), rest


def partitions(sizes: dict[str, int]) -> tuple[list[Any], dict[str, int]]:
    """Returns green contexts, which must live, and handles of their streams. The last engine gets the rest."""
    from cuda.bindings import driver

    device = call(driver.cuDeviceGet, 0)
    groups, rest = split(GROUP)
    *fixed, last = sizes
    resources: dict[str, list[Any]] = {}
    for name in fixed:
        share = -(-sizes[name] // groups[0].sm.smCount)
        resources[name], groups = groups[:share], groups[share:]
    resources[last] = [*groups, rest] if rest.sm.smCount else groups
    contexts: list[Any] = []
    handles: dict[str, int] = {}
    for name, parts in resources.items():
        description = call(driver.cuDevResourceGenerateDesc, parts, len(parts))
        flags = driver.CUgreenCtxCreate_flags.CU_GREEN_CTX_DEFAULT_STREAM
        contexts.append(call(driver.cuGreenCtxCreate, description, device, flags))
        non_blocking = driver.CUstream_flags.CU_STREAM_NON_BLOCKING
        handles[name] = int(call(driver.cuGreenCtxStreamCreate, contexts[-1], non_blocking, 0))
    return contexts, handles
