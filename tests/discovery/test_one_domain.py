"""A virtual machine that several providers find is one domain."""

from dataclasses import replace

import pytest

from vmiostat import Domain
from vmiostat.discovery.merge import merge_domains
from vmiostat.model import Process


def names(*found: Domain) -> list[str]:
    return [domain.name for domain in merge_domains(found).domains]


def test_by_uuid_and_the_first_is_completed_by_a_process_of_root_s() -> None:
    first = Domain("web1", id=1, uuid="u", provider="libvirt")
    guest = Domain("guest", uuid="u", provider="processes", process=Process(7, 1))
    (web1,) = merge_domains([first, guest], Process(7, 1).__eq__).domains
    assert (web1.name, web1.id, web1.provider, web1.process) == ("web1", 1, "libvirt", Process(7, 1))


@pytest.mark.parametrize("first", [Domain("web1", uuid="u", type="xen"), Domain("web1", id=3, type="xen")], ids=str)
def test_a_user_s_process_is_not_that_of_a_domain_which_it_claims_to_run(first: Domain) -> None:
    liar = Domain("web1", id=3, uuid="u", type="xen", provider="processes", process=Process(7, 1))
    web1, other = merge_domains([first, liar]).domains
    assert web1 == first
    assert (other.name, other.process) == ("web1@7", Process(7, 1))
    assert other.uuid is None or first.uuid is None
    assert other.id is None or first.id is None


def test_by_process_and_then_by_the_uuid_that_it_brought() -> None:
    found = merge_domains(
        [Domain("a", process=Process(7, 1)), Domain("b", uuid="u", process=Process(7)), Domain("c", uuid="u")]
    ).domains
    assert [(domain.name, domain.uuid) for domain in found] == [("a", "u")]


def test_xen_by_its_domid_alone() -> None:
    assert names(Domain("a", id=1, type="xen"), Domain("b", id=1, type="xen"), Domain("c", id=1, type="kvm")) == [
        "a",
        "c",
    ]


def test_two_processes_are_two_machines() -> None:
    one, other = Domain("a", uuid="u", process=Process(7)), Domain("b", uuid="u", process=Process(8))
    assert names(one, other) == ["a", "b"]


def test_domains_of_the_same_name_are_renamed() -> None:
    found = [Domain("a", process=Process(pid)) for pid in (7, 8)] + [Domain("a@8"), Domain("a", uuid="u"), Domain("a")]
    assert names(*found) == ["a", "a@8", "a@8@None", "a@u", "a@None"]
    assert len(set(names(*[Domain("a")] * 4))) == 4


def claiming(name: str, pid: int, uuid: str | None = None, number: int | None = None) -> Domain:
    """A domain as its process describes itself."""
    return Domain(name, id=number, uuid=uuid, type="kvm", provider="processes", process=Process(pid, 1))


@pytest.mark.parametrize("shared", ["name", "UUID", "id"])
def test_two_processes_that_claim_the_same_are_both_marked(shared: str) -> None:
    name = "a" if shared == "name" else "b"
    uuid = "u" if shared == "UUID" else "v"
    one, other = claiming("a", 7, "u", 1), claiming(name, 8, uuid, 1 if shared == "id" else 2)
    found = merge_domains([one, other, claiming("c", 9, "w", 3)])
    first, second, third = found.domains
    assert [domain.name for domain in found.domains] == ["a@7", f"{name}@8", "c"]
    assert [first.uuid, second.uuid] == ([None, None] if shared == "UUID" else ["u", "v"])
    assert [first.id, second.id] == ([None, None] if shared == "id" else [1, 2])
    assert (third.uuid, third.id) == ("w", 3)
    (problem,) = found.problems
    assert f"the {shared} " in str(problem)
    assert "(pid 7, 8)" in str(problem)


def test_a_process_that_calls_itself_as_a_marked_one_comes_after_it() -> None:
    assert names(claiming("a@8", 6), claiming("a", 7), claiming("a", 8)) == ["a@8@6", "a@7", "a@8"]


def test_a_domain_of_libvirt_keeps_its_name_and_uuid() -> None:
    fake = claiming("web1", 8, "u", 1)
    libvirt = Domain("web1", id=1, uuid="u", type="kvm", provider="libvirt-status", process=Process(7, 1))
    assert merge_domains([fake, libvirt]).domains == (replace(fake, name="web1@8", uuid=None, id=None), libvirt)


def test_processes_that_claim_the_same_uuid_give_a_domain_of_libvirt_no_process() -> None:
    libvirt = Domain("web1", uuid="u", type="kvm", provider="libvirt")
    found = merge_domains([libvirt, claiming("web1", 7, "u"), claiming("web1", 8, "u")]).domains
    assert found[0] == libvirt
    assert [(domain.name, domain.uuid) for domain in found] == [("web1", "u"), ("web1@7", None), ("web1@8", None)]


def test_an_unverified_domain_is_merged_with_none_and_wins_no_name() -> None:
    fake = replace(claiming("web1", 7, "u", 1), verified=False)
    xen = Domain("web2", id=1, type="xen", provider="xen-sysfs")
    libvirt = Domain("web3", uuid="u", type="kvm", provider="libvirt")
    real = claiming("web1", 8)
    found = merge_domains([fake, xen, libvirt, real])
    assert found.domains == (replace(fake, name="web1@7", uuid=None, id=None), xen, libvirt, real)
    assert found.problems == ()
