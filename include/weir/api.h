// weir/api.h: what every public header needs: linkage, visibility, version.
#ifndef WEIR_API_H
#define WEIR_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEIR_VERSION_MAJOR 0
#define WEIR_VERSION_MINOR 1
#define WEIR_VERSION_PATCH 0

#ifdef __cplusplus
#define WEIR_BEGIN extern "C" {
#define WEIR_END   }
#else
#define WEIR_BEGIN
#define WEIR_END
#endif

#define WEIR_API                 __attribute__((visibility("default")))
#define WEIR_UNUSED              __attribute__((unused))
#define WEIR_PRINTF(text, first) __attribute__((format(printf, text, first)))

WEIR_BEGIN

// The version of the library that runs, which may be newer than the header: "0.1.0".
WEIR_API const char *weir_version(void);

WEIR_END

#endif // WEIR_API_H
