"""Decoding with transformers' caches: a static cache has graphs, and another one says what to use instead."""

import gc
from typing import Any

import greenlane as gl
import pytest
import torch
from graph_checks import report

transformers = pytest.importorskip("transformers")

TOKENS = 40


def llama() -> Any:
    """Returns a small Llama with random weights."""
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=1000,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        pad_token_id=0,
        eos_token_id=None,
        bos_token_id=1,
    )
    return transformers.LlamaForCausalLM(config).cuda().eval()


def prompt(length: int = 12) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randint(2, 1000, (1, length), device="cuda")


def generate(model: Any, **options: Any) -> torch.Tensor:
    """Returns the tokens that the model gives to the prompt."""
    options = {"cache_implementation": "static", "disable_compile": True, **options}
    tokens: torch.Tensor = model.generate(prompt(), do_sample=False, max_new_tokens=TOKENS, **options)
    return tokens


@pytest.fixture
def lane() -> gl.Lane:
    return gl.partition("cuda:0", {"decoder": 48})["decoder"]


@torch.inference_mode()
def test_a_static_cache_decodes_from_a_graph(lane: gl.Lane) -> None:
    model = llama()
    wanted = generate(model)
    with gl.bind(model, lane, graphs="resident", tune_kernels=False):
        for _ in range(2):  # each has a cache of its own
            assert torch.equal(generate(model), wanted)
            assert max(each.replays for each in report(model).graphs) > TOKENS // 2
        assert report(model).obstacle == ""


@torch.inference_mode()
def test_one_cache_is_used_again_after_a_reset(lane: gl.Lane) -> None:
    model = llama()
    cache = transformers.StaticCache(config=model.config, max_cache_len=128)
    wanted = generate(model)
    with gl.bind(model, lane, graphs="resident"):
        for turn in range(3):
            cache.reset()
            tokens = generate(model, cache_implementation=None, past_key_values=cache)
            assert torch.equal(tokens, wanted), f"generation {turn} differs"
        assert len(report(model).graphs) <= 2, "the graph was captured anew for a cache that it knows"


@torch.inference_mode()
def test_a_step_gives_back_the_cache_that_it_was_given(lane: gl.Lane) -> None:
    model = llama()
    caches = [transformers.StaticCache(config=model.config, max_cache_len=64) for _ in range(2)]
    plain = [transformers.StaticCache(config=model.config, max_cache_len=64) for _ in range(2)]
    token = torch.full((1, 1), 5, device="cuda")
    wanted = [[model(token, past_key_values=cache).logits for cache in plain] for _ in range(8)]
    with gl.bind(model, lane, graphs="resident", tune_kernels=False):
        for step in range(8):
            for index, cache in enumerate(caches):
                output = model(token, past_key_values=cache)
                assert output.past_key_values is cache
                torch.testing.assert_close(output.logits, wanted[step][index], rtol=1e-3, atol=1e-3)
        assert len(report(model).graphs) == 2
    for one, other in zip(caches, plain, strict=True):
        torch.testing.assert_close(one.layers[0].keys, other.layers[0].keys, rtol=1e-3, atol=1e-3)
        assert int(one.get_seq_length()) == 8


@torch.inference_mode()
def test_the_memory_of_a_cache_goes_with_it(lane: gl.Lane) -> None:
    model = llama()
    token = torch.full((1, 1), 5, device="cuda")
    with gl.bind(model, lane, graphs="resident", tune_kernels=False):
        held = []
        for _ in range(12):
            cache = transformers.StaticCache(config=model.config, max_cache_len=4096)
            for _ in range(4):
                model(token, past_key_values=cache)
            del cache
            gc.collect()
            torch.cuda.synchronize()
            held.append(torch.cuda.memory_allocated())
        size = 4 * 2 * 2 * 4096 * 64 * 4  # layers, keys and values, heads, places, features, bytes
        assert held[-1] - held[3] < size, "caches that are gone keep their memory"


@torch.inference_mode()
def test_a_growing_cache_says_what_to_use_instead(lane: gl.Lane) -> None:
    model = llama()
    wanted = generate(model, cache_implementation=None)
    with (
        gl.bind(model, lane, graphs="resident"),
        pytest.warns(UserWarning, match=r"an argument is a DynamicCache.*pass a transformers\.StaticCache"),
    ):
        assert torch.equal(generate(model, cache_implementation=None), wanted)
