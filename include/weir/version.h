/* The one place that holds weir's version; CMake reads it from here. */
#ifndef WEIR_VERSION_H
#define WEIR_VERSION_H
#define WEIR_VERSION "0.1.0"
#endif
