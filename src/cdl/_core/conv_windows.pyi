# Nothing here is called from Python: conv_windows.pxd is what other families use.
