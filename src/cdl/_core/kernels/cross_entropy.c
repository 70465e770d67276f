/* Cross-entropy of logits x (rows, n). The target of row r is
 *
 *     t[r, c] = weight[r] (hot[c] given[r, c] + rest[c])
 *
 * where `given` is one at the class labels[r], or a row of probabilities. Class weights w and smoothing s are
 * hot = (1 - s) w and rest = s w / n. With p = softmax(x):
 *
 *     loss[r] = sum over c of t[r, c] (lse[r] - x[r, c])       dx[r, c] = g[r] (total p[r, c] - t[r, c])
 *
 * and total = sum over c of t[r, c]. Of a row of weight 0 neither logits nor label are looked at. Labels are checked by
 * the caller. g_step is 1, or 0 for one g for all rows; dx may be x but for short rows; `stream` as in softmax.c.
 */
#include "rows.h"
#include "tile.h"

/* hot[c] given[c] + rest[c] at class j, the factors 1 and 0 where NULL */
VEC vec target(const real *given, const real *hot, const real *rest, size_t j, size_t n) {
    vec t = v_load_n(given + j, n);
    if (hot)
        t *= v_load_n(hot + j, n);
    return rest ? t + v_load_n(rest + j, n) : t;
}

/* sum over c of the target (lse - x[c]); where the target is 0, x may be -inf */
VEC real weighted_loss(const real *given, const real *hot, const real *rest, const real *x, size_t n, real lse) {
    vec sum = {0}, lost = {0}, zero = v_set(0);
    for (size_t j = 0; j < n; j += VLEN) {
        vec t = target(given, hot, rest, j, n - j);
        vec part = v_select(v_eq(t, zero), zero, t * (lse - v_load_n(x + j, n - j)));
        vec total = sum + part, back = total - sum; /* rounding errors are kept: vocabularies are long */
        lost += (sum - (total - back)) + (part - back);
        sum = total;
    }
    return v_sum(sum + v_select(v_isnan(lost), zero, lost));
}

VEC real weight_of(const cdl_targets *t, size_t r) {
    return t->weight ? ((const real *)t->weight)[r] : 1;
}

/* From labels. The difference is taken before the logarithm is added, so that small losses are exact. */
void KERNEL(cross_entropy_forward)(const void *xs, const int64_t *labels, const cdl_targets *t, void *losses,
                                   void *lses, size_t rows, size_t n) {
    real shift[GROUP], rest[GROUP], *loss = losses, *lse = lses;
    const real *hot = t->hot, *others = t->rest;
    GROUPS(top, members) {
        const real *x = (const real *)xs + top * n;
        group_logsumexp(x, members, n, shift, rest, t->weight ? (const real *)t->weight + top : NULL);
        for (size_t r = 0; r < members; r++) {
            const real *row = x + r * n;
            real weight = weight_of(t, top + r);
            loss[top + r] = 0, lse[top + r] = shift[r] + rest[r];
            if (weight == 0)
                continue;
            size_t label = (size_t)labels[top + r];
            real picked = hot ? hot[label] : 1;
            real sum = picked == 0 ? 0 : picked * (rest[r] + (shift[r] - row[label]));
            if (others)
                sum += weighted_loss(others, NULL, NULL, row, n, lse[top + r]);
            loss[top + r] = weight * sum;
        }
    }
}

void KERNEL(cross_entropy_backward)(const void *xs, const int64_t *labels, const cdl_targets *t, const void *lses,
                                    const void *gs, size_t g_step, void *dxs, size_t rows, size_t n, int stream) {
    const real *hot = t->hot, *others = t->rest;
    for (size_t r = 0; r < rows; r++) {
        const real *x = (const real *)xs + r * n;
        real *dx = (real *)dxs + r * n, weight = weight_of(t, r), lse = ((const real *)lses)[r];
        if (weight == 0) {
            memset(dx, 0, n * sizeof(real));
            continue;
        }
        size_t label = (size_t)labels[r];
        real scale = ((const real *)gs)[r * g_step] * weight, picked = scale * (hot ? hot[label] : 1);
        real total = picked + scale * (real)t->rest_sum;
        ALONG(dx, i, count, n, stream) {
            vec d = total * v_exp_below(v_load_n(x + i, count) - lse);
            if (others)
                d -= scale * v_load_n(others + i, count);
            if (label - i < count)
                d[label - i] -= picked;
            v_put(dx + i, d, count, stream);
        }
    }
    stream_end(stream);
}

/* As cross_entropy_forward, VLEN rows at a time: with few classes the sums across a vector would cost more than exp. */
void KERNEL(cross_entropy_short_forward)(const void *xs, const int64_t *labels, const cdl_targets *t, void *losses,
                                         void *lses, size_t rows, size_t n) {
    vec tile[CDL_SHORT_ROW], zero = v_set(0);
    const real *x = xs, *hot = t->hot, *others = t->rest;
    for (size_t r = 0; r < rows; r += VLEN) {
        size_t count = tile_rows(r, rows);
        load_tile(tile, x + r * n, count, n);
        vec top = tile_max(tile, n), sum = {0}, picked = {0}, factor = v_set(1);
        vec shift = v_select(v_lt(v_abs(top), v_set((real)INFINITY)), top, v_set(0));
        for (size_t j = 0; j < n; j++)
            sum += v_exp(tile[j] - shift);
        vec weight = t->weight ? v_load_n((const real *)t->weight + r, count) : v_set(1);
        for (size_t l = 0; l < count; l++)
            if (!t->weight || weight[l] != 0) {
                size_t label = (size_t)labels[r + l];
                picked[l] = x[(r + l) * n + label];
                factor[l] = hot ? hot[label] : 1;
            }
        vec rest = v_log(sum), lse = shift + rest, loss = rest + (shift - picked);
        if (hot)
            loss = v_select(v_eq(factor, zero), zero, factor * loss);
        for (size_t j = 0; others && j < n; j++)
            if (others[j] != 0)
                loss += others[j] * (lse - tile[j]);
        if (t->weight)
            loss = v_select(v_eq(weight, zero), zero, weight * loss);
        v_store_n((real *)losses + r, loss, count);
        v_store_n((real *)lses + r, lse, count);
    }
}

void KERNEL(cross_entropy_short_backward)(const void *xs, const int64_t *labels, const cdl_targets *t,
                                          const void *lses, const void *gs, size_t g_step, void *dxs, size_t rows,
                                          size_t n) {
    vec tile[CDL_SHORT_ROW], zero = v_set(0);
    const real *g = gs, *hot = t->hot, *others = t->rest;
    for (size_t r = 0; r < rows; r += VLEN) {
        size_t count = tile_rows(r, rows);
        real *dx = (real *)dxs + r * n;
        load_tile(tile, (const real *)xs + r * n, count, n);
        vec lse = v_load_n((const real *)lses + r, count), scale = g_step ? v_load_n(g + r, count) : v_set(*g);
        vec weight = t->weight ? v_load_n((const real *)t->weight + r, count) : v_set(1);
        scale *= weight;
        vec picked = scale, total;
        if (hot)
            for (size_t l = 0; l < count; l++)
                picked[l] = weight[l] != 0 ? scale[l] * hot[(size_t)labels[r + l]] : 0;
        total = picked + scale * (real)t->rest_sum;
        for (size_t j = 0; j < n; j++) {
            tile[j] = total * v_exp(tile[j] - lse) - (others ? scale * others[j] : zero);
            if (t->weight)
                tile[j] = v_select(v_eq(weight, zero), zero, tile[j]);
        }
        store_tile(tile, dx, count, n);
        for (size_t l = 0; l < count; l++)
            if (!t->weight || weight[l] != 0)
                dx[l * n + (size_t)labels[r + l]] -= picked[l];
    }
}

/* From given probabilities, lse = logsumexp of each row of x given too */
void KERNEL(soft_cross_entropy_forward)(const void *xs, const void *given, const cdl_targets *t, const void *lses,
                                        void *losses, size_t rows, size_t n) {
    for (size_t r = 0; r < rows; r++) {
        real weight = weight_of(t, r), *loss = (real *)losses + r;
        *loss = 0;
        if (weight != 0)
            *loss = weight * weighted_loss((const real *)given + r * n, t->hot, t->rest, (const real *)xs + r * n, n,
                                           ((const real *)lses)[r]);
    }
}

void KERNEL(soft_cross_entropy_backward)(const void *xs, const void *given, const cdl_targets *t, const void *lses,
                                         const void *gs, size_t g_step, void *dxs, size_t rows, size_t n, int stream) {
    const real *hot = t->hot, *others = t->rest;
    for (size_t r = 0; r < rows; r++) {
        const real *x = (const real *)xs + r * n, *row = (const real *)given + r * n;
        real *dx = (real *)dxs + r * n, weight = weight_of(t, r), lse = ((const real *)lses)[r];
        if (weight == 0) {
            memset(dx, 0, n * sizeof(real));
            continue;
        }
        real scale = ((const real *)gs)[r * g_step] * weight;
        vec sum = {0};
        for (size_t j = 0; j < n; j += VLEN)
            sum += target(row, hot, others, j, n - j);
        real total = v_sum(sum);
        ALONG(dx, i, count, n, stream)
        v_put(dx + i, scale * (total * v_exp_below(v_load_n(x + i, count) - lse) - target(row, hot, others, i, count)),
              count, stream);
    }
    stream_end(stream);
}
