"""Print the polynomial coefficients of kernels/vecmath.h: `python tests/kernels/minimax.py` (needs mpmath, run by hand).

Each row asks for the polynomial p of a given degree that makes the largest weighted error |w(x) (p(x) - f(x))| smallest
over an interval (Remez exchange on a fixed grid, 60 digits). `f` is what remains after the leading terms, which the C code
adds exactly, so w states how much the polynomial counts in the final relative error.
"""
import sys

from mpmath import cos, erf, erfc, exp, expm1, log, log1p, log2, lu_solve, matrix, mp, mpf, nstr, pi, polyval, sin, sqrt

mp.dps = 60


def minimax(f, w, low, high, degree, rounds=40):
    """Return (coefficients, lowest first; largest weighted error) of the best polynomial for f on [low, high]."""
    points = 40 * (degree + 2)
    grid = [(low + high) / 2 - (high - low) / 2 * cos(pi * i / points) for i in range(points + 1)]
    fs, ws = [f(x) for x in grid], [w(x) for x in grid]
    nodes = [round(i * points / (degree + 1)) for i in range(degree + 2)]
    for _ in range(rounds):
        a = matrix(degree + 2)
        b = matrix(degree + 2, 1)
        for row, i in enumerate(nodes):
            for j in range(degree + 1):
                a[row, j] = ws[i] * grid[i] ** j
            a[row, degree + 1] = (-1) ** row
            b[row] = ws[i] * fs[i]
        c = list(lu_solve(a, b))[:-1]
        e = [w_ * (sum(cj * x**j for j, cj in enumerate(c)) - f_) for x, f_, w_ in zip(grid, fs, ws, strict=True)]
        new = alternation(e, degree + 2)
        if new == nodes or len(new) < degree + 2:
            break
        nodes = new
    return c, max(abs(v) for v in e)


def rational(f, w, high, first, degrees, rounds=20):
    """Return (p, q; largest weighted error) of the best p / q for f on (0, high], p beginning with `first`, q with 1."""
    over, under = degrees
    unknowns = over + under + 1  # the last is the error that alternates between the nodes
    grid = [high * ((1 - cos(pi * i / (40 * unknowns))) / 2) ** 2 for i in range(1, 40 * unknowns + 1)]
    fs, ws, qs = [f(x) for x in grid], [w(x) for x in grid], [mpf(1)] * len(grid)
    nodes = [round((i + 0.7) * (len(grid) - 1) / (unknowns - 0.3)) for i in range(unknowns)]
    for _ in range(rounds):
        for _ in range(6):  # q of the round before stands for q where the unknown error multiplies it
            rows = [[grid[i]**j for j in range(1, over + 1)] + [-fs[i] * grid[i]**j for j in range(1, under + 1)]
                    + [(-1)**k * qs[i] / ws[i]] for k, i in enumerate(nodes)]
            c = list(lu_solve(matrix(rows), matrix([fs[i] - first for i in nodes])))
            p, q = [first, *c[:over]], [mpf(1), *c[over:-1]]
            qs = [polyval(q[::-1], x) for x in grid]
        e = [w_ * (polyval(p[::-1], x) / q_ - f_) for x, f_, w_, q_ in zip(grid, fs, ws, qs, strict=True)]
        new = alternation(e, unknowns)
        if new == nodes or len(new) < unknowns:
            break
        nodes = new
    return p, q, max(abs(v) for v in e)


def alternation(e, count):
    """Return the indices of the extremes of each run of one sign in e, `count` of them where there are more."""
    runs = [[0]]
    for i in range(1, len(e)):
        if (e[i] > 0) == (e[runs[-1][0]] > 0):
            runs[-1].append(i)
        else:
            runs.append([i])
    new = [max(run, key=lambda i: abs(e[i])) for run in runs]
    while len(new) > count:  # keep alternation: drop the weaker end
        new.pop(0 if abs(e[new[0]]) < abs(e[new[-1]]) else -1)
    return new


def taylor_safe(f, near):
    """f, but its limit where the closed form is 0/0: evaluate a hair away, at a precision that hides it."""
    return lambda x: f(x if abs(x) > near else near)


def scaled_erfcx(c):
    """f and w of the row: e^(z^2) erfc z over (1 - w) as a function of w = z / (c + z), and its relative weight."""
    def f(w):
        z = c * w / (1 - w)
        return exp(z * z) * erfc(z) / (1 - w)
    return f, lambda w: 1 / f(w)


TINY = mpf(10) ** -18
ROWS = {  # name: (f, w, low, high, {precision: degree})
    # e^r = 1 + r + r^2 p(r)
    "exp": (lambda r: (exp(r) - 1 - r) / r**2, lambda r: r**2 / exp(r), -log(2) / 2, log(2) / 2, {"f32": 4, "f64": 9}),
    # 2^r = 1 + r p(r)
    "exp2": (lambda r: (2**r - 1) / r, lambda r: r / 2**r, mpf(-1) / 2, mpf(1) / 2, {"f32": 5, "f64": 10}),
    # e^r - 1 = r + r^2 p(r), relative to itself
    "expm1": (lambda r: (expm1(r) - r) / r**2, lambda r: abs(r**2 / expm1(r)), -log(2) / 2, log(2) / 2, {"f32": 5, "f64": 10}),
    # log(1 + f) = f - f^2/2 + f^3 p(f)
    "log": (lambda f: (log1p(f) - f + f**2 / 2) / f**3, lambda f: f**3 / log1p(f), mpf("-0.25"), mpf("0.5"), {"f32": 8}),
    # log((1+s)/(1-s)) = 2s + s^3 p(s^2), s2 = s^2
    "atanh": (lambda z: (log((1 + sqrt(z)) / (1 - sqrt(z))) / sqrt(z) - 2) / z, lambda z: z / 2, mpf(0), mpf("0.0401"),
              {"f32": 2, "f64": 7}),
    # the same without its first term: 2s + 2/3 s^3 + s^5 p(s^2)
    "atanh5": (lambda z: ((log((1 + sqrt(z)) / (1 - sqrt(z))) / sqrt(z) - 2) / z - mpf(2) / 3) / z, lambda z: z**2 / 2,
               mpf(0), mpf("0.0401"), {"f32": 2, "f64": 6}),
    # sin r = r + r^3 p(r^2), cos r = 1 - r^2/2 + r^4 p(r^2)
    "sin": (lambda z: (sin(sqrt(z)) / sqrt(z) - 1) / z, lambda z: z, mpf(0), (pi / 4) ** 2 * mpf("1.001"),
            {"f32": 2, "f64": 5}),
    "cos": (lambda z: (cos(sqrt(z)) - 1 + z / 2) / z**2, lambda z: z**2, mpf(0), (pi / 4) ** 2 * mpf("1.001"),
            {"f32": 2, "f64": 5}),
    # tanh: (e^(2r) - 1) / 2 = r + r^2 p(r), relative to itself
    "tanh": (lambda r: (expm1(2 * r) / 2 - r) / r**2, lambda r: abs(2 * r**2 / expm1(2 * r)), -log(2) / 4, log(2) / 4,
             {"f32": 4, "f64": 9}),
    # erf x = x + x p(x^2), |x| <= 3/4
    "erf": (lambda z: erf(sqrt(z)) / sqrt(z) - 1, lambda z: 1, mpf(0), mpf("0.5626"), {"f32": 5, "f64": 11}),
    # e^(z^2) erfc z = (1 - w) p(w), w = z / (c + z), up to the z whose erfc rounds to 0; c: least degree, small terms
    "erfcx2": (*scaled_erfcx(2), mpf(0), mpf("10.4") / mpf("12.4"), {"f32": 10}),
    "erfcx2.5": (*scaled_erfcx(mpf("2.5")), mpf(0), mpf("27.6") / mpf("30.1"), {"f64": 24}),
}


def normal_ratio(t):
    """Phi(-t) e^(t^2/2), Phi the normal distribution: v_normal_ratio."""
    return exp(t * t / 2) * erfc(t / sqrt(2)) / 2


if __name__ == "__main__":
    p, q, error = rational(normal_ratio, lambda t: 1 / normal_ratio(t), mpf("14.6"), mpf(1) / 2, (4, 5))
    print(f"normal_ratio f32: weighted error 2^{nstr(log2(error), 4)}")
    for terms in p, q:
        print("    " + ", ".join(nstr(v, 9) for v in terms))
    for name in sys.argv[1:] or ROWS:
        f, w, low, high, degrees = ROWS[name]
        for precision, degree in degrees.items():
            c, error = minimax(taylor_safe(f, TINY), taylor_safe(w, TINY), low, high, degree)
            print(f"{name} {precision} degree {degree}: weighted error 2^{nstr(log2(error), 4)}")
            print("    " + ", ".join(nstr(v, 9 if precision == "f32" else 17) for v in c))
