// The hash of bytes: XXH3, compiled in, so that short keys pay no call through another library.
#include "runtime/base/base.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t wr_hash_bytes(const void *bytes, size_t length, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, length, seed);
}
