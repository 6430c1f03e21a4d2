"""Rates of recovery as tables: one row per set and noise, one per law."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from statistics import mean, median
from typing import Any

from kansym.bench.formulas.problems import OWN
from kansym.bench.formulas.records import Record
from kansym.bench.tables import Column, Document, Table, environment, number, whole

RULE = (
    "noise is on the training targets only, fresh rows are clean. Found: the rule of SRBench to the letter (pi is "
    "3.1415926535, floats of law and formula are rounded to 3 decimals and those below 1e-4 are 0; sympy then finds "
    "the difference 0 or constant, or the quotient constant; R2 above 0.5 on 1,000 fresh rows); where sympy gives no "
    "answer in 30 s, the numbers decide. Definition: the quotient is simplified as well, and a fitted number is the "
    "whole number or fraction that rounds to the same. Numbers: equal on fresh rows to 1e-6 of the spread up to one "
    "additive or multiplicative constant outside, with at most 3 times the law's nodes plus 10. Laws whose constants "
    "rounding would wipe out (SI units) are judged in units that are powers of ten of theirs."
)
WIDEST = 70


def share(value: float) -> str:
    """Return a share in per cent with one decimal."""
    return f"{100 * value:.1f} %"


def document(records: Sequence[Record], command: str, remarks: Mapping[str, str], lines: Iterable[str]) -> Document:
    """Return the page of a run.

    Args:
        records: of one run, with their groups.
        command: that makes them again.
        remarks: what else belongs to the environment, such as the commit.
        lines: one per peer.
    """
    tables = (
        Table("sets", "Recovered laws", _shown(_SETS, rates(records)), tuple(rates(records))),
        *([Table("ablation", "What every stage is worth", _ABLATION, ablation(records))] if _varied(records) else []),
        Table("losses", "Where laws were lost", *_losses(records)),
        Table("laws", "Every law", _shown(_LAWS, laws(records)), tuple(laws(records))),
    )
    page = Document("formulas", "Known laws recovered", command, RULE, tables, tuple(lines))
    facts = dict(environment()) | {"sympy": version("sympy")} | dict(remarks)
    return Document(page.suite, page.title, page.command, page.rule, page.tables, page.peers, environment=facts)


def rates(records: Sequence[Record]) -> list[Record]:
    """Return one row per program, set or group, and noise: rates over all laws and seeds."""
    return [{**head, **_rates(chosen)} for head, chosen in _by_set(records)]


def _by_set(records: Sequence[Record]) -> list[tuple[Record, list[Record]]]:
    """Return (head, records) of every program, set and noise; a group is a row of its own where it is no set."""
    found: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        for name in (record["set"], *record.get("groups", ())):
            found.setdefault((name, *_conditions(record)), []).append(record)
    sets = {record["set"] for record in records}
    kept = [key for key in found if key[0] in sets or not any(_same(found, key, (each, *key[1:])) for each in sets)]
    return [(dict(zip(("set", *_CONDITIONS), key, strict=True)), found[key]) for key in kept]


def _same(found: Mapping[tuple[Any, ...], list[Record]], first: tuple[Any, ...], second: tuple[Any, ...]) -> bool:
    """Return whether two rows would be about the same records."""
    return [id(record) for record in found[first]] == [id(record) for record in found.get(second, [])]


def _conditions(record: Record) -> tuple[Any, ...]:
    return tuple(", ".join(value) if isinstance(value := record[name], list) else value for name in _CONDITIONS)


def _rates(chosen: Sequence[Record]) -> Record:
    found = [record for record in chosen if record["found"]]
    sizes = [record["complexity"] for record in chosen if record.get("complexity")]
    return {
        "laws": len({record["law"] for record in chosen}),
        "runs": len(chosen),
        "found": len(found) / len(chosen),
        "definition": _share(chosen, lambda each: each["found"] or each.get("definition")),
        "numeric": _share(chosen, lambda each: each.get("numeric")),
        "accurate": _share(chosen, lambda each: each.get("accurate")) if _has_laws(chosen) else None,
        "median_size": median(sizes) if sizes else None,
        "mean_size": mean(sizes) if sizes else None,
        "accurate_size": _mean([each["complexity"] for each in chosen if each.get("accurate")]),
        "solved_s": median(record["seconds"] for record in found) if found else None,
        "longest_s": max(record["seconds"] for record in chosen),
        "by_numbers": sum(bool(record["found"]) and record.get("rule", True) is None for record in chosen),
    }


def _share(chosen: Sequence[Record], holds: Callable[[Record], Any]) -> float:
    return sum(bool(holds(record)) for record in chosen) / len(chosen)


def _has_laws(chosen: Sequence[Record]) -> bool:
    return any(record.get("truth") for record in chosen) or not any("truth" in record for record in chosen)


def _mean(values: Sequence[float]) -> float | None:
    return mean(values) if values else None


def _varied(records: Sequence[Record]) -> bool:
    """Whether the runs differ in the stages that were left out."""
    return len({tuple(record["without"]) for record in records}) > 1


def ablation(records: Sequence[Record]) -> tuple[Record, ...]:
    """Return one row for every choice of stages left out: rates over all that was run, and what changed.

    Args:
        records: of a run; what the first of our own left out is what the others are compared with.
    """
    runs: dict[tuple[str, ...], list[Record]] = {}
    for record in records:
        if record["method"] == OWN:
            runs.setdefault(tuple(record["without"]), []).append(record)
    first, *_ = runs.values()
    before = {_name(record): record["found"] for record in first}
    rows = []
    for without, chosen in runs.items():
        changed = [record for record in chosen if before.get(_name(record), record["found"]) != record["found"]]
        lost = [_name(record) for record in changed if not record["found"]]
        won = [_name(record) for record in changed if record["found"]]
        rows.append(
            {
                "left_out": ", ".join(without) or "nothing",
                **_rates(chosen),
                "total_s": round(sum(record["seconds"] for record in chosen)),
                "lost_laws": ", ".join(lost) or "-",
                "won_laws": ", ".join(won) or "-",
            }
        )
    return tuple(rows)


def _name(record: Record) -> str:
    """A run beside those of the same law, noise and seed."""
    noise = f" noise {record['noise']:g}" if record["noise"] else ""
    return f"{record['law']}{noise}" + (f" seed {record['seed']}" if record["seed"] else "")


def _losses(records: Sequence[Record]) -> tuple[tuple[Column, ...], tuple[Record, ...]]:
    stages = [stage for stage, _ in Counter(record["lost"] for record in records if record["lost"]).most_common()]
    rows = []
    for head, chosen in _by_set(records):
        counts = Counter(record["lost"] for record in chosen if record["lost"])
        late = sum(record.get("stop_reason") == "time limit" for record in chosen if record["lost"])
        rows.append({**head, **{stage: counts[stage] for stage in stages}, "late": late})
    columns = _shown(_HEAD, rows)
    return (*columns, *(Column(stage, stage, whole) for stage in stages), Column("late", "of them late", whole)), (
        *rows,
    )


def laws(records: Sequence[Record]) -> list[Record]:
    """Return one row per program, law and noise, averaged over the seeds; the formula is that of the first seed."""
    found: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        found.setdefault((record["law"], *_conditions(record)), []).append(record)
    return [
        {**dict(zip(("law", *_CONDITIONS), key, strict=True)), **_rates(chosen), **_law(chosen)}
        for key, chosen in found.items()
    ]


def _law(chosen: Sequence[Record]) -> Record:
    lost = Counter(f"{each['lost']}: {each['detail']}" for each in chosen if each["lost"])
    return {
        "hits": f"{sum(each['found'] for each in chosen)}/{len(chosen)}",
        "seconds": median(each["seconds"] for each in chosen),
        "formula": _cut(chosen[0].get("short") or "-"),
        "lost": "; ".join(lost) or None,
        "runs_of_seeds": list(chosen),
    }


def _cut(text: str) -> str:
    return text if len(text) <= WIDEST else text[: WIDEST - 3] + "..."


def _shown(columns: Sequence[Column], rows: Sequence[Record]) -> tuple[Column, ...]:
    """Return the columns without those conditions that are the same everywhere and as usual."""
    varied = {key for key, usual in _USUAL.items() if any(row[key] != usual for row in rows)}
    return tuple(column for column in columns if column.key not in _USUAL or column.key in varied)


_USUAL: dict[str, Any] = {"method": "kansym", "distractors": "0", "units": False, "named": False, "without": ""}
_CONDITIONS = ("method", "noise", "distractors", "units", "named", "without")


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _noise(value: float) -> str:
    return f"{value:g}"


def _size(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


_MORE = (
    Column("noise", "noise", _noise),
    Column("distractors", "distractors"),
    Column("units", "units", _yes),
    Column("named", "names", _yes),
    Column("without", "without"),
)
_HEAD = (Column("set", "set"), Column("method", "program"), *_MORE)
_SETS = (
    *_HEAD,
    Column("laws", "laws", whole),
    Column("runs", "runs", whole),
    Column("found", "found", share),
    Column("definition", "definition", share),
    Column("numeric", "numbers", share),
    Column("accurate", "R2 > 0.999", share),
    Column("median_size", "median nodes", _size),
    Column("mean_size", "mean nodes", _size),
    Column("accurate_size", "mean nodes, R2 > 0.999", _size),
    Column("solved_s", "median s, found", number),
    Column("longest_s", "longest s", number),
    Column("by_numbers", "found by numbers", whole),
)
_ABLATION = (
    Column("left_out", "left out"),
    Column("runs", "runs", whole),
    Column("found", "found", share),
    Column("definition", "definition", share),
    Column("numeric", "numbers", share),
    Column("accurate", "R2 > 0.999", share),
    Column("mean_size", "mean nodes", _size),
    Column("solved_s", "median s, found", number),
    Column("total_s", "s, all", whole),
    Column("lost_laws", "laws lost"),
    Column("won_laws", "laws won"),
)
_LAWS = (
    Column("law", "law"),
    Column("method", "program"),
    *_MORE,
    Column("hits", "found"),
    Column("numeric", "numbers", share),
    Column("accurate", "R2 > 0.999", share),
    Column("median_size", "nodes", _size),
    Column("seconds", "s", number),
    Column("formula", "formula"),
    Column("lost", "where it was lost"),
)
