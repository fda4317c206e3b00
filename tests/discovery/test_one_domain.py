"""A virtual machine that several providers find is one domain."""

from vmiostat import Domain
from vmiostat.discovery.merge import merge_domains
from vmiostat.model import Process


def names(*found: Domain) -> list[str]:
    return [domain.name for domain in merge_domains(found)]


def test_by_uuid_and_the_first_is_completed() -> None:
    first = Domain("web1", id=1, uuid="u", provider="libvirt")
    (web1,) = merge_domains([first, Domain("guest", uuid="u", provider="processes", process=Process(7, 1))])
    assert (web1.name, web1.id, web1.provider, web1.process) == ("web1", 1, "libvirt", Process(7, 1))


def test_by_process_and_then_by_the_uuid_that_it_brought() -> None:
    found = merge_domains(
        [Domain("a", process=Process(7, 1)), Domain("b", uuid="u", process=Process(7)), Domain("c", uuid="u")]
    )
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
