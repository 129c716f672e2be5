// The checksum by the processor and by tables: the same for any bytes, anywhere in memory, in one
// piece or two.
//
// usage: property_crc32c [SEED]
#include "runtime/base/checksum.h"
#include "tests/support/trial.h"

#define BYTES_MOST 4096u

int main(int argc, char **argv)
{
    static uint8_t      bytes[BYTES_MOST + 64];
    struct trial_random random = { trial_seed(argc, argv) };
    const uint64_t      cases  = trial_size(50000, 1000000, 10000000);
    for (uint64_t i = 0; i < cases; i++) {
        if (i % 64 == 0) {
            for (uint32_t j = 0; j < sizeof(bytes); j += 8) {
                const uint64_t value = trial_next(&random);
                memcpy(bytes + j, &value, 8);
            }
        }
        const uint32_t length = trial_below(&random, trial_one_in(&random, 16) ? BYTES_MOST : 200);
        const uint8_t *from   = bytes + trial_below(&random, 64);
        const uint32_t seed   = (uint32_t)trial_next(&random);
        const uint32_t cut    = trial_below(&random, length + 1);
        const uint32_t crc    = wr_crc32c(seed, from, length);
        TRIAL_CHECK(crc == wr_crc32c_portable(seed, from, length), "%u bytes", length);
        TRIAL_CHECK(crc == wr_crc32c(wr_crc32c(seed, from, cut), from + cut, length - cut),
                    "%u bytes, cut after %u", length, cut);
    }
    printf("cases: %" PRIu64 "\n", cases);
    return 0;
}
