"""The definitions of libvirt's running domains, kept from scan to scan, so that only changed ones are read again."""

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from functools import partial

from vmiostat._core import Roots
from vmiostat.discovery.libvirt.errors import sentence
from vmiostat.discovery.libvirt.events import Changes
from vmiostat.discovery.libvirt.known import Known, learn
from vmiostat.discovery.libvirt.session import Running, Session
from vmiostat.discovery.provider import Found
from vmiostat.discovery.xml.definition import Definition, merge_definitions
from vmiostat.errors import TopologyError
from vmiostat.threads.detached_calls import DetachedCalls

Xml = Future[bytes | None]


class Definitions:
    """What is known of each running domain. A domain whose XML does not arrive in time stays as it was."""

    def __init__(self, uri: str, calls: DetachedCalls, changes: Changes) -> None:
        self._uri, self._calls, self._changes = uri, calls, changes
        self._known: dict[str, Known] = {}
        self._pending: set[str] = set()
        """Domains whose XML is to be read and has not arrived yet."""
        self._late: deque[tuple[Running, Xml]] = deque()

    def __len__(self) -> int:
        return len(self._known)

    def found(self, problems: Iterable[TopologyError]) -> Found:
        """All of them; those that cannot be used are problems."""
        definitions = [known.definition for known in self._known.values()]
        bad = [definition for definition in definitions if isinstance(definition, TopologyError)]
        return merge_definitions((good for good in definitions if isinstance(good, Definition)), [*problems, *bad])

    def drop_ended(self, roots: Roots) -> None:
        """Drops those whose process has ended. Does not call libvirt."""
        self._known = {uuid: known for uuid, known in self._known.items() if known.may_run(roots)}

    def update(
        self, session: Session, running: list[Running], changed: Collection[str] | None, roots: Roots, until: float
    ) -> list[TopologyError]:
        """Reads the XML of the `changed` domains (None: of all) and of new ones. Returns the problems with it.

        If the session is lost, raises the error of its call.
        """
        while self._late:
            with suppress(Exception):  # then it is still pending
                self._learn(*self._late.popleft(), roots)
        wanted = [domain for domain in running if changed is None or self._is_stale(domain, changed)]
        self._pending.update(domain.uuid for domain in wanted)
        callable_now = [domain for domain in wanted if self._calls.running_for(domain.uuid) is None]
        answers = self._read(session.xml, callable_now, until)
        problems = []
        for domain, answer in answers.items():
            try:
                self._learn(domain, answer, roots)
            except Exception as error:
                if session.lost:
                    raise
                problems.append(self._problem(domain, sentence(error)))
        problems += self._unanswered([domain for domain in wanted if domain not in answers])
        self._pending &= {domain.uuid for domain in running}
        self._known = {domain.uuid: self._known[domain.uuid] for domain in running if self._knows(domain)}
        return problems

    def _is_stale(self, domain: Running, changed: Collection[str]) -> bool:
        return domain.uuid in changed or domain.uuid in self._pending or not self._knows(domain)

    def _knows(self, domain: Running) -> bool:
        known = self._known.get(domain.uuid)
        return known is not None and known.running == domain

    def _read(self, xml: Callable[[str], bytes | None], domains: Iterable[Running], until: float) -> dict[Running, Xml]:
        """The answers that arrive in time, to as many calls at once as there are threads for."""
        answers: dict[Running, Xml] = {}
        in_flight: dict[Xml, Running] = {}
        waiting = deque(domains)
        while True:
            while waiting and (future := self._calls.start(waiting[0].uuid, partial(xml, waiting[0].uuid))):
                in_flight[future] = waiting.popleft()
            done, _ = wait(in_flight, max(0.0, until - time.monotonic()), FIRST_COMPLETED)
            if not done:  # time is up, or nothing is in flight since no thread was free
                break
            answers |= {in_flight.pop(future): future for future in done}
        for future, domain in in_flight.items():
            future.add_done_callback(partial(self._on_late, domain))
        return answers

    def _on_late(self, domain: Running, answer: Xml) -> None:
        self._late.append((domain, answer))
        self._changes.note()

    def _learn(self, domain: Running, answer: Xml, roots: Roots) -> None:
        """Raises what the call raised; the domain then stays pending."""
        xml = answer.result()
        self._pending.discard(domain.uuid)
        known = learn(domain, xml, self._known.pop(domain.uuid, None), self._uri, roots)
        if known is not None:
            self._known[domain.uuid] = known

    def _unanswered(self, domains: Iterable[Running]) -> list[TopologyError]:
        problems, not_started = [], 0
        for domain in domains:
            seconds = self._calls.running_for(domain.uuid)
            if seconds is None:
                not_started += 1
            else:
                problems.append(self._problem(domain, f"libvirt has not returned its XML for {seconds:.0f} s"))
        if not_started:
            problems.append(
                TopologyError(
                    f"the XML of {not_started} domains was not read, since {self._calls.limit} calls have not returned "
                    "or libvirt is slow; their last known XML is used",
                    self._uri,
                )
            )
        return problems

    def _problem(self, domain: Running, reason: str) -> TopologyError:
        known = self._known.get(domain.uuid)
        if known is None:
            then = "until it does, the domain is left out"
        else:
            then = f"that of {time.monotonic() - known.received:.0f} s ago is used"
        return TopologyError(f"{reason}; {then}", f"{self._uri}/{domain.name}")
