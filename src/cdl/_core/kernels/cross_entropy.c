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

/* Row r of dx from its exponentials e, which may be dx: total p - scale (hot at the label, and rest) */
VEC void gradient_row(const real *e, real *dx, size_t n, const Sums *s, size_t r, size_t label, const cdl_targets *t,
                      real scale, int stream) {
    const real *rest = t->rest;
    real picked = scale * (t->hot ? ((const real *)t->hot)[label] : 1), total = picked + scale * (real)t->rest_sum;
    size_t block = block_of(n);
    real at_label =
        e[label] * (total * block_factor(s, r, label / block, n)) - (rest ? scale * rest[label] : 0) - picked;
    for (size_t at = 0, b = 0; at < n; at += block, b++) {
        size_t length = n - at < block ? n - at : block;
        real factor = total * block_factor(s, r, b, n);
        ALONG(dx + at, i, count, length, stream) {
            vec d = factor * v_load_n(e + at + i, count);
            if (rest)
                d -= scale * v_load_n(rest + at + i, count);
            v_put(dx + at + i, d, count, stream);
        }
    }
    dx[label] = at_label;
}

/* sums[r] to the loss and the logsumexp of row r. The difference is taken before the logarithm is added, so that small
 * losses are exact. */
VEC void loss_row(const real *x, size_t n, const Sums *s, size_t r, const int64_t *label, const cdl_targets *t,
                  real weight, real *loss, real *lse) {
    *lse = s->shift[r] + s->log[r], *loss = 0;
    if (weight == 0)
        return;
    real hot = t->hot ? ((const real *)t->hot)[*label] : 1;
    real sum = hot == 0 ? 0 : hot * (s->log[r] + (s->shift[r] - x[*label]));
    if (t->rest)
        sum += weighted_loss(t->rest, NULL, NULL, x, n, *lse);
    *loss = weight * sum;
}

/* From labels; where dx is not NULL it gets the gradient for g = unit as well, from the same exponentials. */
void KERNEL(cross_entropy_forward)(const void *xs, const int64_t *labels, const cdl_targets *t, double unit,
                                   void *losses, void *lses, void *dxs, size_t rows, size_t n, int stream) {
    real kept[KEPT], *loss = losses, *lse = lses;
    Sums sums;
    int aside = dxs && stream && (n <= KEPT / GROUP || (n > BLOCK && n <= KEPT));
    GROUPS(top, members, rows, n) {
        const real *x = (const real *)xs + top * n, *weight = t->weight ? (const real *)t->weight + top : NULL;
        real *dx = dxs ? (real *)dxs + top * n : NULL, *e = aside ? kept : dx;
        exp_sums(x, e, weight, members, n, &sums);
        log_sums(x, members, n, &sums);
        for (size_t r = 0; r < members; r++)
            loss_row(x + r * n, n, &sums, r, labels + top + r, t, weight ? weight[r] : 1, loss + top + r,
                     lse + top + r);
        for (size_t r = 0; dx && r < members; r++)
            if (weight && weight[r] == 0)
                memset(dx + r * n, 0, n * sizeof(real));
            else
                gradient_row(e + r * n, dx + r * n, n, &sums, r, (size_t)labels[top + r], t,
                             (real)unit * (weight ? weight[r] : 1), aside);
    }
    stream_end(stream);
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

/* The label and its weight of each lane's row: where the weight of the row is 0, the label may be no class */
VEC vec hot_of(const cdl_targets *t, const int64_t *labels, vec weight, size_t count) {
    vec hot = v_set(1);
    for (size_t l = 0; t->hot && l < count; l++)
        hot[l] = weight[l] != 0 ? ((const real *)t->hot)[(size_t)labels[l]] : 0;
    return hot;
}

VEC vec weights_of(const cdl_targets *t, size_t r, size_t count) {
    return t->weight ? v_load_n((const real *)t->weight + r, count) : v_set(1);
}

/* dx = scale ((hot + sum of rest) p - target) of a tile of exponentials or probabilities, factor e = p */
VEC void short_gradient(vec *e, vec factor, vec scale, vec hot, const int64_t *labels, const cdl_targets *t, vec weight,
                        real *dx, size_t count, size_t n) {
    const real *rest = t->rest;
    vec picked = scale * hot, total = factor * (picked + scale * (real)t->rest_sum), zero = v_set(0);
    for (size_t j = 0; j < n; j++) {
        e[j] = total * e[j] - (rest ? scale * rest[j] : zero);
        if (t->weight)
            e[j] = v_select(v_eq(weight, zero), zero, e[j]);
    }
    store_tile(e, dx, count, n);
    for (size_t l = 0; l < count; l++)
        if (!t->weight || weight[l] != 0)
            dx[l * n + (size_t)labels[l]] -= picked[l];
}

/* As cross_entropy_forward, VLEN rows at a time: with few classes the sums across a vector would cost more than exp. */
void KERNEL(cross_entropy_short_forward)(const void *xs, const int64_t *labels, const cdl_targets *t, double unit,
                                         void *losses, void *lses, void *dxs, size_t rows, size_t n) {
    vec tile[CDL_SHORT_ROW], e[CDL_SHORT_ROW], zero = v_set(0);
    const real *rest = t->rest;
    for (size_t r = 0; r < rows; r += VLEN) {
        size_t count = tile_rows(r, rows);
        const real *x = (const real *)xs + r * n;
        load_tile(tile, x, count, n);
        vec top = tile_max(tile, n), sum = {0}, picked = {0}, weight = weights_of(t, r, count);
        vec shift = v_select(v_lt(v_abs(top), v_set((real)INFINITY)), top, zero);
        for (size_t j = 0; j < n; j++)
            sum += e[j] = v_exp(tile[j] - shift);
        for (size_t l = 0; l < count; l++)
            picked[l] = !t->weight || weight[l] != 0 ? x[l * n + (size_t)labels[r + l]] : 0;
        vec log = v_log(sum), lse = shift + log, loss = log + (shift - picked);
        vec hot = hot_of(t, labels + r, weight, count);
        if (t->hot)
            loss = v_select(v_eq(hot, zero), zero, hot * loss);
        for (size_t j = 0; rest && j < n; j++)
            if (rest[j] != 0)
                loss += rest[j] * (lse - tile[j]);
        if (t->weight)
            loss = v_select(v_eq(weight, zero), zero, weight * loss);
        v_store_n((real *)losses + r, loss, count);
        v_store_n((real *)lses + r, lse, count);
        if (dxs)
            short_gradient(e, 1 / sum, (real)unit * weight, hot, labels + r, t, weight, (real *)dxs + r * n, count, n);
    }
}

/* As cross_entropy_backward; dx may not be x */
void KERNEL(cross_entropy_short_backward)(const void *xs, const int64_t *labels, const cdl_targets *t, const void *lses,
                                          const void *gs, size_t g_step, void *dxs, size_t rows, size_t n) {
    vec tile[CDL_SHORT_ROW];
    const real *g = gs;
    for (size_t r = 0; r < rows; r += VLEN) {
        size_t count = tile_rows(r, rows);
        load_tile(tile, (const real *)xs + r * n, count, n);
        vec lse = v_load_n((const real *)lses + r, count), weight = weights_of(t, r, count);
        for (size_t j = 0; j < n; j++)
            tile[j] = v_exp(tile[j] - lse);
        short_gradient(tile, v_set(1), weight * (g_step ? v_load_n(g + r, count) : v_set(*g)),
                       hot_of(t, labels + r, weight, count), labels + r, t, weight, (real *)dxs + r * n, count, n);
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
