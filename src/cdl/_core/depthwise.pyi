# Nothing here is called from Python: depthwise.pxd is what convolution uses.
