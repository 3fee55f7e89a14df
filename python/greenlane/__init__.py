"""greenlane gives every inference engine in a process its own lane of the GPU.

>>> import greenlane as gl
>>> lanes = gl.partition("cpu", {"policy": 1})
>>> lanes["policy"].units
1
>>> lanes["policy"].close()

An engine is a compiled model (an AOTInductor ``.pt2`` package) or any module. A lane is an ordered queue on a part of
the device that no other lane has: SMs of a GPU, or cores of a CPU. Importing the package needs neither a GPU nor a
driver.
"""

from greenlane import _program

_program.become_program_if_asked()

# ruff: noqa: E402
from greenlane._aliases import install_torch_tensorrt_aliases
from greenlane._audit import Audit, AuditedEngine, AuditedKernel, StrayError, audit
from greenlane._bindings import (
    bind,
    clear_external_stream,
    get_external_stream,
    graph_report,
    is_external_stream_set,
    retune,
    set_external_stream,
)
from greenlane._devices import DeviceInfo, HardwareQueues, devices, hardware_queues
from greenlane._engines import Engine, load
from greenlane._gates import GateReport, gate_report
from greenlane._graphs import GraphInfo, GraphReport, Graphs, LongKernel, Outputs
from greenlane._lanes import REST, Lane, lane, partition
from greenlane._pipeline import Pipeline
from greenlane._pipeline_edges import PipelineSink, PipelineSource, PublishedItem, SinkResult, SourceStamp
from greenlane._pipeline_engine import PipelineEngine
from greenlane._pipeline_graph import PipelineGraph, capture, concurrently
from greenlane._pipeline_run import PipelineRun
from greenlane._planning import EngineProfile, GatedPoint, LatencyPoint, Plan, PlannedEngine, Profile, plan, profile
from greenlane._request_errors import RequestError
from greenlane._requests import Binding
from greenlane._stats import (
    DeviceStats,
    EdgeStats,
    EngineStats,
    GraphFigures,
    LatencyFigures,
    Miss,
    PathStats,
    PipelineStats,
    RunFigures,
    TenantStats,
)
from greenlane._streams import StreamLike, adopt, get_engine_stream_passthrough, set_engine_stream_passthrough
from greenlane._tensor_info import TensorInfo

__version__ = "0.1.0"

__all__ = [
    "REST",
    "Audit",
    "AuditedEngine",
    "AuditedKernel",
    "Binding",
    "DeviceInfo",
    "DeviceStats",
    "EdgeStats",
    "Engine",
    "EngineProfile",
    "EngineStats",
    "GateReport",
    "GatedPoint",
    "GraphFigures",
    "GraphInfo",
    "GraphReport",
    "Graphs",
    "HardwareQueues",
    "Lane",
    "LatencyFigures",
    "LatencyPoint",
    "LongKernel",
    "Miss",
    "Outputs",
    "PathStats",
    "Pipeline",
    "PipelineEngine",
    "PipelineGraph",
    "PipelineRun",
    "PipelineSink",
    "PipelineSource",
    "PipelineStats",
    "Plan",
    "PlannedEngine",
    "Profile",
    "PublishedItem",
    "RequestError",
    "RunFigures",
    "SinkResult",
    "SourceStamp",
    "StrayError",
    "StreamLike",
    "TenantStats",
    "TensorInfo",
    "adopt",
    "audit",
    "bind",
    "capture",
    "clear_external_stream",
    "concurrently",
    "devices",
    "gate_report",
    "get_engine_stream_passthrough",
    "get_external_stream",
    "graph_report",
    "hardware_queues",
    "install_torch_tensorrt_aliases",
    "is_external_stream_set",
    "lane",
    "load",
    "partition",
    "plan",
    "profile",
    "retune",
    "set_engine_stream_passthrough",
    "set_external_stream",
]
