# Nothing here is called from Python: conv_rows.pxd is what other families use.
