// checksum: CRC-32C, which ends or begins whatever is written to a disk.
#ifndef WR_CHECKSUM_H
#define WR_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

// CRC-32C (Castagnoli) of `bytes`, continued from `crc`; wr_crc32c(0, "123456789", 9) is
// 0xe3069283. Chosen for the processor at the first call, any thread.
uint32_t wr_crc32c(uint32_t crc, const void *bytes, size_t length);
// The same by tables: for few bytes, and to test against.
uint32_t wr_crc32c_portable(uint32_t crc, const void *bytes, size_t length);

#endif // WR_CHECKSUM_H
