#include "tests/support/spilling.h"

static void note_failure(void *opaque, weir_status status, const char *sentence, bool is_lost)
{
    struct spilling *const spilling = opaque;
    (void)is_lost;
    if (spilling->sentence == NULL) {
        spilling->status   = status;
        spilling->sentence = wr_copy_text(sentence);
    }
}

static void open_in(struct spilling *spilling, size_t budget_bytes,
                    struct wr_environment *environment, const char *directory)
{
    *spilling = (struct spilling){ .environment = environment, .pool = wr_pool_open(budget_bytes) };
    const struct wr_spill_options options = {
        .environment = environment,
        .directory   = directory,
        .fail        = note_failure,
        .opaque      = spilling,
    };
    struct wr_error error = { .status = WEIR_OK };
    spilling->spill       = wr_spill_open(spilling->pool, &options, &error);
    WR_ASSERT(spilling->spill != NULL);
}

void spilling_open(struct spilling *spilling, size_t budget_bytes, uint64_t seed)
{
    open_in(spilling, budget_bytes, wr_environment_open_simulated(seed, false), "/");
}

void spilling_open_real(struct spilling *spilling, size_t budget_bytes, const char *directory)
{
    open_in(spilling, budget_bytes, wr_environment_open_real(), directory);
}

void spilling_close(struct spilling *spilling)
{
    wr_spill_close(spilling->spill);
    WR_ASSERT(wr_pool_used_bytes(spilling->pool) == 0);
    wr_pool_close(spilling->pool);
    wr_environment_close(spilling->environment);
    wr_free(spilling->sentence);
}
