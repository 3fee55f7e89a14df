"""Compiles the models of ray_serve.py on the GPU of this machine: export_served.py FOLDER [NAME...].

`reranker`, `embedder` and `captions` are a transformer of 200 million parameters on 64, 32 and 14 texts: their requests
are small, and their runs are long. `detector` is a vision transformer of 86 million parameters on 64 tiles of a
picture.
"""

import sys
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "gates"))

import export

TEXTS = {"reranker": 64, "embedder": 32, "captions": 14}


class Texts(nn.Module):
    """A language model's blocks over tokens, and one score vector for each text."""

    def __init__(self) -> None:
        """Makes it with random weights."""
        super().__init__()
        self.words = nn.Embedding(1024, 1024)
        self.blocks = export.Large()
        self.head = nn.Linear(1024, 1000)

    def forward(self, tokens: Tensor) -> Tensor:
        """Returns a thousand scores for each text."""
        y: Tensor = self.head(self.blocks(self.words(tokens)).mean(1))
        return y


class Tiles(nn.Module):
    """A vision transformer on overlapping tiles of a picture of bytes."""

    def __init__(self) -> None:
        """Makes it with random weights."""
        super().__init__()
        self.vision = export.Vision()

    def forward(self, picture: Tensor) -> Tensor:
        """Returns a thousand scores for each tile."""
        tiles = (picture.half() / 255).unfold(1, 224, 16).unfold(2, 224, 16)
        y: Tensor = self.vision(tiles.permute(1, 2, 0, 3, 4).reshape(-1, 3, 224, 224))
        return y


def main() -> None:
    """Runs the program."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:] or [*TEXTS, "detector"]:
        if (folder / f"{name}.pt2").exists():
            continue
        torch.manual_seed(0)
        model = (Texts() if name in TEXTS else Tiles()).cuda().half().eval()
        export.repeat_weights(model)
        x = (
            torch.randint(0, 1024, (TEXTS[name], 256), device="cuda", dtype=torch.int32)
            if name in TEXTS
            else torch.randint(0, 256, (3, 336, 336), device="cuda", dtype=torch.uint8)
        )
        with torch.no_grad():
            program = torch.export.export(model, (x,))
            torch._inductor.aoti_compile_and_package(program, package_path=str(folder / f"{name}.pt2"))
        torch.save([x.cpu()], folder / f"{name}.inputs.pt")
        print(f"{name}: {sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters", flush=True)


if __name__ == "__main__":
    main()
