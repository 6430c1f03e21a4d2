/* Whole populations of small networks: error, gradient, Gauss-Newton matrix and Adam steps in one call.

   The rows are the vectors' lanes ("batch last"): a tile of some hundred rows goes through the whole network, forward
   and back, while everything it needs stays in the processor's first two caches. A tile's features are rows
   [input, function] x tile, its sums are rows [sum] x tile; weights are [input, function, sum].

   Every member (or, when there are fewer members than threads, every chunk of a member's tiles) is computed by one
   thread in a fixed order and partial results are added in a fixed order, so scheduling never changes a bit.

   The layout of the structures below is repeated in kansym/kernels/network.py. */

#include <math.h>
#include <stdint.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#if defined(__AVX512F__) && defined(__AVX512DQ__)
#define VECTOR_BYTES 64
#define REGISTERS 32
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
#define REGISTERS 16
#elif defined(__aarch64__)
#define VECTOR_BYTES 16
#define REGISTERS 32
#else
#define VECTOR_BYTES 16
#define REGISTERS 16
#endif

/* Rows of 4 accumulated vectors that fit into the registers beside their operands. */
#define MOST_ROWS (REGISTERS == 32 ? 6 : 3)
/* Accumulators of one block of dot products. */
#define DOTS (REGISTERS == 32 ? 16 : 8)

/* Tables in registers need a permutation by a variable index, which only these targets have for every lane. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__AVX2__)
#define HAS_LOOKUP 1
#else
#define HAS_LOOKUP 0
#endif

#define INLINE static inline __attribute__((always_inline))
#define MOST_DEGREE 5
#define MOST_LAYERS 16

enum { BASE_NONE, BASE_SILU, BASE_IDENTITY, BASE_TANH };
enum { MODE_VALUE, MODE_GRADIENT, MODE_NORMAL, MODE_PREDICT };

struct layer {
    int64_t inputs, sums, products, intervals;
    int64_t edges, start;   /* how many edges are active; where their weights begin in a parameter vector */
    const int32_t *edge;    /* the active edges, input * slots + slot */
    const void *knots;      /* (E, I, G + 2 degree + 1) */
    void *pieces;           /* (E, I, G, degree + 1 powers, degree + 1 functions), made by network_pieces */
};

struct plan {
    int64_t layers, members, degree, base, arity, parameters;
    const struct layer *layer;
    const void *mask;       /* (E, P) of 0 and 1, or NULL */
};

struct rows {
    const void *x, *y, *weights;                /* per member and tile: (D, tile), (T, tile), (tile): square roots */
    int64_t x_step, y_step, weights_step;       /* numbers from one member to the next; 0 when shared */
    int64_t tiles, tile, targets;
    double count;                               /* what the sum of squares is divided by */
    void *first;                                /* features of the first layer, per member and tile, or NULL */
    int64_t first_step;
};

struct penalty {
    const double *l1, *entropy, *smoothness, *ridge, *group; /* (E,) each */
};

struct work {
    char *scratch;             /* threads x scratch_bytes, 64-byte aligned */
    int64_t scratch_bytes;
    char *partial;             /* members x chunks x partial_bytes when chunks > 1 */
    int64_t partial_bytes;
    int64_t threads, chunks;
    const uint8_t *active;     /* (E,) or NULL: which members are computed */
    const struct penalty *penalty; /* or NULL */
};

struct adam {
    double *rate;              /* (E,) */
    const double *fall;        /* (steps,) factors of the rate */
    int64_t steps, age;        /* steps to take; steps taken before */
    double decay_first, decay_second, tiny;
};

INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE int64_t slots_of(const struct plan *plan, const struct layer *layer)
{
    return layer->sums + plan->arity * layer->products;
}
INLINE int64_t nodes_of(const struct layer *layer) { return layer->sums + layer->products; }
INLINE int64_t functions_of(const struct plan *plan, const struct layer *layer)
{
    return layer->intervals + plan->degree + (plan->base != BASE_NONE);
}
/* Weights of one function are padded to whole blocks of four sums. */
INLINE int64_t padded(int64_t slots) { return (slots + 3) / 4 * 4; }
INLINE int64_t whole_lines(int64_t bytes) { return (bytes + 63) / 64 * 64; }

int64_t network_vector_bytes(void) { return VECTOR_BYTES; }

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(name) JOIN(name, SUFFIX)

#define T float
#define IT int32_t
#define SUFFIX _float32
#define IS_DOUBLE 0
#include "network_vector.h"
#include "network_basis.h"
#include "network_body.h"
#undef T
#undef IT
#undef SUFFIX
#undef IS_DOUBLE
#undef V
#undef VI
#undef LANES
#undef ROUNDED

#define T double
#define IT int64_t
#define SUFFIX _float64
#define IS_DOUBLE 1
#include "network_vector.h"
#include "network_basis.h"
#include "network_body.h"
