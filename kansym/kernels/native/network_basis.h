/* B-splines of any degree on any increasing knots, as polynomials of the place within a piece. Once per number type.

   On every piece degree + 1 functions are not zero and each is a polynomial of u, 0 <= u < 1. Where the pieces are few
   enough for tables in registers, every function looks its coefficients up by the piece (zeros where it vanishes);
   otherwise the functions of a point are computed and written to their places one point at a time.

   Source: C. de Boor, A Practical Guide to Splines, 2001, ch. X (eq. X.15). */

/* Write the polynomials of one piece, out[power][function], by the Cox-de Boor triangle on polynomials. */
static void NAME(one_piece)(const T *knots, int64_t piece, int degree, T *out)
{
    double tap[MOST_DEGREE + 2][MOST_DEGREE + 2] = {{1}}, raised[MOST_DEGREE + 2][MOST_DEGREE + 2];
    const T *near = knots + piece + 1; /* t_(j-k+1) ... t_(j+k) around the piece [t_j, t_(j+1)) */
    double origin = knots[piece + degree], width = knots[piece + degree + 1] - (double)knots[piece + degree];
    for (int level = 0; level < degree; level++) {
        memset(raised, 0, sizeof raised);
        for (int i = 0; i <= level; i++) {
            double from = near[degree - 1 - level + i], to = near[degree + i];
            for (int m = 0; m <= level; m++) {
                double share = tap[i][m] / (to - from);
                raised[i][m] += (to - origin) * share;
                raised[i][m + 1] -= width * share;
                raised[i + 1][m] += (origin - from) * share;
                raised[i + 1][m + 1] += width * share;
            }
        }
        memcpy(tap, raised, sizeof tap);
    }
    for (int m = 0; m <= degree; m++)
        for (int i = 0; i <= degree; i++)
            out[m * (degree + 1) + i] = (T)tap[i][m];
}

/* Fill every layer's `pieces` from its knots. */
void NAME(network_pieces)(const struct plan *plan)
{
    int64_t degree = plan->degree, numbers = (degree + 1) * (degree + 1);
    for (int64_t l = 0; l < plan->layers; l++) {
        const struct layer *layer = plan->layer + l;
        int64_t knots = layer->intervals + 2 * degree + 1;
        for (int64_t grid = 0; grid < plan->members * layer->inputs; grid++)
            for (int64_t piece = 0; piece < layer->intervals; piece++)
                NAME(one_piece)((const T *)layer->knots + grid * knots, piece, (int)degree,
                                (T *)layer->pieces + (grid * layer->intervals + piece) * numbers);
    }
}

/* How many registers a table of one number per piece takes; 0 when there are too many pieces for that. */
INLINE int NAME(registers)(const struct layer *layer)
{
#if HAS_LOOKUP
    return layer->intervals <= LANES ? 1 : layer->intervals <= 2 * LANES ? 2 : 0;
#else
    (void)layer;
    return 0;
#endif
}

INLINE int64_t NAME(table_numbers)(const struct plan *plan, const struct layer *layer)
{
    int64_t functions = layer->intervals + plan->degree;
    return NAME(registers)(layer) * LANES * (3 + functions * (plan->degree + 1));
}

/* Spread one input's polynomials into tables by piece: left end, 1 / width, width, then [function][power]. */
static void NAME(spread_tables)(const T *knots, const T *pieces, const struct plan *plan, const struct layer *layer,
                                T *table)
{
    int64_t degree = plan->degree, order = degree + 1, size = NAME(registers)(layer) * LANES;
    memset(table, 0, sizeof(T) * NAME(table_numbers)(plan, layer));
    for (int64_t piece = 0; piece < layer->intervals; piece++) {
        T left = knots[piece + degree], width = knots[piece + degree + 1] - left;
        table[piece] = left;
        table[size + piece] = 1 / width;
        table[2 * size + piece] = width;
        for (int64_t m = 0; m < order; m++)
            for (int64_t i = 0; i < order; i++)
                table[(3 + (piece + i) * order + m) * size + piece] = pieces[(piece * order + m) * order + i];
    }
}

/* What is known of a tile's points of one input before its functions are computed. */
struct NAME(points) {
    T *place, *beyond, *inverse, *width; /* u in its piece; u outside the domain; 1 / width and width of the piece */
    IT *piece;
    int outside;                         /* whether any point lies outside */
};

INLINE VI NAME(find_piece)(V x, const T *knots, int64_t intervals, int64_t degree)
{
    VI piece = {0};
    for (int64_t m = 1; m < intervals; m++)
        piece -= (VI)(x >= NAME(spread)(knots[degree + m]));
    return piece;
}

INLINE void NAME(locate)(const int registers, const T *x, const T *knots, const T *table, int64_t intervals,
                         int64_t degree, int64_t tile, struct NAME(points) *points)
{
    (void)registers, (void)table; /* unused where there are no tables */
    V low = NAME(spread)(knots[degree]), high = NAME(spread)(knots[degree + intervals]);
    VI outside = {0};
    for (int64_t at = 0; at < tile; at += LANES) {
        V value = NAME(load)(x + at), inside = NAME(choose)(value < low, low, value), left, inverse, width;
        inside = NAME(choose)(inside > high, high, inside);
        outside |= (VI)(inside != value);
        VI piece = NAME(find_piece)(inside, knots, intervals, degree);
#if HAS_LOOKUP
        if (registers) {
            left = NAME(lookup)(table, piece, registers);
            inverse = NAME(lookup)(table + registers * LANES, piece, registers);
            width = NAME(lookup)(table + 2 * registers * LANES, piece, registers);
        } else
#endif
        {
            for (int lane = 0; lane < LANES; lane++) {
                left[lane] = knots[piece[lane] + degree];
                width[lane] = knots[piece[lane] + degree + 1] - left[lane];
            }
            inverse = 1 / width;
        }
        NAME(store)(points->place + at, (inside - left) * inverse);
        NAME(store)(points->beyond + at, (value - inside) * inverse);
        NAME(store)(points->inverse + at, inverse);
        NAME(store)(points->width + at, width);
        *(VI *)(points->piece + at) = piece;
    }
    points->outside = 0;
    for (int lane = 0; lane < LANES; lane++)
        points->outside |= outside[lane] != 0;
}

#if HAS_LOOKUP
/* All functions of a tile's points through tables: values, and slopes with respect to u where asked for. */
INLINE void NAME(by_table)(const int degree, const int registers, const int slopes, const int outside, const T *table,
                           int64_t functions, int64_t tile, int64_t stride, const struct NAME(points) *points, T *value,
                           T *slope)
{
    const int size = registers * LANES;
    for (int64_t b = 0; b < functions; b++) {
        const T *entry = table + b * (degree + 1) * size;
        for (int64_t at = 0; at < tile; at += LANES) {
            VI piece = *(const VI *)(points->piece + at);
            V u = NAME(load)(points->place + at), v = NAME(lookup)(entry + degree * size, piece, registers), d = {0};
#pragma GCC unroll 8
            for (int m = degree - 1; m >= 0; m--) {
                if (slopes || outside)
                    d = m == degree - 1 ? v : d * u + v;
                v = v * u + NAME(lookup)(entry + m * size, piece, registers);
            }
            if (outside)
                v += d * NAME(load)(points->beyond + at);
            NAME(store)(value + b * stride + at, v);
            if (slopes)
                NAME(store)(slope + b * stride + at, d);
        }
    }
}

#define TABLE_CASE(DEGREE)                                                                                             \
    case DEGREE:                                                                                                       \
        if (points->outside && slope)                                                                                  \
            NAME(by_table)(DEGREE, registers, 1, 1, table, functions, tile, stride, points, value, slope);             \
        else if (points->outside)                                                                                      \
            NAME(by_table)(DEGREE, registers, 0, 1, table, functions, tile, stride, points, value, slope);             \
        else if (slope)                                                                                                \
            NAME(by_table)(DEGREE, registers, 1, 0, table, functions, tile, stride, points, value, slope);             \
        else                                                                                                           \
            NAME(by_table)(DEGREE, registers, 0, 0, table, functions, tile, stride, points, value, slope);             \
        break;

INLINE void NAME(by_tables)(const int registers, int64_t degree, const T *table, int64_t functions, int64_t tile,
                            int64_t stride, const struct NAME(points) *points, T *value, T *slope)
{
    switch (degree) {
        TABLE_CASE(0)
        TABLE_CASE(1)
        TABLE_CASE(2)
        TABLE_CASE(3)
        TABLE_CASE(4)
        TABLE_CASE(5)
    }
}
static void NAME(by_one_register)(int64_t degree, const T *table, int64_t functions, int64_t tile, int64_t stride,
                                  const struct NAME(points) *points, T *value, T *slope)
{
    NAME(by_tables)(1, degree, table, functions, tile, stride, points, value, slope);
}
static void NAME(by_two_registers)(int64_t degree, const T *table, int64_t functions, int64_t tile, int64_t stride,
                                   const struct NAME(points) *points, T *value, T *slope)
{
    NAME(by_tables)(2, degree, table, functions, tile, stride, points, value, slope);
}
#undef TABLE_CASE
#endif

/* The same, one point after the other: only the functions that are not zero are computed. */
INLINE void NAME(by_point)(const int degree, const T *pieces, int64_t functions, int64_t tile, int64_t stride,
                           const struct NAME(points) *points, T *value, T *slope)
{
    const int order = degree + 1;
    for (int64_t b = 0; b < functions; b++) {
        memset(value + b * stride, 0, sizeof(T) * tile);
        if (slope)
            memset(slope + b * stride, 0, sizeof(T) * tile);
    }
    for (int64_t at = 0; at < tile; at++) {
        const T *c = pieces + points->piece[at] * order * order;
        T u = points->place[at], v[MOST_DEGREE + 1], d[MOST_DEGREE + 1];
        for (int i = 0; i < order; i++)
            v[i] = c[degree * order + i], d[i] = 0;
        for (int m = degree - 1; m >= 0; m--)
            for (int i = 0; i < order; i++) {
                d[i] = d[i] * u + v[i];
                v[i] = v[i] * u + c[m * order + i];
            }
        for (int i = 0; i < order; i++)
            value[(points->piece[at] + i) * stride + at] = points->outside ? v[i] + d[i] * points->beyond[at] : v[i];
        if (slope)
            for (int i = 0; i < order; i++)
                slope[(points->piece[at] + i) * stride + at] = d[i];
    }
}

static void NAME(by_points)(int64_t degree, const T *pieces, int64_t functions, int64_t tile, int64_t stride,
                            const struct NAME(points) *points, T *value, T *slope)
{
    if (degree == 3)
        NAME(by_point)(3, pieces, functions, tile, stride, points, value, slope);
    else if (degree == 1)
        NAME(by_point)(1, pieces, functions, tile, stride, points, value, slope);
    else
        NAME(by_point)((int)degree, pieces, functions, tile, stride, points, value, slope);
}

/* The base activation, and its slope times the width of the piece: all slopes are divided by that width at the end. */
INLINE void NAME(base_branch)(int64_t kind, const T *x, const T *width, int64_t tile, T *value, T *slope)
{
    for (int64_t at = 0; at < tile; at += LANES) {
        V point = NAME(load)(x + at), v, d;
        if (kind == BASE_SILU) {
            V gate = NAME(logistic)(point);
            v = point * gate;
            d = gate * (1 + point * (1 - gate));
        } else if (kind == BASE_TANH) {
            v = 2 * NAME(logistic)(2 * point) - 1;
            d = 1 - v * v;
        } else {
            v = point;
            d = NAME(spread)(1);
        }
        NAME(store)(value + at, v);
        if (slope)
            NAME(store)(slope + at, d * NAME(load)(width + at));
    }
}

/* All features of a tile, [input, function] x tile.

   x: inputs x x_stride; slope: the same layout as value, or NULL; scale: inputs x stride, by which slopes are to be
   multiplied (1 / width of the point's piece). */
static void NAME(features)(const struct plan *plan, const struct layer *layer, int64_t member, const T *tables,
                           const T *x, int64_t x_stride, int64_t tile, int64_t stride, T *value, T *slope, T *scale,
                           T *spare)
{
    int64_t degree = plan->degree, functions = layer->intervals + degree, all = functions_of(plan, layer);
    const int registers = NAME(registers)(layer);
    (void)registers;
    struct NAME(points) points = {spare, spare + tile, spare + 2 * tile, spare + 3 * tile, (IT *)(spare + 4 * tile),
                                  0};
    for (int64_t i = 0; i < layer->inputs; i++) {
        int64_t grid = member * layer->inputs + i;
        const T *knots = (const T *)layer->knots + grid * (layer->intervals + 2 * degree + 1);
        const T *table = tables + i * NAME(table_numbers)(plan, layer), *input = x + i * x_stride;
        T *values = value + i * all * stride, *slopes = slope ? slope + i * all * stride : NULL;
        if (scale)
            points.inverse = scale + i * stride;
#if HAS_LOOKUP
        if (registers == 1) {
            NAME(locate)(1, input, knots, table, layer->intervals, degree, tile, &points);
            NAME(by_one_register)(degree, table + 3 * LANES, functions, tile, stride, &points, values, slopes);
        } else if (registers == 2) {
            NAME(locate)(2, input, knots, table, layer->intervals, degree, tile, &points);
            NAME(by_two_registers)(degree, table + 6 * LANES, functions, tile, stride, &points, values, slopes);
        } else
#endif
        {
            const T *pieces = (const T *)layer->pieces + grid * layer->intervals * (degree + 1) * (degree + 1);
            NAME(locate)(0, input, knots, table, layer->intervals, degree, tile, &points);
            NAME(by_points)(degree, pieces, functions, tile, stride, &points, values, slopes);
        }
        if (plan->base != BASE_NONE)
            NAME(base_branch)(plan->base, input, points.width, tile, values + functions * stride,
                              slopes ? slopes + functions * stride : NULL);
    }
}
