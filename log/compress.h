// compress: one block of bytes by LZ4 or Zstandard.
#ifndef WR_LOG_COMPRESS_H
#define WR_LOG_COMPRESS_H

#include "runtime/base/base.h"
#include <weir/log.h>

// Compresses `bytes` bytes into at most `room`. Returns how many came of it; 0: it does not fit.
// Any thread; Zstandard's context is kept per thread and goes with it.
size_t wr_compress(weir_compression compression, const char *from, size_t bytes, char *to,
                   size_t room);

// False if `most` bytes cannot come of the block, whatever it holds: asked before memory is taken.
bool wr_decompress_may_give(weir_compression compression, const char *from, size_t bytes,
                            size_t most);
// Decompresses exactly `unpacked` bytes. False: no such block. Any bytes are safe.
bool wr_decompress(weir_compression compression, const char *from, size_t bytes, char *to,
                   size_t unpacked);

#endif // WR_LOG_COMPRESS_H
