"""The wheel for the PyTorch of this environment, as a user sees it who has neither a compiler nor a checkout."""

import os
import re
import subprocess
import sys
from email.parser import Parser
from pathlib import Path

import pytest
import torch

from install.commands import run

ROOT = Path(__file__).resolve().parents[2]
ROBOT = ROOT / "examples" / "robot"
MINOR = ".".join(torch.__version__.split(".")[:2])


@pytest.fixture(scope="module")
def wheel() -> Path:
    """The wheel, built as `make wheels` builds it."""
    # The compiler's name in build/: ccache then knows the objects of these sources.
    compiler = {**os.environ, "CXX": os.environ.get("CXX", "c++")}
    run(ROOT / "tools" / "wheels.sh", torch.__version__.partition("+")[0], env=compiler)
    (wheel,) = (ROOT / "dist").glob(f"greenlane-*+torch{MINOR}-*.whl")
    return wheel


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the wheel was installed beside PyTorch and CUDA's libraries."""
    site = tmp_path_factory.mktemp("site")
    run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", site, wheel)
    packages = Path(torch.__file__).parents[1]
    for path in packages.iterdir():
        if not (site / path.name).exists():
            (site / path.name).symlink_to(path)
    return site


@pytest.fixture(scope="module")
def site_alone(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the wheel was installed alone, as in a virtual environment that sees the system's PyTorch."""
    site = tmp_path_factory.mktemp("alone")
    run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", site, wheel)
    return site


@pytest.fixture
def env(site: Path) -> dict[str, str]:
    return {
        "PYTHONPATH": str(site),
        "PATH": f"{site / 'bin'}:{os.environ['PATH']}",
        "HOME": os.environ.get("HOME", "/"),
    }


def test_the_command_works_in_a_folder_with_a_space(wheel: Path, tmp_path: Path) -> None:
    venv = tmp_path / "an environment"
    run(sys.executable, "-m", "venv", venv)
    run(venv / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-deps", wheel)
    assert "greenlane" in run(venv / "bin" / "greenlane", "--version")


def test_the_wheel_is_for_one_pytorch_and_any_python(wheel: Path, site: Path) -> None:
    assert re.fullmatch(rf"greenlane-[0-9.]+\+torch{MINOR}-py3-none-manylinux_2_\d+_x86_64\.whl", wheel.name), (
        wheel.name
    )
    (metadata,) = site.glob("greenlane-*.dist-info/METADATA")
    headers = Parser().parsestr(metadata.read_text())
    (of_torch,) = Path(torch.__file__).parents[1].glob("torch-*.dist-info/METADATA")
    assert headers["Requires-Python"] == Parser().parsestr(of_torch.read_text())["Requires-Python"]
    requirements = headers.get_all("Requires-Dist") or []
    assert [each for each in requirements if "extra ==" not in each] == [f"torch=={MINOR}.*"]


def test_the_package_uses_the_library_inside(site: Path, env: dict[str, str], tmp_path: Path) -> None:
    code = "import greenlane as gl; print(gl.__file__); print(gl._native.library); print(gl.devices()[-1].id)"
    file, library, device = run(sys.executable, "-c", code, cwd=tmp_path, env=env).split()
    assert Path(file).is_relative_to(site)
    assert Path(library).is_relative_to(site)
    assert device == "cpu"


@pytest.mark.parametrize("command", [("greenlane",), (sys.executable, "-m", "greenlane")], ids=["command", "module"])
def test_the_program_runs_a_pipeline(command: tuple[str, ...], env: dict[str, str], tmp_path: Path) -> None:
    out = run(*command, "run", ROBOT / "robot.toml", "--seconds", "1", "--check", cwd=tmp_path, env=env)
    assert re.search(r"^ *policy .* ok$", out, re.M), out


def test_python_becomes_the_program_before_it_loads_pytorch(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise SystemExit('PyTorch was imported')\n")
    ahead = {**env, "PYTHONPATH": f"{tmp_path}:{env['PYTHONPATH']}"}
    assert "cpu" in run(sys.executable, "-m", "greenlane", "devices", cwd=tmp_path, env=ahead)


def test_the_command_finds_the_program_through_a_link(site: Path, tmp_path: Path) -> None:
    """Programs such as pipx put a link into a folder of the PATH."""
    (tmp_path / "greenlane").symlink_to(site / "bin" / "greenlane")
    assert "greenlane" in run(tmp_path / "greenlane", "--version", env={"PYTHONPATH": str(site)})


@pytest.mark.parametrize("command", [("greenlane",), (sys.executable, "-m", "greenlane")], ids=["command", "module"])
def test_the_program_finds_a_pytorch_that_is_not_beside_it(
    command: tuple[str, ...], site_alone: Path, tmp_path: Path
) -> None:
    env = {"PYTHONPATH": str(site_alone), "PATH": f"{site_alone / 'bin'}:{os.environ['PATH']}"}
    out = run(*command, "run", ROBOT / "robot.toml", "--seconds", "1", cwd=tmp_path, env=env)
    assert re.search(r"^ *policy ", out, re.M), out


def test_another_pytorch_is_refused_by_its_version(site_alone: Path, tmp_path: Path) -> None:
    """A PyTorch whose functions have other names: the loader would end the process."""
    other = tmp_path / "torch" / "lib"
    other.mkdir(parents=True)
    for name in ("libc10.so", "libc10_cuda.so", "libtorch_cpu.so"):
        run("c++", "-shared", "-nostdlib", "-x", "c", "/dev/null", f"-Wl,-soname,{name}", "-o", other / name)
    packages = Path(torch.__file__).parents[1]
    for name in ("torch/lib/libgomp.so.1", "nvidia/cu13/lib/libcudart.so.13"):
        (tmp_path / Path(name).name).symlink_to(packages / name)
    env = {"PYTHONPATH": str(site_alone), "GREENLANE_TORCH_DIR": str(other.parent), "LD_LIBRARY_PATH": str(tmp_path)}
    program = [sys.executable, "-m", "greenlane", "run", str(ROBOT / "robot.toml")]
    result = subprocess.run(program, capture_output=True, text=True, env=env, cwd=tmp_path)
    assert result.returncode == 1, result
    assert "undefined symbol" in result.stderr
    assert f"install PyTorch {MINOR}" in result.stderr


def test_a_cpp_project_finds_it_in_the_wheel(site: Path, tmp_path: Path) -> None:
    """find_package(greenlane) with the package's folder as a prefix: headers, libraries and PyTorch beside them."""
    consumer = ROOT / "tests" / "install" / "consumer"
    prefix = f"-DCMAKE_PREFIX_PATH={site / 'greenlane'}"
    out = run("cmake", "-S", consumer, "-B", tmp_path, "-G", "Ninja", prefix, f"-DEXAMPLES={ROOT / 'examples'}")
    assert f"in {site}/torch" in out
    run("cmake", "--build", tmp_path, "--target", "core_only", "embed")
    assert ": 42" in run(tmp_path / "core_only")
