"""Rules for includes and calls: dependencies point down only, and delicate code stands in one place."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SUFFIXES = {".cpp", ".hpp", ".in"}
LAYERS = ("driver", "text", "core", "planner", "torch", "audit", "runtime", "cli")
PYTORCH = re.compile(r"(torch|ATen|c10|caffe2)/")


def sources(*folders: str) -> list[Path]:
    """Returns the C++ files below folders of the checkout; an empty folder is a mistake in a test."""
    found: list[Path] = []
    for folder in folders:
        files = [path for path in sorted((ROOT / folder).rglob("*")) if path.suffix in SUFFIXES]
        assert files, f"no sources in {folder}"
        found += files
    return found


def everywhere() -> list[Path]:
    """Returns the C++ files that make up the product."""
    return sources("include", "src", "bindings")


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def code_of(file: Path) -> str:
    """Returns the text without comments; strings stay."""
    text = re.sub(r"/\*.*?\*/", "", file.read_text(), flags=re.DOTALL)
    return re.sub(r"(^|\s)//[^\n]*", r"\1", text)


def includes(file: Path) -> list[str]:
    """Returns the headers that a file includes, without brackets or quotes."""
    return re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', file.read_text(), re.MULTILINE)


def forbidden_includes(files: list[Path], forbidden: Callable[[str], object]) -> list[str]:
    return [f"{name_of(file)}: {header}" for file in files for header in includes(file) if forbidden(header)]


def files_with(files: list[Path], pattern: str) -> set[str]:
    return {name_of(file) for file in files if re.search(pattern, code_of(file))}


def without(files: list[Path], *names: str) -> list[Path]:
    """Returns all files except these, which must be among them."""
    known = {name_of(file) for file in files}
    assert set(names) <= known, set(names) - known
    return [file for file in files if name_of(file) not in names]


def test_sources_and_their_includes_are_found() -> None:
    assert len(everywhere()) > 40
    assert sum(len(includes(file)) for file in everywhere()) > 200
    with pytest.raises(AssertionError, match="no sources in nowhere"):
        sources("nowhere")


def test_the_driver_table_includes_nothing_of_greenlane() -> None:
    def forbidden(header: str) -> bool:
        return header.startswith(("greenlane/", *(f"{layer}/" for layer in LAYERS if layer != "driver")))

    assert forbidden_includes(sources("src/driver"), forbidden) == []


def test_core_includes_no_higher_layer() -> None:
    above = re.compile(r"(greenlane/(detail/)?)?(planner|torch|audit|runtime|cli)/|nlohmann|toml|CLI/")
    core = sources("include/greenlane/core", "include/greenlane/detail/core", "src/core")
    assert forbidden_includes(core, lambda header: PYTORCH.match(header) or above.match(header)) == []


def test_core_includes_no_cuda_runtime() -> None:
    assert (
        forbidden_includes(
            sources("include/greenlane/core", "include/greenlane/detail/core", "src/core", "src/driver"),
            re.compile("cuda_runtime").match,
        )
        == []
    )


def test_text_includes_nothing_of_greenlane() -> None:
    above = tuple(f"{layer}/" for layer in LAYERS if layer != "text")
    assert forbidden_includes(sources("src/text"), lambda header: header.startswith(("greenlane/", *above))) == []


def test_the_planner_includes_only_errors_units_and_the_rule_of_short_calls() -> None:
    core = {"greenlane/core/error.hpp", "greenlane/core/units.hpp", "greenlane/detail/core/short_call.hpp"}
    allowed = core | {"fmt/format.h"}

    def forbidden(header: str) -> bool:
        ours = header.startswith(("planner/", "greenlane/detail/planner/"))
        standard = "/" not in header
        return not (ours or standard or header in allowed)

    assert forbidden_includes(sources("include/greenlane/detail/planner", "src/planner"), forbidden) == []


def test_the_audit_includes_no_runtime() -> None:
    above = re.compile(r"(greenlane/(detail/)?)?(planner|runtime|cli)/")
    assert forbidden_includes(sources("include/greenlane/audit", "src/audit"), above.match) == []


def test_public_classes_have_one_friend() -> None:
    public = re.compile(r"^\s*friend (class|struct|void|std::)[^\n]*", re.MULTILINE)
    nested = {"class StreamBinding", "class Gate", "class UrgentEngine"}  # a call's friend is the class around it
    friends = {
        match[0].strip().removeprefix("friend ").rstrip(";")
        for file in sources("include")
        for match in public.finditer(code_of(file))
    }
    assert friends - nested == {"struct detail::Access"}


def test_public_headers_include_public_headers_only() -> None:
    internal = re.compile("(" + "|".join(LAYERS) + ")/")
    assert forbidden_includes(sources("include"), internal.match) == []


def test_the_torch_layer_includes_no_higher_layer() -> None:
    above = re.compile(r"(greenlane/(detail/)?)?(planner|audit|runtime|cli)/")
    torch = sources("include/greenlane/torch", "include/greenlane/detail/torch", "src/torch")
    assert forbidden_includes(torch, above.match) == []


def test_few_files_of_the_runtime_include_pytorch() -> None:
    files = without(
        sources("include/greenlane/detail/runtime", "src/runtime"),
        "src/runtime/aoti_workload.cpp",
        "src/runtime/batches.cpp",
        "src/runtime/batches.hpp",
        "src/runtime/edge_examples.cpp",
        "src/runtime/edge_examples.hpp",
        "src/runtime/edges.cpp",
        "src/runtime/engine_workload.hpp",
        "src/runtime/expected_outputs.cpp",
        "src/runtime/expected_outputs.hpp",
        "src/runtime/input_slots.cpp",
        "src/runtime/input_slots.hpp",
        "src/runtime/module_workload.cpp",
        "src/runtime/module_workload.hpp",
        "src/runtime/pipeline.cpp",
        "src/runtime/rehearsal_edges.cpp",
        "src/runtime/rehearsal_edges.hpp",
        "src/runtime/tensor_payload.cpp",
        "src/runtime/tensor_payload.hpp",
        "src/runtime/tensor_copy.hpp",
        "src/runtime/tensor_source.cpp",
        "src/runtime/tensor_source.hpp",
        "src/runtime/tensor_workload.cpp",
        "src/runtime/tensor_workload.hpp",
    )

    def forbidden(file: Path, header: str) -> bool:
        without_pytorch = {
            "src/runtime/plan/planned_device.cpp": "greenlane/detail/torch/versions.hpp",
            "src/runtime/pipeline_stats.cpp": "greenlane/torch/tensor_io.hpp",
            "src/runtime/loaded_pipeline.cpp": "greenlane/torch/tensor_io.hpp",
            "src/runtime/memory_use.cpp": "greenlane/torch/tensor_io.hpp",
            "src/runtime/placed_pipeline.cpp": "greenlane/torch/tensor_io.hpp",
            "src/runtime/report.cpp": "greenlane/detail/torch/versions.hpp",
        }
        if without_pytorch.get(name_of(file)) == header:
            return False
        return header.startswith(("greenlane/torch/", "greenlane/detail/torch/")) or bool(PYTORCH.match(header))

    assert [f"{name_of(f)}: {header}" for f in files for header in includes(f) if forbidden(f, header)] == []


def test_the_program_includes_no_internals() -> None:
    assert (
        forbidden_includes(
            sources("src/cli"), re.compile(r"greenlane/(detail/)?torch/|(torch|ATen|c10|caffe2|driver|core)/").match
        )
        == []
    )


def test_only_the_commands_of_the_program_include_the_runtime() -> None:
    """The program starts without PyTorch: it parses, and loads the commands. They do not parse."""
    folder = "src/cli/commands/"
    program = [file for file in sources("src/cli") if not name_of(file).startswith(folder)]
    without_pytorch = {"greenlane/detail/runtime/device_json.hpp", "runtime/metrics/endpoint_address.hpp"}
    above = re.compile(r"(greenlane/(detail/)?)?(planner|torch|audit|runtime)/|cli/commands/")
    assert forbidden_includes(program, lambda header: above.match(header) and header not in without_pytorch) == []
    assert forbidden_includes(sources(folder), re.compile("CLI/").match) == []


def test_no_library_includes_the_program_or_the_bindings() -> None:
    assert (
        forbidden_includes(
            sources("include", *(f"src/{layer}" for layer in LAYERS if layer != "cli")),
            re.compile("cli/|bindings/").match,
        )
        == []
    )


def test_only_the_driver_table_looks_up_libcuda() -> None:
    # These look up functions of other libraries: CUPTI's, OpenMP's and the program's own.
    outside = without(everywhere(), "src/audit/cupti_table.cpp", "src/core/cpu/openmp.cpp", "src/cli/load_commands.cpp")
    outside = [file for file in outside if not name_of(file).startswith("src/driver/")]
    assert files_with(sources("src/driver"), r"\bdlopen\b")
    assert files_with(sources("src/driver"), r"\bdlsym\b")
    assert files_with(outside, r"\bdlsym\b|cuGetProcAddress|\bdlopen\s*\([^;]*libcuda") == set()


def test_only_the_recorder_includes_cupti() -> None:
    users = {name_of(file) for file in everywhere() if any("cupti" in header for header in includes(file))}
    folder = "src/audit/"
    assert users == {folder + "cupti_recorder.cpp", folder + "cupti_table.cpp", folder + "cupti_table.hpp"}


def test_only_the_cuda_backend_uses_the_driver_table() -> None:
    def users() -> Iterator[str]:
        for file in everywhere():
            if "driver/table.hpp" in includes(file):
                yield name_of(file)

    assert list(users())
    assert [name for name in users() if not name.startswith(("src/driver/", "src/core/cuda/"))] == []


def test_one_file_registers_everything_with_pytorch() -> None:
    hook = {"src/torch/tensorrt/execute_engine.cpp"}  # a kernel for an operator of Torch-TensorRT
    assert files_with(everywhere(), r"\bTORCH_LIBRARY(_IMPL|_FRAGMENT)?\s*\(") == {"bindings/torchbind.cpp"} | hook


def test_every_file_of_bindings_is_registered_in_that_file() -> None:
    without_classes = {"interrupt", "mailbox", "pipeline_stats", "refusal", "waitable"}
    files = {file.stem for file in sources("bindings") if file.suffix == ".cpp"} - {"torchbind"} - without_classes
    assert files
    assert {file.stem for file in sources("bindings") if file.suffix == ".hpp"} - without_classes == files
    registering = code_of(ROOT / "bindings/torchbind.cpp")
    assert set(re.findall(r"register_(\w+)\(library\);", registering)) == files


def test_only_one_file_reads_version_macros() -> None:
    fence = r"\b(TORCH_VERSION\w*|CUDA_VERSION|CUDART_VERSION)\b"
    assert files_with(everywhere(), fence) == {"src/torch/versions.cpp"}


def test_every_header_has_an_include_guard() -> None:
    headers = [file for file in everywhere() if file.suffix == ".hpp"]
    assert [name_of(file) for file in headers if "#pragma once" not in file.read_text()] == []


def test_tests_mirror_the_layers() -> None:
    for layer in LAYERS:
        tests = [*(ROOT / "tests" / layer).rglob("*_test.cpp"), *(ROOT / "tests" / layer).rglob("test_*.py")]
        assert tests, f"no tests in tests/{layer}"


def test_few_tests_of_the_runtime_include_pytorch() -> None:
    """Those of an interface with tensors do."""
    assert (
        forbidden_includes(
            without(
                sources("tests/runtime"),
                "tests/runtime/pipeline_edges_test.cpp",
                "tests/runtime/pipeline_test.cpp",
                "tests/runtime/tensor_workload_test.cpp",
            ),
            lambda h: PYTORCH.match(h) or h.startswith(("greenlane/torch/", "greenlane/detail/torch/")),
        )
        == []
    )


def test_every_source_has_a_header_of_its_name() -> None:
    entry_points = {
        "cli/main",
        "torch/execute_engine",  # PyTorch gets this one and the next when the library is loaded
        "torch/methods",
    }
    alternatives = {"audit/cupti_recorder", "audit/no_recorder"}  # CMake chooses one for recorder.hpp

    def names(top: str, suffix: str) -> set[str]:
        """Returns the layer and the name of each file: `core/lane`."""
        files = [file.relative_to(ROOT / top) for file in sources(top) if file.suffix == suffix]
        return {f"{file.parts[0]}/{file.stem}" for file in files}

    headers = names("src", ".hpp") | names("include/greenlane", ".hpp") | names("include/greenlane/detail", ".hpp")
    assert names("src", ".cpp") - headers == entry_points | alternatives


def test_a_source_list_names_one_file_a_line() -> None:
    folders = [ROOT / name for name in ("src", "tests", "bench", "bindings", "examples")]
    lists = [ROOT / "CMakeLists.txt", *(file for folder in folders for file in folder.rglob("CMakeLists.txt"))]
    crowded = [
        f"{name_of(file)}: {line.strip()}"
        for file in lists
        for line in file.read_text().splitlines()
        if len(re.findall(r"[\w/]+\.cpp\b", line)) > 1
    ]
    assert crowded == []
