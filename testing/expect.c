// Rows compared as texts, and what to say when they differ:
//
//   counts: 1 row differs in count: found 2, expected 3
//     found     {user: 1, count: 2}
//     expected  {user: 1, count: 3}
#include "testing/testing.h"

#include <stdlib.h>

#define MOST_LINES 8 // of each side

// ---- rows ----

static const char *const change_names[] = { "", "update after ", "delete ", "update before " };

static char *row_text(const weir_type *type, const void *record, const char *prefix)
{
    char  *text  = NULL;
    size_t bytes = 0;
    FILE  *to    = open_memstream(&text, &bytes);
    WR_ASSERT(to != NULL);
    (void)fputs(prefix, to);
    wr_test_describe(to, type, record);
    (void)fclose(to);
    return text;
}

static int row_compare(const void *a, const void *b)
{
    const struct wr_test_row *x = a, *y = b;
    return strcmp(x->text, y->text);
}

// Equal rows become one.
static void rows_merge(struct wr_test_rows *rows)
{
    size_t kept = 0;
    qsort(rows->rows, rows->count, sizeof(*rows->rows), row_compare);
    for (size_t i = 0; i < rows->count;) {
        struct wr_test_row row = rows->rows[i++];
        while (i < rows->count && strcmp(row.text, rows->rows[i].text) == 0) {
            row.count += rows->rows[i].count;
            free(rows->rows[i++].text);
        }
        rows->rows[kept++] = row;
    }
    rows->count = kept;
}

// ---- changes ----

// A row with the fields that name it, as text, and its place among the sink's.
struct named_row {
    char       *name;
    size_t      at;
    const void *record;
    weir_change change;
};

static int named_compare(const void *a, const void *b)
{
    const struct named_row *x = a, *y = b;
    const int               order = strcmp(x->name, y->name);
    return order != 0 ? order : (x->at > y->at) - (x->at < y->at);
}

static char *row_name(const struct wr_test_output *output, const void *record)
{
    char  *text  = NULL;
    size_t bytes = 0;
    FILE  *to    = open_memstream(&text, &bytes);
    WR_ASSERT(to != NULL);
    for (uint32_t i = 0; i < output->identity_count; i++) {
        wr_test_describe_field(to, output->identity[i], record);
        (void)fputc(';', to);
    }
    (void)fclose(to);
    return text;
}

// The changes of the rows of one name, in their order, applied: those that remain stand first in
// `rows`. One that withdraws what is not there remains too, so that it is seen. How many remain.
static size_t changes_apply(struct named_row *rows, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const weir_change change  = rows[i].change;
        const bool        has_row = kept > 0 && rows[kept - 1].change == WEIR_INSERT;
        if (has_row && change != WEIR_INSERT) {
            kept--;
        }
        if (change == WEIR_INSERT || change == WEIR_UPDATE_AFTER || !has_row) {
            struct named_row row = rows[i];
            row.change           = change == WEIR_UPDATE_AFTER ? WEIR_INSERT : change;
            rows[kept++]         = row;
        }
    }
    return kept;
}

static struct wr_test_rows rows_remaining(const struct wr_test_output *output,
                                          const weir_collection       *collection)
{
    const size_t        count = weir_collection_count(collection);
    struct wr_test_rows rows  = { .rows = wr_alloc((count + 1) * sizeof(*rows.rows)) };
    struct named_row   *named = wr_alloc((count + 1) * sizeof(*named));
    char              **names = wr_alloc((count + 1) * sizeof(char *));
    for (size_t i = 0; i < count; i++) {
        named[i].record = weir_collection_at(collection, i, &named[i].change, NULL);
        named[i].name   = row_name(output, named[i].record);
        named[i].at     = i;
        names[i]        = named[i].name;
    }
    if (count > 0) {
        qsort(named, count, sizeof(*named), named_compare);
    }
    for (size_t first = 0, end = 0; first < count; first = end) {
        while (end < count && strcmp(named[first].name, named[end].name) == 0) {
            end++;
        }
        const size_t kept = changes_apply(named + first, end - first);
        for (size_t i = first; i < first + kept; i++) {
            rows.rows[rows.count++] = (struct wr_test_row){
                .text   = row_text(output->type, named[i].record, change_names[named[i].change]),
                .record = named[i].record,
                .count  = 1,
            };
        }
    }
    for (size_t i = 0; i < count; i++) {
        free(names[i]);
    }
    wr_free(names);
    wr_free(named);
    return rows;
}

static struct wr_test_rows rows_all(const struct wr_test_output *output,
                                    const weir_collection       *collection)
{
    struct wr_test_rows rows = { .count = weir_collection_count(collection) };
    rows.rows                = wr_alloc((rows.count + 1) * sizeof(*rows.rows));
    for (size_t i = 0; i < rows.count; i++) {
        weir_change change = WEIR_INSERT;
        const void *record = weir_collection_at(collection, i, &change, NULL);
        rows.rows[i]       = (struct wr_test_row){
                  .text   = row_text(output->type, record, change_names[change]),
                  .record = record,
                  .count  = 1,
        };
    }
    return rows;
}

struct wr_test_rows wr_test_rows_of(const struct wr_test_output *output,
                                    const weir_collection *collection, weir_test_order order)
{
    struct wr_test_rows rows = order == WEIR_TEST_REMAINING && output->identity_count > 0
                                   ? rows_remaining(output, collection)
                                   : rows_all(output, collection);
    if (order != WEIR_TEST_IN_ORDER && rows.count > 0) {
        rows_merge(&rows);
    }
    return rows;
}

void wr_test_rows_fini(struct wr_test_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        free(rows->rows[i].text);
    }
    wr_free(rows->rows);
    *rows = (struct wr_test_rows){ .rows = NULL };
}

// ---- what differs ----

// What one side has more of than the other.
struct side {
    const char                *name;
    const struct wr_test_row **rows;
    int64_t                   *counts;
    size_t                     row_count;
    int64_t                    total;
};

static struct side side_open(const char *name, const struct wr_test_rows *a,
                             const struct wr_test_rows *b)
{
    const size_t most = a->count + b->count + 1;
    return (struct side){
        .name   = name,
        .rows   = wr_alloc(most * sizeof(struct wr_test_row *)),
        .counts = wr_alloc(most * sizeof(int64_t)),
    };
}

static void side_close(struct side *side)
{
    wr_free((void *)(uintptr_t)side->rows);
    wr_free(side->counts);
}

static void side_add(struct side *side, const struct wr_test_row *row, int64_t count)
{
    side->rows[side->row_count]     = row;
    side->counts[side->row_count++] = count;
    side->total += count;
}

static void sides_add(struct side *expected, struct side *found, const struct wr_test_row *row,
                      int64_t found_more)
{
    if (found_more > 0) {
        side_add(found, row, found_more);
    } else if (found_more < 0) {
        side_add(expected, row, -found_more);
    }
}

static void sides_fill(struct side *expected, struct side *found, const struct wr_test_rows *wanted,
                       const struct wr_test_rows *got)
{
    for (size_t i = 0, k = 0; i < wanted->count || k < got->count;) {
        const int order = i == wanted->count ? 1
                          : k == got->count  ? -1
                                             : strcmp(wanted->rows[i].text, got->rows[k].text);
        if (order < 0) {
            sides_add(expected, found, &wanted->rows[i], -wanted->rows[i].count);
        } else if (order > 0) {
            sides_add(expected, found, &got->rows[k], got->rows[k].count);
        } else {
            sides_add(expected, found, &got->rows[k], got->rows[k].count - wanted->rows[i].count);
        }
        i += order <= 0;
        k += order >= 0;
    }
}

static void side_print(FILE *to, const struct side *side)
{
    for (size_t i = 0; i < side->row_count && i < MOST_LINES; i++) {
        (void)fprintf(to, "\n  %-9s %s", side->name, side->rows[i]->text);
        if (side->counts[i] > 1) {
            (void)fprintf(to, " %lld times", (long long)side->counts[i]);
        }
    }
    if (side->row_count > MOST_LINES) {
        (void)fprintf(to, "\n  %-9s ... and %zu more", side->name, side->row_count - MOST_LINES);
    }
}

// "count: found 2, expected 3; at: ..." of the fields that differ.
static void print_fields(FILE *to, const weir_type *type, const void *expected, const void *found)
{
    bool is_first = true;
    for (uint32_t i = 0; i < type->field_count; i++) {
        char       *texts[2];
        size_t      bytes[2];
        const void *records[2] = { found, expected };
        for (int k = 0; k < 2; k++) {
            FILE *text = open_memstream(&texts[k], &bytes[k]);
            WR_ASSERT(text != NULL);
            wr_test_describe_field(text, &type->fields[i], records[k]);
            (void)fclose(text);
        }
        if (strcmp(texts[0], texts[1]) != 0) {
            (void)fprintf(to, "%s%s: found %s, expected %s", is_first ? "" : "; ",
                          type->fields[i].name, texts[0], texts[1]);
            is_first = false;
        }
        free(texts[0]);
        free(texts[1]);
    }
}

static const char *plural(int64_t count) { return count == 1 ? "" : "s"; }

char *wr_test_rows_compare(const char *sink, const weir_type *type,
                           const struct wr_test_rows *expected, const struct wr_test_rows *found)
{
    struct side missing = side_open("expected", expected, found);
    struct side surplus = side_open("found", expected, found);
    char       *text    = NULL;
    size_t      bytes   = 0;
    sides_fill(&missing, &surplus, expected, found);
    if (missing.total + surplus.total > 0) {
        FILE *to = open_memstream(&text, &bytes);
        WR_ASSERT(to != NULL);
        (void)fprintf(to, "%s: ", sink);
        if (missing.total == 1 && surplus.total == 1 &&
            missing.rows[0]->text[0] == surplus.rows[0]->text[0]) { // the same change
            (void)fputs("1 row differs in ", to);
            print_fields(to, type, missing.rows[0]->record, surplus.rows[0]->record);
        } else if (surplus.total == 0) {
            (void)fprintf(to, "%lld expected row%s missing", (long long)missing.total,
                          missing.total == 1 ? " is" : "s are");
        } else {
            (void)fprintf(to, "%lld row%s found and not expected", (long long)surplus.total,
                          plural(surplus.total));
            if (missing.total > 0) {
                (void)fprintf(to, ", %lld expected and not found", (long long)missing.total);
            }
        }
        side_print(to, &surplus);
        side_print(to, &missing);
        (void)fclose(to);
    }
    side_close(&missing);
    side_close(&surplus);
    return text;
}

// ---- in order ----

static const char *text_at(const struct wr_test_rows *rows, size_t index)
{
    return index < rows->count ? rows->rows[index].text : "nothing";
}

char *wr_test_rows_compare_in_order(const char *sink, const weir_type *type,
                                    const struct wr_test_rows *expected,
                                    const struct wr_test_rows *found)
{
    size_t at = 0;
    while (at < expected->count && at < found->count &&
           strcmp(expected->rows[at].text, found->rows[at].text) == 0) {
        at++;
    }
    if (at == expected->count && at == found->count) {
        return NULL;
    }
    char  *text  = NULL;
    size_t bytes = 0;
    FILE  *to    = open_memstream(&text, &bytes);
    WR_ASSERT(to != NULL);
    if (at < expected->count && at < found->count) {
        (void)fprintf(to, "%s: row %zu differs in ", sink, at);
        print_fields(to, type, expected->rows[at].record, found->rows[at].record);
    } else {
        (void)fprintf(to, "%s: %zu row%s found, %zu expected", sink, found->count,
                      plural((int64_t)found->count), expected->count);
    }
    (void)fprintf(to, "\n  found     %s\n  expected  %s", text_at(found, at),
                  text_at(expected, at));
    (void)fclose(to);
    return text;
}
