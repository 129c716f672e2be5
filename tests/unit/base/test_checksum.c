// CRC-32C against published vectors, and at the end of readable memory.
#include "runtime/base/checksum.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>

typedef uint32_t crc_function(uint32_t crc, const void *bytes, size_t length);

// RFC 3720, B.4.
static void check_vectors(crc_function *crc)
{
    static const uint8_t read_command[48] = {
        0x01, 0xc0, 0, 0,    0, 0, 0, 0,    0,    0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 0x04, 0,
        0,    0,    0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0,    0
    };
    uint8_t bytes[32];
    memset(bytes, 0, sizeof(bytes));
    cr_expect_eq(crc(0, bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, sizeof(bytes));
    cr_expect_eq(crc(0, bytes, 32), 0x62a8ab43);
    for (uint8_t i = 0; i < 32; i++) {
        bytes[i] = i;
    }
    cr_expect_eq(crc(0, bytes, 32), 0x46dd794e);
    for (uint8_t i = 0; i < 32; i++) {
        bytes[i] = (uint8_t)(31 - i);
    }
    cr_expect_eq(crc(0, bytes, 32), 0x113fdb5c);
    cr_expect_eq(crc(0, read_command, 48), 0xd9963a56);
    cr_expect_eq(crc(0, "123456789", 9), 0xe3069283);
    cr_expect_eq(crc(0, "", 0), 0);
    cr_expect_eq(crc(7, "", 0), 7);
}

Test(checksum, of_the_processor_is_that_of_the_published_vectors) { check_vectors(wr_crc32c); }

Test(checksum, by_tables_is_that_of_the_published_vectors) { check_vectors(wr_crc32c_portable); }

Test(checksum, reads_nothing_behind_its_bytes)
{
    const size_t page = 4096;
    char *const  memory =
        mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert(memory != MAP_FAILED && mprotect(memory + page, page, PROT_NONE) == 0);
    for (size_t length = 0; length < 300; length++) {
        const char *const at = memory + page - length;
        cr_expect_eq(wr_crc32c(1, at, length), wr_crc32c_portable(1, at, length));
    }
    munmap(memory, 2 * page);
}
