"""How services speak: problems that stand, counters, and news for whoever shows them."""

import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.app.refusal import PROBLEMS, Judge, judge
from gateway.health.register import Register
from gateway.model.problem import Problem, Raised
from gateway.model.time import Clock

LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Voices:
    """One a process. Each change is logged once, here."""

    clock: Clock
    register: Register = field(default_factory=Register)
    listeners: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])

    judge: Judge = judge
    """Says which problem a refused write is."""

    def refused(self, file: str, error: sqlite3.Error) -> None:
        """Say that ``file`` could not be written, and why, as the one problem that it is."""
        raised = self.judge(file, error)
        for problem in PROBLEMS:
            if problem is not raised.problem:
                self.clear(problem, file)
        self.report(raised)

    def written(self, file: str) -> None:
        """Say that ``file`` was written: whatever stood against that is over."""
        for problem in PROBLEMS:
            self.clear(problem, file)

    def news(self) -> None:
        """Tell the listeners that something changed."""
        for tell in self.listeners:
            tell()

    def report(self, raised: Raised) -> None:
        """Say that a problem stands; saying it again changes its detail only."""
        if self.register.report(raised, self.clock.site()):
            code = raised.problem.code
            LOG.warning("event=%s subject=%s %s", code, raised.subject, raised.detail)
            self.news()

    def clear(self, problem: Problem, subject: str) -> None:
        """Say that a problem is over, if it stood."""
        self.clear_code(problem.code, subject)

    def clear_code(self, code: str, subject: str) -> None:
        """Say that the problem of this code is over, if it stood."""
        if self.register.clear(code, subject):
            LOG.info("event=%s-over subject=%s", code, subject)
            self.news()
