/* Sums of splines over the inputs of a layer, and their derivatives, from the few basis functions that are not zero.
 *
 * A point lies in one piece of its input's grid, where degree + 1 B-splines are not zero; these and the base activation
 * are its taps. The rows of a chunk are sorted by piece, so that the weights of a piece stay in registers while its
 * rows pass by. The cost does not grow with the grid, and nothing of size rows x inputs x grid is ever stored.
 *
 * Every result is written by one thread in one order: it does not depend on scheduling.
 *
 * Compiled once for each DEGREE (0 .. 5), BASE (1: the last feature is SiLU) and BITS (32 or 64) that is asked for. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#ifndef BITS
#define BITS 32
#endif
#ifndef DEGREE
#define DEGREE 3
#endif
#ifndef BASE
#define BASE 1
#endif
#define SPLINES (DEGREE + 1)
#define TAPS (SPLINES + BASE)
#define MOST_ORDER 4

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#define WIDEST 4 /* vectors of outputs that, times the taps, fit the registers */
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#define WIDEST 2
#elif defined(__aarch64__)
#define VECTOR_BYTES 16
#define WIDEST 4
#else
#define VECTOR_BYTES 16
#define WIDEST 2
#endif

#if BITS == 32
typedef float Real;
typedef int32_t Whole;
#define EXPONENT_BITS 23
#define EXPONENT_BIAS 127
#define LARGEST_EXPONENT 87.0f
#define EXP_TERMS 7
#define NEAREST rintf
#else
typedef double Real;
typedef int64_t Whole;
#define EXPONENT_BITS 52
#define EXPONENT_BIAS 1023
#define LARGEST_EXPONENT 708.0
#define EXP_TERMS 12
#define NEAREST rint
#endif

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 8")
#define LANES ((int64_t)(VECTOR_BYTES / sizeof(Real)))
#define MOST_GROUP 16
#define LEAST_CHUNK 128
#define MOST_CHUNK 2048 /* rows of a chunk; they are numbered in 16 bits */
#define ROWS_PER_PIECE 16
#define QUARTER_LANES ((int64_t)(16 / sizeof(Real)))

enum { FINE = 0, NO_MEMORY = 1, BAD_ARGUMENT = 2 };

/* What is computed; the Python side mirrors it field by field. */
typedef struct {
    int64_t rows, inputs, outputs, knots; /* N, I, O, K = G + 2 DEGREE + 1 */
    int64_t even;                         /* 1: every input's knots are evenly spaced */
    int64_t order;                        /* derivative of the features that meets the weights, 0 .. MOST_ORDER */
    int64_t input_order;                  /* the same for the gradient of the inputs */
    int64_t threads;
} Problem;

static int64_t pieces_of(const Problem *problem) { return problem->knots - 2 * DEGREE - 1; }
static int64_t functions_of(const Problem *problem) { return problem->knots - DEGREE - 1; }
static int64_t features_of(const Problem *problem) { return functions_of(problem) + BASE; }
static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t round_up(int64_t a, int64_t step) { return (a + step - 1) / step * step; }

static int is_bad(const Problem *problem) {
    return pieces_of(problem) < 1 || problem->order < 0 || problem->order > MOST_ORDER || problem->input_order < 0 ||
           problem->input_order > MOST_ORDER || problem->threads < 1;
}

/* Rows that are sorted together: enough to use a piece's weights several times, few enough for the cache. */
static int64_t chunk_rows(const Problem *problem) {
    return smaller(MOST_CHUNK, round_up(ROWS_PER_PIECE * pieces_of(problem), LEAST_CHUNK));
}

/* Inputs whose taps are prepared together, so that a line of cache of the rows is read once. */
static int64_t group_inputs(int64_t rows_of_chunk) { return larger(4, smaller(MOST_GROUP, 4096 / rows_of_chunk)); }

typedef Real Vector __attribute__((vector_size(VECTOR_BYTES)));
typedef Whole Mask __attribute__((vector_size(VECTOR_BYTES)));
typedef Real Loose __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(Real)), may_alias));
typedef Real Quarter __attribute__((vector_size(16), aligned(sizeof(Real)), may_alias));

INLINE Vector load(const Real *from) { return (Vector) * (const Loose *)from; }
INLINE void store(Real *to, Vector value) { *(Loose *)to = (Loose)value; }
/* Taking 0 away changes no number, not even -0, so that this is a bare broadcast. */
INLINE Vector all(Real value) { return value - (Vector){0}; }

/* ---- a matrix of which one chunk of rows is looked at, cut into blocks of outputs ---- */

/* A weight tensor (I, F, O); the last vector of outputs may be cut short. */
typedef struct {
    Real *at;
    const Real *end;
    int64_t features, outputs, last; /* last: lanes of the last vector that hold outputs */
    Mask keep;                       /* all bits set in these lanes */
} Table;

static Table table_of(const Problem *problem, const Real *weight) {
    Table table = {(Real *)weight, weight + problem->inputs * features_of(problem) * problem->outputs,
                   features_of(problem), problem->outputs, 0, {0}};
    table.last = problem->outputs - (round_up(problem->outputs, LANES) - LANES);
    for (int64_t lane = 0; lane < table.last; lane++) table.keep[lane] = -1;
    return table;
}

/* Load the weights of one feature for `vectors` vectors of outputs; lanes past the outputs are 0. */
INLINE void load_row(const Table *table, const Real *row, const int vectors, int cut, Vector *into) {
UNROLL
    for (int v = 0; v < vectors - 1; v++) into[v] = load(row + v * LANES);
    const Real *tail = row + (vectors - 1) * LANES;
    if (!cut) {
        into[vectors - 1] = load(tail);
    } else if (tail + LANES <= table->end) {
        into[vectors - 1] = (Vector)((Mask)load(tail) & table->keep);
    } else {
        Vector part = {0};
        memcpy(&part, tail, (size_t)table->last * sizeof(Real));
        into[vectors - 1] = part;
    }
}

/* Write, or add to, the weights of one feature. */
INLINE void put_row(const Table *table, Real *row, const int vectors, int cut, int add, const Vector *from) {
UNROLL
    for (int v = 0; v < vectors - cut; v++) {
        Vector sum = add ? from[v] + load(row + v * LANES) : from[v];
        store(row + v * LANES, sum);
    }
    if (cut) {
        Real part[VECTOR_BYTES / sizeof(Real)], *tail = row + (vectors - 1) * LANES;
        memcpy(part, &from[vectors - 1], VECTOR_BYTES);
        for (int64_t lane = 0; lane < table->last; lane++) tail[lane] = add ? tail[lane] + part[lane] : part[lane];
    }
}

/* ---- taps ---- */

/* The taps of one input at the rows of one chunk. */
typedef struct {
    Real *x, *scale;         /* (stride) */
    Real *value, *slope;     /* (taps, stride): features that meet the weights; those for the inputs' gradient */
    int32_t *piece, *start;  /* (stride) piece of every row; (G + 1) where a piece begins in `sorted` */
    uint16_t *sorted;        /* rows in order of their piece */
    int64_t stride;
} Tile;

INLINE Real power_of_two(Real exponent) {
    Whole bits = ((Whole)exponent + EXPONENT_BIAS) << EXPONENT_BITS;
    Real power;
    memcpy(&power, &bits, sizeof power);
    return power;
}

/* exp to rounding: 2^n exp(r) with |r| <= ln(2)/2 and the Taylor sum of exp(r). */
INLINE Real exponential(Real x) {
    static const Real inverse_factorial[13] = {1.0, 1.0, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040,
        1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600};
    const Real inverse_log = (Real)1.4426950408889634, high = (Real)0.693145751953125;
    const Real low = (Real)1.4286068203094172e-06;
    x = x > LARGEST_EXPONENT ? LARGEST_EXPONENT : x;
    x = x < -LARGEST_EXPONENT ? -LARGEST_EXPONENT : x;
    Real n = sizeof(Real) == 4 ? (Real)rintf((float)(x * inverse_log)) : (Real)rint((double)(x * inverse_log));
    Real r = (x - n * high) - n * low, sum = inverse_factorial[EXP_TERMS];
UNROLL
    for (int i = EXP_TERMS - 1; i >= 0; i--) sum = sum * r + inverse_factorial[i];
    return sum * power_of_two(n);
}

/* SiLU x s(x) with s = 1 / (1 + exp(-x)), and its first derivative. */
static void silu(const Real *restrict x, int64_t count, Real *restrict value, Real *restrict slope) {
    for (int64_t r = 0; r < count; r++) {
        Real decay = exponential(-x[r]), gate = 1 / (1 + decay);
        value[r] = x[r] * gate;
        slope[r] = gate * (1 + x[r] * (decay * gate));
    }
}

/* Any derivative of SiLU: x s^(n) + n s^(n-1), with the derivatives of s as polynomials of s. */
static Real silu_derivative(Real x, int64_t order) {
    Real decay = exponential(-x), s = 1 / (1 + decay), rest = decay * s, both = s * rest;
    Real gate[MOST_ORDER + 1] = {s, both, both * (rest - s), both * (1 - 6 * both),
                                 both * (rest - s) * (1 - 12 * both)};
    return x * gate[order] + (order > 0 ? order * gate[order - 1] : 0);
}

INLINE Real inside(Real x, Real low, Real high) {
    x = x < low ? low : x;
    return x > high ? high : x;
}

/* Which piece every point lies in, by index arithmetic. */
static void find_even(const Real *restrict knots, int32_t pieces, const Real *restrict x, int64_t count,
                      int32_t *restrict piece) {
    Real low = knots[DEGREE], high = knots[DEGREE + pieces], per_width = pieces / (high - low);
    for (int64_t r = 0; r < count; r++) {
        int32_t j = (int32_t)((inside(x[r], low, high) - low) * per_width);
        j = j > pieces - 1 ? pieces - 1 : j;
        piece[r] = j < 0 ? 0 : j;
    }
}

/* The same on any grid, by bisection without branches. */
static void find_any(const Real *restrict knots, int32_t pieces, const Real *restrict x,
                           int64_t count, int32_t *restrict piece) {
    const Real *inner = knots + DEGREE;
    int32_t step = 1;
    while (2 * step < pieces) step *= 2;
    for (int64_t r = 0; r < count; r++) piece[r] = 0;
    for (; step > 0; step /= 2)
        for (int64_t r = 0; r < count; r++) {
            int32_t next = piece[r] + step, seen = next < pieces ? next : 0;
            piece[r] = (next < pieces) & (x[r] >= inner[seen]) ? next : piece[r];
        }
}

/* Raise the degree of the B-splines that are not zero from `level` to level + 1 (Cox-de Boor). */
INLINE void raise_degree(Real *taps, int level, const Real *left, const Real *right, int even) {
    Real carried = 0;
UNROLL
    for (int i = 0; i <= level; i++) {
        Real share = even ? taps[i] * ((Real)1 / (level + 1)) : taps[i] / (right[i] + left[level - i]);
        taps[i] = carried + right[i] * share;
        carried = left[level - i] * share;
    }
    taps[level + 1] = carried;
}

/* Turn the B-splines of degree - 1 at a point into the derivatives of those of `degree`. */
INLINE void differentiate(Real *taps, int degree, const Real *left, const Real *right, int even) {
    Real before = 0;
UNROLL
    for (int i = 0; i < degree; i++) {
        Real scaled = even ? taps[i] : taps[i] * degree / (right[i] + left[degree - 1 - i]);
        taps[i] = before - scaled;
        before = scaled;
    }
    taps[degree] = before;
}

/* Values and slopes of the B-splines that are not zero; beyond the domain they go on along their tangents.
 * On an even grid lengths are measured in its widths. */
INLINE void first_taps(const int even, const Real *restrict knots, int32_t pieces, const Tile *tile) {
    const Real *inner = knots + DEGREE, *restrict x = tile->x;
    const int32_t *restrict piece = tile->piece;
    Real *restrict value = tile->value, *restrict slope = tile->slope;
    Real low = inner[0], high = inner[pieces], per_width = even ? pieces / (high - low) : 1;
    int64_t stride = tile->stride;
#pragma GCC ivdep
    for (int64_t r = 0; r < stride; r++) {
        Real point = inside(x[r], low, high), beyond = (x[r] - point) * per_width;
        Real left[SPLINES], right[SPLINES], taps[SPLINES] = {1}, slopes[SPLINES] = {0};
        Real share = even ? (point - low) * per_width - piece[r] : 0;
UNROLL
        for (int m = 0; m < DEGREE; m++) {
            left[m] = even ? share + m : point - inner[piece[r] - m];
            right[m] = even ? m + 1 - share : inner[piece[r] + 1 + m] - point;
        }
UNROLL
        for (int level = 0; level < DEGREE - 1; level++) raise_degree(taps, level, left, right, even);
        if (DEGREE > 0) {
UNROLL
            for (int t = 0; t < DEGREE; t++) slopes[t] = taps[t];
            differentiate(slopes, DEGREE, left, right, even);
            raise_degree(taps, DEGREE - 1, left, right, even);
        }
UNROLL
        for (int t = 0; t <= DEGREE; t++) {
            value[t * stride + r] = taps[t] + beyond * slopes[t];
            slope[t * stride + r] = slopes[t] * per_width;
        }
    }
}

/* Any derivative of the B-splines that are not zero, one point after the other. */
static void derived_taps(const Problem *problem, const Real *knots, const Tile *tile, int64_t order, Real *out) {
    const Real *inner = knots + DEGREE;
    Real low = inner[0], high = inner[pieces_of(problem)];
    for (int64_t r = 0; r < tile->stride; r++) {
        Real x = tile->x[r], point = inside(x, low, high);
        Real left[SPLINES], right[SPLINES], taps[SPLINES] = {1};
        for (int m = 0; m < DEGREE; m++) {
            left[m] = point - inner[tile->piece[r] - m];
            right[m] = inner[tile->piece[r] + 1 + m] - point;
        }
        for (int level = 0; level < DEGREE - order; level++) raise_degree(taps, level, left, right, 0);
        for (int64_t k = DEGREE - order + 1; k <= DEGREE; k++)
            if (k > 0) differentiate(taps, (int)k, left, right, 0);
        int zero = order > DEGREE || (order > 1 && (x < low || x > high));
        for (int t = 0; t <= DEGREE; t++) out[t * tile->stride + r] = zero ? 0 : taps[t];
    }
}

/* The features of one derivative order, from the first two that are there already where they will do. */
static void features(const Problem *problem, const Real *knots, const Tile *tile, int64_t order, Real *out) {
    Real *last = out + (SPLINES) * tile->stride;
    derived_taps(problem, knots, tile, order, out);
    if (BASE)
        for (int64_t r = 0; r < tile->stride; r++) last[r] = silu_derivative(tile->x[r], order);
}

static void sort_rows(const Tile *tile, int64_t count, int64_t pieces) {
    memset(tile->start, 0, (size_t)(pieces + 1) * sizeof(int32_t));
    for (int64_t r = 0; r < count; r++) tile->start[tile->piece[r]]++;
    int32_t before = 0;
    for (int64_t p = 0; p <= pieces; p++) {
        int32_t here = tile->start[p];
        tile->start[p] = before;
        before += here;
    }
    for (int64_t r = 0; r < count; r++) tile->sorted[tile->start[tile->piece[r]]++] = (uint16_t)r;
    for (int64_t p = pieces; p > 0; p--) tile->start[p] = tile->start[p - 1];
    tile->start[0] = 0;
}

/* Fill the tile of one input, whose points and scales are there already. */
static void prepare(const Problem *problem, const Real *knots, const Tile *tile, int64_t count, int scaled) {
    int32_t pieces = (int32_t)pieces_of(problem);
    int64_t stride = tile->stride;
    (problem->even ? find_even : find_any)(knots, pieces, tile->x, stride, tile->piece);
    sort_rows(tile, count, pieces);
    if (problem->order == 0 && problem->input_order == 1) {
        if (problem->even)
            first_taps(1, knots, pieces, tile);
        else
            first_taps(0, knots, pieces, tile);
        if (BASE)
            silu(tile->x, stride, tile->value + SPLINES * stride, tile->slope + SPLINES * stride);
    } else {
        features(problem, knots, tile, problem->order, tile->value);
        features(problem, knots, tile, problem->input_order, tile->slope);
    }
    if (scaled)
        for (int64_t t = 0; t < TAPS; t++)
            for (int64_t r = 0; r < stride; r++) {
                tile->value[t * stride + r] *= tile->scale[r];
                tile->slope[t * stride + r] *= tile->scale[r];
            }
}

/* Copy a patch of a matrix (N, I) into the tiles of its inputs; rows past the last repeat a point of the domain. */
static void gather(const Problem *problem, const Real *from, int64_t row, int64_t count, int64_t input,
                         int64_t inputs, Real *into, int64_t stride) {
    for (int64_t r = 0; r < count; r++)
        for (int64_t i = 0; i < inputs; i++) into[i * stride + r] = from[(row + r) * problem->inputs + input + i];
    for (int64_t i = 0; i < inputs; i++)
        for (int64_t r = count; r < stride; r++) into[i * stride + r] = 0;
}

static size_t tile_bytes(const Problem *problem, int64_t stride) {
    size_t bytes = (size_t)stride * ((2 + 2 * (size_t)TAPS) * sizeof(Real) + 4 + 2);
    return (size_t)round_up((int64_t)(bytes + 4 * ((size_t)pieces_of(problem) + 1)), 64);
}

/* Lay out the tiles of a group in one piece of memory: first everybody's points and scales, then the rest. */
static void lay_out(const Problem *problem, char *memory, int64_t inputs, int64_t stride, Tile *tiles) {
    Real *points = (Real *)memory, *scales = points + inputs * stride, *next = scales + inputs * stride;
    for (int64_t i = 0; i < inputs; i++) {
        tiles[i].stride = stride;
        tiles[i].x = points + i * stride;
        tiles[i].scale = scales + i * stride;
        tiles[i].value = next;
        tiles[i].slope = next + TAPS * stride;
        next += 2 * TAPS * stride;
    }
    int32_t *integers = (int32_t *)next;
    for (int64_t i = 0; i < inputs; i++) {
        tiles[i].piece = integers;
        tiles[i].start = integers + stride;
        integers += stride + pieces_of(problem) + 1;
    }
    uint16_t *shorts = (uint16_t *)integers;
    for (int64_t i = 0; i < inputs; i++) tiles[i].sorted = shorts + i * stride;
}

/* Ask for a matrix of weights while the taps that will meet it are made. */
static void prefetch(const Problem *problem, const Real *weight, int64_t count) {
    int64_t bytes = features_of(problem) * problem->outputs * (int64_t)sizeof(Real);
    if (features_of(problem) > count) return; /* most of it will not be used */
    for (int64_t at = 0; at < bytes; at += 64) __builtin_prefetch((const char *)weight + at, 0, 2);
}

/* Prepare the tiles of a group of inputs at one chunk of rows; `weight`, if not NULL, will be needed next. */
static void fill(const Problem *problem, const Real *x, const Real *scale, const Real *knots, const Real *weight,
                 int64_t row, int64_t count, int64_t input, int64_t inputs, const Tile *tiles) {
    gather(problem, x, row, count, input, inputs, tiles[0].x, tiles[0].stride);
    if (scale) gather(problem, scale, row, count, input, inputs, tiles[0].scale, tiles[0].stride);
    for (int64_t i = input; i < input + inputs; i++) {
        if (weight) prefetch(problem, weight + i * features_of(problem) * problem->outputs, count);
        prepare(problem, knots + i * problem->knots, &tiles[i - input], count, scale != NULL);
    }
}

/* ---- kernels: one input, one block of outputs, the rows of one chunk ---- */

/* sums[row] += sum over taps of value[tap, row] * weight[tap]. */
INLINE void forward_block(const int vectors, const Problem *problem, const Tile *tile,
                                const Table *table, const Real *weight, int cut, Real *restrict sums) {
    int64_t pieces = pieces_of(problem), stride = tile->stride, outputs = table->outputs;
    const Real *base = weight + functions_of(problem) * outputs;
    const uint16_t *restrict sorted = tile->sorted;
    for (int64_t p = 0; p < pieces; p++) {
        int32_t begin = tile->start[p], end = tile->start[p + 1];
        if (begin == end) continue;
        Vector held[TAPS][4];
UNROLL
        for (int t = 0; t < TAPS; t++)
            load_row(table, BASE && t == SPLINES ? base : weight + (p + t) * outputs, vectors, cut, held[t]);
        for (int32_t k = begin; k < end; k++) {
            int64_t row = sorted[k];
            Real *at = sums + row * vectors * LANES;
            const Real *value = tile->value + row;
            Vector sum[4];
UNROLL
            for (int v = 0; v < vectors; v++) sum[v] = load(at + v * LANES);
UNROLL
            for (int t = 0; t < TAPS; t++) {
                Vector tap = all(value[t * stride]);
UNROLL
                for (int v = 0; v < vectors; v++) sum[v] += tap * held[t][v];
            }
UNROLL
            for (int v = 0; v < vectors; v++) store(at + v * LANES, sum[v]);
        }
    }
}

/* weight[tap] (+)= sum over rows of value[tap, row] * gradient[row]. Row p of the weights is complete when piece p
 * has passed; so the sums move on by one register a piece and every weight is written once. */
INLINE void weight_block(const int vectors, const Problem *problem,
                               const Tile *tile, const Table *table, Real *weight, int cut, int add,
                               const Real *restrict gradient) {
    int64_t pieces = pieces_of(problem), stride = tile->stride, outputs = table->outputs;
    const uint16_t *restrict sorted = tile->sorted;
    Vector sum[TAPS][4];
UNROLL
    for (int t = 0; t < TAPS; t++)
UNROLL
        for (int v = 0; v < vectors; v++) sum[t][v] = (Vector){0};
    for (int64_t p = 0; p < pieces; p++) {
        int32_t end = tile->start[p + 1];
        for (int32_t k = tile->start[p]; k < end; k++) {
            int64_t row = sorted[k];
            const Real *at = gradient + row * vectors * LANES, *value = tile->value + row;
            Vector given[4];
UNROLL
            for (int v = 0; v < vectors; v++) given[v] = load(at + v * LANES);
UNROLL
            for (int t = 0; t < TAPS; t++) {
                Vector tap = all(value[t * stride]);
UNROLL
                for (int v = 0; v < vectors; v++) sum[t][v] += tap * given[v];
            }
        }
        put_row(table, weight + p * outputs, vectors, cut, add, sum[0]);
UNROLL
        for (int t = 0; t < SPLINES; t++)
UNROLL
            for (int v = 0; v < vectors; v++) sum[t][v] = t + 1 < SPLINES ? sum[t + 1][v] : (Vector){0};
    }
UNROLL
    for (int t = 0; t < SPLINES - 1; t++)
        put_row(table, weight + (pieces + t) * outputs, vectors, cut, add, sum[t]);
    if (BASE) put_row(table, weight + functions_of(problem) * outputs, vectors, cut, add, sum[SPLINES]);
}

#define Quarter quarter
typedef Real Quarter __attribute__((vector_size(16), aligned(sizeof(Real)), may_alias));

/* Fold a vector to 16 bytes by adding its parts. */
INLINE Quarter fold(Vector value) {
    Quarter parts[VECTOR_BYTES / 16];
    memcpy(parts, &value, VECTOR_BYTES);
    Quarter sum = parts[0];
UNROLL
    for (int i = 1; i < VECTOR_BYTES / 16; i++) sum += parts[i];
    return sum;
}

/* folded[row] = sum over outputs of gradient[row] * (sum over taps of slope[tap, row] * weight[tap]), 16 bytes a row. */
INLINE void input_block(const int vectors, const Problem *problem, const Tile *tile,
                              const Table *table, const Real *weight, int cut, const Real *restrict gradient,
                              Real *restrict folded) {
    int64_t pieces = pieces_of(problem), stride = tile->stride, outputs = table->outputs;
    const Real *base = weight + functions_of(problem) * outputs;
    const uint16_t *restrict sorted = tile->sorted;
    for (int64_t p = 0; p < pieces; p++) {
        int32_t begin = tile->start[p], end = tile->start[p + 1];
        if (begin == end) continue;
        Vector held[TAPS][4];
UNROLL
        for (int t = 0; t < TAPS; t++)
            load_row(table, BASE && t == SPLINES ? base : weight + (p + t) * outputs, vectors, cut, held[t]);
        for (int32_t k = begin; k < end; k++) {
            int64_t row = sorted[k];
            const Real *at = gradient + row * vectors * LANES, *slope = tile->slope + row;
            Vector tap[TAPS], sum = {0};
UNROLL
            for (int t = 0; t < TAPS; t++) tap[t] = all(slope[t * stride]);
UNROLL
            for (int v = 0; v < vectors; v++) {
                Vector slopes = tap[0] * held[0][v];
UNROLL
                for (int t = 1; t < TAPS; t++) slopes += tap[t] * held[t][v];
                sum += slopes * load(at + v * LANES);
            }
            *(Quarter *)(folded + row * QUARTER_LANES) = fold(sum);
        }
    }
}


#if WIDEST >= 4 && TAPS <= 5
#define FOR_WIDTH(CALL) switch (vectors) { case 4: CALL(4) case 2: CALL(2) default: CALL(1) }
#else
#define FOR_WIDTH(CALL) switch (vectors) { case 2: CALL(2) default: CALL(1) }
#endif

/* How many vectors of outputs the next block takes. */
INLINE int64_t block(int64_t left) {
    int64_t most = TAPS > 5 ? 2 : WIDEST;
    return left >= 4 && most >= 4 ? 4 : left >= 2 && most >= 2 ? 2 : 1;
}

static void forward_any(int64_t vectors, const Problem *problem, const Tile *tile, const Table *table,
                        const Real *weight, int cut, Real *sums) {
#define CALL(v) forward_block(v, problem, tile, table, weight, cut, sums); break;
    FOR_WIDTH(CALL)
#undef CALL
}

static void weight_any(int64_t vectors, const Problem *problem, const Tile *tile, const Table *table, Real *weight,
                       int cut, int add, const Real *gradient) {
#define CALL(v) weight_block(v, problem, tile, table, weight, cut, add, gradient); break;
    FOR_WIDTH(CALL)
#undef CALL
}

static void input_any(int64_t vectors, const Problem *problem, const Tile *tile, const Table *table,
                      const Real *weight, int cut, const Real *gradient, Real *folded) {
#define CALL(v) input_block(v, problem, tile, table, weight, cut, gradient, folded); break;
    FOR_WIDTH(CALL)
#undef CALL
}

/* ---- packed rows: block after block of outputs, in each the rows one after the other ---- */

/* Copy rows between a matrix (., O) and packed blocks; `packing` says in which direction. */
static void pack(const Problem *problem, Real *matrix, Real *packed, int64_t rows, int packing) {
    int64_t outputs = problem->outputs, vectors = round_up(outputs, LANES) / LANES;
    for (int64_t first = 0, wide; first < vectors; first += wide) {
        wide = block(vectors - first);
        int64_t width = wide * LANES, used = smaller(width, outputs - first * LANES);
        for (int64_t r = 0; r < rows; r++) {
            Real *there = packed + first * LANES * rows + r * width, *here = matrix + r * outputs + first * LANES;
            if (packing) {
                memcpy(there, here, (size_t)used * sizeof(Real));
                for (int64_t lane = used; lane < width; lane++) there[lane] = 0;
            } else {
                memcpy(here, there, (size_t)used * sizeof(Real));
            }
        }
    }
}

/* A fresh gradient is written page by page for the first time here; on large pages that costs a tenth. */
static void use_large_pages(void *memory, int64_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    const int64_t large = 1 << 21;
    int64_t begin = round_up((int64_t)(uintptr_t)memory, large), end = ((int64_t)(uintptr_t)memory + bytes) / large * large;
    if (end > begin) madvise((void *)(uintptr_t)begin, (size_t)(end - begin), MADV_HUGEPAGE);
#else
    (void)memory, (void)bytes;
#endif
}

static char *aligned(char *memory) { return (char *)round_up((int64_t)(uintptr_t)memory, 64); }

/* Compute the sums of one chunk of rows. */
static int forward_chunk(const Problem *problem, const Real *x, const Table *table, const Real *scale,
                               const Real *knots, Real *sums, int64_t row, int64_t count, int64_t group) {
    int64_t padded = round_up(problem->outputs, LANES), stride = round_up(count, 16);
    size_t bytes = (size_t)(padded * count) * sizeof(Real);
    char *memory = malloc(bytes + 128 + (size_t)group * tile_bytes(problem, stride));
    if (!memory) return NO_MEMORY;
    Real *packed = (Real *)aligned(memory);
    Tile tiles[16];
    lay_out(problem, aligned((char *)packed + bytes), group, stride, tiles);
    memset(packed, 0, bytes);
    for (int64_t input = 0; input < problem->inputs; input += group) {
        int64_t inputs = smaller(group, problem->inputs - input);
        fill(problem, x, scale, knots, table->at, row, count, input, inputs, tiles);
        for (int64_t first = 0, wide; first < padded / LANES; first += wide) {
            wide = block(padded / LANES - first);
            int cut = (first + wide) * LANES > problem->outputs;
            for (int64_t i = 0; i < inputs; i++)
                forward_any(wide, problem, &tiles[i], table,
                                  table->at + (input + i) * table->features * table->outputs + first * LANES, cut,
                                  packed + first * LANES * count);
        }
    }
    pack(problem, sums + row * problem->outputs, packed, count, 0);
    free(memory);
    return FINE;
}

/* sums[n, o] = sum over inputs i and features f of scale[n, i] * feature_f^(order)(x[n, i]) * weight[i, f, o].
 * scale may be NULL (all ones). */
int spline_forward(const Problem *problem, const Real *x, const Real *weight, const Real *scale,
                         const Real *knots, Real *sums) {
    if (is_bad(problem)) return BAD_ARGUMENT;
    Table table = table_of(problem, weight);
    int64_t threads = problem->threads, fair = round_up((problem->rows + threads - 1) / threads, 16);
    int64_t height = smaller(chunk_rows(problem), fair), group = group_inputs(height), failures = 0;
#pragma omp parallel for schedule(dynamic) num_threads(threads) reduction(+ : failures)
    for (int64_t row = 0; row < problem->rows; row += height)
        failures += forward_chunk(problem, x, &table, scale, knots, sums, row,
                                        smaller(height, problem->rows - row), group);
    return failures ? NO_MEMORY : FINE;
}

/* What the backward pass reads and writes; input_gradient or weight_gradient may be NULL. */
typedef struct {
    const Real *x, *scale, *knots, *packed;
    Table weight, weight_gradient;
    Real *input_gradient;
} Backward;

/* Add up the folded sums of a block into the gradient of one input at the rows of a chunk. */
static void unfold(const Real *restrict folded, int64_t count, int first, Real *restrict into) {
    for (int64_t r = 0; r < count; r++) {
        Real sum = 0;
        for (int64_t lane = 0; lane < QUARTER_LANES; lane++) sum += folded[r * QUARTER_LANES + lane];
        into[r] = first ? sum : into[r] + sum;
    }
}

/* All that one group of inputs and one chunk of rows give to the gradients. */
static void backward_chunk(const Problem *problem, const Backward *job, const Tile *tiles, Real *folded,
                                 int64_t row, int64_t count, int64_t input, int64_t inputs) {
    int64_t outputs = problem->outputs, vectors = round_up(outputs, LANES) / LANES;
    const Real *packed = job->packed + row * vectors * LANES;
    fill(problem, job->x, job->scale, job->knots, job->input_gradient ? job->weight.at : NULL, row, count, input, inputs,
         tiles);
    for (int64_t first = 0, wide; first < vectors; first += wide) {
        wide = block(vectors - first);
        int cut = (first + wide) * LANES > outputs;
        const Real *gradient = packed + first * LANES * count;
        for (int64_t i = 0; i < inputs; i++) {
            int64_t place = (input + i) * features_of(problem) * outputs + first * LANES;
            if (job->weight_gradient.at)
                weight_any(wide, problem, &tiles[i], &job->weight_gradient,
                                 job->weight_gradient.at + place, cut, row > 0, gradient);
            if (job->input_gradient) {
                input_any(wide, problem, &tiles[i], &job->weight, job->weight.at + place, cut, gradient,
                                folded);
                /* the points are no longer needed: their place takes the gradient */
                unfold(folded, count, first == 0, tiles[i].x);
            }
        }
    }
    if (job->input_gradient)
        for (int64_t r = 0; r < count; r++)
            for (int64_t i = 0; i < inputs; i++)
                job->input_gradient[(row + r) * problem->inputs + input + i] = tiles[i].x[r];
}

static int backward_group(const Problem *problem, const Backward *job, int64_t height, int64_t input,
                                int64_t inputs) {
    int64_t stride = round_up(height, 16);
    size_t bytes = (size_t)stride * 16;
    char *memory = malloc(bytes + 128 + (size_t)inputs * tile_bytes(problem, stride));
    if (!memory) return NO_MEMORY;
    Real *folded = (Real *)aligned(memory);
    Tile tiles[16];
    lay_out(problem, aligned((char *)folded + bytes), inputs, stride, tiles);
    for (int64_t row = 0; row < problem->rows; row += height)
        backward_chunk(problem, job, tiles, folded, row, smaller(height, problem->rows - row), input, inputs);
    free(memory);
    return FINE;
}

/* weight_gradient[i, f, o] = sum over rows of scale * feature_f^(order)(x[n, i]) * gradient[n, o];
 * input_gradient[n, i] = scale * sum over f, o of feature_f^(input_order)(x[n, i]) * weight[i, f, o] * gradient[n, o].
 * Either may be NULL; scale may be NULL (all ones). */
int spline_backward(const Problem *problem, const Real *x, const Real *gradient, const Real *weight,
                          const Real *scale, const Real *knots, Real *input_gradient, Real *weight_gradient) {
    if (is_bad(problem)) return BAD_ARGUMENT;
    int64_t height = smaller(chunk_rows(problem), round_up(problem->rows, 16)), rows = problem->rows;
    int64_t padded = round_up(problem->outputs, LANES), threads = problem->threads, failures = 0;
    int64_t group = larger(1, smaller(group_inputs(height), problem->inputs / threads));
    char *memory = malloc((size_t)(rows * padded) * sizeof(Real) + 64);
    if (!memory) return NO_MEMORY;
    Real *packed = (Real *)aligned(memory);
    Backward job = {x, scale, knots, packed, table_of(problem, weight ? weight : weight_gradient),
                          table_of(problem, weight_gradient ? weight_gradient : weight), input_gradient};
    if (weight_gradient)
        use_large_pages(weight_gradient, problem->inputs * features_of(problem) * problem->outputs * (int64_t)sizeof(Real));
    else
        job.weight_gradient.at = NULL;
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(static)
        for (int64_t row = 0; row < rows; row += height)
            pack(problem, (Real *)gradient + row * problem->outputs, packed + row * padded,
                       smaller(height, rows - row), 1);
#pragma omp for schedule(dynamic) reduction(+ : failures)
        for (int64_t input = 0; input < problem->inputs; input += group)
            failures += backward_group(problem, &job, height, input, smaller(group, problem->inputs - input));
    }
    free(memory);
    return failures ? NO_MEMORY : FINE;
}

