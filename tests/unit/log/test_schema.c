// Types as text and back, what may be a topic's type, and what may be read as what.
#include "log/schema.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <weir/event_time.h>

typedef struct money {
    int64_t  units;
    uint32_t currency;
} money;
WEIR_RECORD(money, units, currency);

typedef enum colour { RED, GREEN } colour;

typedef struct order {
    weir_time at;
    int16_t   tags[3];
    char      code[4];
    money     price;
    weir_str  text;
    bool      is_paid;
    colour    paint;
} order;
WEIR_RECORD(order, at, tags, code, (price, money), text, is_paid, paint);

static const char order_text[] = "weir schema 1\n"
                                 "record order size 64 align 8\n"
                                 "  at time at 0\n"
                                 "  tags i16 3 at 8\n"
                                 "  code chars 4 at 14\n"
                                 "  price record money size 16 align 8 at 24\n"
                                 "    units i64 at 0\n"
                                 "    currency u32 at 8\n"
                                 "  text str at 40\n"
                                 "  is_paid bool at 56\n"
                                 "  paint u32 at 60\n";

Test(schema, has_a_line_a_field)
{
    char *const text = wr_schema_text(&order_type);
    cr_expect_str_eq(text, order_text);
    wr_free(text);
}

Test(schema, is_read_as_it_was_written)
{
    char            *error;
    weir_type *const type = wr_schema_parse(order_text, strlen(order_text), &error);
    cr_assert_not_null(type, "%s", error);
    cr_expect_null(error);
    cr_expect(wr_schema_is_same(type, &order_type));
    wr_schema_type_close(type);
}

// Whether `text` is a schema, after the first `from` in it became `to`.
static bool is_schema_with(const char *text, const char *from, const char *to)
{
    const char *const at    = strstr(text, from);
    char *const       other = wr_format("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    char             *error;
    weir_type *const  type = wr_schema_parse(other, strlen(other), &error);
    cr_expect_eq(type == NULL, error != NULL);
    const bool is_schema = type != NULL;
    wr_schema_type_close(type);
    wr_free(error);
    wr_free(other);
    return is_schema;
}

Test(schema, has_one_text_only)
{
    cr_expect(is_schema_with(order_text, "at 0", "at 0"));
    cr_expect_not(is_schema_with(order_text, "at 0", "at 00"));
    cr_expect_not(is_schema_with(order_text, "at 0", "at  0"));
    cr_expect_not(is_schema_with(order_text, "at 0", "at 0 "));
    cr_expect_not(is_schema_with(order_text, "at 0", "1 at 0"));
    cr_expect_not(is_schema_with(order_text, "at time at 0", "at time 1 at 0"));
    cr_expect_not(is_schema_with(order_text, "  tags", " tags"));
    cr_expect_not(is_schema_with(order_text, "  tags", "    tags"));
    cr_expect_not(is_schema_with(order_text, "    units", "  units"));
    cr_expect_not(is_schema_with(order_text, "60\n", "60"));
    cr_expect_not(is_schema_with(order_text, "60\n", "60\n\n"));
    cr_expect_not(is_schema_with(order_text, "60\n", "60\nmore"));
    cr_expect_not(is_schema_with(order_text, "schema 1", "schema 2"));
    cr_expect_not(is_schema_with(order_text, "schema 1", "schema 1 2"));
}

Test(schema, describes_a_type_that_there_can_be)
{
    cr_expect_not(is_schema_with(order_text, "time at 0", "when at 0"), "a kind");
    cr_expect_not(is_schema_with(order_text, "at 8", "at 7"), "an overlap");
    cr_expect_not(is_schema_with(order_text, "at 40", "at 44"), "an alignment");
    cr_expect_not(is_schema_with(order_text, "at 60", "at 64"), "a field behind the end");
    cr_expect_not(is_schema_with(order_text, "at 60", "at 4294967296"), "a number too large");
    cr_expect_not(is_schema_with(order_text, "size 64", "size 65"), "a size");
    cr_expect_not(is_schema_with(order_text, "align 8", "align 4"), "a field aligned beyond");
    cr_expect_not(is_schema_with(order_text, "align 8", "align 3"), "an odd alignment");
    cr_expect_not(is_schema_with(order_text, "tags", "code"), "two of a name");
    cr_expect_not(is_schema_with(order_text, "tags", "2tags"), "a name");
    cr_expect_not(is_schema_with(order_text, "i16 3", "i16 0"), "no elements");
    cr_expect(is_schema_with(order_text, "i16 3", "i16 2"));
    cr_expect(is_schema_with(order_text, "u32 at 60", "i32 at 60"));
}

Test(schema, of_every_beginning_of_a_text_is_none)
{
    char *error;
    for (size_t length = 0; length < strlen(order_text); length++) {
        weir_type *const type = wr_schema_parse(order_text, length, &error);
        // Fields at the end may be missing: the size says there is room behind.
        cr_expect(type == NULL || order_text[length - 1] == '\n', "%zu bytes", length);
        wr_schema_type_close(type);
        wr_free(error);
    }
}

Test(schema, tells_the_line_that_is_wrong)
{
    static const char text[] = "weir schema 1\nrecord r size 8 align 8\n  a i63 at 0\n";
    char             *error;
    cr_assert_null(wr_schema_parse(text, strlen(text), &error));
    cr_expect_not_null(strstr(error, "line 3"), "%s", error);
    wr_free(error);
}

static bool is_refused(const weir_type *type, const char *word)
{
    char      *error;
    const bool is_ok = wr_schema_check(type, &error);
    cr_expect_eq(is_ok, error == NULL);
    cr_expect(is_ok || strstr(error, word) != NULL, "%s", error);
    wr_free(error);
    return !is_ok;
}

Test(schema, takes_names_of_200_bytes)
{
    char             name[202];
    const weir_field field = { name, NULL, 0, 4, WEIR_KIND_I32, 1 };
    const weir_type  type  = { "t", &field, 1, 4, 4 };
    memset(name, 'n', sizeof(name));
    name[200] = 0;
    cr_expect_not(is_refused(&type, ""));
    name[200] = 'n';
    name[201] = 0;
    cr_expect(is_refused(&type, "named"));
    name[0] = 0;
    cr_expect(is_refused(&type, "named"));
}

Test(schema, takes_records_nested_8_deep)
{
    weir_type  types[9];
    weir_field fields[9];
    types[0] = (weir_type){ "t", fields, 0, 8, 8 };
    for (uint32_t i = 1; i < 9; i++) {
        fields[i] = (weir_field){ "f", &types[i - 1], 0, 8, WEIR_KIND_RECORD, 1 };
        types[i]  = (weir_type){ "t", &fields[i], 1, 8, 8 };
    }
    cr_expect_not(is_refused(&types[7], ""));
    cr_expect(is_refused(&types[8], "nested"));
    char      *text = wr_schema_text(&types[7]);
    char      *error;
    weir_type *type = wr_schema_parse(text, strlen(text), &error);
    cr_expect_not_null(type, "%s", error);
    wr_schema_type_close(type);
    wr_free(text);
    text = wr_schema_text(&types[8]);
    cr_expect_null(wr_schema_parse(text, strlen(text), &error));
    wr_free(text);
    wr_free(error);
}

Test(schema, takes_1024_fields)
{
    static char       names[1025][8];
    static weir_field fields[1025];
    for (uint32_t i = 0; i < 1025; i++) {
        snprintf(names[i], sizeof(names[i]), "f%u", i);
        fields[i] = (weir_field){ names[i], NULL, i, 1, WEIR_KIND_U8, 1 };
    }
    cr_expect_not(is_refused(&(weir_type){ "t", fields, 1024, 1025, 1 }, ""));
    cr_expect(is_refused(&(weir_type){ "t", fields, 1025, 1025, 1 }, "1,024"));
}

Test(schema, takes_rows_of_32_mib_and_alignments_of_a_page)
{
    cr_expect_not(is_refused(&(weir_type){ "t", NULL, 0, WR_SCHEMA_ROW_MAX, 4096 }, ""));
    cr_expect(is_refused(&(weir_type){ "t", NULL, 0, WR_SCHEMA_ROW_MAX + 1, 1 }, "size"));
    cr_expect(is_refused(&(weir_type){ "t", NULL, 0, 8192, 8192 }, "alignment"));
    cr_expect(is_refused(&(weir_type){ "t", NULL, 0, 0, 1 }, "size"));
    cr_expect(is_refused(&(weir_type){ "t", NULL, 0, 8, 0 }, "alignment"));
}

Test(schema, takes_fields_in_the_order_they_lie_in)
{
    const weir_field fields[2] = { { "a", NULL, 4, 4, WEIR_KIND_I32, 1 },
                                   { "b", NULL, 0, 4, WEIR_KIND_I32, 1 } };
    cr_expect(is_refused(&(weir_type){ "t", fields, 2, 8, 4 }, "order"));
}

Test(schema, differs_by_name_kind_and_place)
{
    const weir_field a    = { "a", NULL, 0, 4, WEIR_KIND_I32, 1 };
    const weir_field b    = { "b", NULL, 0, 4, WEIR_KIND_I32, 1 };
    const weir_field c    = { "a", NULL, 0, 4, WEIR_KIND_U32, 1 };
    const weir_field d    = { "a", NULL, 4, 4, WEIR_KIND_I32, 1 };
    const weir_type  type = { "t", &a, 1, 8, 4 };
    cr_expect(wr_schema_is_same(&type, &(weir_type){ "t", &a, 1, 8, 4 }));
    cr_expect_not(wr_schema_is_same(&type, &(weir_type){ "u", &a, 1, 8, 4 }));
    cr_expect_not(wr_schema_is_same(&type, &(weir_type){ "t", &a, 1, 12, 4 }));
    cr_expect_not(wr_schema_is_same(&type, &(weir_type){ "t", &a, 1, 8, 8 }));
    cr_expect_not(wr_schema_is_same(&type, &(weir_type){ "t", &b, 1, 8, 4 }));
    cr_expect_not(wr_schema_is_same(&type, &(weir_type){ "t", &c, 1, 8, 4 }));
    cr_expect_not(wr_schema_is_same(&type, &(weir_type){ "t", &d, 1, 8, 4 }));
}

// ---- conversions ----

static uint32_t size_of(weir_kind kind)
{
    static const uint8_t sizes[] = { 0, 1, 1, 2, 4, 8, 1, 2, 4, 8, 4, 8, 8, 16 };
    return sizes[kind];
}

// Whether a field of one kind may be read as one of the other; the error names it.
static bool is_convertible(weir_kind from, weir_kind to)
{
    const weir_field      left     = { "amount", NULL, 0, size_of(from), from, 1 };
    const weir_field      right    = { "amount", NULL, 0, size_of(to), to, 1 };
    const weir_type       types[2] = { { "t", &left, 1, 16, 8 }, { "t", &right, 1, 16, 8 } };
    char                 *error;
    struct wr_conversion *conversion = wr_conversion_open(&types[0], &types[1], &error);
    cr_expect_eq(conversion == NULL, error != NULL);
    cr_expect(error == NULL || strstr(error, "field amount") != NULL, "%s", error);
    wr_conversion_close(conversion);
    wr_free(error);
    return conversion != NULL;
}

Test(conversion, takes_each_kind_as_the_kinds_that_hold_its_values)
{
    //                              bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 time str
    static const char expected[13][14] = { "1111111110000", "0111100000100", "0011100000100",
                                           "0001100000100", "0000100000010", "0011111110100",
                                           "0001101110100", "0000100110100", "0000000010000",
                                           "0000000001100", "0000000000100", "0000100000010",
                                           "0000000000001" };
    for (uint32_t from = 0; from < 13; from++) {
        for (uint32_t to = 0; to < 13; to++) {
            cr_expect_eq(is_convertible((weir_kind)(from + 1), (weir_kind)(to + 1)),
                         expected[from][to] == '1', "%s as %s",
                         weir_kind_name((weir_kind)(from + 1)),
                         weir_kind_name((weir_kind)(to + 1)));
        }
    }
}

typedef struct old_order {
    int32_t   count;
    char      code[4];
    char      name[20];
    bool      is_paid;
    float     rate;
    weir_time at;
    int8_t    tags[3];
    money     price;
    weir_str  text;
} old_order;
WEIR_RECORD(old_order, count, code, name, is_paid, rate, at, tags, (price, money), text);

typedef struct new_money {
    uint64_t currency;
    int64_t  units;
} new_money;
WEIR_RECORD(new_money, currency, units);

typedef struct new_order {
    weir_str  text;
    weir_str  name;
    weir_str  code;
    double    count;
    int64_t   at;
    double    rate;
    int32_t   added;
    int16_t   tags[3];
    uint16_t  is_paid;
    new_money price;
} new_order;
WEIR_RECORD(new_order, text, name, code, count, at, rate, added, tags, is_paid, (price, new_money));

Test(conversion, goes_by_name_and_field_by_field)
{
    old_order old[2];
    new_order new[2];
    char *error;
    memset(old, 0, sizeof(old));
    memset(new, 0x5a, sizeof(new));
    old[1].count   = -7;
    old[1].is_paid = true;
    old[1].rate    = 0.5f;
    old[1].at      = -9;
    old[1].tags[0] = -1;
    old[1].tags[2] = 127;
    old[1].price   = (money){ -3, 4000000000u };
    old[1].text    = weir_str_from("a string that is a long one");
    memcpy(old[1].code, "ab", 2);
    memcpy(old[1].name, "nineteen characters", 19);
    struct wr_conversion *conversion = wr_conversion_open(&old_order_type, &new_order_type, &error);
    cr_assert_not_null(conversion, "%s", error);
    cr_expect_not(wr_conversion_is_identity(conversion));
    wr_conversion_run(conversion, old, new, 2);
    cr_expect_eq(new[0].text.length, 0);
    cr_expect_eq(new[1].text.rest.bytes, old[1].text.rest.bytes);
    cr_expect_eq(new[1].name.length, 19);
    cr_expect_eq(new[1].name.rest.bytes, old[1].name);
    cr_expect_eq(new[1].code.length, 2);
    cr_expect(memcmp(weir_str_bytes(&new[1].code), "ab", 2) == 0);
    cr_expect_eq(new[1].count, -7.0);
    cr_expect_eq(new[1].at, -9);
    cr_expect_eq(new[1].rate, 0.5);
    cr_expect_eq(new[1].added, 0);
    cr_expect_eq(new[1].tags[0], -1);
    cr_expect_eq(new[1].tags[2], 127);
    cr_expect_eq(new[1].is_paid, 1);
    cr_expect_eq(new[1].price.units, -3);
    cr_expect_eq(new[1].price.currency, 4000000000u);
    wr_conversion_close(conversion);
}

Test(conversion, names_a_nested_field_that_does_not_fit)
{
    const weir_field units  = { "units", NULL, 0, 4, WEIR_KIND_I32, 1 };
    const weir_type  narrow = { "money", &units, 1, 16, 8 };
    const weir_field price  = { "price", &narrow, 0, 16, WEIR_KIND_RECORD, 1 };
    const weir_type  to     = { "order", &price, 1, 16, 8 };
    char            *error;
    cr_assert_null(wr_conversion_open(&order_type, &to, &error));
    cr_expect_not_null(strstr(error, "field price.units"), "%s", error);
    cr_expect_not_null(strstr(error, "i64"), "%s", error);
    wr_free(error);
}

Test(conversion, of_chars_needs_as_much_room)
{
    weir_field            from        = { "c", NULL, 0, 8, WEIR_KIND_CHARS, 1 };
    weir_field            to          = { "c", NULL, 0, 9, WEIR_KIND_CHARS, 1 };
    const weir_type       types[2]    = { { "t", &from, 1, 16, 1 }, { "t", &to, 1, 16, 1 } };
    char                  rows[2][16] = { "12345678", "zzzzzzzzzzzzzzz" };
    char                 *error;
    struct wr_conversion *conversion = wr_conversion_open(&types[0], &types[1], &error);
    cr_assert_not_null(conversion);
    wr_conversion_run(conversion, rows[0], rows[1], 1);
    cr_expect(memcmp(rows[1], "12345678\0\0\0\0\0\0\0", 16) == 0);
    wr_conversion_close(conversion);
    to.size = 7;
    cr_expect_null(wr_conversion_open(&types[0], &types[1], &error));
    wr_free(error);
}

Test(conversion, of_arrays_needs_the_same_count)
{
    weir_field            from     = { "a", NULL, 0, 8, WEIR_KIND_U16, 4 };
    weir_field            to       = { "a", NULL, 0, 16, WEIR_KIND_U32, 4 };
    const weir_type       types[2] = { { "t", &from, 1, 8, 4 }, { "t", &to, 1, 16, 4 } };
    char                 *error;
    struct wr_conversion *conversion = wr_conversion_open(&types[0], &types[1], &error);
    cr_expect_not_null(conversion);
    wr_conversion_close(conversion);
    to.count = 3;
    to.size  = 12;
    cr_expect_null(wr_conversion_open(&types[0], &types[1], &error));
    wr_free(error);
}

static bool is_identity(const weir_type *from, const weir_type *to)
{
    char                 *error;
    struct wr_conversion *conversion = wr_conversion_open(from, to, &error);
    cr_assert_not_null(conversion, "%s", error);
    const bool is_identity = wr_conversion_is_identity(conversion);
    wr_conversion_close(conversion);
    return is_identity;
}

Test(conversion, is_none_where_rows_are_what_they_were)
{
    const weir_field fields[2] = { { "a", NULL, 0, 8, WEIR_KIND_I64, 1 },
                                   { "b", NULL, 8, 8, WEIR_KIND_F64, 1 } };
    const weir_field time      = { "a", NULL, 0, 8, WEIR_KIND_TIME, 1 };
    const weir_type  whole     = { "t", fields, 2, 16, 8 };
    const weir_type  part      = { "t", fields, 1, 16, 8 };
    const weir_type  timed     = { "u", &time, 1, 16, 8 };
    cr_expect(is_identity(&order_type, &order_type));
    cr_expect(is_identity(&part, &timed), "times are integers");
    cr_expect_not(is_identity(&whole, &part), "b would be where nothing is");
    cr_expect(is_identity(&part, &whole), "b is the zeros that lie there");
    cr_expect_not(is_identity(&part, &(weir_type){ "t", fields, 1, 16, 16 }), "an alignment");
    cr_expect_not(is_identity(&part, &(weir_type){ "t", fields, 1, 24, 8 }), "a size");
}
