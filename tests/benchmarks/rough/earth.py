"""Laws of earth, water, weather and soil."""

from tests.benchmarks.rough.columns import (
    choice,
    column,
    decimals,
    digits,
    follows,
    gamma,
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
    weibull,
)
from tests.benchmarks.rough.drawing import Table
from tests.benchmarks.rough.noise import (
    additive,
    alike,
    exact,
    growing,
    of_spread,
    proportional,
    rounded,
    stray,
    wild,
)

TABLES = (
    Table(
        "well-log", "RT", "0.81*Rw/(PHI**2.15*SW**1.93)",
        "resistivity of rock, Archie", "easy", 180, proportional(0.04),
        (
            idle("GR_api", uniform(15, 120), digits(4)),
            column("Rw", log_uniform(0.02, 0.5), digits(4)),
            column("PHI", uniform(0.06, 0.32), digits(4)),
            column("SW", uniform(0.15, 1), digits(4)),
        ),
        "target over decades",
        stray(1),
    ),
    Table(
        "channel-survey", "velocity", "(width*depth/(width+2*depth))**(2/3)*sqrt(slope)/roughness",
        "flow of Manning in a rectangular channel", "medium", 900, rounded(4),
        (
            column("roughness", uniform(0.012, 0.06), digits(4)),
            column("width", uniform(1, 25), digits(4)),
            idle("water_temp", uniform(4, 24), digits(4)),
            column("depth", uniform(0.2, 5), digits(4)),
            column("slope", log_uniform(1e-4, 2e-2), digits(4)),
        ),
    ),
    Table(
        "weather-vpd", "vpd_kPa", "0.6112*exp(17.62*air_temp/(243.12+air_temp))*(1-rel_hum/100)",
        "deficit of vapour pressure, Magnus", "medium", 320, additive(0.02),
        (
            hidden("scatter", normal(0, 14)),
            idle("station", integers(1, 12)),
            column("air_temp", uniform(-8, 38)),
            column("rel_hum", follows("85 - 0.9*air_temp + scatter", 8, 98)),
            idle("wind", gamma(2, 1.6, 0.1)),
            idle("pressure", normal(1008, 8)),
        ),
        "relevant columns anticorrelated; percent column; ID column",
    ),
    Table(
        "wave-speed", "c [m/s]", "sqrt(9.81*wavelength/(2*pi)*tanh(2*pi*depth/wavelength))",
        "speed of waves on water", "medium", 252, exact(),
        (
            column("wavelength [m]", geometric(1, 300, 21, each=12), digits(3)),
            column("depth [m]", geometric(0.3, 120, 12), digits(3)),
        ),
        "units in header; factorial grid 21 x 12",
    ),
    Table(
        "aftershocks", "rate_per_day", "145/(t_days+0.35)**1.08",
        "decay of aftershocks, Omori and Utsu", "medium", 150, proportional(0.04),
        (column("t_days", steps(0.25, 37.5)),),
        "regular grid",
    ),
    Table(
        "grain-settling", "w_s [m/s]", "R_sub*9.81*D**2/(18*nu+sqrt(0.75*R_sub*9.81*D**3))",
        "settling of grains, Ferguson and Church", "hard", 220, rounded(4),
        (
            column("D [m]", log_uniform(2e-5, 5e-3), digits(4)),
            column("nu [m^2/s]", uniform(8e-7, 1.7e-6), digits(4)),
            column("R_sub [1]", uniform(1.1, 2), digits(4)),
        ),
        "units in header; target over decades",
    ),
    Table(
        "strong-motion", "ln_pga",
        "-1.27+0.91*Mw-1.38*log(sqrt(Rjb**2+6.8**2))-0.0042*Rjb-0.52*log(Vs30/760)",
        "motion of the ground: spreading, attenuation and site", "hard", 10000, additive(0.05),
        (
            column("Mw", uniform(4.5, 7.8), decimals(1)),
            idle("depth_km", uniform(3, 35), digits(4)),
            column("Rjb", log_uniform(1, 250), digits(4)),
            idle("azimuth", uniform(0, 360), decimals(0)),
            column("Vs30", log_uniform(150, 1500), digits(4)),
        ),
        "10,000 rows; logarithmic target",
    ),
    Table(
        "soil-retention", "theta_v", "0.067+0.378/(1+(0.02*suction_cm)**1.41)**(1-1/1.41)",
        "water kept by silt loam, van Genuchten", "hard", 48, additive(0.01),
        (column("suction_cm", log_uniform(1, 15000), digits(4)),),
        "few rows; input over decades",
    ),
    Table(
        "co2-monthly", "ppm_above_280", "35.1+0.78*years+0.0125*years**2+2.85*sin(2*pi*years+0.55)",
        "quadratic trend and the cycle of the year", "hard", 744, additive(0.005),
        (column("years", steps(0, 743 / 12), decimals(4)),),
        "regular grid",
    ),
    Table(
        "sun-position", "sin_alt",
        "sin(lat_rad)*sin(decl_rad)+cos(lat_rad)*cos(decl_rad)*cos(hour_angle)",
        "sine of the sun's altitude", "medium", 10000, additive(0.005),
        (
            column("lat_rad", uniform(-1.2, 1.2)),
            column("decl_rad", uniform(-0.409, 0.409)),
            column("hour_angle", uniform(-3.1, 3.1)),
        ),
        "10,000 rows; target of both signs",
    ),
    Table(
        "vnotch", "débit_L_s", "8/15*0.585*sqrt(2*9.81)*tan(θ_notch_deg*pi/360)*head_m**2.5*1000",
        "discharge of a notched weir", "easy", 60, proportional(0.01),
        (
            column("θ_notch_deg", levels(30, 45, 60, 90, 120, each=3)),
            column("head_m", levels(0.06, 0.11, 0.18, 0.27, each=15)),
        ),
        "angle in degrees; replicated design, 20 points x 3",
    ),
    Table(
        "hindered-settling", "v_settle (mm/s)", "5.4e-4*`particle d`**2*(1-`Solids_vol_%`/100)**4.65",
        "settling of many grains, Stokes, Richardson and Zaki", "easy", 90, proportional(0.03),
        (
            column("particle d (µm)", uniform(40, 160), decimals(0)),
            column("Solids_vol_%", uniform(1, 38), decimals(1)),
            idle("pH", uniform(6.4, 8.1), decimals(2)),
        ),
        "percent column",
        wild(3),
    ),
    Table(
        "air-refractivity", "refractivity N [1]",
        "0.776*pressure/temperature+3730.0*`vapour pressure`/temperature**2",
        "refractivity of air for radio waves, Smith and Weintraub", "medium", 20000, proportional(0.005),
        (
            column("pressure [Pa]", uniform(98000, 104000), decimals(0)),
            column("temperature [K]", uniform(283, 318), decimals(2)),
            column("vapour pressure [Pa]", uniform(300, 4200), decimals(0)),
            idle("wind speed [m/s]", weibull(2, 4, 0.01), digits(3)),
        ),
        "20,000 rows; narrow ranges with large offsets; units in header",
    ),
    Table(
        "earth-pressure", "active thrust (kN/m)",
        "0.5*`unit weight`*`Wall height H`**2*tan(pi/4-phi*pi/360)**2"
        "-2*cohesion*`Wall height H`*tan(pi/4-phi*pi/360)",
        "thrust of cohesive soil, Rankine", "medium", 300, of_spread(0.02),
        (
            column("Wall height H (m)", uniform(2, 8), decimals(2)),
            column("cohesion (kPa)", uniform(0, 40), decimals(1)),
            column("phi (deg)", uniform(14, 40), decimals(1)),
            column("unit weight (kN/m3)", uniform(16.5, 21), decimals(1)),
            idle("borehole", integers(1, 12)),
        ),
        "angle in degrees; target of both signs; ID column",
    ),
    Table(
        "slope-safety", "FS",
        "`c' kPa`/(`γ kN/m³`*`depth m`*sin(`slope deg`*pi/180)*cos(`slope deg`*pi/180))"
        "+(1-m_sat*9.81/`γ kN/m³`)*tan(`phi deg`*pi/180)/tan(`slope deg`*pi/180)",
        "safety of a long slope", "hard", 220, proportional(0.01),
        (
            column("c' kPa", log_normal(5, 0.9), digits(3)),
            column("γ kN/m³", uniform(16, 21), decimals(1)),
            column("depth m", uniform(0.8, 4), decimals(2)),
            column("slope deg", uniform(15, 45), decimals(1)),
            column("phi deg", uniform(22, 40), decimals(1)),
            column("m_sat", uniform(0, 1), decimals(2)),
        ),
        "two angles in degrees; skewed input; six relevant columns",
    ),
    Table(
        "oxygen-sag", "DO deficit mg/L",
        "0.31/(0.72-0.31)*`BOD_L0 mg/L`*(exp(-0.31*`travel time`)-exp(-0.72*`travel time`))"
        "+`D0 mg/L`*exp(-0.72*`travel time`)",
        "lack of oxygen in a river, Streeter and Phelps", "hard", 150,
        growing("0.02 and 0.4 % of the oxygen demand",
                lambda sheet, true: 0.02 + 0.004 * sheet.columns["BOD_L0 mg/L"]),
        (
            column("travel time (d)", uniform(0, 9), decimals(2)),
            column("BOD_L0 mg/L", uniform(5, 40), decimals(1)),
            column("D0 mg/L", uniform(0, 4), decimals(2)),
            idle("river flow m3/s", log_normal(12, 0.6), digits(3)),
        ),
        "noise that grows with a column",
    ),
    Table(
        "soil-temperature", "Bodentemperatur °C",
        "8.4+13.5*exp(-depth_m/2.1)*sin(2*pi*(day_of_year-108)/365-depth_m/2.1)",
        "wave of the year's heat in soil", "hard", 1200, alike(0.3, "K"),
        (
            column("day_of_year", integers(1, 365)),
            column("depth_m", choice(0.05, 0.1, 0.2, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0)),
            idle("station", integers(1, 6)),
        ),
        "integer input; target of both signs; ID column",
    ),
)  # fmt: skip
