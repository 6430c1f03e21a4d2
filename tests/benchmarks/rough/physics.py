"""Laws of physics, astronomy and chemistry."""

from tests.benchmarks.rough.columns import (
    choice,
    column,
    constant,
    decimals,
    digits,
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
    counts,
    growing,
    of_spread,
    proportional,
    rounded,
)

TABLES = (
    Table(
        "afm-indent", "F [N]", "4/3*E_r*sqrt(R_tip)*delta**1.5",
        "contact of a sphere, Hertz", "easy", 120, additive(0.02),
        (
            column("E_r [Pa]", uniform(2e4, 5e5)),
            column("R_tip [m]", uniform(5e-7, 5e-6)),
            column("delta [m]", uniform(2e-8, 1e-6)),
        ),
        "units in header",
    ),
    Table(
        "rotating-disk", "i_lim [A]", "0.62*n*96485*A_el*D0**(2/3)*nu**(-1/6)*c_bulk*sqrt(omega)",
        "limiting current of Levich", "easy", 600, rounded(4),
        (
            column("n [1]", integers(1, 4)),
            column("A_el [m^2]", log_uniform(2e-5, 3e-4)),
            column("D0 [m^2/s]", log_uniform(3e-10, 2e-9)),
            column("omega [rad/s]", log_uniform(10, 400)),
            column("nu [m^2/s]", uniform(8e-7, 1.4e-6)),
            column("c_bulk [mol/m^3]", log_uniform(0.5, 10)),
        ),
        "units in header; integer input; six relevant columns",
    ),
    Table(
        "star-catalogue", "app_mag", "abs_mag+5*log(dist_pc)/log(10)-5+A_V",
        "distance modulus with extinction", "easy", 300, additive(0.005),
        (
            column("abs_mag", normal(3, 2.5)),
            column("dist_pc", log_uniform(10, 8000)),
            column("A_V", uniform(0, 2.5)),
        ),
        "logarithmic target",
    ),
    Table(
        "gap-vs-temp", "Eg_eV", "1.519-5.405e-4*T_K**2/(T_K+204)",
        "gap of gallium arsenide, Varshni", "medium", 30, rounded(5),
        (column("T_K", steps(10, 300)),),
        "regular grid; few rows",
    ),
    Table(
        "refractive-index", "n_o", "sqrt(2.7359+0.01878/(lambda_um**2-0.01822)-0.01354*lambda_um**2)",
        "ordinary index of barium borate, Sellmeier", "hard", 56, rounded(5),
        (column("lambda_um", steps(0.24, 2.44), digits(4)),),
        "regular grid; few rows",
    ),
    Table(
        "ringdown", "x_mm", "3.2*exp(-0.18*t)*cos(2.74*t+0.6)+0.35",
        "damped oscillation with an offset", "hard", 400, additive(0.03),
        (column("t", steps(0, 19.95), decimals(2)),),
        "regular grid; target of both signs",
    ),
    Table(
        "herschel-bulkley", "shear stress [Pa]", "4.2+1.9*`shear rate`**0.46",
        "power-law fluid with a yield stress", "easy", 36, proportional(0.02),
        (
            column("shear rate [1/s]", levels(0.5, 1, 2, 5, 10, 20, 50, 100, 200, each=4)),
            idle("bath temperature [K]", constant(298.15)),
            idle("gap [m]", choice(0.0005, 0.001)),
        ),
        "units in header; constant column; replicated design, 9 points x 4; few rows",
    ),
    Table(
        "activity-coeff", "log10 γ",
        "-0.509*`ion charge z`**2*(sqrt(I)/(1+sqrt(I))-0.3*I)",
        "activity of ions, Davies", "medium", 40, rounded(3),
        (
            column("ion charge z", choice(-3, -2, -1, 1, 2, 3)),
            column("I (mol/kg)", log_uniform(0.001, 0.5), digits(3)),
            idle("ion size Å", choice(3.0, 4.5, 6.0, 9.0)),
        ),
        "logarithmic target, always negative; integer input of both signs; duplicated rows; few rows",
        repeated=6,
    ),
    Table(
        "beam-radius", "beam radius [m]", "`waist radius`*sqrt(1+(z*wavelength/(pi*`waist radius`**2))**2)",
        "radius of a Gaussian beam", "medium", 500, proportional(0.005),
        (
            column("z [m]", uniform(-1.5, 1.5), decimals(3)),
            column("waist radius [m]", log_uniform(6e-5, 9e-4), digits(3)),
            column("wavelength [m]", choice(4.05e-7, 5.32e-7, 6.328e-7, 1.064e-6, 1.55e-6)),
            idle("refractive index [1]", constant(1.00027), digits(6)),
        ),
        "units in header; constant column; inputs of very small size, one of both signs",
    ),
    Table(
        "anisotropy-energy", "energy density kJ/m³",
        "45*sin(theta_M_deg*pi/180)**2+12*sin(theta_M_deg*pi/180)**4"
        "-0.4*H_kA_per_m*cos((theta_M_deg-φ_H_deg)*pi/180)",
        "energy of Stoner and Wohlfarth with a second anisotropy", "hard", 800, of_spread(0.01),
        (
            column("theta_M_deg", uniform(0, 180), decimals(1)),
            column("φ_H_deg", uniform(0, 180), decimals(1)),
            column("H_kA_per_m", uniform(0, 200), decimals(0)),
            idle("film nm", choice(10, 20, 40)),
        ),
        "two angles in degrees; target of both signs",
    ),
    Table(
        "detector-counts", "counts",
        "live_time_s*(22000*activity_kBq/`distance cm`**2+15)/(1+1.2e-4*(22000*activity_kBq/`distance cm`**2+15))",
        "source at a distance and background, with a dead time", "hard", 2500, counts(),
        (
            column("activity_kBq", log_normal(15, 1.0), digits(3)),
            column("distance cm", uniform(6, 90), decimals(1)),
            column("live_time_s", choice(1, 2, 5, 10, 20)),
            idle("HV_V", integers(895, 905)),
        ),
        "count target; skewed input; integer inputs; nearly constant column",
    ),
    Table(
        "electrode-kinetics", "current density [A/m^2]",
        "`exchange current density`*(exp(0.35*96485*overpotential/(8.314*`cell temperature`))"
        "-exp(-0.65*96485*overpotential/(8.314*`cell temperature`)))",
        "current of Butler and Volmer", "hard", 240,
        growing("1 % of the value and 0.05 A/m^2", lambda sheet, true: 0.01 * abs(true) + 0.05),
        (
            column("overpotential [V]", uniform(-0.09, 0.09), decimals(4)),
            column("cell temperature [K]", uniform(288, 323), decimals(1)),
            column("exchange current density [A/m^2]", log_uniform(0.5, 20), digits(3)),
            idle("electrode area [m^2]", choice(1e-4, 2e-4, 5e-4)),
            idle("stack pressure [Pa]", uniform(99000, 103000), decimals(0)),
        ),
        "units in header; narrow ranges with large offsets; target of both signs",
    ),
)  # fmt: skip
