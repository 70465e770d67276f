# The C kernel table as Cython sees it; the C compiler checks each slot against kernels.def.
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

cdef extern from "kernels.h" nogil:
    enum: CDL_UNARY_COUNT
    enum: CDL_BINARY_COUNT
    enum: CDL_LOSS_COUNT
    enum: CDL_ISA_COUNT
    int cdl_cpu_bf16_unit()
    enum: BF16_FLOATS "CDL_BF16_FLOATS"
    enum: BF16_PAIRS "CDL_BF16_PAIRS"
    enum: BF16_TILES "CDL_BF16_TILES"
    # The ops that the floors below the families use by name.
    enum: BINARY_ADD "CDL_BINARY_add"
    enum: BINARY_SUBTRACT "CDL_BINARY_subtract"
    enum: BINARY_MULTIPLY "CDL_BINARY_multiply"
    enum: BINARY_DIVIDE "CDL_BINARY_divide"
    enum: BINARY_POWER "CDL_BINARY_power"
    enum: UNARY_NEGATIVE "CDL_UNARY_negative"
    enum: UNARY_ABS "CDL_UNARY_abs"
    enum: UNARY_SCALE "CDL_UNARY_scale"
    ctypedef void (*unary_forward_t "cdl_unary_forward *")(
        const void* x, void* y, size_t n, double p, double q) noexcept nogil
    ctypedef void (*unary_backward_t "cdl_unary_backward *")(
        const void* x, const void* y, const void* g, void* dx, size_t n, double p, double q) noexcept nogil
    ctypedef void (*binary_forward_t "cdl_binary_forward *")(
        const void* a, const void* b, void* y, size_t n, size_t sa, size_t sb) noexcept nogil
    ctypedef void (*binary_backward_t "cdl_binary_backward *")(
        const void* a, const void* b, const void* y, const void* g, void* da, void* db, size_t n,
        size_t sa, size_t sb) noexcept nogil

    ctypedef struct cdl_update:
        double rate, scale, limit, coupled, kept, beta1, beta2, per_v, eps
        int nesterov
    ctypedef void (*update_t "cdl_update_kernel *")(
        void* p, const void* g, void* a, void* b, void* c, size_t n, const cdl_update* u) noexcept nogil
    ctypedef struct cdl_targets:
        const void* weight
        const void* hot
        const void* rest
        double rest_sum

    ctypedef struct cdl_placing:
        size_t H, W, C, P, Q
        double[3] y, x
        double fill
        int edge

    ctypedef struct cdl_windows:
        size_t H, W, C, P, Q, R, S, first, channels
        Py_ssize_t stride_h, stride_w, dilation_h, dilation_w, top, left

    ctypedef struct cdl_pool:
        size_t H, W, C, P, Q, R, S
        Py_ssize_t stride_h, stride_w, top, left
    enum: POOL_SLACK "CDL_POOL_SLACK"

    ctypedef struct cdl_tiles:
        size_t height, width, channels, count, across
        Py_ssize_t top, left

    ctypedef struct cdl_cell:
        size_t rows, units, row, gate, width
        void* gates
        void* dgates
        const void* h_prev
        const void* c_prev
        void* h
        void* c
        void* y
        const int64_t* place
        const void* g
        const void* reset
        void* dh
        void* dc
        int variant
    ctypedef struct cdl_scores:
        size_t keys
        Py_ssize_t s_row, visible
        double scale
        const void* mask
        Py_ssize_t mask_row, mask_col
        int masked
    enum: MASK_NONE "CDL_MASK_NONE"
    enum: MASK_BOOL "CDL_MASK_BOOL"
    enum: MASK_ADDED "CDL_MASK_ADDED"

    ctypedef struct cdl_kernels:
        unary_forward_t* unary_forward
        unary_backward_t* unary_backward
        binary_forward_t* binary_forward
        binary_backward_t* binary_backward
        update_t adam, sgd, rmsprop, adagrad
        void (*clip_gradient)(void* g, size_t n, double scale, double limit) noexcept nogil
        void (*squared_norm)(const void* g, size_t n, double* sum) noexcept nogil
        void (*fma_peak)(size_t iterations, double* out) noexcept nogil
        void (*gather_strided)(const void* x, void* y, size_t rows, size_t cols, Py_ssize_t row_stride,
                               Py_ssize_t col_stride) noexcept nogil
        void (*gather_rows)(const void* x, const int64_t* ids, void* y, size_t n, size_t inner) noexcept nogil
        void (*scatter_add_rows)(const void* g, const int64_t* ids, void* dx, size_t n, size_t inner, size_t first,
                                 size_t last) noexcept nogil
        void (*scatter_strided)(const void* x, void* y, size_t rows, size_t cols, Py_ssize_t row_stride,
                                Py_ssize_t col_stride) noexcept nogil
        void (*gemm)(size_t m, size_t n, size_t k, const void* a, Py_ssize_t a_row, Py_ssize_t a_col, const void* b,
                     Py_ssize_t b_row, size_t b_panel, void* c, Py_ssize_t c_row, const void* bias,
                     int accumulate) noexcept nogil
        void (*gemm_fetching)(size_t m, size_t n, size_t k, const void* a, Py_ssize_t a_row, Py_ssize_t a_col,
                              const void* b, Py_ssize_t b_row, size_t b_panel, void* c, Py_ssize_t c_row,
                              const void* bias, int accumulate, const void* next) noexcept nogil
        void (*gemm_dot)(size_t m, size_t n, size_t k, const void* a, Py_ssize_t a_row, const void* b, Py_ssize_t b_row,
                         void* c, Py_ssize_t c_row, const void* bias, int accumulate) noexcept nogil
        void (*gemm_inner)(size_t k, const void* a, const void* b, void* sum) noexcept nogil
        void (*gemm_pack)(size_t rows, size_t columns, const void* source, Py_ssize_t row, Py_ssize_t column,
                          void* target, Py_ssize_t target_row, size_t panel) noexcept nogil
        void (*bf16_rows)(size_t rows, size_t k, const void* source, Py_ssize_t row, Py_ssize_t column, void* target,
                          size_t count, size_t target_row) noexcept nogil
        void (*bf16_panels)(size_t k, size_t columns, const void* source, Py_ssize_t row, void* target,
                            size_t count) noexcept nogil
        void (*bf16_product)(int unit, size_t m, size_t n, size_t count, const void* a, size_t a_row, const void* b,
                             void* c, Py_ssize_t c_row, const void* bias, int accumulate) noexcept nogil
        void (*softmax_forward)(const void* x, void* y, size_t rows, size_t n, int stream) noexcept nogil
        void (*softmax_backward)(const void* y, const void* g, void* dx, size_t rows, size_t n,
                                 int stream) noexcept nogil
        void (*log_softmax_forward)(const void* x, void* y, size_t rows, size_t n, int stream) noexcept nogil
        void (*log_softmax_backward)(const void* y, const void* g, void* dx, size_t rows, size_t n,
                                     int stream) noexcept nogil
        void (*logsumexp_forward)(const void* x, void* y, size_t rows, size_t n) noexcept nogil
        void (*logsumexp_backward)(const void* x, const void* y, const void* g, void* dx, size_t rows,
                                   size_t n) noexcept nogil
        void (*cast)(const void* x, void* y, size_t n, int kind) noexcept nogil
        void (*where_forward)(const void* mask, const void* a, const void* b, void* y, size_t n, size_t sm, size_t sa,
                              size_t sb) noexcept nogil
        void (*where_backward)(const void* mask, const void* g, void* d, size_t n, size_t sm, int keep) noexcept nogil
        void (*arg_cols)(const void* x, void* values, int64_t* index, size_t n, size_t cols, size_t stride, size_t first,
                         int largest) noexcept nogil
        void (*arg_fold)(const void* values, int64_t* index, size_t n, size_t cols, int largest) noexcept nogil
        void (*arg_rows)(const void* x, void* values, int64_t* index, size_t rows, size_t n, size_t stride, size_t first,
                         int largest) noexcept nogil
        void (*cumsum_cols)(const void* x, void* y, size_t n, size_t cols, size_t stride, int reverse) noexcept nogil
        void (*cumsum_rows)(const void* x, void* y, size_t rows, size_t n, int reverse) noexcept nogil
        void (*expand_cols)(const void* g, void* dx, size_t n, size_t cols, size_t stride, double scale) noexcept nogil
        void (*expand_rows)(const void* g, void* dx, size_t rows, size_t n, double scale) noexcept nogil
        void (*extreme_backward_cols)(const void* x, const void* y, const void* g, void* dx, size_t n, size_t cols,
                                      size_t stride) noexcept nogil
        void (*extreme_backward_rows)(const void* x, const void* y, const void* g, void* dx, size_t rows,
                                      size_t n) noexcept nogil
        void (*prod_backward_cols)(const void* x, const void* g, void* dx, size_t n, size_t cols,
                                   size_t stride) noexcept nogil
        void (*prod_backward_rows)(const void* x, const void* g, void* dx, size_t rows, size_t n) noexcept nogil
        void (*reduce_cols)(int op, const void* x, const void* shift, void* y, size_t n, size_t cols, size_t stride,
                            double divisor) noexcept nogil
        void (*reduce_rows)(int op, const void* x, const void* shift, void* y, size_t rows, size_t n, size_t stride,
                            double divisor) noexcept nogil
        void (*squares_backward_cols)(const void* x, const void* mean, const void* g, void* dx, size_t n, size_t cols,
                                      size_t stride, double scale) noexcept nogil
        void (*squares_backward_rows)(const void* x, const void* mean, const void* g, void* dx, size_t rows, size_t n,
                                      double scale) noexcept nogil
        void (*dot_rows)(const void* a, const void* b, void* y, size_t rows, size_t n, size_t stride) noexcept nogil
        void (*cross_entropy_forward)(const void* x, const int64_t* labels, const cdl_targets* t, double unit,
                                      void* loss, void* lse, void* dx, size_t rows, size_t n, int stream) noexcept nogil
        void (*cross_entropy_backward)(const void* x, const int64_t* labels, const cdl_targets* t, const void* lse,
                                       const void* g, size_t g_step, void* dx, size_t rows, size_t n,
                                       int stream) noexcept nogil
        void (*cross_entropy_short_forward)(const void* x, const int64_t* labels, const cdl_targets* t, double unit,
                                            void* loss, void* lse, void* dx, size_t rows, size_t n) noexcept nogil
        void (*cross_entropy_short_backward)(const void* x, const int64_t* labels, const cdl_targets* t, const void* lse,
                                             const void* g, size_t g_step, void* dx, size_t rows,
                                             size_t n) noexcept nogil
        void (*soft_cross_entropy_forward)(const void* x, const void* given, const cdl_targets* t, const void* lse,
                                           void* loss, size_t rows, size_t n) noexcept nogil
        void (*soft_cross_entropy_backward)(const void* x, const void* given, const cdl_targets* t, const void* lse,
                                            const void* g, size_t g_step, void* dx, size_t rows, size_t n,
                                            int stream) noexcept nogil
        void (*loss_forward)(int op, const void* t, const void* p, void* each, double* sum, size_t n, double q) noexcept nogil
        void (*loss_backward)(int op, const void* t, const void* p, const void* g, size_t g_step, void* dp, void* dt,
                              size_t n, double q) noexcept nogil
        void (*prelu_forward)(const void* x, const void* slope, size_t step, void* y, size_t rows, size_t n) noexcept nogil
        void (*prelu_backward)(const void* x, const void* slope, size_t step, const void* g, void* dx, void* dslope,
                               size_t rows, size_t n) noexcept nogil
        void (*norm_moments)(const void* x, void* sums, size_t rows, size_t cols) noexcept nogil
        void (*norm_fold_moments)(const void* x, const void* sums, double* total, size_t gap, size_t rows, size_t cols,
                                  size_t block) noexcept nogil
        void (*norm_statistics)(const void* x, const double* total, double* stat, size_t gap, size_t stat_gap, size_t rows,
                                size_t cols, size_t group) noexcept nogil
        void (*norm_coefficients)(double* stat, const void* gamma, const void* beta, void* coef, size_t gap,
                                  size_t stat_gap, size_t cols, size_t group, double eps) noexcept nogil
        void (*norm_forward)(const void* x, const void* coef, void* y, size_t rows, size_t cols, int relu) noexcept nogil
        void (*norm_slopes)(const void* x, const void* g, const void* coef, void* sums, size_t rows, size_t cols,
                            int relu) noexcept nogil
        void (*norm_fold)(const void* sums, double* total, size_t rows, size_t cols, size_t gap) noexcept nogil
        void (*norm_pulls)(const void* coef, const double* stat, double* total, void* pulls, size_t gap, size_t stat_gap,
                           size_t rows, size_t cols, size_t group, int frozen) noexcept nogil
        void (*norm_backward)(const void* x, const void* g, const void* coef, const void* pulls, void* dx, size_t rows,
                              size_t cols, int relu) noexcept nogil
        void (*norm_add_forward)(const void* x, const void* added, const void* coef, void* y, uint16_t* kept, size_t rows,
                                 size_t cols, int relu) noexcept nogil
        void (*norm_add_slopes)(const void* x, const void* g, const uint16_t* kept, const void* coef, void* sums,
                                void* dadded, size_t rows, size_t cols) noexcept nogil
        void (*norm_rows_forward)(const void* x, const void* gamma, const void* beta, void* y, void* stat, size_t rows,
                                  size_t n, double eps, int centred) noexcept nogil
        void (*norm_rows_backward)(const void* x, const void* g, const void* gamma, const void* stat, void* dx,
                                   void* dgamma, void* dbeta, size_t rows, size_t n, int centred) noexcept nogil
        void (*conv_windows)(const cdl_windows* w, const void* x, size_t row, size_t rows, size_t column, size_t columns,
                             void* target, Py_ssize_t target_row) noexcept nogil
        void (*conv_rows)(size_t m, size_t n, size_t segments, size_t k, const void* a, Py_ssize_t a_row, Py_ssize_t a_col,
                          Py_ssize_t a_segment, const void* b, size_t b_panel, void* c, Py_ssize_t c_row, const void* bias,
                          int accumulate, int stream, const void* ahead) noexcept nogil
        void (*resize_forward)(const void* top, const void* bottom, double weight, const int64_t* low,
                               const double* share, void* y, size_t Q, size_t last, size_t C) noexcept nogil
        void (*resize_backward)(const void* g, double weight, const int64_t* low, const double* share, void* dx, size_t Q,
                                size_t last, size_t C) noexcept nogil
        void (*max_pool_forward)(const cdl_pool* w, const void* x, void* y, void* index, size_t row,
                                 size_t rows) noexcept nogil
        void (*max_pool_backward)(const cdl_pool* w, const void* index, const void* g, void* dx, size_t row, size_t rows,
                                  int stream) noexcept nogil
        void (*avg_pool_forward)(const cdl_pool* w, const void* x, void* y, size_t row, size_t rows,
                                 double scale) noexcept nogil
        void (*avg_pool_backward)(const cdl_pool* w, const void* g, void* dx, size_t row, size_t rows, double scale,
                                  int stream) noexcept nogil
        void (*dropout)(const void* x, void* y, size_t n, uint64_t key, uint64_t first, uint32_t threshold, double scale,
                        double shift, double fill, int stream) noexcept nogil
        void (*image_place)(const cdl_placing* s, const void* x, int bytes, void* y) noexcept nogil
        void (*image_colour)(void* y, size_t pixels, size_t C, double top, double brightness, double contrast,
                             double saturation) noexcept nogil
        void (*image_scale)(const void* x, int bytes, void* y, size_t pixels, size_t C, const double* shift,
                            const double* divisor) noexcept nogil
        void (*image_bytes)(const void* x, unsigned char* y, size_t n) noexcept nogil
        void (*image_rows)(const void* x, int bytes, size_t row, const double* weight, size_t taps, void* y,
                           size_t n) noexcept nogil
        void (*image_columns)(const void* x, const int64_t* first, const double* weight, size_t taps, void* y, size_t Q,
                              size_t C) noexcept nogil
        void (*winograd_input)(const void* x, const cdl_tiles* g, size_t first, size_t tiles, size_t n, void* v,
                               size_t plane, size_t row) noexcept nogil
        void (*winograd_gradient)(const void* x, const cdl_tiles* g, size_t first, size_t tiles, size_t n, void* v,
                                  size_t plane, size_t row) noexcept nogil
        void (*winograd_filter)(size_t depth, size_t n, const void* w, Py_ssize_t tap, Py_ssize_t w_row, void* u,
                                size_t plane, size_t row) noexcept nogil
        void (*winograd_output)(const void* m, size_t plane, size_t row, const void* bias, void* y, const cdl_tiles* g,
                                size_t first, size_t tiles, size_t n) noexcept nogil
        void (*winograd_filter_backward)(size_t depth, size_t n, const void* m, size_t plane, size_t row, void* dw,
                                         size_t tap, size_t dw_row, int accumulate) noexcept nogil
        void (*depthwise_forward)(const void* x, const void* w, const void* bias, void* y, size_t rows, size_t taps,
                                  Py_ssize_t x_row, Py_ssize_t x_tap, size_t w_row, size_t n, Py_ssize_t x_col,
                                  size_t y_col, size_t channels, int stream) noexcept nogil
        void (*depthwise_weights)(const void* x, const void* g, void* dw, size_t rows, size_t taps, Py_ssize_t x_row,
                                  Py_ssize_t x_tap, size_t w_row, size_t n, Py_ssize_t x_col, size_t channels,
                                  size_t width) noexcept nogil
        void (*depthwise_repeat)(const void* x, void* y, size_t n, size_t m) noexcept nogil
        void (*depthwise_gather)(const void* g, void* dx, size_t n, size_t m) noexcept nogil
        void (*pixels_forward)(const void* x, const void* w, const void* bias, void* y, size_t rows, size_t taps,
                               size_t run, Py_ssize_t x_row, Py_ssize_t x_tap, size_t n, Py_ssize_t x_col,
                               size_t filters) noexcept nogil
        void (*pixels_weights)(const void* x, const void* g, void* dw, size_t pixel_rows, Py_ssize_t x_down,
                               Py_ssize_t g_down, size_t n, Py_ssize_t x_col, size_t rows, size_t taps, size_t run,
                               Py_ssize_t x_row, Py_ssize_t x_tap, size_t filters) noexcept nogil
        void (*planes_forward)(const void* x, const void* w, const void* bias, void* y, size_t pixel_rows,
                               Py_ssize_t x_down, size_t rows, size_t taps, size_t channels, Py_ssize_t x_row,
                               Py_ssize_t x_tap, Py_ssize_t x_plane, size_t n, size_t filters) noexcept nogil
        void (*planes_split)(const void* x, void* planes, size_t rows, size_t n, size_t channels, Py_ssize_t x_row,
                             Py_ssize_t row, Py_ssize_t plane) noexcept nogil
        void (*lstm_forward)(const cdl_cell* s) noexcept nogil
        void (*lstm_backward)(const cdl_cell* s) noexcept nogil
        void (*gru_reset)(const cdl_cell* s) noexcept nogil
        void (*gru_forward)(const cdl_cell* s) noexcept nogil
        void (*gru_backward)(const cdl_cell* s) noexcept nogil
        void (*gru_reset_backward)(const cdl_cell* s) noexcept nogil
        void (*rnn_forward)(const cdl_cell* s) noexcept nogil
        void (*rnn_backward)(const cdl_cell* s) noexcept nogil
        void (*attention_softmax)(const cdl_scores* t, void* s, size_t rows, void* top, void* sum, void* o,
                                  Py_ssize_t o_row, size_t n) noexcept nogil
        void (*attention_divide)(void* o, Py_ssize_t o_row, size_t rows, size_t n, const void* top, void* sum) noexcept nogil
        void (*attention_backward)(const cdl_scores* t, void* s, void* dw, size_t rows, const void* log, const void* dot,
                                   double factor, void* dmask) noexcept nogil
        void (*attention_finite)(const void* x, Py_ssize_t x_row, size_t rows, size_t n, void* y,
                                 int* finite) noexcept nogil
        void (*attention_rest)(size_t m, size_t n, size_t k, const void* a, Py_ssize_t a_row, Py_ssize_t a_col,
                               const void* x, Py_ssize_t x_row, void* c, Py_ssize_t c_row) noexcept nogil
        void (*pairs_step)(const void* const* x, void* const* dx, size_t m, void* const* y, size_t n, const void* target,
                           size_t target_row, size_t width, double rate) noexcept nogil
        void (*rows_sum)(const void* const* x, size_t n, double scale, void* y, size_t width) noexcept nogil
        void (*rows_add)(const void* x, double scale, void* const* y, size_t n, size_t width) noexcept nogil

    enum: SHORT_ROW "CDL_SHORT_ROW"
    enum: PAIRS_M "CDL_PAIRS_M"
    enum: PAIRS_N "CDL_PAIRS_N"
    enum: EDGE_FILL "CDL_EDGE_FILL"
    enum: EDGE_NEAREST "CDL_EDGE_NEAREST"
    enum: EDGE_MIRROR "CDL_EDGE_MIRROR"
    enum: REDUCE_SUM "CDL_REDUCE_SUM"
    enum: REDUCE_SQUARES "CDL_REDUCE_SQUARES"
    enum: REDUCE_MAX "CDL_REDUCE_MAX"
    enum: REDUCE_MIN "CDL_REDUCE_MIN"
    enum: REDUCE_PROD "CDL_REDUCE_PROD"

    int cdl_cpu_isa()
    const cdl_kernels* cdl_kernel_table(int precision, int isa)
    const char* const* cdl_isa_names
    const char* const* cdl_unary_names
    const char* const* cdl_binary_names
    const char* const* cdl_loss_names
    # What the backward of an op reads: bits of X or A (1), B (2), Y (4).
    const unsigned char* cdl_unary_saved
    const unsigned char* cdl_binary_saved
    enum: SAVED_X "CDL_SAVED_X"
    enum: SAVED_A "CDL_SAVED_A"
    enum: SAVED_B "CDL_SAVED_B"
    enum: SAVED_Y "CDL_SAVED_Y"

# The tables below live in the extension module `kernels`; other modules reach them through it.
cdef const unsigned char* UNARY_SAVED
cdef const unsigned char* BINARY_SAVED
# The table in use, by dtype: K[F32], K[F64].
cdef const cdl_kernels* K[2]
