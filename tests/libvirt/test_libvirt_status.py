"""Running domains from libvirt's status files below /run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from testkit.fixture_trees import DOMAIN_XML
from testkit.trees.processes import ProcessTree
from vmiostat import Host, Roots, TopologyError
from vmiostat.discovery.libvirt import status as libvirt_status
from vmiostat.discovery.libvirt.status import LibvirtStatus
from vmiostat.discovery.provider import Found, ScanContext
from vmiostat.discovery.xml import domain as domain_xml
from vmiostat.discovery.xml.definition import Definition
from vmiostat.model import Process
from vmiostat.system.vmm_executable import Verdict

STATUS = DOMAIN_XML / "kvm-status.xml"


def status(name: str, *, kind: str = "kvm", number: int = 1) -> str:
    return (
        f"<domstatus state='running' pid='1'>\n<domain type='{kind}' id='{number}'><name>{name}</name></domain>\n"
        "</domstatus>\n"
    )


def run_libvirt(root: Path, files: dict[str, str]) -> Roots:
    for name, text in files.items():
        path = root / "run/libvirt" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Roots(root)


def test_every_driver_s_running_domains_and_nothing_else(tmp_path: Path) -> None:
    files = {
        "qemu/web1.xml": status("web1"),
        "qemu/web1.xml.new": "half wri",
        "qemu/web1.pid": "1\n",
        "lxc/box.xml": status("box", kind="lxc", number=2),
        "libxl/xen1.xml": status("xen1", kind="xen", number=3),
        "network/default.xml": "<networkstatus><network><name>default</name></network></networkstatus>",
    }
    found = LibvirtStatus().scan(ScanContext(run_libvirt(tmp_path, files)))
    assert found.problems == ()
    assert {(domain.name, domain.type, domain.id) for domain in found.domains} == {
        ("web1", "kvm", 1),
        ("box", "lxc", 2),
        ("xen1", "xen", 3),
    }
    assert {domain.provider for domain in found.domains} == {"libvirt-status"}


def test_a_machine_without_libvirt(tmp_path: Path) -> None:
    for folder in ("", "run", "run/libvirt"):
        (tmp_path / folder).mkdir(exist_ok=True)
        found = LibvirtStatus().scan(ScanContext(Roots(tmp_path)))
        assert (found.domains, found.problems) == ((), ())


def test_a_bad_file_affects_only_itself(tmp_path: Path) -> None:
    files = {"qemu/a.xml": "<domstatus>", "qemu/b.xml": status("b"), "qemu/c.xml": "", "qemu/d.xml": status("b")}
    roots = run_libvirt(tmp_path, files)
    os.mkfifo(tmp_path / "run/libvirt/qemu/e.xml")
    (tmp_path / "run/libvirt/qemu/gone.xml").symlink_to("nowhere")  # like one that ends between listing and reading
    found = LibvirtStatus().scan(ScanContext(roots))
    assert [domain.name for domain in found.domains] == ["b"]
    assert sorted(Path(problem.path).name for problem in found.problems if isinstance(problem, TopologyError)) == [
        "a.xml", "c.xml", "d.xml", "e.xml"
    ]  # fmt: skip


def test_the_live_type_in_the_file_decides_rx_and_tx(tmp_path: Path) -> None:
    """A network may have resolved to a macvtap, whose rx is the guest's; the stored definition does not show that."""
    folder = tmp_path / "run/libvirt/qemu"
    folder.mkdir(parents=True)
    shutil.copy(STATUS, folder / "status.xml")
    (tmp_path / "proc/net").mkdir(parents=True)
    lines = "".join(f"{name}: {' '.join(map(str, range(16)))}\n" for name in ("vnet14", "macvtap14", "vnet15"))
    (tmp_path / "proc/net/dev").write_text("Inter-|\n face |\n" + lines)
    domain = Host(tmp_path).domain("status")
    assert [(nic.target, nic.type, nic.swap_rx_tx) for nic in domain.interfaces[:3]] == [
        ("vnet14", "network", True),
        ("macvtap14", "direct", False),
        ("vnet15", "bridge", True),
    ]
    assert domain.interface_stats("vnet14").rx_bytes == 8
    assert domain.interface_stats("macvtap14").rx_bytes == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who may not read a file")
@pytest.mark.parametrize("closed", ["files", "folder"])
def test_without_rights_the_problem_says_which_it_takes(tmp_path: Path, closed: str) -> None:
    tmp_path.chmod(0o755)
    run_libvirt(tmp_path, {f"qemu/web{number}.xml": status(f"web{number}", number=number) for number in (1, 2, 3)})
    folder = tmp_path / "run/libvirt/qemu"
    for path in folder.iterdir() if closed == "files" else [folder]:
        path.chmod(0o600)
    code = (
        "import os; from vmiostat import Roots; from vmiostat.discovery.provider import ScanContext\n"
        "from vmiostat.discovery.libvirt.status import LibvirtStatus\n"
        "roots = Roots('.'); os.setgroups([]); os.setuid(65534)\n"
        "found = LibvirtStatus().scan(ScanContext(roots))\n"
        "print(len(found.domains), *found.problems, sep='\\n')"
    )
    # A relative root: the folders above may be closed to others, as pytest's are.
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    number, *problems = done.stdout.splitlines()
    assert number == "0", done.stderr
    assert len(problems) == 1
    assert problems[0].startswith(f"{folder}: ")
    assert "Permission denied" in problems[0]
    assert "root" in problems[0]
    assert ("3 running domains" in problems[0]) == (closed == "files")


UUID = "88459b78-0aed-493b-bc09-9f1dd81d96d0"


def guest(pid: int | str) -> str:
    return f"<domstatus pid='{pid}'><domain type='kvm' id='1'><name>web1</name><uuid>{UUID}</uuid></domain></domstatus>"


def test_the_process_that_runs_it(tmp_path: Path) -> None:
    tree = ProcessTree(tmp_path)
    tree.process(500, ["qemu-system-x86_64", "-uuid", UUID])
    (web1,) = LibvirtStatus().scan(ScanContext(run_libvirt(tmp_path, {"qemu/web1.xml": guest(500)}))).domains
    assert web1.process == Process(500, 500)


@pytest.mark.parametrize("instead", ["nothing", "another", "zombie"])
def test_a_file_left_behind_is_left_out(tmp_path: Path, instead: str) -> None:
    """When a guest ends while libvirtd is down, its file is not removed."""
    tree = ProcessTree(tmp_path)
    if instead == "another":
        tree.process(500, ["qemu-system-x86_64", "-uuid", UUID.replace("8", "9")])
    elif instead == "zombie":
        tree.process(500, [], state="Z")
    roots = run_libvirt(tmp_path, {"qemu/web1.xml": guest(500)})
    assert LibvirtStatus().scan(ScanContext(roots)) == Found()
    # If processes may be hidden, a missing one may still run.
    (tmp_path / "proc/2/stat").unlink()
    (web1,) = LibvirtStatus().scan(ScanContext(roots)).domains
    assert web1.process is None


@pytest.mark.parametrize("pid", ["0", "-1", "x", "99999999999999"])
def test_a_file_without_a_process(tmp_path: Path, pid: str) -> None:
    ProcessTree(tmp_path)
    (web1,) = LibvirtStatus().scan(ScanContext(run_libvirt(tmp_path, {"qemu/web1.xml": guest(pid)}))).domains
    assert web1.process is None


def test_unchanged_files_are_not_parsed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    roots = run_libvirt(tmp_path, {"qemu/a.xml": status("a"), "qemu/b.xml": status("b"), "qemu/c.xml": "<bad"})
    parsed: list[str] = []

    def parse(data: bytes, path: str, provider: str) -> Definition:
        parsed.append(Path(path).name)
        return domain_xml.parse(data, path, provider)

    monkeypatch.setattr(libvirt_status, "parse", parse)
    provider = LibvirtStatus()
    first = provider.scan(ScanContext(roots))
    assert sorted(parsed) == ["a.xml", "b.xml", "c.xml"]
    again = provider.scan(ScanContext(roots))
    assert (len(parsed), again.domains) == (3, first.domains)
    assert [str(problem) for problem in again.problems] == [str(problem) for problem in first.problems] != []
    # As libvirt changes a file, and as a domain ends.
    folder = tmp_path / "run/libvirt/qemu"
    (folder / "a.xml.new").write_text(status("a", number=9))
    (folder / "a.xml.new").rename(folder / "a.xml")
    (folder / "b.xml").unlink()
    (a,) = provider.scan(ScanContext(roots)).domains
    assert (a.id, parsed[3:]) == (9, ["a.xml"])
    assert not any("b.xml" in str(path) for path in provider._known)


def test_the_disks_of_a_cloud_hypervisor_are_its_own(tmp_path: Path) -> None:
    """Its domains are of type kvm, like those of QEMU, and no QEMU can be queried about them."""
    disk = "<devices><disk type='file'><source file='/a.raw'/><target dev='vda'/></disk></devices>"
    for driver in ("ch", "qemu"):
        text = status(driver).replace("</domain>", f"{disk}</domain>")
        run_libvirt(tmp_path, {f"{driver}/{driver}.xml": text})
    reasons = {domain.name: domain.disks[0].reason for domain in Host(tmp_path).domains()}
    assert reasons["ch"] == "in a file: only cloud-hypervisor counts its requests"
    assert "QEMU" in reasons["qemu"]


def test_all_domains_of_one_user_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """libvirt runs them as libvirt-qemu: limits of what a user may start are not for them."""
    monkeypatch.setattr("vmiostat.discovery.vmm.processes.user", lambda _pid, _roots: 64055)
    monkeypatch.setattr("vmiostat.system.vmm_executable.VmmExecutables.verdict", lambda _self, _pid: Verdict.VMM)
    monkeypatch.setattr("vmiostat.discovery.vmm.machine_budget.MACHINES_OF_A_USER", 1)
    tree = ProcessTree(tmp_path)
    for number in range(1, 4):
        tree.process(500 + number, ["qemu-system-x86_64", "-name", f"guest=web{number}"])
        tree.process(600 + number, ["qemu-system-x86_64", "-name", f"other{number}"])
        text = status(f"web{number}", number=number).replace("pid='1'", f"pid='{500 + number}'")
        run_libvirt(tmp_path, {f"qemu/web{number}.xml": text})
    host = Host(tmp_path)
    assert [domain.name for domain in host.domains()] == ["web1", "web2", "web3", "other1"]
    assert "2 processes of VMMs are left out (2 of user 64055)" in str(host.problems[-1])
