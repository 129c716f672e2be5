// Blocks by LZ4 and by Zstandard's level 1.
//
// LZ4 needs no context but the stack's 16 KiB. A Zstandard context is some hundreds of KiB, so that
// each thread makes the two it needs at their first use and keeps them until it ends.
#include "log/compress.h"

#include <lz4.h>
#include <pthread.h>
#include <zstd.h>

#define ZSTD_LEVEL    1
#define LZ4_RATIO_MAX 255u // no block of LZ4 says more of its bytes than this

struct contexts {
    ZSTD_CCtx *compress;
    ZSTD_DCtx *decompress;
};

static pthread_key_t  contexts_key;
static pthread_once_t contexts_key_is_made = PTHREAD_ONCE_INIT;

static void contexts_close(void *opaque)
{
    struct contexts *contexts = opaque;
    ZSTD_freeCCtx(contexts->compress);
    ZSTD_freeDCtx(contexts->decompress);
    wr_free(contexts);
}

static void contexts_key_make(void)
{
    const int made = pthread_key_create(&contexts_key, contexts_close);
    WR_ASSERT(made == 0);
}

static struct contexts *contexts_of_thread(void)
{
    const int made = pthread_once(&contexts_key_is_made, contexts_key_make);
    WR_ASSERT(made == 0);
    struct contexts *contexts = pthread_getspecific(contexts_key);
    if (contexts == NULL) {
        contexts      = wr_alloc(sizeof(*contexts));
        const int set = pthread_setspecific(contexts_key, contexts);
        WR_ASSERT(set == 0);
    }
    return contexts;
}

// NULL: there is no memory for it; the block stays as it is.
static ZSTD_CCtx *compress_context(void)
{
    struct contexts *contexts = contexts_of_thread();
    if (contexts->compress == NULL) {
        contexts->compress = ZSTD_createCCtx();
    }
    return contexts->compress;
}

static size_t compress_zstd(const char *from, size_t bytes, char *to, size_t room)
{
    ZSTD_CCtx *const context = compress_context();
    if (context == NULL) {
        return 0;
    }
    const size_t made = ZSTD_compressCCtx(context, to, room, from, bytes, ZSTD_LEVEL);
    return ZSTD_isError(made) ? 0 : made;
}

static size_t compress_lz4(const char *from, size_t bytes, char *to, size_t room)
{
    const int made = LZ4_compress_default(from, to, (int)bytes, (int)room);
    return made > 0 ? (size_t)made : 0;
}

size_t wr_compress(weir_compression compression, const char *from, size_t bytes, char *to,
                   size_t room)
{
    WR_ASSERT(bytes <= LZ4_MAX_INPUT_SIZE && room <= LZ4_MAX_INPUT_SIZE);
    switch (compression) {
    case WEIR_COMPRESSION_LZ4: return compress_lz4(from, bytes, to, room);
    case WEIR_COMPRESSION_ZSTD: return compress_zstd(from, bytes, to, room);
    default: return 0;
    }
}

bool wr_decompress_may_give(weir_compression compression, const char *from, size_t bytes,
                            size_t most)
{
    switch (compression) {
    case WEIR_COMPRESSION_LZ4: return most / LZ4_RATIO_MAX <= bytes;
    case WEIR_COMPRESSION_ZSTD: return ZSTD_getFrameContentSize(from, bytes) == most;
    default: return false;
    }
}

static bool decompress_zstd(const char *from, size_t bytes, char *to, size_t unpacked)
{
    struct contexts *contexts = contexts_of_thread();
    if (contexts->decompress == NULL) {
        contexts->decompress = ZSTD_createDCtx();
        WR_ASSERT(contexts->decompress != NULL);
    }
    return ZSTD_decompressDCtx(contexts->decompress, to, unpacked, from, bytes) == unpacked;
}

bool wr_decompress(weir_compression compression, const char *from, size_t bytes, char *to,
                   size_t unpacked)
{
    WR_ASSERT(bytes <= LZ4_MAX_INPUT_SIZE && unpacked <= LZ4_MAX_INPUT_SIZE);
    switch (compression) {
    case WEIR_COMPRESSION_LZ4: {
        const int made = LZ4_decompress_safe(from, to, (int)bytes, (int)unpacked);
        return made >= 0 && (size_t)made == unpacked;
    }
    case WEIR_COMPRESSION_ZSTD: return decompress_zstd(from, bytes, to, unpacked);
    default: return false;
    }
}
