"""Measures decoding with a static cache: static_cache.py OUT.json

A Llama of the size of Llama 3.2 1B, with random weights in bfloat16, generates tokens on a lane of half of the device.
Calls as they are and calls from a resident graph take turns. The tokens must be the same.
"""

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import greenlane as gl
import torch
import transformers

SHORT, LONG = 8, 136
TURNS = 3


def llama() -> Any:
    """Returns the model."""
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=128256,
        hidden_size=2048,
        intermediate_size=8192,
        num_hidden_layers=16,
        num_attention_heads=32,
        num_key_value_heads=8,
        max_position_embeddings=4096,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=None,
    )
    with torch.device("cuda"):
        return transformers.LlamaForCausalLM(config).to(torch.bfloat16).eval()


def timed(model: Any, cache: Any, prompt: torch.Tensor, tokens: int) -> tuple[float, torch.Tensor]:
    """Returns the seconds of a generation, and its tokens."""
    cache.reset()
    torch.cuda.synchronize()
    begin = time.perf_counter()
    made = model.generate(prompt, past_key_values=cache, do_sample=False, max_new_tokens=tokens, disable_compile=True)
    torch.cuda.synchronize()
    return time.perf_counter() - begin, made


@torch.inference_mode()
def main() -> None:
    """Runs the program."""
    model, prompt = llama(), torch.randint(2, 128000, (1, 32), device="cuda")
    half = gl.devices()[0].units // 2
    lane = gl.partition("cuda:0", {"decoder": half})["decoder"]
    caches = {
        graphs: transformers.StaticCache(config=model.config, max_cache_len=256) for graphs in ("off", "resident")
    }
    milliseconds: dict[str, list[float]] = {graphs: [] for graphs in caches}
    tokens: dict[str, torch.Tensor] = {}
    replays = 0
    for turn in range(TURNS + 1):
        for graphs, cache in caches.items():
            with gl.bind(model, lane, graphs=graphs):
                timed(model, cache, prompt, SHORT)  # captures
                short, _ = timed(model, cache, prompt, SHORT)
                long, tokens[graphs] = timed(model, cache, prompt, LONG)
                report = gl.graph_report(model)
                replays = report.graphs[0].replays if report is not None and report.graphs else replays
            if turn > 0:
                milliseconds[graphs].append(1e3 * (long - short) / (LONG - SHORT))
    result = {
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "units": lane.units,
        "parameters": sum(each.numel() for each in model.parameters()),
        "ms_per_token": milliseconds,
        "ratio": statistics.median(milliseconds["resident"]) / statistics.median(milliseconds["off"]),
        "same_tokens": bool(torch.equal(tokens["off"], tokens["resident"])),
        "replays": replays,
    }
    print(json.dumps(result))
    Path(sys.argv[1]).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
