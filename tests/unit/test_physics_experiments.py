"""Experiments of mechanics, boundaries and layers: their quick runs, and what their judges say."""

import time
from pathlib import Path

import numpy as np
import pytest

from kansym.errors import ConfigError
from kansym.experiments import Setting, load, rar
from kansym.experiments.anderson import CHAINS, drawn
from kansym.experiments.constitutive import LAWS
from kansym.experiments.rar import VARIABLE, modelled
from kansym.symbolic.parser import parse

SETTING = Setting(0, data=lambda name: pytest.fail(name), quick=True, clock=time.process_time)


@pytest.mark.parametrize("name", ["conservation", "lagrangian"])
def test_mechanics_finds_its_quick_case(name: str):
    assert [row["found"] for row in load(name).run(SETTING)] == [True]


@pytest.mark.parametrize("name", ["special-functions", "layer-options", "bases", "solver-bases"])
def test_a_quick_run_gives_a_row_with_what_the_table_shows(name: str):
    experiment = load(name)
    (row,) = experiment.run(SETTING)
    assert {column.key for column in experiment.columns} <= set(row)


def test_the_law_of_a_chain_tells_its_localised_states():
    chain = CHAINS["GAAM"]
    inputs, labels = drawn(chain, 0, 3)
    assert np.mean((parse(chain.law, chain.names).evaluate(inputs) > 0) == labels) > 0.9


def test_stresses_of_an_undeformed_body_are_nothing():
    undeformed = np.append(np.eye(3).ravel(), 1.0)[None]
    assert all(abs(parse(law.law, law.names).evaluate(undeformed)[0]) < 1e-12 for law in LAWS)


@pytest.mark.slow
def test_a_table_that_two_laws_describe_prints_both_and_settles_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    table = modelled(0, 40)
    rows = np.column_stack([table.inputs[:, 0], table.targets[:, 0]])
    np.savetxt(tmp_path / "galaxies.csv", rows, delimiter=",", header="log_g_visible,log_g", comments="")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "galaxies.csv"))
    monkeypatch.setattr(rar, "SECONDS", 2.0)
    listed = rar.run(Setting(0, data=lambda name: pytest.fail(name), clock=time.process_time))
    assert [row["case"] for row in listed] == [f"rank {place}" for place in range(1, len(listed) + 1)]
    assert len(listed) > 1 and len({row["short"] for row in listed}) == len(listed)
    assert {row["verdict"] for row in listed} == {"form not determined"}
    assert [row["nats"] for row in listed] == sorted(row["nats"] for row in listed) and listed[0]["nats"] == 0


def test_measured_galaxies_are_the_users_to_give(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(ConfigError, match=VARIABLE):
        load("rar").run(Setting(0, data=lambda name: pytest.fail(name)))
