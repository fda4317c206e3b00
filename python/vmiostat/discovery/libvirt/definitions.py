"""The definitions of libvirt's running domains, kept from one look to the next, so that few need be asked for."""

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
    """What libvirt has told of each running domain. A domain that it does not tell of in time stays as it was."""

    def __init__(self, uri: str, calls: DetachedCalls, changes: Changes) -> None:
        self._uri, self._calls, self._changes = uri, calls, changes
        self._known: dict[str, Known] = {}
        self._owed: set[str] = set()
        """Domains that were to be asked for, and of which there is no answer yet."""
        self._late: deque[tuple[Running, Xml]] = deque()

    def __len__(self) -> int:
        return len(self._known)

    def found(self, problems: Iterable[TopologyError]) -> Found:
        """All of them, and what is wrong with any."""
        definitions = [known.definition for known in self._known.values()]
        bad = [definition for definition in definitions if isinstance(definition, TopologyError)]
        return merge_definitions((good for good in definitions if isinstance(good, Definition)), [*problems, *bad])

    def drop_ended(self, roots: Roots) -> None:
        """Forgets those whose process has ended, without asking libvirt."""
        self._known = {uuid: known for uuid, known in self._known.items() if known.may_run(roots)}

    def update(
        self, session: Session, running: list[Running], changed: Collection[str] | None, roots: Roots, until: float
    ) -> list[TopologyError]:
        """Asks for the XML of the changed domains, or of all, and of those that are new; the problems with it.

        Raises what the session raises where that is lost.
        """
        while self._late:
            with suppress(Exception):  # then it is asked for again
                self._learn(*self._late.popleft(), roots)
        wanted = [domain for domain in running if changed is None or self._is_stale(domain, changed)]
        self._owed.update(domain.uuid for domain in wanted)
        # Also one that is still being asked for is in vain asked again.
        askable = [domain for domain in wanted if self._calls.running_for(domain.uuid) is None]
        answers = self._ask(session.xml, askable, until)
        problems = []
        for domain, answer in answers.items():
            try:
                self._learn(domain, answer, roots)
            except Exception as error:
                if session.lost:
                    raise
                problems.append(self._problem(domain, sentence(error)))
        problems += self._unanswered([domain for domain in wanted if domain not in answers])
        self._owed &= {domain.uuid for domain in running}
        self._known = {domain.uuid: self._known[domain.uuid] for domain in running if self._knows(domain)}
        return problems

    def _is_stale(self, domain: Running, changed: Collection[str]) -> bool:
        return domain.uuid in changed or domain.uuid in self._owed or not self._knows(domain)

    def _knows(self, domain: Running) -> bool:
        known = self._known.get(domain.uuid)
        return known is not None and known.running == domain

    def _ask(self, xml: Callable[[str], bytes | None], domains: Iterable[Running], until: float) -> dict[Running, Xml]:
        """The answers that came in time, of as many questions at once as there are threads for."""
        answers: dict[Running, Xml] = {}
        out: dict[Xml, Running] = {}
        waiting = deque(domains)
        while True:
            while waiting and (future := self._calls.start(waiting[0].uuid, partial(xml, waiting[0].uuid))):
                out[future] = waiting.popleft()
            done, _ = wait(out, max(0.0, until - time.monotonic()), FIRST_COMPLETED)
            if not done:  # it is too late, or nothing is out since no thread was free
                break
            answers |= {out.pop(future): future for future in done}
        for future, domain in out.items():
            future.add_done_callback(partial(self._came_late, domain))
        return answers

    def _came_late(self, domain: Running, answer: Xml) -> None:
        self._late.append((domain, answer))
        self._changes.note()

    def _learn(self, domain: Running, answer: Xml, roots: Roots) -> None:
        """Raises what the call raised; then it is still to be asked for."""
        xml = answer.result()
        self._owed.discard(domain.uuid)
        known = learn(domain, xml, self._known.pop(domain.uuid, None), self._uri, roots)
        if known is not None:
            self._known[domain.uuid] = known

    def _unanswered(self, domains: Iterable[Running]) -> list[TopologyError]:
        problems, unasked = [], 0
        for domain in domains:
            seconds = self._calls.running_for(domain.uuid)
            if seconds is None:
                unasked += 1
            else:
                problems.append(self._problem(domain, f"libvirt has not told its XML for {seconds:.0f} s"))
        if unasked:
            problems.append(
                TopologyError(
                    f"{unasked} domains were not asked for in time, since libvirt leaves {self._calls.limit} questions "
                    "unanswered or is slow: what it told of them before stands",
                    self._uri,
                )
            )
        return problems

    def _problem(self, domain: Running, reason: str) -> TopologyError:
        known = self._known.get(domain.uuid)
        if known is None:
            so = "the domain is left out until it does"
        else:
            so = f"what it told {time.monotonic() - known.at:.0f} s ago stands"
        return TopologyError(f"{reason}; {so}", f"{self._uri}/{domain.name}")
