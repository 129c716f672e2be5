// weir checkpoint diff: what one checkpoint has and another has not.
//
//   tables of both, by operator, name and member --> segments that both have at the same place are
//   left out --> entries of the others, by key --> added, removed, changed
#include "cli/checkpoint/cells.h"
#include "cli/checkpoint/command.h"
#include "cli/checkpoint/described.h"
#include "cli/checkpoint/entries.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// An entry as text.
struct side_entry {
    char *key, *value;
};

// What one of the two checkpoints has of the table at hand.
struct side {
    struct wr_store     *store;
    struct wr_entries    entries;
    struct wr_described *described;
    struct side_entry   *list;
    size_t               count, capacity;
};

// A table of either, or (name is NULL) the cells of an operator.
struct group {
    const char *operator_name, *name;
    bool        has_member;
    int64_t     member;
};

struct diff {
    const struct wr_tool_call *command;
    bool                       is_of_two;     // directories: they share no file
    const char                *operator_name; // NULL: all
    struct side                sides[2];
    struct group              *groups;
    uint32_t                   group_count;
    const struct group        *group;
    uint64_t                   added, removed, changed;
};

static bool is_over(void) { return ferror(stdout) != 0 || wr_command_is_interrupted(); }

// ---- which tables ----

static int text_compare(const char *one, const char *other)
{
    return one == NULL || other == NULL ? (one != NULL) - (other != NULL) : strcmp(one, other);
}

static int group_compare(const void *one, const void *other)
{
    const struct group *a = one, *b = other;
    int                 order = strcmp(a->operator_name, b->operator_name);
    order                     = order != 0 ? order : text_compare(a->name, b->name);
    order                     = order != 0 ? order : (int)a->has_member - (int)b->has_member;
    return order != 0 ? order : (a->member > b->member) - (a->member < b->member);
}

static void diff_add_group(struct diff *diff, const struct group *group)
{
    if (diff->operator_name == NULL || strcmp(group->operator_name, diff->operator_name) == 0) {
        diff->groups = wr_realloc(diff->groups, (diff->group_count + 1) * sizeof(*diff->groups));
        diff->groups[diff->group_count++] = *group;
    }
}

static void diff_find_groups(struct diff *diff, const struct wr_store *store)
{
    for (uint32_t at = 0; at < wr_store_manifest(store)->task_count; at++) {
        const struct wr_index *index = wr_store_index(store, at);
        for (uint32_t i = 0; i < index->operator_count; i++) {
            const struct wr_index_operator *of = &index->operators[i];
            diff_add_group(diff, &(struct group){ .operator_name = of->name });
            for (uint32_t j = 0; j < of->table_count; j++) {
                const struct wr_index_table *table = &of->tables[j];
                diff_add_group(diff, &(struct group){ of->name, table->name, table->has_member,
                                                      table->member });
            }
        }
    }
}

static bool is_group(const struct group *group, const char *operator_name,
                     const struct wr_index_table *table)
{
    const struct group other = { operator_name, table->name, table->has_member, table->member };
    return group_compare(group, &other) == 0;
}

// ---- what both have at the same place ----

struct place {
    const char *file;
    uint64_t    offset;
};

struct places {
    struct place *at;
    size_t        count;
};

static int place_compare(const void *one, const void *other)
{
    const struct place *a = one, *b = other;
    const int           order = strcmp(a->file, b->file);
    return order != 0 ? order : (a->offset > b->offset) - (a->offset < b->offset);
}

static struct place place_of(const struct wr_index *index, const struct wr_index_segment *segment)
{
    return (struct place){ wr_index_find_file(index, segment->place.file)->name,
                           segment->place.offset };
}

static void places_add(struct places *places, const struct wr_index *index,
                       const struct wr_index_table *table)
{
    places->at =
        wr_realloc(places->at, (places->count + table->segment_count + 1) * sizeof(*places->at));
    for (uint32_t i = 0; i < table->segment_count; i++) {
        places->at[places->count++] = place_of(index, &table->segments[i]);
    }
}

// Those of the group in the store, in order.
static struct places places_of(const struct wr_store *store, const struct group *group)
{
    struct places places = { .count = 0 };
    for (uint32_t at = 0; at < wr_store_manifest(store)->task_count; at++) {
        const struct wr_index *index = wr_store_index(store, at);
        for (uint32_t i = 0; i < index->operator_count; i++) {
            const struct wr_index_operator *of = &index->operators[i];
            for (uint32_t j = 0; j < of->table_count; j++) {
                if (is_group(group, of->name, &of->tables[j])) {
                    places_add(&places, index, &of->tables[j]);
                }
            }
        }
    }
    if (places.count > 1) {
        qsort(places.at, places.count, sizeof(*places.at), place_compare);
    }
    return places;
}

static bool places_have(const struct places *places, const struct place *place)
{
    return places->count > 0 &&
           bsearch(place, places->at, places->count, sizeof(*places->at), place_compare) != NULL;
}

// ---- entries ----

static void side_add(struct side *side, char *key, char *value)
{
    if (side->count == side->capacity) {
        side->capacity = side->capacity * 2 + 64;
        side->list     = wr_realloc(side->list, side->capacity * sizeof(*side->list));
    }
    side->list[side->count++] = (struct side_entry){ key, value };
}

static bool side_take(void *opaque, const void *key, uint32_t length, const void *value)
{
    struct side *side = opaque;
    side_add(side, wr_described_key(side->described, key, length),
             wr_described_value(side->described, value));
    return !wr_command_is_interrupted();
}

static weir_status side_take_table(struct side *side, uint32_t at,
                                   const struct wr_index_table *table, const struct places *both,
                                   struct wr_error *error)
{
    const struct wr_index *index  = wr_store_index(side->store, at);
    weir_status            status = WEIR_OK;
    side->described               = wr_described_open(table);
    for (uint32_t i = 0; i < table->segment_count && status == WEIR_OK; i++) {
        const struct place place = place_of(index, &table->segments[i]);
        if (!places_have(both, &place)) {
            status = wr_entries_walk(&side->entries, at, table, &table->segments[i], side_take,
                                     side, error);
        }
    }
    wr_described_close(side->described);
    return status;
}

static void side_take_cell(struct side *side, uint32_t task, const struct wr_index_cell *cell)
{
    char  *text   = NULL;
    size_t length = 0;
    FILE  *to     = open_memstream(&text, &length);
    WR_CHECK(to != NULL);
    wr_cell_json(to, cell);
    (void)fclose(to);
    // As in `cell`; a cell without a key is a task's.
    char *const key        = cell->key != NULL ? wr_format("%s %s", cell->name, cell->key)
                                               : wr_format("%s of task %" PRIu32, cell->name, task);
    char       *key_text   = NULL;
    size_t      key_length = 0;
    to                     = open_memstream(&key_text, &key_length);
    WR_CHECK(to != NULL);
    wr_json_print_text(to, key);
    (void)fclose(to);
    side_add(side, wr_copy_text(key_text), wr_copy_text(text));
    wr_free(key);
    free(text);
    free(key_text);
}

static int entry_compare(const void *one, const void *other)
{
    const struct side_entry *a = one, *b = other;
    return strcmp(a->key, b->key);
}

static weir_status side_take_group(struct side *side, const struct group *group,
                                   const struct places *both, struct wr_error *error)
{
    const struct wr_manifest *manifest = wr_store_manifest(side->store);
    weir_status               status   = WEIR_OK;
    for (uint32_t at = 0; at < manifest->task_count; at++) {
        const struct wr_index *index = wr_store_index(side->store, at);
        for (uint32_t i = 0; i < index->operator_count; i++) {
            const struct wr_index_operator *of     = &index->operators[i];
            const bool                      is_own = strcmp(of->name, group->operator_name) == 0;
            for (uint32_t j = 0; group->name == NULL && is_own && j < of->cell_count; j++) {
                side_take_cell(side, manifest->tasks[at].task, &of->cells[j]);
            }
            for (uint32_t j = 0; j < of->table_count && status == WEIR_OK; j++) {
                if (is_group(group, of->name, &of->tables[j])) {
                    status = side_take_table(side, at, &of->tables[j], both, error);
                }
            }
        }
    }
    if (side->count > 1) {
        qsort(side->list, side->count, sizeof(*side->list), entry_compare);
    }
    return status;
}

static void side_drop(struct side *side)
{
    for (size_t i = 0; i < side->count; i++) {
        wr_free(side->list[i].key);
        wr_free(side->list[i].value);
    }
    side->count = 0;
}

// ---- printing ----

static void print_entry(const struct diff *diff, char sign, const struct side_entry *entry)
{
    const struct group *group = diff->group;
    char                time[WEIR_TIME_TEXT_MAX];
    if (!diff->command->as_json) {
        (void)printf("%c %s %s%s%s %s %s\n", sign, group->operator_name,
                     group->name != NULL ? group->name : "cell", group->has_member ? " " : "",
                     group->has_member ? wr_time_text(group->member, time) : "", entry->key,
                     entry->value);
        return;
    }
    (void)printf("{\"change\":\"%c\",\"operator\":", sign);
    wr_json_print_text(stdout, group->operator_name);
    if (group->name != NULL) {
        (void)printf(",\"table\":");
        wr_json_print_text(stdout, group->name);
        (void)printf(",\"member\":");
        if (group->has_member) {
            wr_json_print_time(stdout, group->member);
        } else {
            (void)printf("null");
        }
        (void)printf(",\"key\":%s,\"value\":%s}\n", entry->key, entry->value);
    } else {
        (void)printf(",\"cell\":%s,\"value\":%s}\n", entry->key, entry->value);
    }
}

static void print_group(struct diff *diff)
{
    const struct side *from = &diff->sides[0], *to = &diff->sides[1];
    for (size_t i = 0, j = 0; (i < from->count || j < to->count) && !is_over();) {
        const int order = i == from->count ? 1
                          : j == to->count ? -1
                                           : strcmp(from->list[i].key, to->list[j].key);
        if (order < 0) {
            print_entry(diff, '-', &from->list[i++]);
            diff->removed++;
        } else if (order > 0) {
            print_entry(diff, '+', &to->list[j++]);
            diff->added++;
        } else {
            if (strcmp(from->list[i].value, to->list[j].value) != 0) {
                print_entry(diff, '-', &from->list[i]);
                print_entry(diff, '+', &to->list[j]);
                diff->changed++;
            }
            i++;
            j++;
        }
    }
}

// ---- all of it ----

static weir_status diff_group(struct diff *diff, struct wr_error *error)
{
    struct places places[2];
    weir_status   status = WEIR_OK;
    for (uint32_t i = 0; i < 2; i++) {
        places[i] = diff->is_of_two ? (struct places){ .count = 0 }
                                    : places_of(diff->sides[i].store, diff->group);
    }
    for (uint32_t i = 0; i < 2 && status == WEIR_OK; i++) {
        status = side_take_group(&diff->sides[i], diff->group, &places[1 - i], error);
    }
    if (status == WEIR_OK) {
        print_group(diff);
    }
    for (uint32_t i = 0; i < 2; i++) {
        side_drop(&diff->sides[i]);
        wr_free(places[i].at);
    }
    return status;
}

static int diff_groups(struct diff *diff)
{
    struct wr_error error  = { .status = WEIR_OK };
    weir_status     status = WEIR_OK;
    diff_find_groups(diff, diff->sides[0].store);
    diff_find_groups(diff, diff->sides[1].store);
    if (diff->group_count > 1) {
        qsort(diff->groups, diff->group_count, sizeof(*diff->groups), group_compare);
    }
    for (uint32_t i = 0; i < diff->group_count && status == WEIR_OK && !is_over(); i++) {
        diff->group = &diff->groups[i];
        if (i == 0 || group_compare(&diff->groups[i - 1], diff->group) != 0) {
            status = diff_group(diff, &error);
        }
    }
    (void)fflush(stdout);
    if (status != WEIR_OK) { // the older one goes first
        const uint64_t from = wr_store_manifest(diff->sides[0].store)->checkpoint;
        const uint64_t to   = wr_store_manifest(diff->sides[1].store)->checkpoint;
        return wr_checkpoint_read_failed(diff->command, from < to ? from : to, &error);
    }
    if (wr_command_is_interrupted()) {
        return weir_status_exit_code(WEIR_INTERRUPTED);
    }
    if (!diff->command->is_quiet) {
        (void)fprintf(stderr, "%" PRIu64 " added, %" PRIu64 " removed, %" PRIu64 " changed\n",
                      diff->added, diff->removed, diff->changed);
    }
    return 0;
}

static int diff_stores(struct diff *diff)
{
    if (diff->operator_name != NULL &&
        !wr_checkpoint_has_operator(diff->sides[0].store, diff->operator_name) &&
        !wr_checkpoint_has_operator(diff->sides[1].store, diff->operator_name)) {
        return wr_checkpoint_no_operator(diff->sides[1].store, diff->operator_name);
    }
    for (uint32_t i = 0; i < 2; i++) {
        wr_entries_init(&diff->sides[i].entries, diff->sides[i].store);
    }
    const int code = diff_groups(diff);
    for (uint32_t i = 0; i < 2; i++) {
        wr_entries_fini(&diff->sides[i].entries);
        wr_free(diff->sides[i].list);
    }
    wr_free(diff->groups);
    return code;
}

static int diff_open_numbers(struct diff *diff, const char *const *words)
{
    int code = 0;
    for (uint32_t i = 0; i < 2 && code == 0; i++) {
        uint64_t number;
        code = wr_checkpoint_is_number(words[i], &number)
                   ? wr_checkpoint_open(diff->command, number, &diff->sides[i].store)
                   : wr_tool_misused(diff->command, "\"%s\" is not the number of a checkpoint",
                                     words[i]);
    }
    return code;
}

// The newest of each of two directories.
static int diff_open_directories(struct diff *diff, const char *other)
{
    struct wr_tool_call command = *diff->command;
    const int           code    = wr_checkpoint_open(&command, 0, &diff->sides[0].store);
    command.directory           = other;
    diff->is_of_two             = true;
    return code != 0 ? code : wr_checkpoint_open(&command, 0, &diff->sides[1].store);
}

static int diff_run(struct wr_tool_call *command)
{
    uint64_t       number;
    const bool     has_numbers = wr_checkpoint_is_number(command->words[0], &number);
    const uint32_t own         = has_numbers ? 2 : 1; // the words before the operator's
    struct diff    diff        = { .command = command };
    if (command->word_count < own) {
        return wr_tool_misused(command,
                               "the number of the second checkpoint is missing: say weir "
                               "checkpoint diff %s %s M",
                               command->directory, command->words[0]);
    }
    if (command->word_count > own + 1) {
        return wr_tool_misused(command, "do not know what to do with \"%s\"",
                               command->words[own + 1]);
    }
    diff.operator_name = command->word_count > own ? command->words[own] : NULL;
    int code           = has_numbers ? diff_open_numbers(&diff, command->words)
                                     : diff_open_directories(&diff, command->words[0]);
    if (code == 0) {
        code = diff_stores(&diff);
    }
    wr_store_close(diff.sides[0].store);
    wr_store_close(diff.sides[1].store);
    return code;
}

const struct wr_tool_verb wr_checkpoint_diff_verb = {
    .name    = "diff",
    .words   = "DIR N M [OPERATOR] | DIR OTHER-DIR [OPERATOR]",
    .second  = "what to compare, two checkpoints or another directory,",
    .summary = "what was added, removed and changed from N to M, or to another directory's",
    .more =
        "A line an entry: + added, - removed; one that changed has two lines. Of segments that "
        "both have\nfrom the same checkpoint nothing is read. What has changed of one table must "
        "fit into memory.\nHow many there are is said on stderr. Of two directories it compares "
        "the newest: those of two "
        "replays,\na savepoint.\n\n"
        "  weir checkpoint diff data/checkpoints 11 latest\n"
        "  weir checkpoint diff data/checkpoints 11 12 by-card --json\n"
        "  weir checkpoint diff before after by-card\n",
    .least = 2,
    .most  = 4,
    .run   = diff_run,
};
