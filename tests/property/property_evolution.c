// Tables of random records, packed as a checkpoint packs them and unpacked into tables of other
// records, against a reference that goes field by field.
//
// usage: property_evolution [SEED]
//
//   table of `from`  --capture-->  images, text of its types  --evolution-->  table of `to`
//
// The value is the record and, behind it, a number of the operator's own. A case is one pair of
// types: it is refused exactly if the reference says that a field does not fit, or each entry is
// what the reference makes of the one before.
#include "runtime/run/evolution.h"
#include "runtime/run/table_types.h"
#include "tests/support/random_conversion.h"

#define MOST_ROWS   300u
#define MOST_IMAGES 4096u
#define SEED        5u

typedef struct own {
    uint64_t number;
} own;
WEIR_RECORD(own, number);

// One of the two tables, and what a value of it is.
struct side {
    const weir_type      *type;
    uint32_t              own_at, bytes;
    struct wr_strings     strings;
    struct wr_table_shape shape;
    struct wr_table      *table;
};

static struct trial_random random_of_run;
static struct schema_arena arenas[2];
static struct wr_pool     *pool, *undo_pool;
static enum wr_key_kind    key_kind;
static uint64_t            converted_count, kept_count, refused_count;

// ---- images ----

static char           *image_bytes;
static size_t          image_used, image_capacity;
static struct wr_image images[MOST_IMAGES];
static uint32_t        image_count;

// Images before move when there is no room: places are offsets.
static void *give_room(void *opaque, size_t bytes)
{
    (void)opaque;
    if (image_used + bytes > image_capacity) {
        image_capacity = (image_used + bytes) * 2;
        image_bytes    = wr_realloc(image_bytes, image_capacity);
    }
    return image_bytes + image_used;
}

static void take_image(void *opaque, struct wr_image *image)
{
    (void)opaque;
    TRIAL_CHECK(image->is_packed && image_count < MOST_IMAGES, "%u images", image_count);
    image->place.file     = 1;
    image->place.offset   = image_used;
    images[image_count++] = *image;
    image_used += image->bytes;
}

static void table_pack(struct wr_table *table)
{
    const struct wr_capture capture = { .pool = undo_pool, .room = give_room, .put = take_image };
    image_count                     = 0;
    image_used                      = 0;
    wr_table_mark(table, &capture);
    while (!wr_table_capture(table, 4096)) {
    }
}

// ---- tables ----

static void side_init(struct side *side, const weir_type *type)
{
    const struct wr_strings strings = wr_strings_of(type);
    *side                           = (struct side){ .type = type };
    side->own_at                    = (uint32_t)wr_round_up(type->size, 8);
    side->bytes                     = side->own_at + (uint32_t)sizeof(own);
    side->shape.parts[0]            = (struct wr_value_part){ "state", type, 0 };
    side->shape.own[0]              = (struct wr_value_part){ "-", &own_type, side->own_at };
    wr_strings_add(&side->strings, &strings, 0);
    side->table =
        wr_table_open(pool, &(struct wr_table_options){
                                .key_kind      = key_kind,
                                .value_size    = side->bytes,
                                .value_strings = side->strings.count > 0 ? &side->strings : NULL,
                                .seed          = SEED,
                            });
    wr_strings_fini((struct wr_strings *)(uintptr_t)&strings);
}

static void side_fini(struct side *side)
{
    wr_table_unmark(side->table);
    wr_table_close(side->table);
    wr_strings_fini(&side->strings);
}

static uint64_t hash_of(const uint64_t *number)
{
    return key_kind == WR_KEY_8 ? wr_mix64(*number, SEED)
                                : wr_hash_bytes(number, sizeof(*number), SEED);
}

static void table_fill(struct side *side, const char *rows, uint32_t count)
{
    for (uint64_t number = 0; number < count; number++) {
        const uint64_t hash   = hash_of(&number);
        const char    *key    = (const char *)&number;
        const uint32_t length = sizeof(number);
        void          *entry  = wr_table_resolve(side->table, hash, key, length, NULL);
        memcpy(entry, rows + number * side->type->size, side->type->size);
        memcpy((char *)entry + side->own_at, &number, sizeof(number));
        const struct wr_keys keys = { .fixed   = key_kind == WR_KEY_8 ? key : NULL,
                                      .bytes   = &key,
                                      .lengths = &length };
        TRIAL_CHECK(wr_table_keep_strings_many(side->table, &hash, &keys, 1, &entry), "budget");
    }
}

static void table_check(const struct side *from, const char *rows, uint32_t count,
                        const struct side *to, bool is_converted)
{
    TRIAL_CHECK(wr_table_count(to->table) == count && wr_table_is_valid(to->table), "%u entries",
                count);
    for (uint64_t number = 0; number < count; number++) {
        const char *row  = rows + number * from->type->size;
        const char *made = wr_table_find_read(to->table, hash_of(&number), &number, sizeof(number));
        TRIAL_CHECK(made != NULL, "entry %" PRIu64, number);
        const char *wrong = is_converted ? wrong_field(from->type, row, to->type, made)
                                         : schema_difference(to->type, row, made);
        TRIAL_CHECK(wrong == NULL, "entry %" PRIu64 ", field %s", number, wrong);
        TRIAL_CHECK(memcmp(made + to->own_at, &number, sizeof(number)) == 0, "the operator's own");
    }
}

static void tables_check(struct side *from, struct side *to, const struct wr_packed_values *values)
{
    const uint32_t wanted = 1 + trial_below(&random_of_run, MOST_ROWS);
    char *const    rows   = wr_alloc_aligned((size_t)wanted * from->type->size, 512);
    const uint32_t count = schema_random_rows(&arenas[0], from->type, &random_of_run, rows, wanted);
    table_fill(from, rows, count);
    table_pack(from->table);
    for (uint32_t i = 0; i < image_count; i++) {
        images[i].values = values;
        const enum wr_unpack unpacked =
            wr_table_unpack(to->table, image_bytes + images[i].place.offset, images[i].bytes,
                            &images[i], (struct wr_hash_range){ 0, UINT64_MAX }, NULL);
        TRIAL_CHECK(unpacked == WR_UNPACK_DONE, "%s", wr_unpack_text(unpacked));
    }
    table_check(from, rows, count, to, values != NULL);
    wr_free(rows);
}

// ---- cases ----

static bool any_field_stays(const weir_type *from, const weir_type *to)
{
    for (uint32_t i = 0; i < to->field_count; i++) {
        if (stored_field(from, &to->fields[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static void try_types(void)
{
    arenas[0].type_count        = 0;
    arenas[1].type_count        = 0;
    const weir_type *const left = schema_random(&arenas[0], &random_of_run, SCHEMA_DEPTH);
    const weir_type *const right =
        trial_one_in(&random_of_run, 10) ? left : relative_of(&arenas[1], &random_of_run, left);
    struct side          from, to;
    struct wr_evolutions evolutions = { .first = NULL };
    key_kind                        = trial_one_in(&random_of_run, 2) ? WR_KEY_8 : WR_KEY_BYTES;
    side_init(&from, left);
    side_init(&to, right);
    char *const                 types = wr_table_types(&from.shape);
    const struct wr_index_table table = {
        .name           = "states",
        .value_bytes    = from.bytes,
        .string_offsets = from.strings.offsets,
        .string_count   = from.strings.count,
        .types          = types,
    };
    char *const why      = wr_evolutions_add(&evolutions, "tested", &table, &to.shape, to.bytes);
    const bool  is_right = record_fits(left, right) && any_field_stays(left, right);
    TRIAL_CHECK((why == NULL) == is_right, "%s", why != NULL ? why : "not refused");
    if (why == NULL) {
        const struct wr_packed_values *values = wr_evolutions_find(&evolutions, "tested", &table);
        tables_check(&from, &to, values);
        converted_count += values != NULL;
        kept_count += values == NULL;
    }
    refused_count += why != NULL;
    wr_evolutions_fini(&evolutions);
    wr_free(why);
    wr_free(types);
    side_fini(&from);
    side_fini(&to);
}

int main(int argc, char **argv)
{
    random_of_run.state  = trial_seed(argc, argv);
    const uint64_t cases = trial_size(300, 30000, 1000000);
    pool                 = wr_pool_open(0);
    undo_pool            = wr_pool_open(0);
    for (uint64_t i = 0; i < cases; i++) {
        try_types();
    }
    TRIAL_CHECK(converted_count > cases / 4 && kept_count > cases / 50 &&
                    refused_count > cases / 200,
                "%" PRIu64 " were converted, %" PRIu64 " were not, %" PRIu64 " were refused",
                converted_count, kept_count, refused_count);
    printf("converted: %" PRIu64 ", kept: %" PRIu64 ", refused: %" PRIu64 "\n", converted_count,
           kept_count, refused_count);
    printf("cases: %" PRIu64 "\n", cases);
    wr_free(image_bytes);
    wr_pool_close(undo_pool);
    wr_pool_close(pool);
    return 0;
}
