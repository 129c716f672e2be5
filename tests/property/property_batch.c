// Batches of random types against a plain model: rows as byte strings in an array, and the rule for
// what fits written down as one sum. Rows are written, sealed and copied, dense and by selection,
// between batches whose columns differ; the source of a copy is gone before the copy is read.
#include "runtime/flow/flow.h"
#include "tests/support/trial.h"

#define FIELDS_MAX 8
#define ROWS_MAX   400
#define TEXT_MAX   6000

// ---- a random type ----

struct shape {
    weir_field        fields[FIELDS_MAX];
    weir_field        inner_fields[2];
    weir_type         inner; // a nested record: a number and a string
    weir_type         type;
    struct wr_strings strings;
};

static void shape_add(struct shape *shape, weir_kind kind, uint32_t size, uint32_t align,
                      uint32_t count)
{
    const uint32_t at                        = (uint32_t)wr_round_up(shape->type.size, align);
    shape->fields[shape->type.field_count++] = (weir_field){
        .name   = "field",
        .record = kind == WEIR_KIND_RECORD ? &shape->inner : NULL,
        .offset = at,
        .size   = size * count,
        .kind   = kind,
        .count  = count,
    };
    shape->type.size  = at + size * count;
    shape->type.align = align > shape->type.align ? align : shape->type.align;
}

static void shape_add_any(struct shape *shape, struct trial_random *random, bool has_strings)
{
    switch (trial_below(random, has_strings ? 7 : 5)) {
    case 0: shape_add(shape, WEIR_KIND_I8, 1, 1, 1); break;
    case 1: shape_add(shape, WEIR_KIND_I32, 4, 4, 1 + trial_below(random, 3)); break;
    case 2: shape_add(shape, WEIR_KIND_U64, 8, 8, 1); break;
    case 3: shape_add(shape, WEIR_KIND_TIME, 8, 8, 1); break;
    case 4: shape_add(shape, WEIR_KIND_CHARS, 1 + trial_below(random, 40), 1, 1); break;
    case 5: shape_add(shape, WEIR_KIND_STR, 16, 8, 1); break;
    default: shape_add(shape, WEIR_KIND_RECORD, 24, 8, 1); break;
    }
}

static void shape_init(struct shape *shape, struct trial_random *random)
{
    memset(shape, 0, sizeof(*shape));
    shape->inner_fields[0]     = (weir_field){ "number", NULL, 0, 8, WEIR_KIND_U64, 1, NULL };
    shape->inner_fields[1]     = (weir_field){ "text", NULL, 8, 16, WEIR_KIND_STR, 1, NULL };
    shape->inner               = (weir_type){ "inner", shape->inner_fields, 2, 24, 8 };
    shape->type                = (weir_type){ "random", shape->fields, 0, 0, 1 };
    const bool     has_strings = trial_one_in(random, 3) == false;
    const uint32_t fields      = 1 + trial_below(random, FIELDS_MAX);
    for (uint32_t i = 0; i < fields; i++) {
        shape_add_any(shape, random, has_strings);
    }
    shape->type.size = (uint32_t)wr_round_up(shape->type.size, shape->type.align);
    shape->strings   = wr_strings_of(&shape->type);
}

// ---- the model: what a batch should hold ----

struct model_row {
    char     *bytes; // the record, each string replaced by its length and followed by its bytes
    size_t    length;
    size_t    long_bytes;
    weir_time time;
    uint64_t  hash;
    uint8_t   change;
};

struct model {
    struct model_row rows[ROWS_MAX];
    uint32_t         count;
    size_t           long_bytes; // of all rows
};

static weir_str *row_string(const struct shape *shape, void *row, uint32_t i)
{
    return (weir_str *)(void *)((char *)row + shape->strings.offsets[i]);
}

static struct model_row model_row_of(const struct shape *shape, const void *row)
{
    size_t length = shape->type.size;
    char  *record = malloc(length + 1);
    memcpy(record, row, length);
    for (uint32_t i = 0; i < shape->strings.count; i++) {
        length += row_string(shape, record, i)->length;
    }
    char  *bytes = malloc(length + 1);
    size_t at    = shape->type.size;
    size_t longs = 0;
    for (uint32_t i = 0; i < shape->strings.count; i++) {
        weir_str *string = row_string(shape, record, i);
        memcpy(bytes + at, weir_str_bytes(string), string->length);
        at += string->length;
        longs += string->length > WEIR_STR_INLINE ? string->length : 0;
        *string = (weir_str){ .length = string->length };
    }
    memcpy(bytes, record, shape->type.size);
    free(record);
    return (struct model_row){ .bytes = bytes, .length = length, .long_bytes = longs };
}

// Whether one more row with so many bytes of long strings fits: the rule, as one sum.
static bool model_fits(const struct model *model, const struct wr_batch_layout *layout,
                       size_t long_bytes)
{
    const size_t needed = layout->rows_at + (size_t)(model->count + 1) * layout->row_size +
                          model->long_bytes + long_bytes;
    return model->count < layout->row_capacity && needed <= layout->block_bytes;
}

// An overflow holds the strings of the first row; nothing fits beside it.
static bool model_is_closed(const struct model *model, const struct wr_batch_layout *layout)
{
    return model->count == 1 &&
           layout->rows_at + layout->row_size + model->long_bytes > layout->block_bytes;
}

static bool model_add(struct model *model, const struct wr_batch_layout *layout,
                      struct model_row row)
{
    if (model_is_closed(model, layout) ||
        (model->count > 0 && !model_fits(model, layout, row.long_bytes))) {
        free(row.bytes);
        return false;
    }
    model->rows[model->count++] = row;
    model->long_bytes += row.long_bytes;
    return true;
}

static void model_fini(struct model *model)
{
    for (uint32_t i = 0; i < model->count; i++) {
        free(model->rows[i].bytes);
    }
    *model = (struct model){ .count = 0 };
}

static void model_check(const struct model *model, const struct shape *shape,
                        const struct wr_batch_layout *layout, const struct wr_batch *batch)
{
    TRIAL_CHECK(wr_batch_is_valid(batch, layout), "after %u rows", model->count);
    TRIAL_CHECK(batch->row_count == model->count, "%u rows, not %u", batch->row_count,
                model->count);
    TRIAL_CHECK((batch->overflow != NULL) == model_is_closed(model, layout), "%zu bytes",
                model->long_bytes);
    const bool has_room = !model_is_closed(model, layout) && model_fits(model, layout, 0);
    TRIAL_CHECK((wr_batch_room(batch) > 0) == has_room, "room for %u", wr_batch_room(batch));
    for (uint32_t i = 0; i < model->count; i++) {
        const struct model_row *expected = &model->rows[i];
        struct model_row        found    = model_row_of(shape, wr_batch_row(batch, i));
        TRIAL_CHECK(found.length == expected->length &&
                        memcmp(found.bytes, expected->bytes, found.length) == 0,
                    "row %u differs", i);
        free(found.bytes);
        TRIAL_CHECK(batch->times == NULL || batch->times[i] == expected->time, "row %u", i);
        TRIAL_CHECK(batch->hashes == NULL || batch->hashes[i] == expected->hash, "row %u", i);
        TRIAL_CHECK(batch->changes == NULL || batch->changes[i] == expected->change, "row %u", i);
    }
}

// ---- the cases ----

static char text[TEXT_MAX];

static weir_str random_string(struct trial_random *random)
{
    uint32_t length = 0;
    switch (trial_below(random, 16)) {
    case 0: length = trial_below(random, TEXT_MAX / 2); break;
    case 1: length = 12 + trial_below(random, 2); break;
    default: length = trial_below(random, 30); break;
    }
    for (uint32_t i = 0; i < length; i++) {
        text[i] = (char)trial_next(random);
    }
    return weir_str_of(text, length);
}

static void random_row(const struct shape *shape, struct trial_random *random, void *row)
{
    for (uint32_t i = 0; i < shape->type.size; i++) {
        ((char *)row)[i] = (char)trial_next(random);
    }
    for (uint32_t i = 0; i < shape->strings.count; i++) {
        const weir_str string = random_string(random);
        char          *kept   = malloc(string.length + 1);
        memcpy(kept, weir_str_bytes(&string), string.length);
        *row_string(shape, row, i) = weir_str_of(kept, string.length);
        if (string.length <= WEIR_STR_INLINE) {
            free(kept);
        }
    }
}

static void random_row_fini(const struct shape *shape, void *row)
{
    for (uint32_t i = 0; i < shape->strings.count; i++) {
        weir_str *string = row_string(shape, row, i);
        if (string->length > WEIR_STR_INLINE) {
            free((void *)(uintptr_t)string->rest.bytes);
        }
    }
}

// Writes and seals random rows until one is refused or `most` are in.
static void fill(struct wr_batch *batch, const struct wr_batch_layout *layout, struct model *model,
                 const struct shape *shape, struct trial_random *random, uint32_t most)
{
    char *own = calloc(1, layout->row_size + 1u);
    for (uint32_t n = 0; n < most && wr_batch_room(batch) > 0; n++) {
        random_row(shape, random, own);
        struct model_row row = model_row_of(shape, own);
        const uint32_t   at  = batch->row_count;
        memcpy(wr_batch_row(batch, at), own, shape->type.size);
        if (batch->times != NULL) {
            batch->times[at] = row.time = (weir_time)trial_below(random, 1000);
        }
        if (batch->hashes != NULL) {
            batch->hashes[at] = row.hash = trial_next(random);
        }
        if (batch->changes != NULL) {
            batch->changes[at] = row.change = (uint8_t)trial_below(random, 4);
        }
        const bool is_sealed = wr_batch_seal_row(batch, layout);
        random_row_fini(shape, own);
        TRIAL_CHECK(is_sealed == model_add(model, layout, row), "row %u of %zu bytes", at,
                    row.long_bytes);
        if (!is_sealed) {
            break;
        }
    }
    free(own);
}

// The model's copy of a row, with what a target without or with more columns makes of it.
static struct model_row copied_row(const struct model_row *row, const struct wr_batch *from)
{
    TRIAL_CHECK(row->bytes != NULL, "the model lacks the row");
    struct model_row copy = *row;
    copy.bytes            = malloc(row->length + 1);
    memcpy(copy.bytes, row->bytes, row->length);
    copy.change = from->changes != NULL ? row->change : WR_INSERT;
    return copy;
}

static uint32_t random_selection(struct trial_random *random, uint32_t rows, uint16_t *selection)
{
    const uint32_t one_in = 1 + trial_below(random, 4);
    uint32_t       count  = 0;
    for (uint32_t row = 0; row < rows; row++) {
        if (trial_one_in(random, one_in)) {
            selection[count++] = (uint16_t)row;
        }
    }
    return count;
}

static void copy_and_check(struct wr_batch *to, const struct wr_batch_layout *layout,
                           struct model *to_model, const struct wr_batch *from,
                           const struct model *from_model, struct trial_random *random)
{
    uint16_t   selection[ROWS_MAX];
    const bool is_selected = trial_one_in(random, 2);
    uint32_t   first       = trial_below(random, from_model->count + 1);
    uint32_t   count       = trial_below(random, from_model->count - first + 1);
    if (is_selected) {
        count = random_selection(random, from_model->count, selection);
    }
    const uint32_t taken =
        wr_batch_copy_rows(to, layout, from, is_selected ? selection : NULL, first, count);
    uint32_t expected = 0;
    while (expected < count) {
        const uint32_t row = is_selected ? selection[expected] : first + expected;
        if (!model_add(to_model, layout, copied_row(&from_model->rows[row], from))) {
            break;
        }
        expected++;
    }
    TRIAL_CHECK(taken == expected, "%u of %u rows taken, not %u", taken, count, expected);
}

static struct wr_batch_layout random_layout(const struct shape *shape, struct trial_random *random,
                                            uint32_t columns)
{
    const uint32_t         bytes  = 64 + trial_below(random, trial_one_in(random, 4) ? 6000 : 1500);
    struct wr_batch_layout layout = wr_batch_layout_of(&shape->type, columns, bytes);
    TRIAL_CHECK(layout.row_capacity >= 1 && layout.block_bytes >= bytes, "%u rows in %u bytes",
                layout.row_capacity, layout.block_bytes);
    if (layout.row_capacity > ROWS_MAX) {
        wr_batch_layout_fini(&layout);
        return random_layout(shape, random, columns);
    }
    return layout;
}

static void try_one(struct trial_random *random, struct model *from_model, struct model *to_model)
{
    struct shape shape;
    shape_init(&shape, random);
    // Times and hashes come from the source only, so that the target has no more of them.
    const uint32_t from_columns = trial_below(random, 8);
    const uint32_t to_columns =
        (from_columns & trial_below(random, 4)) | trial_below(random, 2) * 4;
    struct wr_batch_layout from_layout = random_layout(&shape, random, from_columns);
    struct wr_batch_layout to_layout   = random_layout(&shape, random, to_columns);
    struct wr_batch       *to          = wr_batch_open(&to_layout);
    for (uint32_t turn = 0; turn < 3; turn++) {
        struct wr_batch *from = wr_batch_open(&from_layout);
        fill(from, &from_layout, from_model, &shape, random, 1 + trial_below(random, ROWS_MAX));
        model_check(from_model, &shape, &from_layout, from);
        copy_and_check(to, &to_layout, to_model, from, from_model, random);
        memset(from->rows, 0x5a, from_layout.block_bytes - from_layout.rows_at);
        wr_batch_close(from);
        model_fini(from_model);
        model_check(to_model, &shape, &to_layout, to);
        if (trial_one_in(random, 3)) {
            wr_batch_clear(to, &to_layout);
            model_fini(to_model);
        }
        fill(to, &to_layout, to_model, &shape, random, trial_below(random, 4));
        model_check(to_model, &shape, &to_layout, to);
    }
    wr_batch_close(to);
    model_fini(to_model);
    wr_batch_layout_fini(&from_layout);
    wr_batch_layout_fini(&to_layout);
    wr_strings_fini(&shape.strings);
}

int main(int argc, char **argv)
{
    struct trial_random random     = { trial_seed(argc, argv) };
    const uint64_t      cases      = trial_size(3000, 30000, 1000000);
    struct model       *from_model = calloc(1, sizeof(*from_model));
    struct model       *to_model   = calloc(1, sizeof(*to_model));
    for (uint64_t i = 0; i < cases; i++) {
        try_one(&random, from_model, to_model);
    }
    free(from_model);
    free(to_model);
    printf("cases: %" PRIu64 "\n", cases);
    return 0;
}
