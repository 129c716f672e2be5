// Types as text and back, and what may be a topic's type.
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
    const weir_field field = { name, NULL, 0, 4, WEIR_KIND_I32, 1, NULL };
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
        fields[i] = (weir_field){ "f", &types[i - 1], 0, 8, WEIR_KIND_RECORD, 1, NULL };
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
        fields[i] = (weir_field){ names[i], NULL, i, 1, WEIR_KIND_U8, 1, NULL };
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
    const weir_field fields[2] = { { "a", NULL, 4, 4, WEIR_KIND_I32, 1, NULL },
                                   { "b", NULL, 0, 4, WEIR_KIND_I32, 1, NULL } };
    cr_expect(is_refused(&(weir_type){ "t", fields, 2, 8, 4 }, "order"));
}

Test(schema, differs_by_name_kind_and_place)
{
    const weir_field a    = { "a", NULL, 0, 4, WEIR_KIND_I32, 1, NULL };
    const weir_field b    = { "b", NULL, 0, 4, WEIR_KIND_I32, 1, NULL };
    const weir_field c    = { "a", NULL, 0, 4, WEIR_KIND_U32, 1, NULL };
    const weir_field d    = { "a", NULL, 4, 4, WEIR_KIND_I32, 1, NULL };
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
