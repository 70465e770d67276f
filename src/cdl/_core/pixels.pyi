# Nothing here is called from Python: pixels.pxd is what convolution uses.
