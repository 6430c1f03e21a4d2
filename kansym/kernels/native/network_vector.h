/* Vectors of T: exponential, table lookup, and blocks of dot products. Included once per number type. */

#define V NAME(vector)
#define VI NAME(integers)
#define LANES ((int)(VECTOR_BYTES / sizeof(T)))

typedef T V __attribute__((vector_size(VECTOR_BYTES)));
typedef IT VI __attribute__((vector_size(VECTOR_BYTES)));

INLINE V NAME(load)(const T *at) { return *(const V *)at; }
INLINE void NAME(store)(T *at, V value) { *(V *)at = value; }
INLINE V NAME(spread)(T value) { return value - (V){0}; }
INLINE V NAME(choose)(VI where, V yes, V no) { return (V)(((VI)yes & where) | ((VI)no & ~where)); }

INLINE VI NAME(lane_numbers)(void)
{
    VI numbers = {0};
#pragma GCC unroll 16
    for (int lane = 0; lane < LANES; lane++)
        numbers[lane] = lane;
    return numbers;
}

/* exp(x) to about one unit in the last place; x is clamped to where neither it nor its inverse overflows. */
INLINE V NAME(exponential)(V x)
{
#if IS_DOUBLE
    const T edge = 700, magic = 6755399441055744.0, high = 6.93147180369123816490e-01, low = 1.90821492927058770002e-10;
    enum { TERMS = 13, MANTISSA = 52 };
#else
    const T edge = 87, magic = 12582912.0f, high = 0.693359375f, low = -2.12194440e-4f;
    enum { TERMS = 7, MANTISSA = 23 };
#endif
    static const T inverse_factorial[] = {1, 1, 1 / (T)2, 1 / (T)6, 1 / (T)24, 1 / (T)120, 1 / (T)720, 1 / (T)5040,
        1 / (T)40320, 1 / (T)362880, 1 / (T)3628800, 1 / (T)39916800, 1 / (T)479001600, 1 / (T)6227020800.0};
    x = NAME(choose)(x < -edge, NAME(spread)(-edge), x);
    x = NAME(choose)(x > edge, NAME(spread)(edge), x);
    V shifted = x * (T)1.44269504088896340736 + magic, whole = shifted - magic;
    V rest = (x - whole * high) - whole * low;
    V sum = NAME(spread)(inverse_factorial[TERMS]);
#pragma GCC unroll 16
    for (int term = TERMS - 1; term >= 0; term--)
        sum = sum * rest + inverse_factorial[term];
    return (V)((VI)sum + ((VI)shifted << MANTISSA));
}

INLINE V NAME(logistic)(V x) { return 1 / (1 + NAME(exponential)(-x)); }

#if HAS_LOOKUP
/* One entry of a table of LANES x registers numbers per lane. */
INLINE V NAME(lookup)(const T *table, VI index, const int registers)
{
    if (registers == 1)
        return __builtin_shuffle(NAME(load)(table), index);
    return __builtin_shuffle(NAME(load)(table), NAME(load)(table + LANES), index);
}

/* Half of a reduction: where a lane's number has the bit, b's neighbours are added, elsewhere a's. */
INLINE V NAME(fold)(V a, V b, const int bit)
{
    VI lane = NAME(lane_numbers)(), from_b = ((lane & bit) / bit) * LANES;
    return __builtin_shuffle(a, b, lane + from_b) + __builtin_shuffle(a, b, (lane ^ bit) + from_b);
}
#endif

/* Sum the lanes of each of LANES vectors. */
INLINE void NAME(collect)(const V *vectors, T *sums)
{
#if HAS_LOOKUP
    V level[LANES];
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++)
        level[i] = vectors[i];
#pragma GCC unroll 4
    for (int bit = 1; bit < LANES; bit *= 2)
#pragma GCC unroll 8
        for (int i = 0; i < LANES / (2 * bit); i++)
            level[i] = NAME(fold)(level[2 * i], level[2 * i + 1], bit);
    memcpy(sums, &level[0], sizeof(V));
#else
    for (int i = 0; i < LANES; i++) {
        T sum = 0;
        for (int lane = 0; lane < LANES; lane++)
            sum += vectors[i][lane];
        sums[i] = sum;
    }
#endif
}

INLINE double NAME(total)(V vector)
{
    double sum = 0;
    for (int lane = 0; lane < LANES; lane++)
        sum += vector[lane];
    return sum;
}

/* The products of a rows on the left with b rows on the right, a x b = DOTS. */
INLINE void NAME(dot_block)(const int a, const int b, const T *left, const T *right, int64_t stride, int64_t tile, T *out)
{
    V sums[DOTS];
#pragma GCC unroll 16
    for (int i = 0; i < DOTS; i++)
        sums[i] = (V){0};
    for (int64_t at = 0; at < tile; at += LANES) {
        V others[4];
#pragma GCC unroll 4
        for (int j = 0; j < b; j++)
            others[j] = NAME(load)(right + j * stride + at);
#pragma GCC unroll 16
        for (int i = 0; i < a; i++) {
            V one = NAME(load)(left + i * stride + at);
#pragma GCC unroll 4
            for (int j = 0; j < b; j++)
                sums[i * b + j] += one * others[j];
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < DOTS; i += LANES)
        NAME(collect)(sums + i, out + i);
}

static __attribute__((noinline)) void NAME(dots_4)(const T *left, const T *right, int64_t stride, int64_t tile, T *out)
{
    NAME(dot_block)(DOTS / 4, 4, left, right, stride, tile, out);
}
static __attribute__((noinline)) void NAME(dots_2)(const T *left, const T *right, int64_t stride, int64_t tile, T *out)
{
    NAME(dot_block)(DOTS / 2, 2, left, right, stride, tile, out);
}
static __attribute__((noinline)) void NAME(dots_1)(const T *left, const T *right, int64_t stride, int64_t tile, T *out)
{
    NAME(dot_block)(DOTS, 1, left, right, stride, tile, out);
}

/* Add left (m rows) times right (n rows) to out (m, n) with out_stride. Rows past the last are read, never used:
   what is passed here has room for DOTS more rows on the left and 4 on the right. With `half`, only the blocks that
   touch the lower triangle are made. */
static void NAME(add_products)(const T *left, int64_t m, const T *right, int64_t n, int64_t stride, int64_t tile,
                               T *out, int64_t out_stride, int half)
{
    T block[DOTS];
    for (int64_t j = 0; j < n;) {
        int b = n - j >= 3 ? 4 : (int)(n - j), a = DOTS / b;
        for (int64_t i = half ? j / a * a : 0; i < m; i += a) {
            const T *rows = left + i * stride, *columns = right + j * stride;
            if (b == 4)
                NAME(dots_4)(rows, columns, stride, tile, block);
            else if (b == 2)
                NAME(dots_2)(rows, columns, stride, tile, block);
            else
                NAME(dots_1)(rows, columns, stride, tile, block);
            for (int64_t p = 0; p < least(a, m - i); p++)
                for (int64_t q = 0; q < least(b, n - j); q++)
                    out[(i + p) * out_stride + j + q] += block[p * b + q];
        }
        j += b;
    }
}

/* count rows of 4 vectors: out[c] = sum over k of matrix[k, c] * rows[k]. */
INLINE void NAME(combine_block)(const int count, const T *matrix, int64_t step_row, int64_t step_column, int64_t terms,
                                const T *rows, int64_t stride, V out[][4])
{
    V sums[MOST_ROWS][4];
#pragma GCC unroll 8
    for (int c = 0; c < count; c++)
#pragma GCC unroll 4
        for (int q = 0; q < 4; q++)
            sums[c][q] = (V){0};
    for (int64_t k = 0; k < terms; k++) {
        V row[4];
#pragma GCC unroll 4
        for (int q = 0; q < 4; q++)
            row[q] = NAME(load)(rows + k * stride + q * LANES);
#pragma GCC unroll 8
        for (int c = 0; c < count; c++) {
            T factor = matrix[k * step_row + c * step_column];
#pragma GCC unroll 4
            for (int q = 0; q < 4; q++)
                sums[c][q] += row[q] * factor;
        }
    }
#pragma GCC unroll 8
    for (int c = 0; c < count; c++)
#pragma GCC unroll 4
        for (int q = 0; q < 4; q++)
            out[c][q] = sums[c][q];
}
