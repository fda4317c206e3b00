"""What `import vmiostat` offers: the public names and no others, each with a type."""

import ast
import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import vmiostat
from vmiostat import Domain, Host, Poller, as_psutil
from vmiostat.polling.poller import PollInto

PACKAGE = Path(vmiostat.__file__)
LAZY = ("BLOCK_DTYPE", "INTERFACE_DTYPE", "BlockSource", "LibvirtConnection", "OnDemand")
USE = "\n".join(["import vmiostat", *(f"from vmiostat import {name}" for name in dir(vmiostat))])


def test_dir_is_what_is_public() -> None:
    assert dir(vmiostat) == sorted({*vmiostat.__all__, "BLOCK_DTYPE", "INTERFACE_DTYPE"})
    assert not [name for name in dir(vmiostat) if name.startswith("_") and name != "__version__"]
    for name in dir(vmiostat):
        assert getattr(vmiostat, name) is not None
    assert set(LAZY) <= set(dir(vmiostat))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = vmiostat.nonsense


def test_each_name_has_a_type() -> None:
    """Also those that are imported at their first use: a type checker sees the imports of TYPE_CHECKING."""
    imported = {
        alias.asname or alias.name
        for node in ast.walk(ast.parse(PACKAGE.read_text()))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert set(dir(vmiostat)) <= imported


@pytest.mark.parametrize("name", [name for name in dir(vmiostat) if isinstance(getattr(vmiostat, name), type)])
def test_each_class_is_documented_with_its_public_methods(name: str) -> None:
    kind = getattr(vmiostat, name)
    assert kind.__doc__
    if kind.__module__ == "vmiostat._core" or issubclass(kind, Exception):
        return
    members = [member for member in vars(kind) if not member.startswith("_")]
    fields = getattr(kind, "__dataclass_fields__", {})  # in the class's own text: see test_model
    assert [member for member in members if member not in fields and not inspect.getdoc(getattr(kind, member))] == []


@pytest.mark.parametrize("call", [Host, Host.domains, Host.domain, Host.poller, Host.follow, Host.watch, as_psutil])
def test_each_parameter_of_host_is_documented(call: Callable[..., object]) -> None:
    check_parameters(call)


@pytest.mark.parametrize(
    "call", [Poller, Poller.samples, Poller.query, Poller.problem, Poller.replan, PollInto.__call__]
)
def test_each_parameter_of_a_poller_is_documented(call: Callable[..., object]) -> None:
    check_parameters(call)


@pytest.mark.parametrize("call", [Domain.block_stats, Domain.interface_stats])
def test_each_parameter_of_a_domain_is_documented(call: Callable[..., object]) -> None:
    check_parameters(call)


def check_parameters(call: Callable[..., object]) -> None:
    _, heading, rest = (inspect.getdoc(call) or "").partition("Parameters\n----------\n")
    section = rest.partition("\n\n")[0]
    headings = [line.partition(" : ")[0] for line in section.splitlines() if line and not line.startswith(" ")]
    parameters = [name for name in inspect.signature(call).parameters if name != "self"]
    assert heading
    assert ", ".join(headings).split(", ") == parameters


@pytest.mark.parametrize("name", ["BLOCK_DTYPE", "INTERFACE_DTYPE"])
def test_without_numpy_only_what_needs_it_is_missing(name: str) -> None:
    program = (
        "import sys; sys.modules['numpy'] = None\n"
        "from vmiostat import *\n"
        "assert Host and OnDemand\n"
        f"try:\n    from vmiostat import {name}\n"
        "except ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("vmiostat.BLOCK_DTYPE and INTERFACE_DTYPE need numpy, which is not installed")


def test_importing_it_brings_neither_numpy_nor_asyncio_along() -> None:
    program = "import sys, vmiostat; print({'numpy', 'asyncio', 'lxml', 'libvirt'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
