// Which changes of a table's records a restore takes, and what it says of the others.
#include "runtime/run/evolution.h"
#include "runtime/run/table_types.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>

typedef struct card {
    uint64_t number;
    weir_str country;
} card;
WEIR_RECORD(card, number, country);

typedef struct money {
    int64_t cents;
} money;
WEIR_RECORD(money, cents);

typedef struct total {
    int64_t  amount;
    weir_str name;
    money    price;
    int32_t  tags[2];
    char     code[4];
} total;
WEIR_RECORD(total, amount, name, (price, money), tags, code);

// What was stored: a key, a state, and the operator's own behind it.
typedef struct own {
    uint64_t number;
} own;
WEIR_RECORD(own, number);
static const struct wr_table_shape stored_shape = {
    .key   = &card_type,
    .parts = { { "state", &total_type, 0 } },
    .own   = { { "-", &own_type, sizeof(total) } },
};
enum { STORED_BYTES = sizeof(total) + sizeof(own) };

static struct wr_evolutions evolutions;
static uint32_t             strings[] = { offsetof(total, name) };

static struct wr_index_table stored_as(const struct wr_table_shape *shape, uint32_t value_bytes)
{
    return (struct wr_index_table){
        .name           = "states",
        .value_bytes    = value_bytes,
        .string_offsets = strings,
        .string_count   = 1,
        .types          = wr_table_types(shape),
    };
}

// What is said when the one is to become the other; NULL: nothing.
static char *change_of(const struct wr_table_shape *from, uint32_t from_bytes,
                       const struct wr_table_shape *to, uint32_t to_bytes, bool *is_converted)
{
    struct wr_index_table table = stored_as(from, from_bytes);
    char                 *why   = wr_evolutions_add(&evolutions, "alerts", &table, to, to_bytes);
    *is_converted               = wr_evolutions_find(&evolutions, "alerts", &table) != NULL;
    cr_expect(!*is_converted || why == NULL);
    wr_evolutions_fini(&evolutions);
    wr_free((char *)(uintptr_t)table.types);
    return why;
}

static void is_refused(const struct wr_table_shape *to, uint32_t to_bytes, const char *words)
{
    bool  is_converted;
    char *why = change_of(&stored_shape, STORED_BYTES, to, to_bytes, &is_converted);
    cr_assert_not_null(why, "not: %s", words);
    cr_expect_not_null(strstr(why, words), "%s", why);
    wr_free(why);
}

static void is_taken(const struct wr_table_shape *to, uint32_t to_bytes, bool converts)
{
    bool  is_converted;
    char *why = change_of(&stored_shape, STORED_BYTES, to, to_bytes, &is_converted);
    cr_expect_null(why, "%s", why);
    cr_expect_eq(is_converted, converts);
    wr_free(why);
}

// The stored shape with one field of its state another, or left out (a kind of 0).
static void with_state_field(uint32_t number, weir_field field,
                             void (*look)(const struct wr_table_shape *to, uint32_t to_bytes,
                                          const char *words),
                             const char *words)
{
    weir_field fields[8];
    uint32_t   count = 0;
    for (uint32_t i = 0; i < total_type.field_count; i++) {
        if (i != number) {
            fields[count++] = total_type.fields[i];
        } else if (field.kind != 0) {
            fields[count++] = field;
        }
    }
    const weir_type       state = { "total", fields, count, 128, 8 };
    struct wr_table_shape shape = stored_shape;
    shape.parts[0].type         = &state;
    shape.own[0].at             = 128;
    look(&shape, 128 + sizeof(own), words);
}

static void converts(const struct wr_table_shape *to, uint32_t to_bytes, const char *words)
{
    (void)words;
    is_taken(to, to_bytes, true);
}

// ---- values ----

Test(evolution, of_what_is_the_same_is_none) { is_taken(&stored_shape, STORED_BYTES, false); }

Test(evolution, of_a_value_may_lose_and_gain_and_widen_and_move_fields)
{
    with_state_field(0, (weir_field){ .kind = 0 }, converts, NULL);
    with_state_field(1, (weir_field){ .kind = 0 }, converts, NULL);
    with_state_field(4, (weir_field){ "code", NULL, 64, 16, WEIR_KIND_STR, 1, NULL }, converts,
                     NULL);
    with_state_field(3, (weir_field){ "tags", NULL, 64, 16, WEIR_KIND_I64, 2, NULL }, converts,
                     NULL);
    with_state_field(0, (weir_field){ "new", NULL, 0, 8, WEIR_KIND_F64, 1, NULL }, converts, NULL);
    with_state_field(0, (weir_field){ "amount", NULL, 72, 8, WEIR_KIND_I64, 1, NULL }, converts,
                     NULL);
}

Test(evolution, of_a_value_is_none_where_only_names_are_others)
{
    weir_field fields[8];
    memcpy(fields, total_type.fields, total_type.field_count * sizeof(*fields));
    fields[0].name              = "sum";
    fields[0].formerly          = "amount";
    const weir_type       state = { "sums", fields, total_type.field_count, sizeof(total), 8 };
    struct wr_table_shape shape = stored_shape;
    shape.parts[0].type         = &state;
    is_taken(&shape, STORED_BYTES, false);
}

typedef struct misnamed {
    int64_t  sum;
    weir_str name;
    money    price;
    int32_t  tags[2];
    char     code[4];
} misnamed;
WEIR_RECORD(misnamed, WEIR_FORMERLY(sum, amuont), name, (price, money), tags, code);

typedef struct later {
    int64_t  sum;
    weir_str name;
    money    price;
    int32_t  tags[2];
    char     code[4];
} later;
WEIR_RECORD(later, WEIR_FORMERLY(sum, amount), name, (price, money), tags, code);

Test(evolution, that_may_be_a_rename_nobody_declared_is_told)
{
    struct wr_table_shape shape = stored_shape;
    shape.parts[0].type         = &later_type;
    cr_redirect_stderr();
    is_taken(&shape, STORED_BYTES, false);
    shape.parts[0].type = &misnamed_type;
    is_taken(&shape, STORED_BYTES, true);
    (void)fflush(stderr);
    cr_assert_stderr_eq_str("weir: alerts: states: amount is forgotten and sum begins at zero; if "
                            "it is a new name, say so with WEIR_FORMERLY\n");
}

Test(evolution, is_refused_where_a_field_would_lose_something)
{
    with_state_field(0, (weir_field){ "amount", NULL, 0, 4, WEIR_KIND_I32, 1, NULL }, is_refused,
                     "field state.amount is stored as i64 and cannot be read as i32");
    with_state_field(0, (weir_field){ "amount", NULL, 0, 8, WEIR_KIND_U64, 1, NULL }, is_refused,
                     "field state.amount is stored as i64 and cannot be read as u64");
    with_state_field(0, (weir_field){ "amount", NULL, 0, 8, WEIR_KIND_F64, 1, NULL }, is_refused,
                     "field state.amount is stored as i64 and cannot be read as f64");
    with_state_field(1, (weir_field){ "name", NULL, 64, 40, WEIR_KIND_CHARS, 1, NULL }, is_refused,
                     "field state.name is stored as str and cannot be read as chars[40]");
    with_state_field(3, (weir_field){ "tags", NULL, 64, 4, WEIR_KIND_I32, 1, NULL }, is_refused,
                     "field state.tags is stored as i32[2] and cannot be read as i32;");
    with_state_field(4, (weir_field){ "code", NULL, 64, 3, WEIR_KIND_CHARS, 1, NULL }, is_refused,
                     "field state.code is stored as chars[4] and cannot be read as chars[3]");
    const weir_field narrow = { "cents", NULL, 0, 4, WEIR_KIND_I32, 1, NULL };
    const weir_type  price  = { "money", &narrow, 1, 8, 8 };
    with_state_field(2, (weir_field){ "price", &price, 64, 8, WEIR_KIND_RECORD, 1, NULL },
                     is_refused, "field state.price.cents is stored as i64 and cannot be read");
}

Test(evolution, is_refused_where_a_value_would_be_forgotten_as_a_whole)
{
    struct wr_table_shape shape = stored_shape;
    shape.parts[0].type         = &money_type;
    is_refused(&shape, STORED_BYTES, "no field of the stored state is in money");
}

Test(evolution, is_refused_where_the_operator_keeps_something_else)
{
    struct wr_table_shape shape = stored_shape;
    shape.parts[0].name         = "accumulator";
    is_refused(&shape, STORED_BYTES, "the accumulator of this program was not stored");
    shape          = stored_shape;
    shape.parts[0] = (struct wr_value_part){ NULL, NULL, 0 };
    is_refused(&shape, STORED_BYTES, "its state, which was stored, is not in this program");
}

Test(evolution, is_refused_where_names_do_not_tell_fields_apart)
{
    with_state_field(0, (weir_field){ "price.cents", NULL, 0, 4, WEIR_KIND_I32, 1, NULL },
                     is_refused, "field \"price.cents\" of total has a point in its name");
    with_state_field(0, (weir_field){ "tags", NULL, 0, 8, WEIR_KIND_I64, 1, NULL }, is_refused,
                     "or the name of another one");
}

Test(evolution, is_refused_where_bytes_that_nobody_describes_are_more_or_less)
{
    const struct wr_table_shape bare = { .key = &card_type };
    bool                        is_converted;
    char                       *why = change_of(&bare, 8, &bare, 16, &is_converted);
    cr_assert_not_null(why);
    cr_expect_not_null(strstr(why, "its values have 8 bytes, and those of this program 16"), "%s",
                       why);
    wr_free(why);
    cr_expect_null(change_of(&bare, 8, &bare, 8, &is_converted));
}

Test(evolution, is_refused_where_the_stored_text_is_not_understood)
{
    struct wr_index_table table = stored_as(&stored_shape, STORED_BYTES);
    table.value_bytes           = 8; // its fields lie outside
    char *why = wr_evolutions_add(&evolutions, "alerts", &table, &stored_shape, STORED_BYTES);
    cr_assert_not_null(why);
    cr_expect_not_null(strstr(why, "is not understood"), "%s", why);
    wr_free(why);
    table.value_bytes           = STORED_BYTES;
    table.string_count          = 0; // a string where none is
    struct wr_table_shape shape = stored_shape;
    shape.parts[0].type         = &money_type;
    why = wr_evolutions_add(&evolutions, "alerts", &table, &shape, STORED_BYTES);
    cr_assert_not_null(why);
    cr_expect_not_null(strstr(why, "is not understood"), "%s", why);
    wr_free(why);
    wr_free((char *)(uintptr_t)table.types);
}

Test(evolution, of_a_value_may_be_that_it_has_become_larger)
{
    struct wr_table_shape shape = stored_shape;
    shape.own[0].at += 64;
    is_taken(&shape, STORED_BYTES + 64, true);
}

// ---- keys ----

static void with_key(const weir_field *fields, uint32_t count, const char *words)
{
    const weir_type       key   = { "card", fields, count, 32, 8 };
    struct wr_table_shape shape = stored_shape;
    shape.key                   = &key;
    if (words == NULL) {
        is_taken(&shape, STORED_BYTES, false);
    } else {
        is_refused(&shape, STORED_BYTES, words);
    }
}

Test(evolution, of_a_key_is_a_declared_name_only)
{
    const weir_field number   = { "number", NULL, 0, 8, WEIR_KIND_U64, 1, NULL };
    const weir_field signed_1 = { "number", NULL, 0, 8, WEIR_KIND_I64, 1, NULL };
    const weir_field renamed  = { "id", NULL, 0, 8, WEIR_KIND_U64, 1, NULL };
    const weir_field told     = { "id", NULL, 0, 8, WEIR_KIND_U64, 1, "number" };
    const weir_field country  = { "country", NULL, 8, 16, WEIR_KIND_STR, 1, NULL };
    const weir_field apart    = { "country", NULL, 16, 16, WEIR_KIND_STR, 1, NULL };
    const weir_field more     = { "more", NULL, 24, 8, WEIR_KIND_U64, 1, NULL };
    with_key((const weir_field[]){ told, country }, 2, NULL);
    with_key((const weir_field[]){ renamed, country }, 2,
             "key field number is id in this program; keys stay as they are, because they say "
             "where state lies. If it is the same one, say WEIR_FORMERLY(id, number)");
    with_key((const weir_field[]){ signed_1, country }, 2, "key field number is stored as u64");
    with_key((const weir_field[]){ number, apart }, 2, "key field country is stored as str");
    with_key(&number, 1, "key field country is not in this program");
    with_key((const weir_field[]){ number, country, more }, 3,
             "key field more of this program was not stored");
    with_key((const weir_field[]){ country, number }, 2, "key field number is country");
}

// A value's key stays, wherever what lies before it puts it.
Test(evolution, of_a_key_within_a_value_is_a_declared_name_only)
{
    const weir_field            wide    = { "cents", NULL, 8, 8, WEIR_KIND_I64, 1, NULL };
    const weir_type             moved   = { "money", &wide, 1, 16, 8 };
    const weir_field            told    = { "cards", NULL, 0, 8, WEIR_KIND_U64, 1, "number" };
    const weir_field            renamed = { "cards", NULL, 0, 8, WEIR_KIND_U64, 1, NULL };
    const weir_type             good    = { "own", &told, 1, 8, 8 };
    const weir_type             bad     = { "own", &renamed, 1, 8, 8 };
    const struct wr_table_shape from    = { .parts = { { "state", &money_type, 0 },
                                                       { "key", &own_type, 8 } } };
    struct wr_table_shape       to = { .parts = { { "state", &moved, 0 }, { "key", &good, 16 } } };
    bool                        is_converted;
    cr_expect_null(change_of(&from, 16, &to, 24, &is_converted));
    cr_expect(is_converted);
    to.parts[1].type = &bad;
    char *why        = change_of(&from, 16, &to, 24, &is_converted);
    cr_assert_not_null(why);
    cr_expect_not_null(strstr(why, "key field number is cards in this program"), "%s", why);
    wr_free(why);
}

Test(evolution, of_keys_that_the_operator_makes_is_refused_by_their_fields)
{
    const struct wr_table_shape from = { .own_key = { { "-", &own_type, 0 },
                                                      { "owner", &card_type, 0 } } };
    struct wr_table_shape       to   = from;
    to.own_key[1].type               = &money_type;
    bool  is_converted;
    char *why = change_of(&from, 0, &to, 0, &is_converted);
    cr_assert_not_null(why);
    cr_expect_not_null(strstr(why, "key field number is cents in this program"), "%s", why);
    wr_free(why);
    to.own_key[0] = (struct wr_value_part){ NULL, NULL, 0 };
    to.own_key[1] = (struct wr_value_part){ NULL, NULL, 0 };
    to.key        = &card_type;
    why           = change_of(&from, 0, &to, 0, &is_converted);
    cr_assert_not_null(why);
    cr_expect_not_null(strstr(why, "\"key card\" of this program was not stored"), "%s", why);
    wr_free(why);
}

// ---- which tables ----

Test(evolution, is_that_of_the_operator_and_the_table)
{
    struct wr_index_table table = stored_as(&stored_shape, STORED_BYTES);
    struct wr_table_shape shape = stored_shape;
    shape.parts[0].type         = &(weir_type){ "total", total_type.fields, 3, 64, 8 };
    cr_expect_null(wr_evolutions_add(&evolutions, "alerts", &table, &shape, STORED_BYTES));
    const struct wr_packed_values *values = wr_evolutions_find(&evolutions, "alerts", &table);
    cr_assert_not_null(values);
    cr_expect_eq(values->size, STORED_BYTES);
    cr_expect_eq(values->strings->count, 1);
    cr_expect_null(wr_evolutions_find(&evolutions, "others", &table));
    struct wr_index_table other = table;
    other.name                  = "timers";
    cr_expect_null(wr_evolutions_find(&evolutions, "alerts", &other));
    other            = table;
    other.has_member = true;
    cr_expect_null(wr_evolutions_find(&evolutions, "alerts", &other));
    wr_evolutions_fini(&evolutions);
    wr_free((char *)(uintptr_t)table.types);
}
