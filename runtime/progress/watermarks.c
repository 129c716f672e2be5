// Watermarks over several inputs: the minimum over those that are active.
#include "runtime/progress/progress.h"

void wr_watermarks_init(struct wr_watermarks *watermarks, uint32_t input_count)
{
    *watermarks = (struct wr_watermarks){
        .inputs      = wr_alloc(input_count * sizeof(struct wr_watermark_input)),
        .input_count = input_count,
        .current     = WEIR_TIME_MIN,
    };
    for (uint32_t i = 0; i < input_count; i++) {
        watermarks->inputs[i].watermark = WEIR_TIME_MIN;
    }
}

void wr_watermarks_fini(struct wr_watermarks *watermarks)
{
    wr_free(watermarks->inputs);
    *watermarks = (struct wr_watermarks){ .inputs = NULL };
}

// Finds `current` and `is_idle` from the inputs. True if one of them changed.
static bool watermarks_update(struct wr_watermarks *watermarks)
{
    weir_time lowest     = WEIR_TIME_MAX; // of the active
    bool      is_active  = false;         // some input is
    bool      is_open    = false;         // some input has not ended
    bool      is_drained = false;         // some input ended at WEIR_TIME_MAX
    for (uint32_t i = 0; i < watermarks->input_count; i++) {
        const struct wr_watermark_input *const input = &watermarks->inputs[i];
        if (input->is_ended) {
            is_drained = is_drained || input->watermark == WEIR_TIME_MAX;
            continue;
        }
        is_open = true;
        if (!input->is_idle) {
            is_active = true;
            lowest    = input->watermark < lowest ? input->watermark : lowest;
        }
    }
    const weir_time before   = watermarks->current;
    const bool      was_idle = watermarks->is_idle;
    if ((is_active || (!is_open && is_drained)) && lowest > before) {
        watermarks->current = lowest;
    }
    watermarks->is_idle = is_open && !is_active;
    return watermarks->current != before || watermarks->is_idle != was_idle;
}

static struct wr_watermark_input *watermarks_input(struct wr_watermarks *watermarks, uint32_t input)
{
    WR_ASSERT(input < watermarks->input_count);
    return &watermarks->inputs[input];
}

bool wr_watermarks_set(struct wr_watermarks *watermarks, uint32_t input, weir_time watermark)
{
    struct wr_watermark_input *const in = watermarks_input(watermarks, input);
    WR_ASSERT(!in->is_ended);
    WR_ASSERT(watermark <= WEIR_TIME_MAX);
    if (watermark <= in->watermark && !in->is_idle) {
        return false;
    }
    // Only the input that holds `current` back can move it.
    const bool can_move = in->is_idle || in->watermark <= watermarks->current;
    in->is_idle         = false;
    in->watermark       = watermark > in->watermark ? watermark : in->watermark;
    return can_move && watermarks_update(watermarks);
}

bool wr_watermarks_set_idle(struct wr_watermarks *watermarks, uint32_t input)
{
    struct wr_watermark_input *const in = watermarks_input(watermarks, input);
    WR_ASSERT(!in->is_ended);
    if (in->is_idle) {
        return false;
    }
    in->is_idle = true;
    return watermarks_update(watermarks);
}

bool wr_watermarks_end(struct wr_watermarks *watermarks, uint32_t input)
{
    struct wr_watermark_input *const in = watermarks_input(watermarks, input);
    if (in->is_ended) {
        return false;
    }
    in->is_ended = true;
    return watermarks_update(watermarks);
}
