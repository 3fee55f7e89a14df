"""The values that feedback begins with."""

from torch import Tensor

from greenlane.leapp._description import Description, Port
from greenlane.leapp._error import LeappError, first_line, installed, plain, shown
from greenlane.leapp._wiring import Wiring, name_of

_AGAIN = "export the pipeline again with LEAPP"


def initial_values(description: Description, wiring: Wiring) -> dict[Port, Tensor]:
    """Returns the initial value of each input that feedback feeds.

    :raises LeappError: values are missing or do not fit, or safetensors is not installed.
    """
    fed = [port for port, feed in wiring.items() if feed.kind == "feedback"]
    if not fed:
        return {}
    file = description.initial_values
    if file is None:
        raise LeappError(shown(description.file), "'pipeline' has feedback, but no file of 'initial_values'", _AGAIN)
    load_file = installed("safetensors.torch").load_file
    try:
        values: dict[str, Tensor] = load_file(str(file))
    except Exception as error:  # safetensors has errors of its own
        why = first_line(error) if file.exists() else "there is no such file"
        raise LeappError(
            f"the initial values {shown(file)} cannot be read", why, f"copy the whole folder of LEAPP, or {_AGAIN}"
        ) from None
    found: dict[Port, Tensor] = {}
    for port in fed:
        name = name_of(description, port)
        wanted = description.nodes[port.node].inputs[port.number]
        if name not in values:
            raise LeappError(shown(file), f"there is no initial value of the input {shown(name)}", _AGAIN)
        value = values[name]
        if (value.dtype, tuple(value.shape)) != (wanted.dtype, wanted.shape):
            given = f"{str(value.dtype).removeprefix('torch.')} {plain(list(value.shape))}"
            raise LeappError(
                shown(file), f"the initial value of the input {shown(name)} is {given}, and must be {wanted}", _AGAIN
            )
        found[port] = value
    _check_shared(description, wiring, found)
    return found


def _check_shared(description: Description, wiring: Wiring, values: dict[Port, Tensor]) -> None:
    """Refuses two initial values of one output at one consumer: greenlane has one edge for both."""
    seen: dict[tuple[str, Port], Port] = {}
    for port, value in values.items():
        output = wiring[port].output
        assert output is not None
        first = seen.setdefault((port.node, output), port)
        if not _is_equal(values[first], value):
            raise LeappError(
                shown(description.file),
                f"the inputs {shown(name_of(description, first))} and {shown(name_of(description, port))} take one "
                "output, but begin with different values",
                "give the node two outputs and export again",
            )


def _is_equal(one: Tensor, other: Tensor) -> bool:
    return bool(((one == other) | ((one != one) & (other != other))).all())
