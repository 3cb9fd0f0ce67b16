"""Budgets: what the model calls inside a span may cost, and what they have cost so far.

What a call cost must be known before the next one is made, and events are made later.  So a call inside a budget is
read, and its price found, where it ends; all other calls pay nothing for that.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Any

from llm_track import expenses, pricing, properties, reader, worker
from llm_track._guard import guarded, say_once
from llm_track.calls import Call
from llm_track.config import settings
from llm_track.context import Node
from llm_track.errors import BudgetExceeded, ConfigurationError
from llm_track.properties import costs
from llm_track.records import ModelCall, Usage
from llm_track.settling import OpenStep

in_use = False
"""Whether any span of this process has had a budget."""
_CHECK = guarded("check a budget")
_COUNT = guarded("count what a call cost")
_COUNT_LATER = guarded("count what a result of a batch cost", background=True)


class Budget:
    """What the calls inside one span may cost, and have cost."""

    __slots__ = ("_adding_up", "_costs", "_unpriced", "limit", "name")

    def __init__(self, limit: float, name: str) -> None:
        self.limit = limit
        self.name = name
        self._unpriced: list[None] = []
        """One for each call whose cost nobody knows: threads that count at the same time lose none of a list."""
        self._costs: list[float] = []
        """Of each call; added up when somebody asks, as threads end calls at the same time, and so does the garbage
        collector, amid anything."""
        self._adding_up = Lock()

    @property
    def unpriced(self) -> int:
        """How many calls were made whose cost nobody knows."""
        return len(self._unpriced)

    @property
    def spent(self) -> float:
        """US dollars, as far as it is known."""
        if len(self._costs) > _MOST_COSTS and self._adding_up.acquire(blocking=False):
            try:
                so_far = self._costs[:]
                self._costs[: len(so_far)] = [_sum(so_far)]  # at once; what came meanwhile stands behind
            finally:
                self._adding_up.release()
        return _sum(self._costs)

    def add(self, cost: float | None) -> None:
        """Count a call."""
        if cost is None:
            self._unpriced.append(None)
        else:
            self._costs.append(cost)


_MOST_COSTS = 1000
"""So many numbers are added up before each call; with more they become one."""


def _sum(costs: list[float]) -> float:
    """Return a sum of amounts; more than a float can hold is more than any budget."""
    try:
        return math.fsum(costs)
    except OverflowError:
        return math.inf


def limit(budget_usd: Any) -> float | None:
    """Return a budget in US dollars.

    Raises:
        ConfigurationError: it is no amount of money.  A budget that is ignored would not be one.
    """
    if budget_usd is None:
        return None
    try:
        amount = math.nan if isinstance(budget_usd, (bool, str)) else float(budget_usd)
    except (TypeError, ValueError, OverflowError):
        amount = math.nan
    if not amount >= 0:
        raise ConfigurationError(
            f"budget_usd is {budget_usd!r}; it must be a number of US dollars from 0 on, like 0.5."
        )
    return amount


def opened(amount: float | None, name: str) -> Budget | None:
    """Return the budget of a span that is being opened, if it has one."""
    global in_use
    if amount is None:
        return None
    if not in_use:
        worker.put(pricing.load)  # the list takes a moment to load, and the first call longer to be answered
    in_use = True
    return Budget(amount, name)


def admit(call: OpenStep) -> None:
    """Have counted what a call costs that is about to be made, if a span around it has a budget.

    Raises:
        BudgetExceeded: a budget is spent; then there is no call.
    """
    refusal = None
    with _CHECK:
        refusal = _refusal(call)
    if refusal is not None:
        call.discard()
        raise refusal


def _refusal(call: OpenStep) -> BudgetExceeded | None:
    if isinstance(call._settled, _Counting):
        return None
    is_recalled = False
    if isinstance(call, Call):
        if call.is_attempt:
            return None
        if call.reading.kind == "endpoint" and not expenses.is_paid(call.reading.name):
            _follow(call)
            return None
        is_recalled = call.reading.recalled
    budgets = _around(call)
    for budget in () if is_recalled else budgets:
        if (spent := budget.spent) >= budget.limit:
            return BudgetExceeded(spent, budget.limit, budget.name)
    if budgets or is_recalled:
        call._settled = _Counting(budgets, call._settled)
    return None


def _follow(call: Call) -> None:
    """Have the results counted of a batch that a call may bring, as the worker reads them: they may be very many."""
    if call.reading.batch is not None and (budgets := _around(call)):
        call.brought = partial(_count_result, budgets)


def _count_result(budgets: list[Budget], result: ModelCall) -> None:
    with _COUNT_LATER:
        if not _is_unpaid(result):
            cost = _cost(result)
            for budget in budgets:
                budget.add(cost)


def _around(node: Node) -> list[Budget]:
    return [budget for each in node.around() if (budget := getattr(each, "budget", None)) is not None]


class _Counting:
    """Counts what a call cost when it ends, before anything else is done with it."""

    __slots__ = ("_budgets", "_then")

    def __init__(self, budgets: list[Budget], then: Callable[[Any], object]) -> None:
        self._budgets = budgets
        self._then = then

    def __call__(self, call: OpenStep) -> None:
        try:
            with _COUNT:
                self._count(call)
        finally:
            self._then(call)

    def _count(self, call: OpenStep) -> None:
        record = reader.whole(call) if isinstance(call, Call) else call.record()  # type: ignore[attr-defined]  # a span
        assert isinstance(record, ModelCall)
        record = expenses.as_model_call(record)
        budgets = self._budgets if not (isinstance(call, Call) and call.reading.recalled) else _of_run(record)
        if _is_pending(record):
            _runs[_run(record)] = budgets
            while len(_runs) > _MOST_RUNS:
                _runs.popitem(last=False)
        elif budgets and not _is_free(call, record):
            cost = _cost(record)
            for budget in budgets:
                budget.add(cost)


_runs: OrderedDict[str, list[Budget]] = OrderedDict()
"""The budgets of background runs that were begun, by the ids of their answers: what they cost is told when fetched."""
_MOST_RUNS = 10_000


def _run(record: ModelCall) -> str:
    return f"{record.provider}:{record.response.id if record.response is not None else None}"


def _is_pending(record: ModelCall) -> bool:
    return record.response is not None and record.response.pending


def _of_run(record: ModelCall) -> list[Budget]:
    """The budgets that a fetched answer counts in: once, in those of who asked for it."""
    return _runs.pop(_run(record), [])


def _is_free(call: OpenStep, record: ModelCall) -> bool:
    """Tell whether no provider was paid, as far as is known: none was reached, or it refused, or a test's answer was
    made up.  Where the program did not wait for the answer, nobody knows."""
    if record.outcome == "cancelled" or (record.failure is not None and _LATE.search(record.failure.type)):
        return False
    unseen = isinstance(call, Call) and call.provider.sees_wire and call.answer is None and call.pulled is None
    return _is_unpaid(record) or (unseen and not _has_counts(record))


_LATE = re.compile(r"(?<!connect)timed?out", re.IGNORECASE)
"""In the name of an exception: a request was sent, and its answer did not come in time."""


def _is_unpaid(record: ModelCall) -> bool:
    """Tell whether a provider refused, or never came to it, or a test's answer was made up."""
    ended = record.outcome in ("failed", "cancelled") or not record.served.counted
    return ended and not _has_counts(record)


def _has_counts(record: ModelCall) -> bool:
    return record.response is not None and record.response.usage != Usage()


def _cost(record: ModelCall) -> float | None:
    """What a call cost, as its event would say with cost "local"; one log line for each model that nobody knows."""
    of = properties.billed(record)
    total = costs.total_of(of)
    if total is None:
        embedding, batched = record.kind == "embedding", record.batch is not None
        found = pricing.known_cost(of, settings().prices, embedding=embedding, batched=batched, at=record.ended_at)
        total = None if found is None else costs.total_of(found)
    if total is None:
        _say_unknown(record, f"{of[properties.PROVIDER]}/{of[properties.MODEL]}")
    return total


def _say_unknown(record: ModelCall, model: str) -> None:
    if record.kind == "endpoint" and record.request.model is None:
        say_once(f"llm_track does not know what {record.name} of {record.provider} cost: it counts in no budget.")
        return
    say_once(
        f"llm_track does not know what a call of {model} cost: it counts in no budget. Its price can be given: "
        f"llm_track.configure(prices={{{model!r}: {{'input': ..., 'output': ...}}}})."
    )
