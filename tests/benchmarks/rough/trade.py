"""Laws of economics, finance, production and computing."""

from tests.benchmarks.rough.columns import (
    choice,
    column,
    decimals,
    flag,
    follows,
    hidden,
    idle,
    integers,
    levels,
    log_normal,
    log_uniform,
    multiples,
    normal,
    steps,
    uniform,
)
from tests.benchmarks.rough.drawing import Table
from tests.benchmarks.rough.noise import alike, exact, proportional, rounded

TABLES = (
    Table(
        "bilateral-trade", "trade_musd", "0.0021*gdp_o**0.82*gdp_d**0.74/dist_km**1.08",
        "gravity model of trade", "easy", 10000, proportional(0.05),
        (
            hidden("income_o", log_uniform(1500, 60000)),
            hidden("income_d", log_uniform(1500, 60000)),
            hidden("people_o", log_uniform(0.3, 900)),
            hidden("people_d", log_uniform(0.3, 900)),
            column("gdp_o", follows("people_o*income_o", 1e3, 2e7)),
            column("gdp_d", follows("people_d*income_d", 1e3, 2e7)),
            idle("pop_o", follows("people_o")),
            idle("pop_d", follows("people_d")),
            column("dist_km", log_uniform(150, 18000)),
            idle("landlocked", flag(0.2)),
            idle("remoteness", uniform(2, 14)),
        ),
        "10,000 rows; four idle columns, two of them correlated with relevant ones",
    ),
    Table(
        "loan-book", "Payment", "Principal*MonthlyRate/(1-(1+MonthlyRate)**(-Months))",
        "payments of a level annuity", "medium", 400, exact(),
        (
            column("Principal", log_uniform(1e4, 5e5), decimals(-2)),
            column("MonthlyRate", uniform(0.001, 0.012), decimals(5)),
            column("Months", integers(12, 360)),
        ),
        "integer input",
    ),
    Table(
        "help-desk", "mean_wait",
        "arrival_rate*(mean_service**2+sd_service**2)/(2*(1-arrival_rate*mean_service))",
        "waiting time of Pollaczek and Khinchine", "medium", 500, rounded(5),
        (
            hidden("load", uniform(0.15, 0.92)),
            hidden("service", uniform(0.8, 3.2)),
            column("arrival_rate", follows("load/service")),
            column("mean_service", follows("service")),
            column("sd_service", uniform(0.1, 3)),
        ),
        "correlated columns",
    ),
    Table(
        "policy-rate", "implied policy rate %", "1.0+1.5*`CPI inflation %`+0.5*`output gap (final) %`",
        "Taylor's rule", "easy", 160, alike(0.10, "percentage points"),
        (
            hidden("revision", normal(0, 0.15)),
            column("CPI inflation %", normal(2.1, 1.6), decimals(2)),
            column("output gap (final) %", normal(-0.8, 2.1), decimals(2)),
            idle("output gap (real-time) %", follows("`output gap (final) %` + revision"), decimals(2),
                 like="output gap (final) %"),
            idle("unemployment %", uniform(4, 9), decimals(1)),
        ),
        "target of both signs; near-copy of a column; percent columns",
    ),
    Table(
        "learning-curve", "unit cost (k€)", "40+310*`Unit number`**(-0.32)",
        "experience curve above a floor", "easy", 18, rounded(3),
        (
            column("Unit number", levels(1, 2, 3, 4, 6, 8, 11, 15, 20, 27, 36, 48, 64, 85, 110, 150, 200, 260)),
            idle("crew size", integers(7, 12)),
        ),
        "integer inputs; few rows",
    ),
    Table(
        "scaling", "throughput_req_s", "980*nodes/(1+0.035*(nodes-1)+0.0006*nodes*(nodes-1))",
        "universal law of scalability", "medium", 28, proportional(0.02),
        (
            idle("run", steps(1, 28)),
            column("nodes", levels(1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 56, 64,
                                   1, 2, 4, 8, 12, 16, 24, 32, 40, 48, 56, 64)),
            idle("heap_GB", choice(4, 8, 16)),
        ),
        "integer inputs; row-number column; partly replicated design; few rows",
    ),
    Table(
        "smile", "total implied variance",
        "0.012+0.11*(-0.45*(`log-moneyness`-0.03)+sqrt((`log-moneyness`-0.03)**2+0.09**2))",
        "implied variance, Gatheral's raw form", "hard", 280, proportional(0.01),
        (
            idle("strike", log_uniform(2759.6, 5783.9), multiples(5), like="log-moneyness"),
            column("log-moneyness", follows("log(strike/4200)"), decimals(6)),
            idle("open_interest", log_normal(900, 1.3), decimals(0)),
            idle("day", integers(1, 20)),
        ),
        "a column that is an exact function of another; integer columns",
    ),
)  # fmt: skip
