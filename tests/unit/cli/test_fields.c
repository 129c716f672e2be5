// Types written by hand have the layout that the C compiler gives the struct.
#include "cli/log/fields.h"

#include "log/schema.h"

#include <criterion/criterion.h>
#include <string.h>

typedef struct money {
    int64_t  units;
    uint32_t currency;
} money;
WEIR_RECORD(money, units, currency);

typedef struct order {
    bool      is_paid;
    weir_time at;
    int32_t   tags[3];
    char      code[4];
    money     price;
    weir_str  note;
    uint8_t   last;
} order;
WEIR_RECORD(order, is_paid, at, tags, code, (price, money), note, last);

static const char order_text[] = "# of an order\n"
                                 "record order\n"
                                 "is_paid bool\n"
                                 "at time   # when\n"
                                 "tags i32 3\n"
                                 "\n"
                                 "code chars 4\n"
                                 "price record money\n"
                                 "   units i64\n"
                                 "   currency u32\n"
                                 "note str\n"
                                 "last u8 1\n";

static void assert_same(const char *text, const weir_type *expected)
{
    char      *error = NULL;
    weir_type *type  = wr_fields_parse(text, expected->name, &error);
    cr_assert_not_null(type, "%s", error);
    cr_assert(wr_schema_is_same(type, expected), "it is\n%s", wr_schema_text(type));
    wr_schema_type_close(type);
}

Test(fields, are_laid_out_as_in_c) { assert_same(order_text, &order_type); }

Test(fields, may_stand_between_commas)
{
    assert_same("units i64, currency u32", &money_type);
    assert_same("units:i64,currency:u32,", &money_type);
    assert_same("record money, units i64, currency u32\n", &money_type);
}

Test(fields, what_info_prints_is_read)
{
    char *text = wr_schema_text(&order_type);
    assert_same(text, &order_type);
    wr_free(text);
}

static void assert_refused(const char *text, const char *why)
{
    char      *error = NULL;
    weir_type *type  = wr_fields_parse(text, "name", &error);
    cr_assert_null(type, "\"%s\" is taken", text);
    cr_assert_not_null(strstr(error, why), "\"%s\" is refused because: %s", text, error);
    wr_free(error);
}

Test(fields, mistakes_are_named)
{
    assert_refused("", "no fields");
    assert_refused("# nothing\n", "no fields");
    assert_refused("at", "its name, its kind");
    assert_refused("at time 1 2", "its name, its kind");
    assert_refused("at tyme", "\"at tyme\": its kind is none of");
    assert_refused("xs i32 0", "above 0");
    assert_refused("xs i32 many", "above 0");
    assert_refused("code chars", "how many bytes");
    assert_refused("xs str 2", "arrays of str");
    assert_refused("a i32\n  b i32", "belongs to no record");
    assert_refused("  a i32\nb i32", "indented less");
    assert_refused("a record b\nc i32", "indented");
    assert_refused("a i32\na i32", "");
    assert_refused("1a i32", "");
}
