#include "connectors/csv/csv_reader.h"
#include "connectors/csv/csv_writer.h"
#include "runtime/base/base.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct money {
    int64_t cents;
    char    currency[3];
} money;
WEIR_RECORD(money, cents, currency);

typedef struct sale {
    weir_time at;
    weir_str  note;
    int64_t   count;
    bool      is_paid;
    double    rate;
    money     price;
    int16_t   xs[2];
} sale;
WEIR_RECORD(sale, at, note, count, is_paid, rate, (price, money), xs);

typedef struct pair {
    int64_t  n;
    weir_str s;
} pair;
WEIR_RECORD(pair, n, s);

typedef struct word {
    weir_str s;
} word;
WEIR_RECORD(word, s);

// ---- records out of bytes ----

#define RECORDS_MAX 16

struct cut {
    struct wr_csv_records records;
    struct wr_csv_record  got[RECORDS_MAX];
    char                 *texts[RECORDS_MAX];
    uint32_t              count;
};

static void cut_take(struct cut *cut)
{
    struct wr_csv_record record;
    while (wr_csv_records_next(&cut->records, &record)) {
        cr_assert_lt(cut->count, RECORDS_MAX);
        cut->got[cut->count]   = record;
        cut->texts[cut->count] = strndup(record.bytes, record.kept_bytes);
        cut->count++;
    }
}

static void cut_init(struct cut *cut, size_t max_record_bytes)
{
    memset(cut, 0, sizeof(*cut));
    const struct wr_csv_records_options options = { .max_record_bytes = max_record_bytes };
    wr_csv_records_init(&cut->records, &options);
}

static void cut_feed(struct cut *cut, const char *bytes, size_t length)
{
    char *const fed = malloc(length + WR_LINES_PADDING);
    memcpy(fed, bytes, length);
    wr_csv_records_feed(&cut->records, fed, length);
    cut_take(cut);
    free(fed);
}

// Cuts a text that comes in pieces of `piece_bytes`.
static void cut_text(struct cut *cut, const char *text, size_t piece_bytes)
{
    const size_t length = strlen(text);
    cut_init(cut, 0);
    for (size_t at = 0; at < length; at += piece_bytes) {
        cut_feed(cut, text + at, length - at < piece_bytes ? length - at : piece_bytes);
    }
    wr_csv_records_end(&cut->records);
    cut_take(cut);
}

static void cut_fini(struct cut *cut)
{
    wr_csv_records_fini(&cut->records);
    for (uint32_t i = 0; i < cut->count; i++) {
        free(cut->texts[i]);
    }
}

static void assert_cut(const char *text, const char *const *expected, const uint64_t *lines,
                       uint32_t count)
{
    for (size_t piece_bytes = 1; piece_bytes <= strlen(text); piece_bytes++) {
        struct cut cut;
        cut_text(&cut, text, piece_bytes);
        cr_assert_eq(cut.count, count, "%u records of %s", cut.count, text);
        for (uint32_t i = 0; i < count; i++) {
            cr_assert_str_eq(cut.texts[i], expected[i]);
            cr_assert_eq(cut.got[i].length, strlen(expected[i]));
            cr_assert_eq(cut.got[i].line, lines[i], "line %lu of %s", cut.got[i].line, expected[i]);
            cr_assert_eq(cut.got[i].number, i + 1);
            cr_assert_eq(memcmp(text + cut.got[i].offset, expected[i], strlen(expected[i])), 0);
        }
        cut_fini(&cut);
    }
}

Test(csv, cuts_records_at_newlines_outside_of_quotes)
{
    static const char *const expected[] = { "a,b", "1,\"x\ny\r\n\"\"z\"", "", "2,\",\"", "3,end" };
    static const uint64_t    lines[]    = { 1, 2, 5, 6, 7 };
    assert_cut("a,b\r\n1,\"x\ny\r\n\"\"z\"\n\n2,\",\"\r\n3,end", expected, lines, 5);
}

Test(csv, counts_quotes_only_where_a_cell_starts_with_one)
{
    static const char *const expected[] = { "a\"b,c", "\"a\"b\",c", "x, \"y", "z" };
    static const uint64_t    lines[]    = { 1, 2, 3, 4 };
    assert_cut("a\"b,c\n\"a\"b\",c\nx, \"y\nz\n", expected, lines, 4);
}

Test(csv, ends_a_quoted_record_that_is_too_long_at_the_next_newline)
{
    const size_t length = WR_LINES_KEPT_BYTES + 10;
    char *const  text   = malloc(length + 1);
    memset(text, 'x', length);
    text[0] = '"';
    text[5] = '\n';
    for (size_t piece_bytes = 100; piece_bytes <= 2 * length; piece_bytes += 997) {
        struct cut cut;
        cut_init(&cut, WR_LINES_KEPT_BYTES);
        for (size_t at = 0; at < length; at += piece_bytes) {
            cut_feed(&cut, text + at, length - at < piece_bytes ? length - at : piece_bytes);
        }
        cut_feed(&cut, "\n1,2\n", 5);
        cr_assert_eq(cut.count, 2);
        cr_assert(cut.got[0].is_too_long);
        cr_assert_eq(cut.got[0].length, length);
        cr_assert_eq(cut.got[0].kept_bytes, WR_LINES_KEPT_BYTES);
        cr_assert_str_eq(cut.texts[1], "1,2");
        cr_assert_eq(cut.got[1].line, 3);
        cut_fini(&cut);
    }
    free(text);
}

Test(csv, keeps_a_quoted_record_of_exactly_the_most_bytes)
{
    char text[WR_LINES_KEPT_BYTES + 2];
    memset(text, '\n', sizeof(text));
    text[0]                       = '"';
    text[WR_LINES_KEPT_BYTES - 1] = '"';
    struct cut cut;
    cut_init(&cut, WR_LINES_KEPT_BYTES);
    cut_feed(&cut, text, WR_LINES_KEPT_BYTES + 1);
    cr_assert_eq(cut.count, 1);
    cr_assert_not(cut.got[0].is_too_long);
    cr_assert_eq(cut.got[0].length, WR_LINES_KEPT_BYTES);
    cut_fini(&cut);
}

// ---- a record out of its bytes ----

static const char *last_reason;

static struct wr_csv_reader *reader_of(const weir_type *type, const struct wr_csv_options *options,
                                       const char *header)
{
    struct wr_csv_reader *const reader = wr_csv_reader_open(type, options);
    cr_assert(wr_csv_read_header(reader, header, strlen(header), &last_reason), "%s", last_reason);
    return reader;
}

static bool read_text(struct wr_csv_reader *reader, const char *text, void *record)
{
    return wr_csv_read(reader, text, strlen(text), record, &last_reason);
}

static void assert_refused(struct wr_csv_reader *reader, const char *text, const char *reason)
{
    _Alignas(16) char record[512];
    cr_assert_not(read_text(reader, text, record), "%s", text);
    cr_assert_str_eq(last_reason, reason, "of %s: %s", text, last_reason);
}

Test(csv, reads_columns_in_any_order_and_ignores_others)
{
    struct wr_csv_reader *const reader = reader_of(
        &sale_type, NULL,
        "\xef\xbb\xbfxs[1],price.currency,other,note,is_paid,\"rate\",at,count,xs[0],price.cents");
    sale record;
    cr_assert(
        read_text(
            reader,
            "2,EUR,??,\"a \"\"long\"\" note, it is\",true,-1.5e3,2026-03-01T10:02:00Z,-7,1,007",
            &record),
        "%s", last_reason);
    cr_assert_eq(record.at, 1772359320000000);
    cr_assert_eq(memcmp(weir_str_bytes(&record.note), "a \"long\" note, it is", record.note.length),
                 0);
    cr_assert_eq(record.count, -7);
    cr_assert(record.is_paid);
    cr_assert_eq(record.rate, -1500);
    cr_assert_eq(record.price.cents, 7);
    cr_assert_eq(memcmp(record.price.currency, "EUR", 3), 0);
    cr_assert_eq(record.xs[0], 1);
    cr_assert_eq(record.xs[1], 2);
    wr_csv_reader_close(reader);
}

Test(csv, names_the_column_that_a_header_lacks_or_repeats)
{
    struct wr_csv_reader *const reader = wr_csv_reader_open(&pair_type, NULL);
    cr_assert_not(wr_csv_read_header(reader, "s,m", 3, &last_reason));
    cr_assert_str_eq(last_reason, "column n is missing");
    cr_assert_not(wr_csv_read_header(reader, "", 0, &last_reason));
    cr_assert_str_eq(last_reason, "column n is missing");
    cr_assert_not(wr_csv_read_header(reader, "s,n,s", 5, &last_reason));
    cr_assert_str_eq(last_reason, "column s is there twice");
    cr_assert_not(wr_csv_read_header(reader, "s,\"n", 4, &last_reason));
    cr_assert(wr_csv_read_header(reader, "s,n", 3, &last_reason));
    pair record;
    cr_assert(read_text(reader, "x,5", &record));
    cr_assert_eq(record.n, 5);
    wr_csv_reader_close(reader);
}

Test(csv, refuses_a_record_with_a_wrong_number_of_cells)
{
    struct wr_csv_reader *const reader = reader_of(&pair_type, NULL, "n,s");
    assert_refused(reader, "1", "expected 2 cells, as the header has, found 1");
    assert_refused(reader, "1,2,3", "expected 2 cells, as the header has, found 3");
    assert_refused(reader, "", "expected 2 cells, as the header has, found 1");
    pair record;
    cr_assert(read_text(reader, "1,", &record));
    cr_assert_eq(record.s.length, 0);
    wr_csv_reader_close(reader);
}

Test(csv, says_what_is_wrong_with_a_cell)
{
    struct wr_csv_reader *const reader = reader_of(&pair_type, NULL, "n,s");
    assert_refused(reader, ",x", "n: expected a whole number, found nothing");
    assert_refused(reader, "12.5,x", "n: expected a whole number, found 12.5");
    assert_refused(reader, " 1,x", "n: expected a whole number, found  1");
    assert_refused(
        reader, "9223372036854775808,x",
        "n: expected a whole number from -9223372036854775808 to 9223372036854775807, found "
        "9223372036854775808");
    assert_refused(reader, "1,\xff", "not valid UTF-8");
    wr_csv_reader_close(reader);
}

Test(csv, refuses_quotes_out_of_place_and_goes_on)
{
    static const char *const quotes =
        "not valid CSV: a quote out of place, or a quoted cell that is not "
        "closed";
    struct wr_csv_reader *const reader  = reader_of(&pair_type, NULL, "n,s");
    static const char *const    wrong[] = { "1,a\"b",   "1,\"a",    "1,\"a\"b",
                                            "1, \"a\"", "1,\"a\" ", "1,\"" };
    for (uint32_t i = 0; i < WR_COUNT_OF(wrong); i++) {
        assert_refused(reader, wrong[i], quotes);
        pair record;
        cr_assert(read_text(reader, "1,\"a\nb\"", &record), "%s", last_reason);
        cr_assert_eq(record.s.length, 3);
    }
    wr_csv_reader_close(reader);
}

Test(csv, takes_bool_and_float_cells_by_their_grammar_only)
{
    static const char *const header =
        "at,note,count,is_paid,rate,price.cents,price.currency,xs[0],xs[1]";
    struct wr_csv_reader *const reader = reader_of(&sale_type, NULL, header);
    static const struct {
        const char *is_paid, *rate;
        bool        is_ok;
    } cases[] = {
        { "true", "1", true },    { "false", "1e-400", true }, { "True", "1", false },
        { "", "1", false },       { "true", "", false },       { "true", "nan", false },
        { "true", "inf", false }, { "true", "1e400", false },  { "true", ".5", false },
        { "true", "1 ", false },  { "true", "0x1", false },
    };
    for (uint32_t i = 0; i < WR_COUNT_OF(cases); i++) {
        char line[256];
        sale record;
        snprintf(line, sizeof(line), "2026-03-01T10:02:00Z,,1,%s,%s,1,EUR,1,1", cases[i].is_paid,
                 cases[i].rate);
        cr_assert_eq(read_text(reader, line, &record), cases[i].is_ok, "%s: %s", line, last_reason);
    }
    wr_csv_reader_close(reader);
}

Test(csv, leaves_optional_columns_zero)
{
    static const char *const    names[] = { "n" };
    const struct wr_csv_options options = { .delimiter      = ';',
                                            .optional       = names,
                                            .optional_count = 1 };
    struct wr_csv_reader *const reader  = reader_of(&pair_type, &options, "s");
    pair                        record;
    cr_assert(read_text(reader, "a,b", &record));
    cr_assert_eq(record.n, 0);
    cr_assert_eq(record.s.length, 3);
    cr_assert(wr_csv_read_header(reader, "s;n", 3, &last_reason));
    cr_assert(read_text(reader, "a;", &record));
    cr_assert_eq(record.n, 0);
    cr_assert(read_text(reader, "a;4", &record));
    cr_assert_eq(record.n, 4);
    wr_csv_reader_close(reader);
}

Test(csv, keeps_strings_until_its_reset)
{
    struct wr_csv_reader *const reader = reader_of(&word_type, NULL, "s");
    word                        first;
    word                        second;
    cr_assert(read_text(reader, "the first long text", &first));
    cr_assert(read_text(reader, "the second long text", &second));
    cr_assert_eq(memcmp(weir_str_bytes(&first.s), "the first long text", 19), 0);
    wr_csv_reader_reset(reader);
    wr_csv_reader_close(reader);
}

// ---- writing ----

static void assert_written(const weir_type *type, const struct wr_csv_plan_options *options,
                           const void *record, const char *header, const char *expected)
{
    struct wr_csv_plan *const plan = wr_csv_plan_open(type, options);
    size_t                    length;
    const char *const         line = wr_csv_header(plan, &length);
    cr_assert_eq(length, strlen(header));
    cr_assert_eq(memcmp(line, header, length), 0, "%.*s", (int)length, line);
    char *const to = malloc(wr_csv_bound(plan, record) + 1);
    length         = wr_csv_write(plan, record, true, to);
    cr_assert_leq(length, wr_csv_bound(plan, record));
    to[length] = 0;
    cr_assert_str_eq(to, expected);
    free(to);
    wr_csv_plan_close(plan);
}

Test(csv, writes_a_header_and_cells)
{
    const sale record = { -1, weir_str_from("plain"), -3, true, 0.5, { 9, "EUR" }, { 1, 2 } };
    assert_written(&sale_type, NULL, &record,
                   "at,note,count,is_paid,rate,price.cents,price.currency,xs[0],xs[1]\n",
                   "1969-12-31T23:59:59.999999Z,plain,-3,true,0.5,9,EUR,1,2\n");
}

Test(csv, writes_empty_cells_for_what_has_no_value)
{
    static const char *const         names[] = { "count" };
    const struct wr_csv_plan_options options = {
        .delimiter = '\t', .nullable = names, .nullable_count = 1, .has_retracted = true
    };
    const sale record = { .at = WEIR_TIME_MIN, .count = INT64_MIN, .rate = 1e308 * 10 };
    assert_written(
        &sale_type, &options, &record,
        "at\tnote\tcount\tis_paid\trate\tprice.cents\tprice.currency\txs[0]\txs[1]\tretracted\n",
        "\t\t\tfalse\t\t0\t\t0\t0\ttrue\n");
}

Test(csv, quotes_where_it_must)
{
    static const char *const cases[][2] = {
        { "a,b", "\"a,b\"\n" },
        { "a\"b", "\"a\"\"b\"\n" },
        { "a\nb", "\"a\nb\"\n" },
        { "a\r", "\"a\r\"\n" },
        { " a ", " a \n" },
        { "", "\n" },
        { "\xff,", "\"\xef\xbf\xbd,\"\n" },
        { "\xc3\xa9", "\xc3\xa9\n" },
        { "\"\"\"", "\"\"\"\"\"\"\"\"\n" },
    };
    for (uint32_t i = 0; i < WR_COUNT_OF(cases); i++) {
        const word record = { weir_str_from(cases[i][0]) };
        assert_written(&word_type, NULL, &record, "s\n", cases[i][1]);
    }
}
