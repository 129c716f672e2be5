#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <weir/record.h>

#include "runtime/base/type.h"

typedef struct money {
    int64_t  units;
    weir_str currency;
} money;
WEIR_RECORD(money, units, currency);

typedef enum colour { RED, GREEN } colour;

typedef struct payment {
    weir_time at;
    weir_str  region;
    money     price;
    bool      is_final;
    char      code[7];
    double    weights[3];
    colour    paint;
} payment;
WEIR_RECORD(payment, at, region, (price, money), is_final, code, weights, paint);

typedef struct pair_key {
    uint32_t a;
    uint32_t b;
} pair_key;
WEIR_RECORD(pair_key, a, b);

typedef struct gap_key {
    uint32_t a;
    uint64_t b;
} gap_key;
WEIR_RECORD(gap_key, a, b);

typedef struct text_key {
    uint16_t kind;
    weir_str name;
    weir_str place;
} text_key;
WEIR_RECORD(text_key, kind, name, place);

typedef struct nested_key {
    pair_key pair;
    gap_key  gap;
    money    price;
} nested_key;
WEIR_RECORD(nested_key, (pair, pair_key), (gap, gap_key), (price, money));

#define LONG_TEXT   "a text of more than twelve bytes"
#define LONG_TEXT_2 "and another one, longer still than that"

// ---- the macro ----

Test(record, describes_each_field_with_its_kind_place_and_size)
{
    static const struct {
        const char *name;
        weir_kind   kind;
        uint32_t    offset, size, count;
    } wanted[] = {
        { "at", WEIR_KIND_TIME, offsetof(payment, at), 8, 1 },
        { "region", WEIR_KIND_STR, offsetof(payment, region), 16, 1 },
        { "price", WEIR_KIND_RECORD, offsetof(payment, price), sizeof(money), 1 },
        { "is_final", WEIR_KIND_BOOL, offsetof(payment, is_final), 1, 1 },
        { "code", WEIR_KIND_CHARS, offsetof(payment, code), 7, 1 },
        { "weights", WEIR_KIND_F64, offsetof(payment, weights), 24, 3 },
        { "paint", WEIR_KIND_U32, offsetof(payment, paint), 4, 1 },
    };
    cr_assert(payment_type.field_count == WR_COUNT_OF(wanted));
    for (uint32_t i = 0; i < WR_COUNT_OF(wanted); i++) {
        const weir_field *field = &payment_type.fields[i];
        cr_expect_str_eq(field->name, wanted[i].name);
        cr_expect(field->kind == wanted[i].kind, "%s", field->name);
        cr_expect(field->offset == wanted[i].offset, "%s", field->name);
        cr_expect(field->size == wanted[i].size, "%s", field->name);
        cr_expect(field->count == wanted[i].count, "%s", field->name);
    }
    cr_expect(payment_type.fields[2].record == &money_type);
}

// ---- types made at run time ----

static weir_field field_of(const char *name, uint32_t offset, uint32_t size, weir_kind kind)
{
    return (weir_field){ name, NULL, offset, size, kind, 1, NULL };
}

static bool opens(uint32_t size, const weir_field *fields, uint32_t field_count)
{
    weir_type *type = weir_type_open("made", size, 8, fields, field_count);
    weir_type_close(type);
    return type != NULL;
}

Test(type, copies_its_name_and_its_fields)
{
    char             name[] = "made", first[] = "first";
    const weir_field fields[] = { field_of(first, 0, 8, WEIR_KIND_I64),
                                  field_of("second", 8, 1, WEIR_KIND_BOOL) };
    weir_type       *type     = weir_type_open(name, 16, 8, fields, 2);
    cr_assert(type != NULL);
    name[0] = first[0] = 'x';
    cr_expect_str_eq(type->name, "made");
    cr_expect_str_eq(type->fields[0].name, "first");
    cr_expect_str_eq(type->fields[1].name, "second");
    cr_expect(type->size == 16 && type->align == 8 && type->field_count == 2);
    weir_type_close(type);
}

Test(type, may_have_no_fields) { cr_expect(opens(8, NULL, 0)); }

Test(type, refuses_fields_out_of_order)
{
    const weir_field fields[] = { field_of("b", 8, 8, WEIR_KIND_I64),
                                  field_of("a", 0, 8, WEIR_KIND_I64) };
    cr_expect(!opens(16, fields, 2));
}

Test(type, refuses_fields_that_overlap_and_takes_those_that_touch)
{
    weir_field fields[] = { field_of("a", 0, 4, WEIR_KIND_CHARS),
                            field_of("b", 3, 4, WEIR_KIND_CHARS) };
    cr_expect(!opens(8, fields, 2));
    fields[1].offset = 4;
    cr_expect(opens(8, fields, 2));
}

Test(type, refuses_a_field_past_the_end_and_takes_one_up_to_it)
{
    weir_field field = field_of("a", 8, 8, WEIR_KIND_I64);
    cr_expect(opens(16, &field, 1));
    field = field_of("a", 9, 8, WEIR_KIND_CHARS);
    cr_expect(!opens(16, &field, 1));
    field.offset = UINT32_MAX - 3;
    cr_expect(!opens(16, &field, 1));
}

Test(type, refuses_a_field_whose_size_is_not_its_kinds)
{
    weir_field field = field_of("a", 0, 4, WEIR_KIND_I64);
    cr_expect(!opens(8, &field, 1));
    field = (weir_field){ "a", NULL, 0, 24, WEIR_KIND_F64, 3, NULL };
    cr_expect(opens(24, &field, 1));
    field.count = 2;
    cr_expect(!opens(24, &field, 1));
    field.count = 0;
    cr_expect(!opens(24, &field, 1));
}

Test(type, refuses_a_field_that_is_not_aligned)
{
    weir_field field = field_of("a", 4, 8, WEIR_KIND_I64);
    cr_expect(!opens(16, &field, 1));
    field.offset = 8;
    cr_expect(opens(16, &field, 1));
}

Test(type, refuses_a_nested_record_without_its_type)
{
    weir_field field = { "price", NULL, 0, sizeof(money), WEIR_KIND_RECORD, 1, NULL };
    cr_expect(!opens(sizeof(money), &field, 1));
    field.record = &money_type;
    cr_expect(opens(sizeof(money), &field, 1));
}

Test(type, refuses_an_unknown_kind)
{
    weir_field field = field_of("a", 0, 8, (weir_kind)16);
    cr_expect(!opens(8, &field, 1));
    field.kind = (weir_kind)0;
    cr_expect(!opens(8, &field, 1));
}

Test(type, refuses_an_alignment_that_is_no_power_of_two_or_does_not_divide_the_size)
{
    cr_expect(weir_type_open("made", 12, 3, NULL, 0) == NULL);
    cr_expect(weir_type_open("made", 12, 8, NULL, 0) == NULL);
    cr_expect(weir_type_open("made", 12, 0, NULL, 0) == NULL);
    cr_expect(weir_type_open("made", 0, 8, NULL, 0) == NULL);
}

Test(type, finds_a_field_by_its_whole_name)
{
    cr_expect(weir_type_field(&payment_type, "code") == &payment_type.fields[4]);
    cr_expect(weir_type_field(&payment_type, "cod") == NULL);
    cr_expect(weir_type_field(&payment_type, "units") == NULL);
}

Test(type, names_each_kind)
{
    cr_expect_str_eq(weir_kind_name(WEIR_KIND_BOOL), "bool");
    cr_expect_str_eq(weir_kind_name(WEIR_KIND_U64), "u64");
    cr_expect_str_eq(weir_kind_name(WEIR_KIND_TIME), "time");
    cr_expect_str_eq(weir_kind_name(WEIR_KIND_RECORD), "record");
    cr_expect_str_eq(weir_kind_name((weir_kind)0), "unknown");
    cr_expect_str_eq(weir_kind_name((weir_kind)16), "unknown");
}

// ---- strings ----

Test(strings, are_found_in_nested_records_too)
{
    struct wr_strings strings = wr_strings_of(&payment_type);
    cr_assert(strings.count == 2);
    cr_expect(strings.offsets[0] == offsetof(payment, region));
    cr_expect(strings.offsets[1] == offsetof(payment, price) + offsetof(money, currency));
    wr_strings_fini(&strings);
}

Test(strings, of_a_type_without_any_are_none)
{
    struct wr_strings strings = wr_strings_of(&pair_key_type);
    const pair_key    key     = { 1, 2 };
    cr_expect(strings.count == 0);
    cr_expect(wr_strings_long_bytes(&strings, &key) == 0);
    wr_strings_fini(&strings);
}

Test(strings, count_as_long_from_thirteen_bytes)
{
    struct wr_strings strings = wr_strings_of(&money_type);
    money             row     = { 1, weir_str_from("twelve bytes") };
    cr_expect(wr_strings_long_bytes(&strings, &row) == 0);
    row.currency = weir_str_from("thirteen byte");
    cr_expect(wr_strings_long_bytes(&strings, &row) == 13);
    wr_strings_fini(&strings);
}

Test(strings, move_into_one_run_of_bytes_and_read_the_same)
{
    char              first[] = LONG_TEXT, second[] = LONG_TEXT_2;
    struct wr_strings strings = wr_strings_of(&payment_type);
    payment           row     = { .region = weir_str_from(first) };
    row.price.currency        = weir_str_from(second);

    char         to[128];
    const size_t used = wr_strings_move(&strings, &row, to);
    memset(first, 'x', sizeof(first));
    memset(second, 'x', sizeof(second));
    cr_expect(used == strlen(LONG_TEXT LONG_TEXT_2));
    cr_expect(memcmp(to, LONG_TEXT LONG_TEXT_2, used) == 0);
    const weir_str wanted = weir_str_from(LONG_TEXT), wanted_2 = weir_str_from(LONG_TEXT_2);
    cr_expect(weir_str_equal(&row.region, &wanted));
    cr_expect(weir_str_equal(&row.price.currency, &wanted_2));
    wr_strings_fini(&strings);
}

Test(strings, leave_short_ones_where_they_are)
{
    struct wr_strings strings = wr_strings_of(&money_type);
    money             row     = { 1, weir_str_from("EUR") };
    const money       before  = row;
    char              to[1];
    cr_expect(wr_strings_move(&strings, &row, to) == 0);
    cr_expect(memcmp(&row, &before, sizeof(row)) == 0);
    wr_strings_fini(&strings);
}

// ---- keys ----

static enum wr_key_kind kind_of_chars(uint32_t size)
{
    const weir_field       field = { "a", NULL, 0, size, WEIR_KIND_CHARS, 1, NULL };
    weir_type             *type  = weir_type_open("key", size, 1, &field, 1);
    struct wr_key_codec    codec = wr_key_codec_of(type);
    const enum wr_key_kind kind  = codec.kind;
    wr_key_codec_fini(&codec);
    weir_type_close(type);
    return kind;
}

Test(key, takes_the_narrowest_kind_that_holds_it)
{
    cr_expect(kind_of_chars(1) == WR_KEY_4);
    cr_expect(kind_of_chars(4) == WR_KEY_4);
    cr_expect(kind_of_chars(5) == WR_KEY_8);
    cr_expect(kind_of_chars(8) == WR_KEY_8);
    cr_expect(kind_of_chars(9) == WR_KEY_16);
    cr_expect(kind_of_chars(16) == WR_KEY_16);
    cr_expect(kind_of_chars(17) == WR_KEY_BYTES);
}

Test(key, with_a_string_is_encoded_whatever_its_size)
{
    const weir_field    field = { "a", NULL, 0, 16, WEIR_KIND_STR, 1, NULL };
    weir_type          *type  = weir_type_open("key", 16, 8, &field, 1);
    struct wr_key_codec codec = wr_key_codec_of(type);
    cr_expect(codec.kind == WR_KEY_BYTES);
    wr_key_codec_fini(&codec);
    weir_type_close(type);
}

Test(key, with_padding_is_encoded_so_that_the_padding_does_not_count)
{
    struct wr_key_codec codec = wr_key_codec_of(&gap_key_type);
    cr_expect(codec.kind == WR_KEY_BYTES);
    gap_key keys[2];
    memset(&keys[0], 0x00, sizeof(gap_key));
    memset(&keys[1], 0xff, sizeof(gap_key));
    keys[0].a = keys[1].a = 5;
    keys[0].b = keys[1].b = 6;
    uint64_t hashes[2];
    wr_key_hash_many(&codec, keys, 2, 1, hashes);
    cr_expect(hashes[0] == hashes[1]);
    cr_expect(wr_key_encoded_bytes(&codec, keys) == 12);
    wr_key_codec_fini(&codec);
}

Test(key, padding_is_seen_between_fields_at_the_end_and_in_nested_records)
{
    cr_expect(!wr_type_has_padding(&pair_key_type));
    cr_expect(wr_type_has_padding(&gap_key_type));
    cr_expect(wr_type_has_padding(&nested_key_type));
    const weir_field field = field_of("a", 0, 8, WEIR_KIND_I64);
    weir_type       *type  = weir_type_open("made", 16, 8, &field, 1);
    cr_expect(wr_type_has_padding(type));
    weir_type_close(type);
}

static void expect_round_trip(const text_key *key)
{
    struct wr_key_codec codec = wr_key_codec_of(&text_key_type);
    char                bytes[256];
    const size_t        length = wr_key_encoded_bytes(&codec, key);
    cr_assert(length == 2 + 4 + key->name.length + 4 + key->place.length);
    cr_assert(wr_key_encode(&codec, key, bytes) == length);
    text_key back;
    memset(&back, 0xff, sizeof(back));
    wr_key_decode(&codec, bytes, length, &back);
    cr_expect(back.kind == key->kind);
    cr_expect(weir_str_equal(&back.name, &key->name));
    cr_expect(weir_str_equal(&back.place, &key->place));
    wr_key_codec_fini(&codec);
}

Test(key, comes_back_from_its_encoding)
{
    expect_round_trip(&(text_key){ 3, weir_str_from(""), weir_str_from("short") });
    expect_round_trip(&(text_key){ 4, weir_str_from(LONG_TEXT), weir_str_from(LONG_TEXT_2) });
}

Test(key, with_nested_records_comes_back_from_its_encoding)
{
    struct wr_key_codec codec = wr_key_codec_of(&nested_key_type);
    nested_key          key;
    memset(&key, 0, sizeof(key));
    key.pair  = (pair_key){ 1, 2 };
    key.gap.a = 3;
    key.gap.b = 4;
    key.price = (money){ 5, weir_str_from(LONG_TEXT) };
    char         bytes[256];
    const size_t length = wr_key_encode(&codec, &key, bytes);
    nested_key   back;
    wr_key_decode(&codec, bytes, length, &back);
    cr_expect(length == 8 + 12 + 8 + 4 + strlen(LONG_TEXT));
    cr_expect(back.pair.a == 1 && back.pair.b == 2 && back.gap.a == 3 && back.gap.b == 4);
    cr_expect(back.price.units == 5);
    cr_expect(weir_str_equal(&back.price.currency, &key.price.currency));
    wr_key_codec_fini(&codec);
}

Test(key, decodes_long_strings_that_point_into_the_encoding)
{
    struct wr_key_codec codec = wr_key_codec_of(&text_key_type);
    const text_key      key   = { 1, weir_str_from(LONG_TEXT), weir_str_from("") };
    char                bytes[256];
    const size_t        length = wr_key_encode(&codec, &key, bytes);
    text_key            back;
    wr_key_decode(&codec, bytes, length, &back);
    cr_expect(weir_str_bytes(&back.name) == bytes + 6);
    wr_key_codec_fini(&codec);
}

Test(key, encodings_of_neighbours_differ_where_their_bytes_joined_would_not)
{
    struct wr_key_codec codec   = wr_key_codec_of(&text_key_type);
    const text_key      keys[2] = { { 1, weir_str_from("ab"), weir_str_from("c") },
                                    { 1, weir_str_from("a"), weir_str_from("bc") } };
    char                bytes[2][64];
    const size_t        length = wr_key_encode(&codec, &keys[0], bytes[0]);
    cr_assert(wr_key_encode(&codec, &keys[1], bytes[1]) == length);
    cr_expect(memcmp(bytes[0], bytes[1], length) != 0);
    wr_key_codec_fini(&codec);
}

Test(key, decoding_ends_the_process_where_bytes_are_missing, .signal = SIGABRT)
{
    struct wr_key_codec codec = wr_key_codec_of(&text_key_type);
    const text_key      key   = { 1, weir_str_from(LONG_TEXT), weir_str_from("") };
    char                bytes[256];
    const size_t        length = wr_key_encode(&codec, &key, bytes);
    text_key            back;
    wr_key_decode(&codec, bytes, length - 1, &back);
}

Test(key, decoding_ends_the_process_where_bytes_are_left, .signal = SIGABRT)
{
    struct wr_key_codec codec = wr_key_codec_of(&text_key_type);
    const text_key      key   = { 1, weir_str_from("a"), weir_str_from("b") };
    char                bytes[256];
    const size_t        length = wr_key_encode(&codec, &key, bytes);
    text_key            back;
    wr_key_decode(&codec, bytes, length + 1, &back);
}

// ---- hashes ----

// Hashes `count` keys of `size` bytes, each all zero but for its number in its last bytes.
static void hash_numbers(uint32_t size, uint32_t count, uint64_t seed, uint64_t *hashes)
{
    const weir_field    field = { "a", NULL, 0, size, WEIR_KIND_CHARS, 1, NULL };
    weir_type          *type  = weir_type_open("key", size, 1, &field, 1);
    struct wr_key_codec codec = wr_key_codec_of(type);
    char               *keys  = wr_alloc((size_t)size * count);
    for (uint32_t i = 0; i < count; i++) {
        memcpy(keys + (size_t)i * size + size - 2, &i, 2);
    }
    wr_key_hash_many(&codec, keys, count, seed, hashes);
    wr_free(keys);
    wr_key_codec_fini(&codec);
    weir_type_close(type);
}

static int hash_compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

Test(key_hash, tells_keys_of_each_width_apart)
{
    enum { COUNT = 4096 };
    static const uint32_t sizes[] = { 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 40, 300 };
    static uint64_t       hashes[COUNT];
    for (uint32_t s = 0; s < WR_COUNT_OF(sizes); s++) {
        hash_numbers(sizes[s], COUNT, 42, hashes);
        qsort(hashes, COUNT, sizeof(uint64_t), hash_compare);
        for (uint32_t i = 1; i < COUNT; i++) {
            cr_assert(hashes[i - 1] != hashes[i], "keys of %u bytes", sizes[s]);
        }
    }
}

Test(key_hash, spreads_near_keys_over_the_top_bits)
{
    enum { COUNT = 65536, CELLS = 256 };
    static uint64_t hashes[COUNT];
    uint32_t        counts[CELLS] = { 0 };
    hash_numbers(8, COUNT, 42, hashes);
    for (uint32_t i = 0; i < COUNT; i++) {
        counts[hashes[i] >> 56]++;
    }
    for (uint32_t i = 0; i < CELLS; i++) { // 256 expected; 100 is six deviations
        cr_assert(counts[i] > 156 && counts[i] < 356, "cell %u has %u", i, counts[i]);
    }
}

Test(key_hash, depends_on_both_halves_and_on_their_order)
{
    const weir_field    field   = { "a", NULL, 0, 16, WEIR_KIND_U64, 2, NULL };
    weir_type          *type    = weir_type_open("key", 16, 8, &field, 1);
    struct wr_key_codec codec   = wr_key_codec_of(type);
    const uint64_t      keys[8] = { 1, 2, 2, 1, 1, 1, 2, 2 };
    uint64_t            hashes[4];
    wr_key_hash_many(&codec, keys, 4, 0, hashes);
    qsort(hashes, 4, sizeof(uint64_t), hash_compare);
    cr_expect(hashes[0] != hashes[1] && hashes[1] != hashes[2] && hashes[2] != hashes[3]);
    wr_key_codec_fini(&codec);
    weir_type_close(type);
}

Test(key_hash, changes_with_the_seed)
{
    static const uint32_t sizes[] = { 4, 8, 16, 20 };
    for (uint32_t s = 0; s < WR_COUNT_OF(sizes); s++) {
        uint64_t one, two;
        hash_numbers(sizes[s], 1, 1, &one);
        hash_numbers(sizes[s], 1, 2, &two);
        cr_expect(one != two, "keys of %u bytes", sizes[s]);
    }
}

Test(key_hash, of_an_encoded_key_is_the_hash_of_its_bytes)
{
    struct wr_key_codec codec = wr_key_codec_of(&text_key_type);
    const text_key      key   = { 9, weir_str_from(LONG_TEXT), weir_str_from("x") };
    char                bytes[256];
    const size_t        length = wr_key_encode(&codec, &key, bytes);
    uint64_t            hash;
    wr_key_hash_many(&codec, &key, 1, 77, &hash);
    cr_expect(hash == wr_hash_bytes(bytes, length, 77));
    wr_key_codec_fini(&codec);
}

Test(key_hash, of_equal_strings_does_not_depend_on_where_they_lie)
{
    char                copy[]  = LONG_TEXT;
    struct wr_key_codec codec   = wr_key_codec_of(&money_type);
    const money         keys[2] = { { 1, weir_str_from(LONG_TEXT) }, { 1, weir_str_from(copy) } };
    uint64_t            hashes[2];
    wr_key_hash_many(&codec, keys, 2, 0, hashes);
    cr_expect(hashes[0] == hashes[1]);
    wr_key_codec_fini(&codec);
}

// ---- former names ----

Test(type, has_the_names_a_field_formerly_had)
{
    const weir_field former = { "a", NULL, 0, 8, WEIR_KIND_I64, 1, "b, long_name,c" };
    weir_type       *type   = weir_type_open("t", 8, 8, &former, 1);
    cr_assert_not_null(type);
    const weir_field *field = &type->fields[0];
    cr_expect_neq(field->formerly, former.formerly, "it is a copy");
    cr_expect(wr_field_was_named(field, "b"));
    cr_expect(wr_field_was_named(field, "long_name"));
    cr_expect(wr_field_was_named(field, "c"));
    cr_expect_not(wr_field_was_named(field, "a"));
    cr_expect_not(wr_field_was_named(field, "long"));
    cr_expect_not(wr_field_was_named(field, "long_names"));
    cr_expect_not(wr_field_was_named(field, ""));
    weir_type_close(type);
}
