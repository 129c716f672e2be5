// Keys and values are printed by a text that says what lies in them, whatever it says.
#include "cli/checkpoint/described.h"

#include "runtime/run/table_types.h"

#include <criterion/criterion.h>
#include <string.h>

typedef struct money {
    int64_t  cents;
    uint16_t parts[2];
} money;
WEIR_RECORD(money, cents, parts);

typedef struct state {
    bool      is_open;
    weir_time at;
    money     price;
    weir_str  note;
    char      code[4];
    double    rate;
} state;
WEIR_RECORD(state, is_open, at, (price, money), note, code, rate);

typedef struct plain_key {
    uint64_t card;
} plain_key;
WEIR_RECORD(plain_key, card);

typedef struct text_key {
    weir_str shop;
    uint32_t till;
} text_key;
WEIR_RECORD(text_key, shop, till);

typedef struct narrow_key {
    uint32_t a, b, c;
} narrow_key;
WEIR_RECORD(narrow_key, a, b, c);

// Fields in another order than in memory, and a gap.
typedef struct odd_key {
    uint64_t wide;
    uint8_t  narrow;
} odd_key;
WEIR_RECORD(odd_key, narrow, wide);

static struct wr_described *describe(const struct wr_table_shape *shape, enum wr_key_kind kind,
                                     uint32_t value_bytes)
{
    static const uint32_t       notes[] = { 8 + offsetof(state, note) };
    char *const                 types   = wr_table_types(shape);
    const struct wr_index_table table   = {
          .types          = types,
          .key_kind       = kind,
          .value_bytes    = value_bytes,
          .string_offsets = notes,
          .string_count   = 1,
    };
    struct wr_described *described = wr_described_open(&table);
    wr_free(types);
    return described;
}

static void prints_key(struct wr_described *described, const void *key, uint32_t length,
                       const char *expected)
{
    char *text = wr_described_key(described, key, length);
    cr_assert_str_eq(text, expected);
    wr_free(text);
}

static void prints_value(struct wr_described *described, const void *value, const char *expected)
{
    char *text = wr_described_value(described, value);
    cr_assert_str_eq(text, expected);
    wr_free(text);
}

static uint32_t encode(const weir_type *type, const void *key, char *to)
{
    struct wr_key_codec codec = wr_key_codec_of(type);
    cr_assert_eq(codec.kind, WR_KEY_BYTES);
    const size_t length = wr_key_encode(&codec, key, to);
    wr_key_codec_fini(&codec);
    return (uint32_t)length;
}

Test(described, prints_nested_records_arrays_texts_and_times)
{
    const struct wr_table_shape shape     = { .key   = &plain_key_type,
                                              .parts = { { "state", &state_type, 8 } } };
    struct wr_described        *described = describe(&shape, WR_KEY_8, 8 + sizeof(state));
    const plain_key             key       = { 7 };
    struct {
        uint64_t own;
        state    state;
    } value;
    memset(&value, 0, sizeof(value)); // also what lies between the fields
    value.state.is_open        = true;
    value.state.price.cents    = -5;
    value.state.price.parts[0] = 1;
    value.state.price.parts[1] = 2;
    value.state.note           = weir_str_from("a \"long\" note, escaped");
    value.state.rate           = 0.5;
    memcpy(value.state.code, "ab", 2);
    prints_key(described, &key, sizeof(key), "{\"card\":7}");
    prints_value(
        described, &value,
        "{\"state\":{\"is_open\":true,\"at\":\"1970-01-01T00:00:00Z\",\"price\":{\"cents\":"
        "-5,\"parts\":[1,2]},\"note\":\"a \\\"long\\\" note, escaped\",\"code\":\"ab\","
        "\"rate\":0.5}}");
    wr_described_close(described);
}

Test(described, prints_bytes_that_no_field_describes_where_they_are_not_zero)
{
    const struct wr_table_shape shape     = { .key   = &plain_key_type,
                                              .parts = { { "key", &plain_key_type, 4 } } };
    struct wr_described        *described = describe(&shape, WR_KEY_8, 16);
    unsigned char               value[16] = { 0 };
    prints_value(described, value, "{\"key\":{\"card\":0}}");
    value[0]  = 1;
    value[15] = 0xab;
    prints_value(described, value,
                 "{\"key\":{\"card\":0},\"other\":{\"0\":\"01000000\",\"12\":\"000000ab\"}}");
    wr_described_close(described);

    described = describe(&(struct wr_table_shape){ .key = NULL }, WR_KEY_4, 4);
    prints_key(described, "\1\2\3\4", 4, "\"01020304\"");
    prints_value(described, "\1\2\3\4", "{\"other\":{\"0\":\"01020304\"}}");
    prints_value(described, "\0\0\0\0", "{}");
    wr_described_close(described);
}

Test(described, prints_encoded_and_padded_keys)
{
    char                        bytes[64] = { 0 };
    struct wr_described        *described;
    const text_key              text  = { weir_str_from("a shop with a long name"), 9 };
    const struct wr_table_shape texts = { .key = &text_key_type };
    described                         = describe(&texts, WR_KEY_BYTES, 0);
    prints_key(described, bytes, encode(&text_key_type, &text, bytes),
               "{\"shop\":\"a shop with a long name\",\"till\":9}");
    prints_key(described, bytes, 3, "\"170000\""); // cut short: as it is
    wr_described_close(described);

    const odd_key               odd  = { .narrow = 3, .wide = 1 };
    const struct wr_table_shape odds = { .key = &odd_key_type };
    described                        = describe(&odds, WR_KEY_BYTES, 0);
    prints_key(described, bytes, encode(&odd_key_type, &odd, bytes), "{\"narrow\":3,\"wide\":1}");
    wr_described_close(described);

    const narrow_key            narrow  = { 1, 2, 3 };
    const struct wr_table_shape narrows = { .key = &narrow_key_type };
    described                           = describe(&narrows, WR_KEY_16, 0);
    memset(bytes, 0, sizeof(bytes));
    memcpy(bytes, &narrow, sizeof(narrow));
    prints_key(described, bytes, 16, "{\"a\":1,\"b\":2,\"c\":3}");
    wr_described_close(described);
}

Test(described, takes_keys_of_several_records_apart)
{
    const struct wr_table_shape shape = {
        .own_key = { { "-", &plain_key_type, 0 }, { "owner", &text_key_type, 0 } },
    };
    char                 bytes[80] = { 5 };
    const text_key       text      = { weir_str_from("x"), 9 };
    const uint32_t       length    = 8 + encode(&text_key_type, &text, bytes + 8);
    struct wr_described *described = describe(&shape, WR_KEY_BYTES, 0);
    prints_key(described, bytes, length, "{\"card\":5,\"owner\":{\"shop\":\"x\",\"till\":9}}");
    wr_described_close(described);

    // An owner that is padded to 16 bytes.
    const struct wr_table_shape padded = {
        .own_key = { { "key", &text_key_type, 0 }, { "owner", &narrow_key_type, 0 } },
    };
    const narrow_key narrow = { 1, 2, 3 };
    memset(bytes, 0, sizeof(bytes));
    const uint32_t first = encode(&text_key_type, &text, bytes);
    memcpy(bytes + first, &narrow, sizeof(narrow));
    described = describe(&padded, WR_KEY_BYTES, 0);
    prints_key(described, bytes, first + 16,
               "{\"key\":{\"shop\":\"x\",\"till\":9},\"owner\":{\"a\":1,\"b\":2,\"c\":3}}");
    wr_described_close(described);
}

// It comes from a file: nothing that it says may lead outside of the bytes.
Test(described, is_not_led_astray_by_a_text_that_does_not_fit)
{
    static const char *const texts[] = {
        "",
        "\n\n",
        "part",
        "part state x 0\ncount i64 4 8\n",          // beyond the value
        "part state x 0\ncount i64 4294967295 8\n", // the same
        "part state x 0\nname str 0 16\n",
        "part state x 0\ncount i99 0 8\n",
        "part state x 0\ncount i64 0 3\n",
        "part state x 0\ncount i64 0 0\n",
        "i64 0 8\n 0 8\n0 8\n+\n+ \n+key\n+own\n",
    };
    const uint64_t value = 0x0807060504030201;
    for (uint32_t i = 0; i < WR_COUNT_OF(texts); i++) {
        struct wr_described *described = wr_described_open(&(struct wr_index_table){
            .types = texts[i], .key_kind = WR_KEY_8, .value_bytes = sizeof(value) });
        prints_value(described, &value, "{\"other\":{\"0\":\"0102030405060708\"}}");
        prints_key(described, &value, sizeof(value), "\"0102030405060708\"");
        wr_described_close(described);
    }
}

// A pointer that nobody set right is not followed.
Test(described, prints_strings_only_where_the_table_has_strings)
{
    const struct wr_index_table table = {
        .types       = "part state x 0\nname str 0 16\n",
        .key_kind    = WR_KEY_8,
        .value_bytes = 16,
    };
    const unsigned char  value[16] = { 200, 0, 0, 0, 'n', 'o', 'n', 'e', 1, 2, 3, 4, 5, 6, 7, 8 };
    struct wr_described *described = wr_described_open(&table);
    prints_value(described, value, "{\"other\":{\"0\":\"c80000006e6f6e650102030405060708\"}}");
    wr_described_close(described);
}

Test(described, tells_people_what_does_not_count_when_types_are_compared)
{
    const struct wr_table_shape with    = { .key = &plain_key_type,
                                            .own = { { "-", &money_type, 8 } } };
    const struct wr_table_shape without = { .key = &plain_key_type };
    const struct wr_table_shape other   = { .key = &narrow_key_type };
    char *const                 a       = wr_table_types(&with);
    char *const                 b       = wr_table_types(&without);
    char *const                 c       = wr_table_types(&other);
    cr_assert(wr_table_types_compare(a, b) == NULL && wr_table_types_compare(b, a) == NULL);
    char *const why = wr_table_types_compare(a, c);
    cr_assert(why != NULL && strstr(why, "narrow_key") != NULL, "%s", why);
    wr_free(a);
    wr_free(b);
    wr_free(c);
    wr_free(why);
}
