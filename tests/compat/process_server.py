"""A process that has imported PyTorch, and forks one process for each program: process_server.py.

Reads one request a line (JSON: `code`, and the paths `stdout` and `stderr`), and writes the exit status of its process.
A new process has what a program has after `import torch`: nothing of greenlane, no lane, and no CUDA context. It ends
as each Python program does.
"""

import json
import os
import sys

import torch  # noqa: F401


def next_program() -> str | None:
    """Serves requests; returns in each forked process, with its code. Returns None after the last request."""
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            for descriptor, path in ((1, request["stdout"]), (2, request["stderr"])):
                file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                os.dup2(file, descriptor)
                os.close(file)
            null = os.open(os.devnull, os.O_RDONLY)
            os.dup2(null, 0)
            os.close(null)
            return str(request["code"])
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(status, flush=True)
    return None


def run(program: str) -> None:
    """Runs a program in an empty `__main__`, as `python -c` does."""
    sys.argv = ["-c"]
    compiled = compile(program, "<string>", "exec")
    names = sys.modules["__main__"].__dict__
    builtins = names["__builtins__"]
    names.clear()
    names.update(__name__="__main__", __builtins__=builtins)
    exec(compiled, names)


if __name__ == "__main__" and (program := next_program()) is not None:
    run(program)
