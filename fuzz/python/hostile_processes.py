"""Two processes whose entries in /proc hold any bytes, beside a domain of libvirt, whatever the verdict on them.

The domain keeps its name, UUID, id, process and disks; no two domains share a name, UUID or process; a process that is
not verified has no devices; and what is found stays within the limits.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import atheris

sys.path.append(str(Path(__file__).resolve().parents[2]))

with atheris.instrument_imports(include=["vmiostat"]):
    from vmiostat import Roots
    from vmiostat.discovery import limits
    from vmiostat.discovery.libvirt.domains import LibvirtDomains
    from vmiostat.discovery.merge import merge_domains
    from vmiostat.discovery.provider import ScanContext
    from vmiostat.discovery.vmm.processes import VmmProcesses
    from vmiostat.system.vmm_executable import Verdict, VmmExecutables

from testkit.trees.libvirt import LibvirtTree

PIDS = (700, 701)
HONEST = 500
ROOT = Path(tempfile.mkdtemp())
"""In memory, where the machine has it so."""
UUID = "11111111-2222-4333-8444-555555555555"
WORDS = [
    *(b"-name", b"web1", b"guest=web1", b"-uuid", UUID.encode(), b"-xen-domid", b"3", b"-machine", b"accel=kvm"),
    *(b"-drive", b"file=/dev/vda,if=virtio", b"-netdev", b"tap,id=a,ifname=vnet0", b"-device", b"virtio-net,netdev=a"),
]
"""Of command lines, so that they lie well."""
DISK = "<disk type='block' device='disk'><source dev='/dev/vda'/><target dev='vda'/></disk>"


class Verdicts(VmmExecutables):
    """Verdicts that the input chooses."""

    def __init__(self, roots: Roots, chosen: dict[int, Verdict]) -> None:
        super().__init__(roots)
        self._chosen = chosen

    def verdict(self, pid: int) -> Verdict:
        return self._chosen.get(pid, Verdict.OTHER)


def prepare() -> None:
    tree = LibvirtTree(ROOT)
    tree.start("web1", ["vnet0"], pid=HONEST, disks=[DISK])
    tree.process(HONEST, 1)
    tree.interfaces({"lo": 1, "vnet0": 1})
    for pid in PIDS:
        (ROOT / f"proc/{pid}/fd").mkdir(parents=True)
        (ROOT / f"proc/{pid}/fdinfo").mkdir()


def check(data: bytes) -> None:
    given = atheris.FuzzedDataProvider(data)
    chosen = {}
    for pid in PIDS:
        folder = ROOT / f"proc/{pid}"
        chosen[pid] = given.PickValueInList(list(Verdict))
        name = given.ConsumeBytes(given.ConsumeIntInRange(0, 20)).replace(b"\0", b"")
        (folder / "comm").write_bytes(name + b"\n")
        (folder / "stat").write_bytes(b"%d (%s) S %s%d 0\n" % (pid, name, b"0 " * 18, pid))
        program = given.PickValueInList([b"qemu-system-x86_64", b"/usr/bin/kvm", b"cloud-hypervisor", b"crosvm", b""])
        words = [given.PickValueInList([*WORDS, None]) for _ in range(given.ConsumeIntInRange(0, 12))]
        line = [program, *(given.ConsumeBytes(20) if word is None else word for word in words)]
        (folder / "cmdline").write_bytes(b"\0".join(line) + given.ConsumeBytes(given.ConsumeIntInRange(0, 1500)))
        link = folder / "fd/3"
        link.unlink(missing_ok=True)
        target = given.ConsumeBytes(40).replace(b"\0", b"")
        link.symlink_to(given.PickValueInList([b"/dev/net/tun", b"/dev/vda", target or b"a"]).decode(errors="replace"))
        (folder / "fdinfo/3").write_bytes(given.ConsumeBytes(60))

    roots = Roots(ROOT)
    context = ScanContext(roots, executables=Verdicts(roots, chosen))
    (honest,) = (replace(domain, uuid=UUID) for domain in LibvirtDomains(None).scan(context).domains)
    context.known_pids = {HONEST}
    found = VmmProcesses().scan(context)
    domains = merge_domains([honest, *found.domains]).domains
    assert domains[0] == honest
    assert all(replace(domain, name="") != replace(honest, name="") for domain in domains[1:])
    names = [domain.name for domain in domains]
    assert len(set(names)) == len(names)
    uuids = [domain.uuid for domain in domains if domain.uuid]
    assert len(set(uuids)) == len(uuids)
    for domain in domains[1:]:
        assert domain.process is not None
        verdict = chosen[domain.process.pid]
        assert verdict is not Verdict.OTHER
        assert domain.verified == (verdict is not Verdict.UNVERIFIED)
        assert domain.verified or (not domain.disks and not domain.interfaces)
        assert len(domain.disks) + len(domain.interfaces) <= limits.DEVICES
        assert len(domain.name.encode(errors="surrogatepass")) <= limits.NAME_BYTES + len("@700+")


prepare()
atheris.Setup(sys.argv, check)
atheris.Fuzz()
