# Nothing here is called from Python: conv_direct.pxd is what other families use.
