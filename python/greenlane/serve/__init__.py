"""Serves pipelines to clients on the network: a Ray Serve application that speaks the Open Inference Protocol.

``python -m greenlane.serve robot.toml --port 8000`` serves on this machine, and :func:`build` makes an application for
``ray.serve.run``. Needs ``pip install "greenlane[serve]"``.
"""

from greenlane.serve._build import build

__all__ = ["build"]
