"""Laws of biology, medicine and psychology."""

from tests.benchmarks.rough.columns import (
    choice,
    column,
    constant,
    decimals,
    digits,
    flag,
    follows,
    geometric,
    hidden,
    idle,
    integers,
    levels,
    log_normal,
    log_uniform,
    normal,
    steps,
    uniform,
)
from tests.benchmarks.rough.drawing import Table
from tests.benchmarks.rough.noise import (
    additive,
    alike,
    counts,
    exact,
    fractions,
    proportional,
    rounded,
    stray,
    wild,
)

TABLES = (
    Table(
        "forest-plot", "agb_kg", "0.0673*(wood_density*dbh_cm**2*height_m)**0.976",
        "biomass of tropical trees", "easy", 1200, proportional(0.05),
        (
            column("wood_density", uniform(0.3, 0.95), digits(4)),
            idle("elev_m", uniform(40, 900), digits(4)),
            column("dbh_cm", log_uniform(5, 140), digits(4)),
            hidden("scatter", normal(0, 0.12)),
            column("height_m", follows("1.3 + 48*(1 - exp(-0.022*dbh_cm))*exp(scatter)"), digits(4)),
            idle("slope_deg", uniform(0, 35), digits(4)),
        ),
        "correlated columns",
    ),
    Table(
        "renal-clinic", "CrCl", "(140-Age)*WeightKg/(72*SerumCr)",
        "creatinine clearance of Cockcroft and Gault", "easy", 800, proportional(0.03),
        (
            hidden("height", normal(170, 9)),
            hidden("scatter", normal(8, 9)),
            column("Age", integers(20, 90)),
            idle("HeightCm", follows("height"), decimals(0)),
            column("WeightKg", follows("0.9*(height - 100) + scatter"), decimals(1)),
            column("SerumCr", log_uniform(0.5, 4), decimals(2)),
        ),
        "integer input; idle column correlated with a relevant one",
    ),
    Table(
        "pointing-task", "movement_time_ms", "118+152*log(distance_px/width_px+1)/log(2)",
        "Fitts's law in Shannon's form", "easy", 30, additive(0.02),
        (
            column("distance_px", levels(64, 128, 192, 256, 384, 512, each=5)),
            column("width_px", levels(8, 16, 24, 40, 64)),
        ),
        "factorial grid 6 x 5; few rows",
    ),
    Table(
        "fish-stock", "recruits_kt", "4.8*spawners_kt*exp(-spawners_kt/436)",
        "Ricker's recruitment", "easy", 80, proportional(0.05),
        (
            column("spawners_kt", log_uniform(20, 1500), digits(4)),
            idle("sst", normal(9.5, 1.2), digits(4)),
        ),
        outliers=stray(2),
    ),
    Table(
        "ecg-intervals", "qtc_ms", "qt_ms*(hr_bpm/60)**(1/3)",
        "Fridericia's correction of the QT interval", "easy", 2500, additive(0.01),
        (
            hidden("rest", normal(405, 22)),
            idle("age", integers(18, 88)),
            idle("sex", flag(0.5)),
            column("hr_bpm", integers(45, 140)),
            column("qt_ms", follows("rest*(60/hr_bpm)**0.4"), decimals(0)),
        ),
        "integer inputs; relevant columns anticorrelated",
        stray(2),
    ),
    Table(
        "icu-gases", "PAO2", "FiO2*(P_baro-47)-PaCO2/0.8",
        "alveolar gas equation, in mmHg", "easy", 1500, exact(),
        (
            column("FiO2", uniform(0.21, 1), decimals(2)),
            column("P_baro", uniform(520, 770), decimals(1)),
            column("PaCO2", uniform(20, 80), decimals(1)),
        ),
    ),
    Table(
        "plate-assay", "response_pct", "4.2+88.5/(1+(34.0/dose_nM)**1.35)",
        "dose response of four numbers", "medium", 24, additive(0.02),
        (column("dose_nM", levels(0.5, 2, 6, 15, 40, 120, 400, 1500, each=3)),),
        "replicated design, 8 doses x 3; percent target; few rows",
        stray(1),
    ),
    Table(
        "delay-choice", "indifference", "amount/(1+0.021*delay_days)**0.71",
        "hyperboloid discounting of Myerson and Green", "medium", 96, proportional(0.03),
        (
            column("amount", levels(10, 20, 50, 100, 200, 500, 1000, 2500, each=12)),
            column("delay_days", levels(0, 1, 3, 7, 14, 30, 60, 90, 180, 365, 730, 1825)),
        ),
        "factorial grid 8 x 12; integer inputs",
    ),
    Table(
        "bioreactor", "mu_per_h", "0.83*S_mgL/(12.4+S_mgL+S_mgL**2/96)",
        "growth inhibited by its substrate, Haldane and Andrews", "medium", 36, proportional(0.03),
        (column("S_mgL", geometric(1, 600), digits(3)),),
        "logarithmic grid; few rows",
    ),
    Table(
        "tight-binding", "EL", "((E_tot+L_tot+K_d)-sqrt((E_tot+L_tot+K_d)**2-4*E_tot*L_tot))/2",
        "complex of Morrison's equation, in mol/L", "hard", 288, rounded(4),
        (
            column("E_tot", levels(1e-9, 2e-9, 5e-9, 1e-8, 2e-8, 5e-8, each=48)),
            column("L_tot", levels(5e-10, 1e-9, 2e-9, 4e-9, 7e-9, 1e-8,
                                   1.5e-8, 2.5e-8, 5e-8, 1e-7, 2e-7, 4e-7, each=4)),
            column("K_d", levels(3e-10, 2e-9, 8e-9, 3e-8)),
        ),
        "factorial grid 6 x 12 x 4; numbers of 1e-9",
    ),
    Table(
        "leaf-gas", "Anet", "(0.052*PAR+Amax-sqrt((0.052*PAR+Amax)**2-4*0.83*0.052*PAR*Amax))/(2*0.83)-1.3",
        "light response of a leaf, a non-rectangular hyperbola less respiration", "hard", 1000, additive(0.02),
        (
            hidden("scatter", normal(0, 2)),
            column("PAR", uniform(0, 2000)),
            idle("leafTemp", follows("18 + 0.006*PAR + scatter")),
            column("Amax", uniform(8, 35)),
        ),
        "idle column correlated with a relevant one",
    ),
    Table(
        "island-species", "n_species", "24*island_area_km2**0.28*exp(-0.0035*`isolation.km`)",
        "species of islands by area and isolation", "easy", 120, counts(),
        (
            hidden("scatter", normal(0, 0.5)),
            column("island_area_km2", log_normal(6, 1.7), digits(4)),
            column("isolation.km", log_uniform(5, 600), digits(3)),
            idle("max_elev_m", follows("90*island_area_km2**0.3*exp(scatter)"), digits(3)),
            idle("survey_year", integers(1996, 2014)),
        ),
        "count target; strongly skewed input; idle column correlated with a relevant one",
    ),
    Table(
        "cell-survival", "surviving fraction", "exp(-n_fractions*(0.18*`dose/fraction`+0.021*`dose/fraction`**2))",
        "survival after fractionated doses, linear and quadratic", "easy", 60, fractions("cells plated"),
        (
            column("n_fractions", levels(1, 2, 4, 6, 8, each=12)),
            column("dose/fraction (Gy)", levels(0.5, 1, 2, each=4)),
            idle("cells plated", constant(300)),
            idle("plate", levels(1, 2, 3, 4)),
        ),
        "fraction target; integer inputs; replicated design, 15 points x 4; constant column",
    ),
    Table(
        "psychometric", "proportion correct", "0.5+0.48*(1-exp(-(contrast/0.12)**2.3))",
        "Weibull's psychometric function with guesses and lapses", "medium", 35, fractions("n_trials"),
        (
            idle("session", steps(1, 35)),
            column("contrast", log_uniform(0.015, 0.5), digits(3)),
            idle("n_trials", choice(80, 120, 160)),
            idle("viewing dist. cm", choice(57, 80, 114)),
        ),
        "proportion target; row-number column; integer columns; few rows",
    ),
    Table(
        "photosynthesis", "A_net", "24*tanh(0.0023*`PAR µmol m-2 s-1`)*2.1**((T_leaf-293.15)/10)-1.2",
        "light curve of Jassby and Platt, a factor of 2.1 for ten kelvin, less respiration", "hard", 600,
        alike(0.5, "of the target's unit"),
        (
            column("PAR µmol m-2 s-1", uniform(0, 1600), decimals(0)),
            column("T_leaf (K)", uniform(283, 305), decimals(2)),
            idle("CO2 ppm", uniform(395, 412), decimals(1)),
            idle("SPAD", uniform(32, 48), decimals(1)),
            idle("leaf id", integers(1, 24)),
        ),
        "narrow range of temperatures with a large offset; three idle columns",
        wild(18),
    ),
)  # fmt: skip
