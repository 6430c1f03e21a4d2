/* A tile forward and back, a member, a population. Included once per number type. */

/* One thread's buffers. Rows of a tile are `stride` numbers apart: a power of two would crowd into few cache sets. */
struct NAME(space) {
    int64_t tile, stride;
    T *table[MOST_LAYERS], *weight[MOST_LAYERS], *slope[MOST_LAYERS];
    T *node[MOST_LAYERS + 1], *sum[MOST_LAYERS];
    T *value[MOST_LAYERS], *derivative[MOST_LAYERS], *scale[MOST_LAYERS];
    T *delta[3], *residual, *jacobian, *spare, *gradient;
    const T *seen; /* the first layer's features of the current tile */
};

/* Hand out the buffers from `at` (which may be NULL) and return how many numbers they take. */
static int64_t NAME(arrange)(const struct plan *plan, const struct rows *rows, int mode, T *at, struct NAME(space) *space)
{
    int64_t used = 0, widest = 0, stride = rows->tile + LANES;
    space->tile = rows->tile, space->stride = stride;
#define GIVE(name, numbers) (name = at ? at + used : NULL, used += ((numbers) + LANES - 1) / LANES * LANES)
    for (int64_t l = 0; l < plan->layers; l++) {
        const struct layer *layer = plan->layer + l;
        int64_t slots = slots_of(plan, layer), all = layer->inputs * functions_of(plan, layer);
        widest = slots > widest ? slots : widest;
        widest = layer->inputs > widest ? layer->inputs : widest;
        GIVE(space->table[l], layer->inputs * NAME(table_numbers)(plan, layer));
        GIVE(space->weight[l], all * padded(slots));
        GIVE(space->node[l + 1], (nodes_of(layer) + 4) * stride);
        GIVE(space->sum[l], layer->products ? (slots + 4) * stride : 0);
        GIVE(space->value[l], l == 0 && rows->first ? 0 : (all + DOTS) * stride);
        if (mode == MODE_VALUE || mode == MODE_PREDICT)
            continue;
        GIVE(space->slope[l], all * padded(slots));
        GIVE(space->derivative[l], l ? all * stride : 0);
        GIVE(space->scale[l], l ? layer->inputs * stride : 0);
    }
    GIVE(space->spare, 6 * stride);
    GIVE(space->residual, rows->targets * stride + 4 * stride);
    GIVE(space->gradient, plan->parameters);
    if (mode == MODE_GRADIENT || mode == MODE_NORMAL)
        for (int i = 0; i < 3; i++)
            GIVE(space->delta[i], (widest + 4) * stride);
    GIVE(space->jacobian, mode == MODE_NORMAL ? (plan->parameters + DOTS) * stride : 0);
#undef GIVE
    return used;
}

int64_t NAME(network_scratch_bytes)(const struct plan *plan, const struct rows *rows, int64_t mode)
{
    struct NAME(space) space;
    return whole_lines(sizeof(T) * NAME(arrange)(plan, rows, (int)mode, NULL, &space)) + 64;
}

/* Numbers of one chunk's partial result: the error (in a line of its own), gradient, matrix. */
int64_t NAME(network_partial_bytes)(const struct plan *plan, int64_t mode)
{
    int64_t p = plan->parameters;
    int64_t numbers = mode == MODE_GRADIENT ? p : mode == MODE_NORMAL ? p + p * p : 0;
    return 64 + whole_lines(sizeof(T) * numbers);
}

static void NAME(load_tables)(const struct plan *plan, int64_t member, struct NAME(space) *space)
{
    int64_t degree = plan->degree;
    for (int64_t l = 0; l < plan->layers; l++) {
        const struct layer *layer = plan->layer + l;
        if (!NAME(registers)(layer))
            continue;
        for (int64_t i = 0; i < layer->inputs; i++) {
            int64_t grid = member * layer->inputs + i;
            NAME(spread_tables)((const T *)layer->knots + grid * (layer->intervals + 2 * degree + 1),
                                (const T *)layer->pieces + grid * layer->intervals * (degree + 1) * (degree + 1), plan,
                                layer, space->table[l] + i * NAME(table_numbers)(plan, layer));
        }
    }
}

/* Parameters (per active edge, functions) to weights (input, function, sum), absent edges 0. */
static void NAME(load_weights)(const struct plan *plan, const T *theta, struct NAME(space) *space)
{
    for (int64_t l = 0; l < plan->layers; l++) {
        const struct layer *layer = plan->layer + l;
        int64_t slots = slots_of(plan, layer), wide = padded(slots), all = functions_of(plan, layer);
        T *weight = space->weight[l];
        const T *from = theta + layer->start;
        memset(weight, 0, sizeof(T) * layer->inputs * all * wide);
        for (int64_t e = 0; e < layer->edges; e++) {
            int64_t i = layer->edge[e] / slots, s = layer->edge[e] - i * slots;
            T *to = weight + i * all * wide + s;
            for (int64_t f = 0; f < all; f++)
                to[f * wide] = from[e * all + f];
        }
    }
}

/* The gradient the other way round. */
static void NAME(store_slopes)(const struct plan *plan, const struct NAME(space) *space, T *gradient)
{
    for (int64_t l = 0; l < plan->layers; l++) {
        const struct layer *layer = plan->layer + l;
        int64_t slots = slots_of(plan, layer), wide = padded(slots), all = functions_of(plan, layer);
        for (int64_t e = 0; e < layer->edges; e++) {
            int64_t i = layer->edge[e] / slots, s = layer->edge[e] - i * slots;
            const T *from = space->slope[l] + i * all * wide + s;
            for (int64_t f = 0; f < all; f++)
                gradient[layer->start + e * all + f] = from[f * wide];
        }
    }
}

#define COMBINE_CASE(COUNT)                                                                                            \
    case COUNT:                                                                                                        \
        NAME(combine_block)(COUNT, matrix, step_row, step_column, terms, rows, stride, out);                           \
        break;

INLINE void NAME(combine)(int count, const T *matrix, int64_t step_row, int64_t step_column, int64_t terms,
                          const T *rows, int64_t stride, V out[][4])
{
    switch (count) {
        COMBINE_CASE(1)
        COMBINE_CASE(2)
        COMBINE_CASE(3)
#if REGISTERS == 32
        COMBINE_CASE(4)
        COMBINE_CASE(5)
        COMBINE_CASE(6)
#endif
    }
}
#undef COMBINE_CASE

/* sums[s] = sum over (input, function) of weight * feature. */
static __attribute__((noinline)) void NAME(contract)(const T *weight, int64_t wide, int64_t slots, int64_t terms,
                                                     const T *value, int64_t tile, int64_t stride, T *sums)
{
    int64_t blocks = (slots + MOST_ROWS - 1) / MOST_ROWS;
    for (int64_t at = 0; at < tile; at += 4 * LANES)
        for (int64_t block = 0; block < blocks; block++) {
            int64_t first = block * slots / blocks, count = (block + 1) * slots / blocks - first;
            V out[MOST_ROWS][4];
            NAME(combine)((int)count, weight + first, wide, 1, terms, value + at, stride, out);
            for (int64_t c = 0; c < count; c++)
                for (int q = 0; q < 4; q++)
                    NAME(store)(sums + (first + c) * stride + at + q * LANES, out[c][q]);
        }
}

/* Derivatives with respect to a layer's sums pulled back to its inputs. */
static __attribute__((noinline)) void NAME(pull)(const T *weight, int64_t wide, int64_t slots, int64_t inputs,
                                                 int64_t all, const T *derivative, const T *scale, const T *delta,
                                                 int64_t tile, int64_t stride, T *pulled)
{
    int64_t blocks = (all + MOST_ROWS - 1) / MOST_ROWS;
    for (int64_t at = 0; at < tile; at += 4 * LANES)
        for (int64_t i = 0; i < inputs; i++) {
            V total[4] = {{0}};
            if (slots == 1) { /* the only sum's derivative is a common factor */
                NAME(combine)(1, weight + i * all * wide, wide, 1, all, derivative + i * all * stride + at, stride,
                              &total);
                for (int q = 0; q < 4; q++)
                    total[q] *= NAME(load)(delta + at + q * LANES);
            }
            for (int64_t block = 0; slots > 1 && block < blocks; block++) {
                int64_t first = block * all / blocks, count = (block + 1) * all / blocks - first;
                V out[MOST_ROWS][4];
                NAME(combine)((int)count, weight + (i * all + first) * wide, 1, wide, slots, delta + at, stride, out);
                const T *slopes = derivative + (i * all + first) * stride + at;
                for (int64_t c = 0; c < count; c++)
                    for (int q = 0; q < 4; q++)
                        total[q] += out[c][q] * NAME(load)(slopes + c * stride + q * LANES);
            }
            for (int q = 0; q < 4; q++)
                NAME(store)(pulled + i * stride + at + q * LANES,
                            total[q] * NAME(load)(scale + i * stride + at + q * LANES));
        }
}

/* Nodes from sums: sum nodes are copied, a product node multiplies `arity` sums. */
static void NAME(multiply)(const struct layer *layer, int64_t arity, const T *sums, int64_t tile, int64_t stride,
                           T *nodes)
{
    for (int64_t s = 0; s < layer->sums; s++)
        memcpy(nodes + s * stride, sums + s * stride, sizeof(T) * tile);
    for (int64_t p = 0; p < layer->products; p++)
        for (int64_t at = 0; at < tile; at += LANES) {
            const T *slot = sums + (layer->sums + p * arity) * stride + at;
            V product = NAME(load)(slot);
            for (int64_t a = 1; a < arity; a++)
                product *= NAME(load)(slot + a * stride);
            NAME(store)(nodes + (layer->sums + p) * stride + at, product);
        }
}

/* Derivatives with respect to nodes, pulled back to the sums; each slot's is the product of the others. */
static void NAME(unmultiply)(const struct layer *layer, int64_t arity, const T *sums, const T *nodes, int64_t tile,
                             int64_t stride, T *pulled)
{
    for (int64_t s = 0; s < layer->sums; s++)
        memcpy(pulled + s * stride, nodes + s * stride, sizeof(T) * tile);
    for (int64_t slot = 0; slot < layer->products * arity; slot++) {
        int64_t p = slot / arity, first = layer->sums + p * arity;
        for (int64_t at = 0; at < tile; at += LANES) {
            V product = NAME(load)(nodes + (layer->sums + p) * stride + at);
            for (int64_t other = first; other < first + arity; other++)
                if (other != layer->sums + slot)
                    product *= NAME(load)(sums + other * stride + at);
            NAME(store)(pulled + (layer->sums + slot) * stride + at, product);
        }
    }
}

static const T *NAME(features_of)(const struct NAME(space) *space, int64_t l)
{
    return l ? space->value[l] : space->seen;
}

/* Run one tile through the network; node[layers] holds the outputs. */
static void NAME(forward)(const struct plan *plan, const struct rows *rows, int64_t member, int64_t tile_number,
                          int slopes, struct NAME(space) *space)
{
    int64_t tile = space->tile, stride = space->stride;
    for (int64_t l = 0; l < plan->layers; l++) {
        const struct layer *layer = plan->layer + l;
        int64_t slots = slots_of(plan, layer), terms = layer->inputs * functions_of(plan, layer);
        if (l == 0 && rows->first)
            space->seen = (const T *)rows->first + member * rows->first_step + tile_number * terms * stride;
        else {
            const T *x = (const T *)rows->x + member * rows->x_step + tile_number * layer->inputs * tile;
            space->seen = l ? space->seen : space->value[0];
            NAME(features)(plan, layer, member, space->table[l], l ? space->node[l] : x, l ? stride : tile, tile,
                           stride, space->value[l], l && slopes ? space->derivative[l] : NULL,
                           l && slopes ? space->scale[l] : NULL, space->spare);
        }
        T *sums = layer->products ? space->sum[l] : space->node[l + 1];
        NAME(contract)(space->weight[l], padded(slots), slots, terms, NAME(features_of)(space, l), tile, stride,
                       sums);
        if (layer->products)
            NAME(multiply)(layer, plan->arity, sums, tile, stride, space->node[l + 1]);
    }
}

/* Fill the residuals sqrt(weight) * (output - y) and return the sum of their squares. */
static double NAME(residuals)(const struct plan *plan, const struct rows *rows, int64_t member, int64_t tile_number,
                              struct NAME(space) *space)
{
    int64_t tile = space->tile, stride = space->stride;
    const T *y = (const T *)rows->y + member * rows->y_step + tile_number * rows->targets * tile;
    const T *weight = (const T *)rows->weights + member * rows->weights_step + tile_number * tile;
    V sum = {0};
    for (int64_t t = 0; t < rows->targets; t++)
        for (int64_t at = 0; at < tile; at += LANES) {
            V output = NAME(load)(space->node[plan->layers] + t * stride + at);
            V residual = (output - NAME(load)(y + t * tile + at)) * NAME(load)(weight + at);
            NAME(store)(space->residual + t * stride + at, residual);
            sum += residual * residual;
        }
    return NAME(total)(sum);
}

/* Write the Jacobian's rows of one layer, delta times feature for every active edge. */
static void NAME(jacobian_rows)(const struct plan *plan, int64_t l, const T *delta, struct NAME(space) *space)
{
    const struct layer *layer = plan->layer + l;
    int64_t slots = slots_of(plan, layer), all = functions_of(plan, layer), stride = space->stride;
    const T *value = NAME(features_of)(space, l);
    for (int64_t e = 0; e < layer->edges; e++) {
        int64_t i = layer->edge[e] / slots, s = layer->edge[e] - i * slots;
        for (int64_t f = 0; f < all; f++) {
            const T *feature = value + (i * all + f) * stride, *pulled = delta + s * stride;
            T *row = space->jacobian + (layer->start + e * all + f) * stride;
            for (int64_t at = 0; at < space->tile; at += LANES)
                NAME(store)(row + at, NAME(load)(feature + at) * NAME(load)(pulled + at));
        }
    }
}

/* From derivatives with respect to the outputs in delta[0] back through the layers: slopes (or Jacobian rows). */
static void NAME(backward)(const struct plan *plan, int jacobian, struct NAME(space) *space)
{
    int64_t tile = space->tile, stride = space->stride, nodes = 0;
    for (int64_t l = plan->layers - 1; l >= 0; l--) {
        const struct layer *layer = plan->layer + l;
        int64_t slots = slots_of(plan, layer), all = functions_of(plan, layer), sums = nodes;
        if (layer->products) {
            sums = (nodes + 1) % 3;
            NAME(unmultiply)(layer, plan->arity, space->sum[l], space->delta[nodes], tile, stride, space->delta[sums]);
        }
        if (jacobian)
            NAME(jacobian_rows)(plan, l, space->delta[sums], space);
        else
            NAME(add_products)(NAME(features_of)(space, l), layer->inputs * all, space->delta[sums], slots, stride,
                               tile, space->slope[l], padded(slots), 0);
        nodes = (sums + 1) % 3;
        if (l)
            NAME(pull)(space->weight[l], padded(slots), slots, layer->inputs, all, space->derivative[l],
                       space->scale[l], space->delta[sums], tile, stride, space->delta[nodes]);
    }
}

static void NAME(gradient_tile)(const struct plan *plan, const struct rows *rows, int64_t member, int64_t tile_number,
                                struct NAME(space) *space)
{
    int64_t tile = space->tile, stride = space->stride;
    const T *weight = (const T *)rows->weights + member * rows->weights_step + tile_number * tile;
    T factor = (T)(2 / rows->count);
    for (int64_t t = 0; t < rows->targets; t++)
        for (int64_t at = 0; at < tile; at += LANES)
            NAME(store)(space->delta[0] + t * stride + at, NAME(load)(space->residual + t * stride + at) *
                                                               NAME(load)(weight + at) * factor);
    NAME(backward)(plan, 0, space);
}

static void NAME(normal_tile)(const struct plan *plan, const struct rows *rows, int64_t member, int64_t tile_number,
                              struct NAME(space) *space, T *gradient, T *matrix)
{
    int64_t tile = space->tile, stride = space->stride, size = plan->parameters;
    const T *weight = (const T *)rows->weights + member * rows->weights_step + tile_number * tile;
    for (int64_t t = 0; t < rows->targets; t++) {
        memset(space->delta[0], 0, sizeof(T) * rows->targets * stride);
        memcpy(space->delta[0] + t * stride, weight, sizeof(T) * tile);
        NAME(backward)(plan, 1, space);
        NAME(add_products)(space->jacobian, size, space->residual + t * stride, 1, stride, tile, gradient, 1, 0);
        NAME(add_products)(space->jacobian, size, space->jacobian, size, stride, tile, matrix, size, 1);
    }
}

static void NAME(predict_tile)(const struct plan *plan, const struct rows *rows, int64_t member, int64_t tile_number,
                               const struct NAME(space) *space, T *predicted)
{
    T *to = predicted + (member * rows->tiles + tile_number) * rows->targets * space->tile;
    for (int64_t t = 0; t < rows->targets; t++)
        memcpy(to + t * space->tile, space->node[plan->layers] + t * space->stride, sizeof(T) * space->tile);
}

/* One member's tiles first <= number < last. Results are written, not added: the sum of squares, the gradient and the
   lower triangle of the matrix (both of those without the factor 2 / count where there is a matrix). */
static void NAME(run_tiles)(int mode, const struct plan *plan, const struct rows *rows, int64_t member, const T *theta,
                            int64_t first, int64_t last, struct NAME(space) *space, double *error, T *gradient,
                            T *matrix)
{
    NAME(load_weights)(plan, theta, space);
    *error = 0;
    if (mode == MODE_GRADIENT)
        for (int64_t l = 0; l < plan->layers; l++) {
            const struct layer *layer = plan->layer + l;
            memset(space->slope[l], 0,
                   sizeof(T) * layer->inputs * functions_of(plan, layer) * padded(slots_of(plan, layer)));
        }
    if (mode == MODE_NORMAL) {
        memset(gradient, 0, sizeof(T) * plan->parameters);
        memset(matrix, 0, sizeof(T) * plan->parameters * plan->parameters);
    }
    for (int64_t tile = first; tile < last; tile++) {
        NAME(forward)(plan, rows, member, tile, mode == MODE_GRADIENT || mode == MODE_NORMAL, space);
        if (mode == MODE_PREDICT) {
            NAME(predict_tile)(plan, rows, member, tile, space, gradient);
            continue;
        }
        *error += NAME(residuals)(plan, rows, member, tile, space);
        if (mode == MODE_GRADIENT)
            NAME(gradient_tile)(plan, rows, member, tile, space);
        else if (mode == MODE_NORMAL)
            NAME(normal_tile)(plan, rows, member, tile, space, gradient, matrix);
    }
    if (mode == MODE_GRADIENT)
        NAME(store_slopes)(plan, space, gradient);
}

/* |w| rounded off below 1e-4, as in kansym/training/penalties.py. */
#define ROUNDED(w) NAME(root)((w) * (w) + (T)1e-8)
INLINE T NAME(root)(T x)
{
#if IS_DOUBLE
    return sqrt(x);
#else
    return sqrtf(x);
#endif
}

static double NAME(edge_norm)(const T *weights, int64_t all)
{
    T sum = 0;
    for (int64_t f = 0; f < all; f++)
        sum += ROUNDED(weights[f]);
    return sum / all;
}

/* Second differences of neighbouring coefficients: their squares' sum, and half its gradient added to `out`. */
static double NAME(roughness)(const T *weights, int64_t count, double strength, T *out)
{
    double sum = 0;
    for (int64_t f = 0; f + 2 < count; f++) {
        T second = weights[f] - 2 * weights[f + 1] + weights[f + 2], pulled = (T)(2 * strength) * second;
        sum += (double)second * second;
        if (out) {
            out[f] += pulled;
            out[f + 1] -= 2 * pulled;
            out[f + 2] += pulled;
        }
    }
    return strength * sum;
}

static void NAME(add_differences)(int64_t count, double strength, T *matrix, int64_t size)
{
    static const int second[3] = {1, -2, 1};
    for (int64_t f = 0; f + 2 < count; f++)
        for (int p = 0; p < 3; p++)
            for (int q = 0; q < 3; q++)
                matrix[(f + p) * size + f + q] += (T)(2 * strength * second[p] * second[q]);
}

/* One edge's share of the penalties; `pulled` is the derivative of l1 and entropy by the edge's norm. */
static double NAME(edge_penalty)(const T *weights, int64_t all, int64_t splines, double pulled, double ridge,
                                 double smoothness, double group, T *gradient, T *matrix, int64_t size)
{
    double squares = 0;
    for (int64_t f = 0; f < all; f++)
        squares += (double)weights[f] * weights[f];
    double norm = sqrt(squares / all + 1e-8);
    T bend = (T)((pulled > 0 ? pulled : 0) / all), slope = (T)(pulled / all);
    T twice = (T)(2 * ridge + group / norm / all);
    if (gradient)
        for (int64_t f = 0; f < all; f++)
            gradient[f] += (twice + slope / ROUNDED(weights[f])) * weights[f];
    if (matrix)
        for (int64_t f = 0; f < all; f++)
            matrix[f * size + f] += twice + bend / ROUNDED(weights[f]);
    double value = ridge * squares + group * norm;
    if (smoothness != 0) {
        value += NAME(roughness)(weights, splines, smoothness, gradient);
        if (matrix)
            NAME(add_differences)(splines, smoothness, matrix, size);
    }
    return value;
}

/* Add a member's penalties to gradient and matrix (either may be NULL) and return their value. */
static double NAME(penalties)(const struct plan *plan, const struct penalty *penalty, int64_t member, const T *theta,
                              T *gradient, T *matrix)
{
    double l1 = penalty->l1[member], entropy = penalty->entropy[member], ridge = penalty->ridge[member];
    double smoothness = penalty->smoothness[member], group = penalty->group[member], value = 0;
    for (int64_t l = 0; l < plan->layers; l++) {
        const struct layer *layer = plan->layer + l;
        int64_t all = functions_of(plan, layer), splines = layer->intervals + plan->degree;
        double total = 0, mixed = 0;
        if (l1 != 0 || entropy != 0)
            for (int64_t e = 0; e < layer->edges; e++)
                total += NAME(edge_norm)(theta + layer->start + e * all, all);
        if (entropy != 0)
            for (int64_t e = 0; e < layer->edges; e++) {
                double share = NAME(edge_norm)(theta + layer->start + e * all, all) / total;
                mixed -= share * log(share);
            }
        value += l1 * total + entropy * mixed;
        for (int64_t e = 0; e < layer->edges; e++) {
            int64_t at = layer->start + e * all;
            double pulled = l1;
            if (entropy != 0)
                pulled -= entropy * (log(NAME(edge_norm)(theta + at, all) / total) + mixed) / total;
            value += NAME(edge_penalty)(theta + at, all, splines, pulled, ridge, smoothness, group,
                                        gradient ? gradient + at : NULL,
                                        matrix ? matrix + at * plan->parameters + at : NULL, plan->parameters);
        }
    }
    return value;
}

/* Turn sums into results: divide, mirror the triangle, add penalties, apply the mask. Returns error plus penalty. */
static double NAME(finish)(int mode, const struct plan *plan, const struct rows *rows, const struct penalty *penalty,
                           int64_t member, const T *theta, double squares, T *gradient, T *matrix)
{
    int64_t size = plan->parameters;
    const T *mask = plan->mask ? (const T *)plan->mask + member * size : NULL;
    double value = squares / rows->count;
    T factor = (T)(2 / rows->count);
    if (mode == MODE_NORMAL) {
        for (int64_t p = 0; p < size; p++)
            gradient[p] *= factor;
        for (int64_t p = 0; p < size; p++)
            for (int64_t q = 0; q <= p; q++)
                matrix[q * size + p] = matrix[p * size + q] = matrix[p * size + q] * factor;
    }
    if (penalty)
        value += NAME(penalties)(plan, penalty, member, theta, mode == MODE_VALUE ? NULL : gradient,
                                 mode == MODE_NORMAL ? matrix : NULL);
    if (mask && mode != MODE_VALUE)
        for (int64_t p = 0; p < size; p++)
            gradient[p] = mask[p] != 0 ? gradient[p] : 0;
    if (mask && mode == MODE_NORMAL)
        for (int64_t p = 0; p < size; p++)
            for (int64_t q = 0; q < size; q++)
                matrix[p * size + q] = mask[p] != 0 && mask[q] != 0 ? matrix[p * size + q] : 0;
    return value;
}

static struct NAME(space) NAME(my_space)(const struct plan *plan, const struct rows *rows, int mode,
                                         const struct work *work)
{
    struct NAME(space) space;
#ifdef _OPENMP
    int64_t thread = omp_get_thread_num();
#else
    int64_t thread = 0;
#endif
    NAME(arrange)(plan, rows, mode, (T *)(work->scratch + thread * work->scratch_bytes), &space);
    return space;
}

/* One chunk of one member: its results go to the partial buffer. */
static void NAME(run_chunk)(int mode, const struct plan *plan, const struct rows *rows, const struct work *work,
                            const T *theta, int64_t item, struct NAME(space) *space, T *predicted)
{
    int64_t member = item / work->chunks, chunk = item % work->chunks;
    char *partial = work->partial + item * work->partial_bytes;
    T *gradient = (T *)(partial + 64);
    NAME(load_tables)(plan, member, space);
    NAME(run_tiles)(mode, plan, rows, member, theta + member * plan->parameters, chunk * rows->tiles / work->chunks,
                    (chunk + 1) * rows->tiles / work->chunks, space, (double *)partial,
                    mode == MODE_PREDICT ? predicted : gradient, gradient + plan->parameters);
}

/* Add a member's partial results in the order of its chunks. */
static double NAME(gather)(int mode, const struct plan *plan, const struct work *work, int64_t member, T *gradient,
                           T *matrix)
{
    int64_t size = plan->parameters;
    double squares = 0;
    for (int64_t chunk = 0; chunk < work->chunks; chunk++) {
        const char *partial = work->partial + (member * work->chunks + chunk) * work->partial_bytes;
        const T *from = (const T *)(partial + 64);
        squares += *(const double *)partial;
        for (int64_t p = 0; mode != MODE_VALUE && p < size; p++)
            gradient[p] = chunk ? gradient[p] + from[p] : from[p];
        for (int64_t p = 0; mode == MODE_NORMAL && p < size * size; p++)
            matrix[p] = chunk ? matrix[p] + from[size + p] : from[size + p];
    }
    return squares;
}

/* theta (E, P) -> value (E,), gradient (E, P), matrix (E, P, P), as far as the mode asks; or, to predict, `gradient`
   is where the outputs go, (E, tiles, T, tile). */
void NAME(network_run)(int64_t mode_number, const struct plan *plan, const struct rows *rows, const struct work *work,
                       const T *theta, T *value, T *gradient, T *matrix)
{
    const int mode = (int)mode_number;
    int64_t size = plan->parameters, members = plan->members;
    const struct penalty *penalty = work->penalty;
#pragma omp parallel num_threads((int)work->threads) if (work->threads > 1)
    {
        struct NAME(space) space = NAME(my_space)(plan, rows, mode, work);
        if (work->chunks > 1) {
#pragma omp for schedule(dynamic, 1)
            for (int64_t item = 0; item < members * work->chunks; item++)
                if (!work->active || work->active[item / work->chunks])
                    NAME(run_chunk)(mode, plan, rows, work, theta, item, &space, gradient);
        }
#pragma omp for schedule(dynamic, 1)
        for (int64_t e = 0; e < members; e++) {
            T *slope = gradient ? gradient + e * size : NULL, *curve = matrix ? matrix + e * size * size : NULL;
            double squares = 0;
            if (work->active && !work->active[e])
                continue;
            if (work->chunks == 1) {
                NAME(load_tables)(plan, e, &space);
                NAME(run_tiles)(mode, plan, rows, e, theta + e * size, 0, rows->tiles, &space, &squares,
                                mode == MODE_PREDICT ? gradient : slope, curve);
            } else if (mode != MODE_PREDICT)
                squares = NAME(gather)(mode, plan, work, e, slope, curve);
            if (mode != MODE_PREDICT)
                value[e] = (T)NAME(finish)(mode, plan, rows, penalty, e, theta + e * size, squares, slope, curve);
        }
    }
}

/* The first layer's features of all tiles, per member (or once when first_step is 0). */
void NAME(network_features)(const struct plan *plan, const struct rows *rows, const struct work *work)
{
    struct rows uncached = *rows;
    const struct layer *layer = plan->layer;
    int64_t members = rows->first_step ? plan->members : 1, terms = layer->inputs * functions_of(plan, layer);
    uncached.first = NULL;
#pragma omp parallel num_threads((int)work->threads) if (work->threads > 1)
    {
        struct NAME(space) space = NAME(my_space)(plan, &uncached, MODE_VALUE, work);
#pragma omp for schedule(static)
        for (int64_t e = 0; e < members; e++) {
            NAME(load_tables)(plan, e, &space);
            for (int64_t tile = 0; tile < rows->tiles; tile++)
                NAME(features)(plan, layer, e, space.table[0],
                               (const T *)rows->x + e * rows->x_step + tile * layer->inputs * rows->tile, rows->tile,
                               rows->tile, space.stride,
                               (T *)rows->first + e * rows->first_step + tile * terms * space.stride, NULL, NULL,
                               space.spare);
        }
    }
}

/* One Adam update of one member. Source: Kingma and Ba 2015, algorithm 1. */
static void NAME(update)(const struct adam *adam, int64_t size, double rate, int64_t step, const T *gradient, T *theta,
                         T *first, T *second)
{
    double age = (double)(adam->age + step + 1);
    T keep = (T)adam->decay_first, take = (T)(1 - adam->decay_first), keep_square = (T)adam->decay_second;
    T take_square = (T)(1 - adam->decay_second), tiny = (T)adam->tiny;
    T move = (T)(rate * adam->fall[step] / (1 - pow(adam->decay_first, age)));
    T correction = (T)(1 / (1 - pow(adam->decay_second, age)));
    for (int64_t p = 0; p < size; p++) {
        T mean = keep * first[p] + take * gradient[p];
        T square = keep_square * second[p] + take_square * gradient[p] * gradient[p];
        first[p] = mean;
        second[p] = square;
        theta[p] -= move * mean / (NAME(root)(square * correction) + tiny);
    }
}

/* Full-batch Adam steps: theta, first and second (E, P) are changed in place; value (steps, E) is that before each. */
void NAME(network_adam)(const struct plan *plan, const struct rows *rows, const struct work *work,
                        const struct adam *adam, T *theta, T *first, T *second, T *value)
{
    int64_t size = plan->parameters, members = plan->members;
#pragma omp parallel num_threads((int)work->threads) if (work->threads > 1)
    {
        struct NAME(space) space = NAME(my_space)(plan, rows, MODE_GRADIENT, work);
        if (work->chunks == 1) {
#pragma omp for schedule(dynamic, 1)
            for (int64_t e = 0; e < members; e++) {
                T *own = theta + e * size;
                if (work->active && !work->active[e])
                    continue;
                NAME(load_tables)(plan, e, &space);
                for (int64_t step = 0; step < adam->steps; step++) {
                    double squares;
                    NAME(run_tiles)(MODE_GRADIENT, plan, rows, e, own, 0, rows->tiles, &space, &squares, space.gradient,
                                    NULL);
                    value[step * members + e] = (T)NAME(finish)(MODE_GRADIENT, plan, rows, work->penalty, e, own,
                                                                squares, space.gradient, NULL);
                    NAME(update)(adam, size, adam->rate[e], step, space.gradient, own, first + e * size,
                                 second + e * size);
                }
            }
        } else
            for (int64_t step = 0; step < adam->steps; step++) {
#pragma omp for schedule(dynamic, 1)
                for (int64_t item = 0; item < members * work->chunks; item++)
                    if (!work->active || work->active[item / work->chunks])
                        NAME(run_chunk)(MODE_GRADIENT, plan, rows, work, theta, item, &space, NULL);
#pragma omp for schedule(dynamic, 1)
                for (int64_t e = 0; e < members; e++) {
                    T *own = theta + e * size;
                    if (work->active && !work->active[e])
                        continue;
                    double squares = NAME(gather)(MODE_GRADIENT, plan, work, e, space.gradient, NULL);
                    value[step * members + e] = (T)NAME(finish)(MODE_GRADIENT, plan, rows, work->penalty, e, own,
                                                                squares, space.gradient, NULL);
                    NAME(update)(adam, size, adam->rate[e], step, space.gradient, own, first + e * size,
                                 second + e * size);
                }
            }
    }
}
