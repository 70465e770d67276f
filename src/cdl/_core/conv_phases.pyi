# Nothing here is called from Python: conv_phases.pxd is what other families use.
