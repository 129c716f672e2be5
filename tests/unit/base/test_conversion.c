// What may be read as what.
#include "runtime/base/conversion.h"

#include <criterion/criterion.h>
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

static uint32_t size_of(weir_kind kind)
{
    static const uint8_t sizes[] = { 0, 1, 1, 2, 4, 8, 1, 2, 4, 8, 4, 8, 8, 16 };
    return sizes[kind];
}

// Whether a field of one kind may be read as one of the other; the error names it.
static bool is_convertible(weir_kind from, weir_kind to)
{
    const weir_field      left     = { "amount", NULL, 0, size_of(from), from, 1, NULL };
    const weir_field      right    = { "amount", NULL, 0, size_of(to), to, 1, NULL };
    const weir_type       types[2] = { { "t", &left, 1, 16, 8 }, { "t", &right, 1, 16, 8 } };
    char                 *error;
    struct wr_conversion *conversion =
        wr_conversion_open(&types[0], &types[1], WR_GAPS_ZERO, &error);
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
    struct wr_conversion *conversion =
        wr_conversion_open(&old_order_type, &new_order_type, WR_GAPS_ZERO, &error);
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
    const weir_field units  = { "units", NULL, 0, 4, WEIR_KIND_I32, 1, NULL };
    const weir_type  narrow = { "money", &units, 1, 16, 8 };
    const weir_field price  = { "price", &narrow, 0, 16, WEIR_KIND_RECORD, 1, NULL };
    const weir_type  to     = { "order", &price, 1, 16, 8 };
    char            *error;
    cr_assert_null(wr_conversion_open(&order_type, &to, WR_GAPS_ZERO, &error));
    cr_expect_not_null(strstr(error, "field price.units"), "%s", error);
    cr_expect_not_null(strstr(error, "i64"), "%s", error);
    wr_free(error);
}

Test(conversion, of_chars_needs_as_much_room)
{
    weir_field            from        = { "c", NULL, 0, 8, WEIR_KIND_CHARS, 1, NULL };
    weir_field            to          = { "c", NULL, 0, 9, WEIR_KIND_CHARS, 1, NULL };
    const weir_type       types[2]    = { { "t", &from, 1, 16, 1 }, { "t", &to, 1, 16, 1 } };
    char                  rows[2][16] = { "12345678", "zzzzzzzzzzzzzzz" };
    char                 *error;
    struct wr_conversion *conversion =
        wr_conversion_open(&types[0], &types[1], WR_GAPS_ZERO, &error);
    cr_assert_not_null(conversion);
    wr_conversion_run(conversion, rows[0], rows[1], 1);
    cr_expect(memcmp(rows[1], "12345678\0\0\0\0\0\0\0", 16) == 0);
    wr_conversion_close(conversion);
    to.size = 7;
    cr_expect_null(wr_conversion_open(&types[0], &types[1], WR_GAPS_ZERO, &error));
    wr_free(error);
}

Test(conversion, of_arrays_needs_the_same_count)
{
    weir_field            from     = { "a", NULL, 0, 8, WEIR_KIND_U16, 4, NULL };
    weir_field            to       = { "a", NULL, 0, 16, WEIR_KIND_U32, 4, NULL };
    const weir_type       types[2] = { { "t", &from, 1, 8, 4 }, { "t", &to, 1, 16, 4 } };
    char                 *error;
    struct wr_conversion *conversion =
        wr_conversion_open(&types[0], &types[1], WR_GAPS_ZERO, &error);
    cr_expect_not_null(conversion);
    wr_conversion_close(conversion);
    to.count = 3;
    to.size  = 12;
    cr_expect_null(wr_conversion_open(&types[0], &types[1], WR_GAPS_ZERO, &error));
    wr_free(error);
}

static bool is_identity(const weir_type *from, const weir_type *to, enum wr_gaps gaps)
{
    char                 *error;
    struct wr_conversion *conversion = wr_conversion_open(from, to, gaps, &error);
    cr_assert_not_null(conversion, "%s", error);
    const bool is_identity = wr_conversion_is_identity(conversion);
    wr_conversion_close(conversion);
    return is_identity;
}

Test(conversion, is_none_where_rows_are_what_they_were)
{
    const weir_field fields[2] = { { "a", NULL, 0, 8, WEIR_KIND_I64, 1, NULL },
                                   { "b", NULL, 8, 8, WEIR_KIND_F64, 1, NULL } };
    const weir_field time      = { "a", NULL, 0, 8, WEIR_KIND_TIME, 1, NULL };
    const weir_type  whole     = { "t", fields, 2, 16, 8 };
    const weir_type  part      = { "t", fields, 1, 16, 8 };
    const weir_type  timed     = { "u", &time, 1, 16, 8 };
    cr_expect(is_identity(&order_type, &order_type, WR_GAPS_ZERO));
    cr_expect(is_identity(&part, &timed, WR_GAPS_ZERO), "times are integers");
    cr_expect_not(is_identity(&whole, &part, WR_GAPS_ZERO), "b would be where nothing is");
    cr_expect(is_identity(&part, &whole, WR_GAPS_ZERO), "b is the zeros that lie there");
    cr_expect_not(is_identity(&part, &(weir_type){ "t", fields, 1, 16, 16 }, WR_GAPS_ZERO),
                  "an alignment");
    cr_expect_not(is_identity(&part, &(weir_type){ "t", fields, 1, 24, 8 }, WR_GAPS_ZERO),
                  "a size");
}

Test(conversion, makes_a_new_field_zero_where_anything_may_have_lain)
{
    const weir_field fields[2] = { { "a", NULL, 0, 8, WEIR_KIND_I64, 1, NULL },
                                   { "b", NULL, 8, 8, WEIR_KIND_F64, 1, NULL } };
    const weir_type  whole     = { "t", fields, 2, 16, 8 };
    const weir_type  part      = { "t", fields, 1, 16, 8 };
    cr_expect(is_identity(&part, &whole, WR_GAPS_ZERO));
    cr_expect_not(is_identity(&part, &whole, WR_GAPS_ANY));
    cr_expect(is_identity(&whole, &whole, WR_GAPS_ANY));
    uint64_t              rows[2][2] = { { 7, 9 }, { 1, 1 } };
    char                 *error;
    struct wr_conversion *conversion = wr_conversion_open(&part, &whole, WR_GAPS_ANY, &error);
    wr_conversion_run(conversion, rows[0], rows[1], 1);
    cr_expect(rows[1][0] == 7 && rows[1][1] == 0);
    wr_conversion_close(conversion);
}

// ---- former names ----

typedef struct told {
    uint32_t currency;
    int64_t  hundredths;
} told;
WEIR_RECORD(told, currency, WEIR_FORMERLY(hundredths, pence, units));

typedef struct bill {
    weir_str what;
    told     sum;
    bool     is_settled;
} bill;
WEIR_RECORD(bill, WEIR_FORMERLY(what, text), WEIR_FORMERLY((sum, told), price),
            WEIR_FORMERLY(is_settled, is_paid));

Test(conversion, finds_a_field_by_a_name_it_formerly_had)
{
    order old = { .price = { -5, 978 }, .is_paid = true };
    bill new;
    char                 *error;
    struct wr_conversion *conversion =
        wr_conversion_open(&order_type, &bill_type, WR_GAPS_ANY, &error);
    cr_assert_not_null(conversion, "%s", error);
    old.text = weir_str_from("tea");
    wr_conversion_run(conversion, &old, &new, 1);
    cr_expect(weir_str_equal(&new.what, &old.text));
    cr_expect_eq(new.sum.hundredths, -5);
    cr_expect_eq(new.sum.currency, 978);
    cr_expect(new.is_settled);
    wr_conversion_close(conversion);
}

Test(conversion, prefers_the_name_a_field_has_to_one_it_had)
{
    const weir_field      own   = { "a", NULL, 0, 8, WEIR_KIND_I64, 1, "b" };
    const weir_field      old[] = { { "b", NULL, 0, 8, WEIR_KIND_I64, 1, NULL },
                                    { "a", NULL, 8, 8, WEIR_KIND_I64, 1, NULL } };
    const weir_type       from = { "t", old, 2, 16, 8 }, to = { "t", &own, 1, 8, 8 };
    const int64_t         row[2] = { 1, 2 };
    int64_t               made;
    char                 *error;
    struct wr_conversion *conversion = wr_conversion_open(&from, &to, WR_GAPS_ANY, &error);
    cr_assert_not_null(conversion, "%s", error);
    wr_conversion_run(conversion, row, &made, 1);
    cr_expect_eq(made, 2);
    wr_conversion_close(conversion);
}

Test(conversion, refuses_to_make_two_fields_of_one)
{
    const weir_field own[] = { { "a", NULL, 0, 8, WEIR_KIND_I64, 1, NULL },
                               { "b", NULL, 8, 8, WEIR_KIND_I64, 1, "a" } };
    const weir_type  from = { "t", own, 1, 16, 8 }, to = { "t", own, 2, 16, 8 };
    char            *error;
    cr_assert_null(wr_conversion_open(&from, &to, WR_GAPS_ANY, &error));
    cr_expect_not_null(strstr(error, "fields a and b are both what is stored as a"), "%s", error);
    wr_free(error);
}
