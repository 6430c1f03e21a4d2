"""`kansym bench formulas`: how many known laws are recovered, and where the others are lost."""

from __future__ import annotations

import signal
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from kansym_cli import console, options

if TYPE_CHECKING:
    from kansym.bench.formulas.records import Record
    from kansym_cli.formula_sets import Choice

INTERRUPTED = 130
SECONDS = 60.0
EPILOG = """\b
With --results the run can be stopped at any time (Ctrl-C, kill) and goes on where it was when the
same command is given again. Start from an empty file after the code has changed: old lines are taken as they are.

\b
kansym bench formulas --set feynman,bonus --sample 30 --results sample.jsonl
kansym bench formulas --law feynman-I.6.2a --noise 0,0.01 --seeds 3"""


def _numbers(context: click.Context, option: click.Parameter, value: tuple[str, ...]) -> tuple[float, ...]:
    try:
        found = tuple(float(part) for part in _parts(context, option, value))
    except ValueError as error:
        raise click.BadParameter(f"{error}: give numbers such as 0,0.01") from error
    if not all(0 <= number < 10 for number in found):
        raise click.BadParameter("noise must be 0 or more, as a share of the target's RMS")
    return found


def _parts(context: click.Context, option: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """Several values: by repeating the flag, or with commas."""
    return tuple(dict.fromkeys(part.strip() for each in value for part in each.split(",") if part.strip()))


def _distractors(context: click.Context, option: click.Parameter, value: str) -> str:
    if value != "srsd" and not (value.isascii() and value.isdigit() and int(value) <= 100):
        raise click.BadParameter("give a whole number up to 100, or srsd for the protocol of that benchmark")
    return value if value == "srsd" else str(int(value))


_SEVERAL: dict[str, Any] = {"multiple": True, "callback": _parts}
_RESULTS = click.Path(dir_okay=False, path_type=Path)


@click.command(epilog=EPILOG)
@click.option("--set", "sets", **_SEVERAL, metavar="SET,...", help=(
    "feynman, monomials, bonus, strogatz, nguyen, srsd, srsd-easy, srsd-medium, srsd-hard, empirical, everyday, "
    "everyday-view, everyday-unseen, textbook, field, workshop, handbook, noise or all.  "
    "[default: feynman]"))  # fmt: skip
@click.option("--law", "laws", **_SEVERAL, metavar="NAME,...", help="Only these laws.")
@click.option("--noise", "noises", multiple=True, callback=_numbers, metavar="G,...", help=(
    "Noise of the training targets over their RMS.  [default: 0]"))  # fmt: skip
@click.option("--rows", type=click.IntRange(3), help=(
    "Rows of the fit.  [default: 2000 for feynman, bonus and srsd, else what the card says]"))  # fmt: skip
@click.option("--distractors", default="0", callback=_distractors, metavar="K", help=(
    "Columns that do not matter, drawn like the law's own and put in at random places; srsd: that benchmark's own "
    "protocol.  [default: 0]"))  # fmt: skip
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True, help="Seeds 0 to N-1.")
@click.option("--units", is_flag=True, help="Tell the fit the units of the cards.")
@click.option("--keep-names", "named", is_flag=True, help="Keep the columns' names; else they are x0, x1, ...")
@click.option("--time-limit", type=click.FloatRange(1), default=SECONDS, show_default=True, help="Seconds a fit.")
@click.option("--clock", type=click.Choice(("wall", "processor")), default="wall", show_default=True, help=(
    "What counts as seconds; processor: of the fit alone, for a machine that has other work."))  # fmt: skip
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Fits at once, one thread each.")
@click.option("--sample", type=click.IntRange(1), metavar="N", help=(
    "Only N laws: a fixed sample, stratified by set and number of columns."))  # fmt: skip
@click.option("--sample-seed", type=click.IntRange(0), default=0, show_default=True, help="Another sample.")
@click.option("--peer", "peers", **_SEVERAL, metavar="NAME,...", help=(
    "Also run operon, gplearn, pykan or pysindy on the same tables, where installed."))  # fmt: skip
@click.option("--without", **_SEVERAL, metavar="STAGE,...", help="Stages that the fit leaves out.")
@click.option("--ablation", is_flag=True, help=(
    "Also leave out every stage of the search, one after the other: what is each worth?"))  # fmt: skip
@click.option("--results", type=_RESULTS, help="Keep one JSON line a problem; what the file holds is not run again.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Write a page and JSON into this folder.")
@click.option("--commit", help="Of the code, for the page.")
@options.JSON
def command(results: Path | None, out: Path | None, commit: str | None, clock: str, jobs: int, as_json: bool,
            **chosen: Any) -> int:  # fmt: skip
    """Recover known laws: rates by the rule of SRBench, times, sizes, and where every other law was lost.

    \b
    kansym bench formulas --set nguyen --sample 3
    """
    from kansym.bench.formulas.run import run
    from kansym.bench.formulas.work import CLOCKS
    from kansym_cli.formula_sets import problems

    choice = _choice(**chosen)
    lines = _check(choice)
    todo = problems(choice)
    with console.caught(signal.SIGTERM, _stop):  # `kill` ends a run as Ctrl-C does
        outcome = run(todo, jobs, results, _Teller(len(todo)).tell, *CLOCKS[clock])
    if not outcome.records:
        return _stopped(0, len(todo), results)

    from kansym.bench.formulas.summary import document

    page = document(outcome.records, _typed(choice, clock), {"commit": commit} if commit else {}, lines)
    if out is not None and not outcome.stopped:
        console.say(f"wrote {page.write(out)}")
    click.echo(page.json() if as_json else page.screen(), nl=as_json)
    return _stopped(len(outcome.records), len(todo), results) if outcome.stopped else 0


def _choice(sets: tuple[str, ...], laws: tuple[str, ...], noises: tuple[float, ...], peers: tuple[str, ...],
            **others: Any) -> Choice:  # fmt: skip
    from kansym.bench.formulas.problems import OWN
    from kansym_cli.formula_sets import Choice

    return Choice(sets, laws, noises or (0.0,), methods=(OWN, *peers), **others)


def _check(choice: Choice) -> list[str]:
    """Let a wrong peer or stage cost no time; return one line per peer."""
    from kansym.bench.formulas import peers
    from kansym.bench.formulas.problems import Identity
    from kansym.bench.formulas.work import config_of

    config_of(Identity("", "", "", 0.0, 3, "0", 0, False, False, choice.time_limit, choice.without))
    return [peers.find(name).line() for name in choice.methods[1:]]


class _Teller:
    """A line for every problem that is done."""

    def __init__(self, total: int) -> None:
        self.total, self.count = total, 0

    def tell(self, record: Record) -> None:
        self.count += 1
        verdict = "found" if record["found"] else f"lost in {record['lost']} ({record['detail']})"
        head = f"[{self.count}/{self.total}] {record['law']} noise {record['noise']:g} seed {record['seed']}"
        program = "" if record["method"] == "kansym" else f" {record['method']}"
        console.say(f"{head}{program}: {verdict}, {record['seconds']:.1f} s  {record.get('short') or ''}")


def _stop() -> None:
    raise KeyboardInterrupt


def _stopped(done: int, total: int, results: Path | None) -> int:
    again = "give the same command again to go on" if results else "with --results it could go on"
    console.say(f"stopped after {done} of {total} problems: {again}")
    return INTERRUPTED


def _typed(choice: Choice, clock: str) -> str:
    """The command that makes the page again; where lines and page are kept is left out."""
    noises = tuple(f"{noise:g}" for noise in choice.noises) if choice.noises != (0.0,) else ()
    listed = (("set", choice.sets), ("law", choice.laws), ("noise", noises),
              ("peer", choice.methods[1:]), ("without", choice.without))  # fmt: skip
    single = (("rows", choice.rows, None), ("distractors", choice.distractors, "0"), ("seeds", choice.seeds, 1),
              ("time-limit", f"{choice.time_limit:g}", f"{SECONDS:g}"), ("sample", choice.sample, None),
              ("sample-seed", choice.sample_seed, 0))  # fmt: skip
    parts = [f"--{flag} {quote(','.join(values))}" for flag, values in listed if values]
    parts += [f"--{flag} {value}" for flag, value, usual in single if value != usual]
    parts += ["--clock processor"] * (clock == "processor") + ["--ablation"] * choice.ablation
    parts += ["--units"] * choice.units + ["--keep-names"] * choice.named
    return " ".join(["kansym bench formulas", *parts])
