"""Uses an installed greenlane as its README does: lanes, a module on a lane, and a module bound to one.

It needs nothing but the package: no compiler and no checkout. A program, and not a test of pytest, because it runs in
environments that have nothing else.
"""

import greenlane as gl
import torch

model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)).eval()
x = torch.randn(4, 8)
expected = model(x)

device = gl.devices()[-1]
assert device.id == "cpu", device
lanes = gl.partition("cpu", {"policy": 1})
with gl.bind(model, lanes["policy"]):
    assert torch.equal(model(x), expected)
lanes["policy"].close()
print(f"greenlane {gl.__version__} works beside PyTorch {torch.__version__}")
