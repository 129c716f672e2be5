#include "tests/support/spilling.h"

static void note_failure(void *opaque, weir_status status, const char *sentence)
{
    struct spilling *const spilling = opaque;
    WR_ASSERT(spilling->sentence == NULL); // told once
    spilling->status   = status;
    spilling->sentence = wr_copy_text(sentence);
}

void spilling_open(struct spilling *spilling, size_t budget_bytes, uint64_t seed)
{
    *spilling = (struct spilling){
        .environment = wr_environment_open_simulated(seed, false),
        .pool        = wr_pool_open(budget_bytes),
    };
    const struct wr_spill_options options = {
        .environment = spilling->environment,
        .directory   = "/",
        .fail        = note_failure,
        .opaque      = spilling,
    };
    struct wr_error error = { .status = WEIR_OK };
    spilling->spill       = wr_spill_open(spilling->pool, &options, &error);
    WR_ASSERT(spilling->spill != NULL);
}

void spilling_close(struct spilling *spilling)
{
    wr_spill_close(spilling->spill);
    WR_ASSERT(wr_pool_used_bytes(spilling->pool) == 0);
    wr_pool_close(spilling->pool);
    wr_environment_close(spilling->environment);
    wr_free(spilling->sentence);
}
