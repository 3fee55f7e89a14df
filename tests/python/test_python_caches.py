"""Caches of transformers in the arguments of modules with graphs, on a double of C++'s end that needs no GPU."""

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from greenlane import _module_graphs
from greenlane._tensors import tensors_in
from torch import Tensor, nn


class Layer:
    """Keys of one layer, which calls write to in place."""

    def __init__(self) -> None:
        self.keys = torch.zeros(4)
        self.length = torch.zeros(1, dtype=torch.int64)
        self.is_initialized = True


class Cache:
    """A cache as transformers have it."""

    def __init__(self) -> None:
        self.layers = [Layer(), Layer()]


class StaticCache(Cache):
    """A cache whose tensors stay."""


class DynamicCache(Cache):
    """A cache whose tensors grow."""


for kind in (Cache, StaticCache, DynamicCache):
    kind.__module__ = "transformers.cache_utils"


class Decoder(nn.Module):
    """A model that adds to its cache."""

    def forward(self, x: Tensor, cache: Any = None) -> dict[str, Any]:
        """Returns the sum of everything that the cache was given."""
        for layer in cache.layers:
            layer.keys.add_(x)
            layer.length.add_(1)
        return {"sum": cache.layers[0].keys + 0, "cache": cache}


class Binding:
    """A double of a binding with graphs."""

    def name(self) -> str:
        """Returns the module's name."""
        return "decoder"


class Call:
    """A double of C++'s call: the first call of a variant runs as it is, later ones are captured."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.patch = monkeypatch
        self.calls: dict[int, int] = {}
        self.forgotten: list[int] = []
        self.outputs: dict[int, list[Tensor]] = {}

    def close_gate(self) -> None:
        """Nobody is urgent."""

    def forget(self, variant: int) -> None:
        """Notes that a variant is not called again."""
        self.forgotten.append(variant)

    def run_graphs(self, model: Callable[[list[Tensor]], list[Tensor]], tensors: list[Tensor], variant: int) -> Any:
        """Runs one call."""
        self.calls[variant] = self.calls.get(variant, 0) + 1
        if self.calls[variant] == 1:
            return model(tensors)
        with self.patch.context() as patched:
            patched.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
            return model(tensors)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Call:
    class Model:
        def __init__(self, function: Callable[[list[Tensor]], list[Tensor]]) -> None:
            self.function = function

        def call(self, native: Callable[[Any], Any]) -> Any:
            return native(self.function)

    monkeypatch.setattr(_module_graphs, "Model", Model)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    return Call(monkeypatch)


@pytest.fixture
def graphs() -> tuple[Decoder, _module_graphs.ModuleGraphs]:
    model = Decoder()
    return model, _module_graphs.ModuleGraphs(model, Binding(), lambda inner: False)


def step(graphs: tuple[Decoder, _module_graphs.ModuleGraphs], call: Call, cache: Any) -> dict[str, Any]:
    with torch.inference_mode():
        result: dict[str, Any] = graphs[1].run(call, graphs[0].forward, (torch.ones(4),), {"cache": cache})
    return result


def steps(graphs: Any, call: Call, cache: Any, count: int) -> list[dict[str, Any]]:
    return [step(graphs, call, cache) for _ in range(count)]


def test_calls_with_one_static_cache_share_a_graph(graphs: Any, call: Call) -> None:
    cache = StaticCache()
    for turn in range(5):
        result = step(graphs, call, cache)
        assert result["cache"] is cache
        assert torch.equal(result["sum"], torch.full((4,), turn + 1.0))
    assert list(call.calls.values()) == [5]
    assert graphs[1].obstacle == ""


def test_each_static_cache_has_its_own_graph_which_goes_with_it(graphs: Any, call: Call) -> None:
    caches = [StaticCache(), StaticCache()]
    for _ in range(3):
        for cache in caches:
            assert step(graphs, call, cache)["cache"] is cache
    assert list(call.calls.values()) == [3, 3]
    first = next(iter(call.calls))
    del caches[0], cache
    gc.collect()
    step(graphs, call, caches[0])
    assert call.forgotten == [first]
    assert first not in graphs[1]._results


def test_a_cache_with_other_tensors_has_another_graph(graphs: Any, call: Call) -> None:
    cache = StaticCache()
    for _ in range(3):
        step(graphs, call, cache)
    cache.layers[1].keys = torch.zeros(4)
    step(graphs, call, cache)
    assert list(call.calls.values()) == [3, 1]


def test_a_static_cache_that_counts_on_the_host_is_refused(graphs: Any, call: Call) -> None:
    """A graph would not count."""
    cache = StaticCache()

    class Counts(Decoder):
        def forward(self, x: Tensor, cache: Any = None) -> dict[str, Any]:
            cache.layers[0].position = getattr(cache.layers[0], "position", 0) + 1
            return super().forward(x, cache)

    model = Counts()
    counting = (model, _module_graphs.ModuleGraphs(model, Binding(), lambda inner: False))
    with pytest.warns(UserWarning, match=r"a call changes 'layers\.0\.position'"):
        steps(counting, call, cache, 8)
    assert max(call.calls.values()) == 1
    assert cache.layers[0].position == 8  # type: ignore[attr-defined]


def test_a_growing_cache_says_what_to_use_instead(graphs: Any, call: Call) -> None:
    cache = DynamicCache()
    with pytest.warns(UserWarning, match=r"a DynamicCache, .*pass a transformers\.StaticCache"):
        results = steps(graphs, call, cache, 3)
    assert [int(each["sum"][0]) for each in results] == [1, 2, 3]
    assert call.calls == {}


def test_the_tensors_of_a_cache_are_arguments() -> None:
    cache = StaticCache()
    assert [id(each) for each in tensors_in(({"cache": cache},))] == [
        id(each) for layer in cache.layers for each in (layer.keys, layer.length)
    ]


def test_the_tensors_of_caches_of_other_forms_are_found() -> None:
    pair = type(
        "EncoderDecoderCache", (Cache,), {"__module__": "transformers.cache_utils", "__init__": lambda self: None}
    )
    cache: Any = pair()
    cache.self_attention_cache, cache.cross_attention_cache = StaticCache(), DynamicCache()
    assert len(list(tensors_in([cache]))) == 8
    old: Any = pair()
    old.key_cache, old.value_cache = [torch.zeros(1), None], [torch.ones(1)]
    assert len(list(tensors_in([old]))) == 2


def test_a_cache_outlives_its_module_without_keeping_it(call: Call) -> None:
    model = Decoder()
    graphs = (model, _module_graphs.ModuleGraphs(model, Binding(), lambda inner: False))
    cache = StaticCache()
    step(graphs, call, cache)
    gone = weakref.ref(graphs[1])
    del graphs, model
    gc.collect()
    assert gone() is None
    del cache
    gc.collect()


def test_a_class_of_the_same_name_is_no_cache(graphs: Any, call: Call) -> None:
    other = type("StaticCache", (), {"__module__": "mine", "layers": [Layer()]})
    with pytest.warns(UserWarning, match="an argument is a StaticCache, which may change without notice"):
        step(graphs, call, other())
    assert call.calls == {}
