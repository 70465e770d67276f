# Nothing here is called from Python: gemm.pxd is what other families use.
