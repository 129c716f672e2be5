// CRC-32C: by ISA-L, which chooses the fastest way this processor has at its first call, and by
// tables, eight bytes at a time.
//
// Fewer than eight bytes go by tables: that ISA-L stays within them is promised nowhere. The tables
// are filled once, by whichever thread is first.
#include "runtime/base/checksum.h"

#include "runtime/base/base.h"

#include <isa-l/crc.h>
#include <pthread.h>

#define POLYNOMIAL  0x82f63b78u // Castagnoli, bits reversed
#define LENGTH_MOST (1u << 30)  // of one call of ISA-L, whose length is an int

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little-endian, as is memory");

// crc_tables[k][b]: what byte b does to the crc when k bytes follow it.
static uint32_t       crc_tables[8][256];
static pthread_once_t crc_tables_are_filled = PTHREAD_ONCE_INIT;

static void crc_tables_fill(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t crc = b;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? POLYNOMIAL : 0);
        }
        crc_tables[0][b] = crc;
    }
    for (uint32_t k = 1; k < 8; k++) {
        for (uint32_t b = 0; b < 256; b++) {
            const uint32_t crc = crc_tables[k - 1][b];
            crc_tables[k][b]   = (crc >> 8) ^ crc_tables[0][crc & 0xff];
        }
    }
}

static uint32_t crc_of_eight(uint32_t crc, const uint8_t *bytes)
{
    uint64_t x;
    memcpy(&x, bytes, 8);
    x ^= crc;
    return crc_tables[7][x & 0xff] ^ crc_tables[6][x >> 8 & 0xff] ^ crc_tables[5][x >> 16 & 0xff] ^
           crc_tables[4][x >> 24 & 0xff] ^ crc_tables[3][x >> 32 & 0xff] ^
           crc_tables[2][x >> 40 & 0xff] ^ crc_tables[1][x >> 48 & 0xff] ^ crc_tables[0][x >> 56];
}

uint32_t wr_crc32c_portable(uint32_t crc, const void *bytes, size_t length)
{
    const int filled = pthread_once(&crc_tables_are_filled, crc_tables_fill);
    WR_ASSERT(filled == 0);
    const uint8_t *at = bytes;
    crc               = ~crc;
    for (; length >= 8; length -= 8, at += 8) {
        crc = crc_of_eight(crc, at);
    }
    for (; length > 0; length--, at++) {
        crc = (crc >> 8) ^ crc_tables[0][(crc ^ *at) & 0xff];
    }
    return ~crc;
}

uint32_t wr_crc32c(uint32_t crc, const void *bytes, size_t length)
{
    // ISA-L takes the bytes as not const, and leaves them alone.
    unsigned char *at = (unsigned char *)(uintptr_t)bytes;
    while (length >= 8) {
        const size_t part = length < LENGTH_MOST ? length : LENGTH_MOST;
        crc               = ~crc32_iscsi(at, (int)part, ~crc);
        at += part;
        length -= part;
    }
    return length > 0 ? wr_crc32c_portable(crc, at, length) : crc;
}
