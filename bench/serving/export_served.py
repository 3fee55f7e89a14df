"""Compiles the models of ray_serve.py on the GPU of this machine: export_served.py FOLDER [NAME...].

`camera` and `detector` are vision transformers of 86 million parameters, on four pictures and on one. `captions` is a
transformer of 200 million parameters whose requests are small and whose runs are long.
"""

import sys
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "gates"))

import export


class Captions(nn.Module):
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


def main() -> None:
    """Runs the program."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    wanted = sys.argv[2:] or ["camera", "detector", "captions"]
    for name in wanted:
        if (folder / f"{name}.pt2").exists():
            continue
        torch.manual_seed(0)
        model = (Captions() if name == "captions" else export.Vision()).cuda().half().eval()
        export.repeat_weights(model)
        pictures = 4 if name == "camera" else 1
        x = (
            torch.randint(0, 1024, (32, 256), device="cuda")
            if name == "captions"
            else torch.randn(pictures, 3, 224, 224, device="cuda", dtype=torch.half)
        )
        with torch.no_grad():
            program = torch.export.export(model, (x,))
            torch._inductor.aoti_compile_and_package(program, package_path=str(folder / f"{name}.pt2"))
        torch.save([x.cpu()], folder / f"{name}.inputs.pt")
        print(f"{name}: {sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters", flush=True)


if __name__ == "__main__":
    main()
