// Tables against a plain array: random options, batches with duplicates, erasures, walks and
// sweeps; one round in three with a budget over which segments go to a file.
//
// usage: property_table [--seed N] [--cases N]
//
// A key is made from its number, and its first four bytes are that number; the model is an array of
// what each number's entry should hold. A case is one random call, compared with the model.
#include "runtime/state/state.h"
#include "tests/support/spilling.h"

#include <stdio.h>
#include <stdlib.h>

#define MOST_KEYS      12000u
#define MOST_BATCH     700u
#define MOST_KEY_BYTES 4096u
#define STRINGS        2u

struct text {
    uint64_t seed;
    uint32_t length;
};

struct entry {
    bool        is_there;
    bool        is_due; // an open sweep has still to come by
    uint32_t    visits;
    uint64_t    version;
    struct text texts[STRINGS];
};

struct key {
    uint64_t hash;
    uint32_t length;
    char     fixed[16];
    char    *bytes; // WR_KEY_BYTES
};

struct round {
    uint64_t                random;
    struct wr_table_options options;
    struct wr_strings       strings;
    uint32_t                offsets[STRINGS];
    uint32_t                key_count;
    struct wr_pool         *pool;
    struct spilling         spilling;
    bool                    spills;
    struct wr_table        *table;
    struct key             *keys;
    struct entry           *entries;
    uint64_t                count; // entries that are there
    uint64_t                bad_hash_mask;
    uint32_t                text_limit;
    bool                    has_budget;
    struct wr_table_cursor  sweep;
    bool                    is_sweeping;
    uint64_t                sweep_salt;
};

static uint64_t run_seed;
static uint64_t spilled_count; // segments, in all rounds
static uint64_t case_number;

#define REQUIRE(claim)                                                                             \
    do {                                                                                           \
        if (!(claim)) {                                                                            \
            fprintf(stderr, "seed %llu, case %llu, line %d: %s\n", (unsigned long long)run_seed,   \
                    (unsigned long long)case_number, __LINE__, #claim);                            \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static uint64_t next_random(struct round *r)
{
    r->random += 0x9e3779b97f4a7c15u;
    return wr_mix64(r->random, run_seed);
}

static uint32_t below(struct round *r, uint32_t limit)
{
    return (uint32_t)((next_random(r) >> 32) * limit >> 32);
}

static bool one_in(struct round *r, uint32_t n) { return below(r, n) == 0; }

// Nothing points into the table: often its spill learns of it.
static void release(struct round *r)
{
    if (r->spills && !one_in(r, 4)) {
        wr_spill_release(r->spilling.spill);
    }
}

// ---- keys ----

static uint64_t plain_hash(const struct round *r, const struct key *key)
{
    uint64_t halves[2] = { 0, 0 };
    if (r->options.key_kind == WR_KEY_BYTES) {
        return wr_hash_bytes(key->bytes, key->length, r->options.seed);
    }
    memcpy(halves, key->fixed, key->length);
    const uint64_t hash = wr_mix64(halves[0], r->options.seed);
    return key->length == 16 ? wr_mix64(halves[1], hash) : hash;
}

static bool is_in_range(const struct round *r, uint64_t hash)
{
    return r->options.range_bits == 0 || hash >> (64 - r->options.range_bits) == 1;
}

static void make_key(struct round *r, uint32_t number)
{
    struct key *const key = &r->keys[number];
    if (r->options.key_kind == WR_KEY_BYTES) {
        key->length = number == 0 ? 0 : 4 + below(r, one_in(r, 200) ? MOST_KEY_BYTES - 4 : 30);
        key->bytes  = wr_alloc(key->length);
        for (uint32_t i = 0; i < key->length; i++) {
            key->bytes[i] = (char)wr_mix64(number, i);
        }
        memcpy(key->bytes, &number, key->length < 4 ? key->length : 4);
    } else {
        key->length = 4u << r->options.key_kind;
        memcpy(key->fixed, &number, 4);
    }
    key->hash = plain_hash(r, key);
    // Into the table's range: by salting the key, or, where hashes are free, by cutting the hash.
    if (r->options.stores_hash || r->options.key_kind == WR_KEY_BYTES) {
        key->hash = (key->hash & r->bad_hash_mask) >> r->options.range_bits;
        key->hash |= r->options.range_bits == 0 ? 0 : 1ull << (64 - r->options.range_bits);
    }
    for (uint32_t salt = 0; !is_in_range(r, key->hash); salt++) {
        memcpy(key->fixed + 4, &salt, 4);
        key->hash = plain_hash(r, key);
    }
}

static const void *key_bytes(const struct round *r, uint32_t number)
{
    return r->options.key_kind == WR_KEY_BYTES ? r->keys[number].bytes : r->keys[number].fixed;
}

static uint32_t number_of(struct round *r, const void *key, uint32_t length)
{
    uint32_t number = 0;
    if (length > 0) {
        memcpy(&number, key, 4);
    }
    REQUIRE(number < r->key_count && length == r->keys[number].length);
    REQUIRE(length == 0 || memcmp(key, key_bytes(r, number), length) == 0);
    return number;
}

// ---- values ----

static char text_byte(const struct text *text, uint32_t i)
{
    return (char)wr_mix64(text->seed, i / 64) ^ (char)i;
}

static bool is_string_byte(const struct round *r, uint32_t at)
{
    for (uint32_t s = 0; s < r->strings.count; s++) {
        if (at - r->offsets[s] < sizeof(weir_str)) {
            return true;
        }
    }
    return false;
}

static char plain_byte(const struct entry *entry, uint32_t at)
{
    return entry->version == 0 ? 0 : (char)wr_mix64(entry->version, at / 4);
}

static void require_value(struct round *r, uint32_t number, const char *value)
{
    const struct entry *const entry = &r->entries[number];
    REQUIRE(entry->is_there && value != NULL);
    for (uint32_t at = 0; at < r->options.value_size; at++) {
        REQUIRE(is_string_byte(r, at) || value[at] == plain_byte(entry, at));
    }
    for (uint32_t s = 0; s < r->strings.count; s++) {
        weir_str string;
        memcpy(&string, value + r->offsets[s], sizeof(string));
        REQUIRE(string.length == entry->texts[s].length);
        const char *const bytes = weir_str_bytes(&string);
        for (uint32_t i = 0; i < string.length; i++) {
            REQUIRE(bytes[i] == text_byte(&entry->texts[s], i));
        }
    }
}

static uint32_t random_length(struct round *r)
{
    switch (below(r, 8)) {
    case 0: return below(r, 13); // inline
    case 1: return 12 + below(r, 2);
    case 2: return one_in(r, 20) ? below(r, r->text_limit) : 13 + below(r, 200);
    default: return below(r, 40);
    }
}

// Writes something new to the value of a key. Its long strings point into the memory returned,
// which is to be freed, or, now and then, where another value's string points.
static char *write_value(struct round *r, uint32_t number, char *value, uint32_t other,
                         const char *other_value)
{
    struct entry *const entry = &r->entries[number];
    char               *borrowed;
    uint32_t            lengths[STRINGS];
    size_t              used = 0;
    for (uint32_t s = 0; s < r->strings.count; s++) {
        lengths[s] = random_length(r);
        used += lengths[s];
    }
    borrowed       = wr_alloc(used);
    used           = 0;
    entry->version = next_random(r) | 1;
    for (uint32_t at = 0; at < r->options.value_size; at++) {
        if (!is_string_byte(r, at)) {
            value[at] = plain_byte(entry, at);
        }
    }
    for (uint32_t s = 0; s < r->strings.count; s++) {
        weir_str string;
        if (one_in(r, 4)) {
            continue; // stays
        }
        if (one_in(r, 5)) {
            memcpy(&string, other_value + r->offsets[0], sizeof(string));
            entry->texts[s] = r->entries[other].texts[0];
        } else {
            const struct text text = { next_random(r), lengths[s] };
            for (uint32_t i = 0; i < text.length; i++) {
                borrowed[used + i] = text_byte(&text, i);
            }
            string          = weir_str_of(borrowed + used, text.length);
            entry->texts[s] = text;
            used += text.length;
        }
        memcpy(value + r->offsets[s], &string, sizeof(string));
    }
    return borrowed;
}

static void model_add(struct round *r, uint32_t number)
{
    r->entries[number] = (struct entry){ .is_there = true };
    r->count++;
}

static void model_remove(struct round *r, uint32_t number)
{
    r->entries[number] = (struct entry){ .is_there = false };
    r->count--;
}

// ---- a batch ----

struct batch {
    uint32_t       count;
    uint32_t       numbers[MOST_BATCH];
    uint64_t       hashes[MOST_BATCH];
    char           fixed[MOST_BATCH * 16];
    const char    *bytes[MOST_BATCH];
    uint32_t       lengths[MOST_BATCH];
    void          *values[MOST_BATCH];
    uint8_t        is_new[MOST_BATCH];
    struct wr_keys keys;
};

static struct batch batch;

static void fill_batch(struct round *r)
{
    const uint32_t span  = one_in(r, 3) ? 1 + below(r, r->key_count) : r->key_count;
    const uint32_t first = below(r, r->key_count - span + 1);
    batch.count          = below(r, one_in(r, 2) ? 40 : MOST_BATCH + 1);
    for (uint32_t i = 0; i < batch.count; i++) {
        const uint32_t    number = first + below(r, span);
        const struct key *key    = &r->keys[number];
        batch.numbers[i]         = number;
        batch.hashes[i]          = key->hash;
        batch.bytes[i]           = key->bytes;
        batch.lengths[i]         = key->length;
        if (r->options.key_kind != WR_KEY_BYTES) {
            memcpy(batch.fixed + (size_t)i * key->length, key->fixed, key->length);
        }
    }
    batch.keys = r->options.key_kind == WR_KEY_BYTES
                     ? (struct wr_keys){ .bytes = batch.bytes, .lengths = batch.lengths }
                     : (struct wr_keys){ .fixed = batch.fixed };
}

static void require_batch(struct round *r, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        require_value(r, batch.numbers[i], batch.values[i]);
        REQUIRE(batch.values[i] == wr_table_find(r->table, batch.hashes[i],
                                                 key_bytes(r, batch.numbers[i]),
                                                 r->keys[batch.numbers[i]].length));
    }
}

// What did not fit is made short, so that nothing points outside.
static void cut_strings(struct round *r, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t s = 0; s < r->strings.count; s++) {
            memset((char *)batch.values[i] + r->offsets[s], 0, sizeof(weir_str));
            r->entries[batch.numbers[i]].texts[s] = (struct text){ 0, 0 };
        }
    }
}

static void write_batch(struct round *r, uint32_t count)
{
    static char *borrowed[MOST_BATCH];
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t other = below(r, count);
        borrowed[i] = write_value(r, batch.numbers[i], batch.values[i], batch.numbers[other],
                                  batch.values[other]);
    }
    if (!wr_table_keep_strings_many(r->table, batch.hashes, &batch.keys, count, batch.values)) {
        REQUIRE(r->has_budget);
        cut_strings(r, count);
        REQUIRE(
            wr_table_keep_strings_many(r->table, batch.hashes, &batch.keys, count, batch.values));
    }
    for (uint32_t i = 0; i < count; i++) {
        wr_free(borrowed[i]); // nothing that is kept points into it
    }
    require_batch(r, count);
}

static void step_resolve_many(struct round *r)
{
    fill_batch(r);
    const bool     asks    = !one_in(r, 4);
    const uint32_t reached = wr_table_resolve_many(r->table, batch.hashes, &batch.keys, batch.count,
                                                   batch.values, asks ? batch.is_new : NULL);
    REQUIRE(reached == batch.count || (r->has_budget && reached < batch.count));
    for (uint32_t i = 0; i < reached; i++) {
        const bool is_new = !r->entries[batch.numbers[i]].is_there;
        REQUIRE(!asks || batch.is_new[i] == is_new);
        if (is_new) {
            model_add(r, batch.numbers[i]);
        }
    }
    REQUIRE(reached == batch.count || !r->entries[batch.numbers[reached]].is_there);
    require_batch(r, reached);
    if (reached > 0 && !one_in(r, 4)) {
        write_batch(r, reached);
    }
}

static void step_find_many(struct round *r)
{
    fill_batch(r);
    wr_table_find_many(r->table, batch.hashes, &batch.keys, batch.count, batch.values);
    for (uint32_t i = 0; i < batch.count; i++) {
        if (r->entries[batch.numbers[i]].is_there) {
            require_value(r, batch.numbers[i], batch.values[i]);
        } else {
            REQUIRE(batch.values[i] == NULL);
        }
    }
}

static void step_erase(struct round *r)
{
    for (uint32_t n = below(r, one_in(r, 4) ? r->key_count : 60); n > 0; n--) {
        const uint32_t    number = below(r, r->key_count);
        const struct key *key    = &r->keys[number];
        REQUIRE(wr_table_erase(r->table, key->hash, key_bytes(r, number), key->length) ==
                r->entries[number].is_there);
        if (r->entries[number].is_there) {
            model_remove(r, number);
        }
    }
}

static void step_one(struct round *r)
{
    const uint32_t    number = below(r, r->key_count);
    const struct key *key    = &r->keys[number];
    bool              is_new;
    char *const       value =
        wr_table_resolve(r->table, key->hash, key_bytes(r, number), key->length, &is_new);
    REQUIRE(value != NULL || r->has_budget);
    REQUIRE(is_new == (value != NULL && !r->entries[number].is_there));
    if (is_new) {
        model_add(r, number);
    }
    if (value != NULL) {
        require_value(r, number, value);
    }
}

// ---- walks ----

static void step_walk(struct round *r)
{
    static const void     *keys[MOST_BATCH];
    static uint32_t        lengths[MOST_BATCH];
    static uint64_t        hashes[MOST_BATCH];
    static const void     *values[MOST_BATCH];
    struct wr_table_cursor cursor = { 0, 0 };
    const bool             erases = one_in(r, 3);
    const uint64_t         before = r->count;
    uint64_t               seen   = 0;
    for (uint32_t i = 0; i < r->key_count; i++) {
        r->entries[i].visits = 0;
    }
    for (;;) {
        const uint32_t asked = 1 + below(r, one_in(r, 2) ? 5 : MOST_BATCH);
        const uint32_t count =
            wr_table_next(r->table, &cursor, asked, keys, lengths, hashes, values);
        REQUIRE(count <= asked);
        if (count == 0) {
            break;
        }
        for (uint32_t i = 0; i < count; i++) {
            const uint32_t number = number_of(r, keys[i], lengths[i]);
            require_value(r, number, values[i]);
            REQUIRE(hashes[i] == r->keys[number].hash);
            REQUIRE(r->entries[number].visits++ == 0);
            if (erases && one_in(r, 2)) {
                wr_table_erase_at(r->table, hashes[i], values[i]);
                model_remove(r, number);
                r->entries[number].visits = 1;
            }
        }
        seen += count;
        release(r);
    }
    REQUIRE(seen == before);
    REQUIRE(wr_table_next(r->table, &cursor, 5, NULL, NULL, NULL, NULL) == 0);
}

static bool keeps(void *opaque, const void *key, uint32_t length, const void *value)
{
    struct round *const r      = opaque;
    const uint32_t      number = number_of(r, key, length);
    require_value(r, number, value);
    r->entries[number].is_due = false;
    if (wr_mix64(number, r->sweep_salt) % 4 != 0) {
        model_remove(r, number);
        return false;
    }
    return true;
}

static void step_sweep(struct round *r)
{
    if (!r->is_sweeping) {
        r->is_sweeping = true;
        r->sweep       = (struct wr_table_cursor){ 0, 0 };
        r->sweep_salt  = next_random(r);
        for (uint32_t i = 0; i < r->key_count; i++) {
            r->entries[i].is_due = r->entries[i].is_there;
        }
    }
    if (wr_table_sweep(r->table, &r->sweep, 1 + below(r, one_in(r, 2) ? 100 : 100000), keeps, r)) {
        r->is_sweeping = false;
        for (uint32_t i = 0; i < r->key_count; i++) {
            REQUIRE(!r->entries[i].is_due);
        }
    }
}

static void count_found(void *opaque, const void *key, uint32_t length, void *value)
{
    struct round *const r      = opaque;
    const uint32_t      number = number_of(r, key, length);
    require_value(r, number, value);
    r->entries[number].visits++;
}

static void step_find_hash(struct round *r)
{
    for (uint32_t i = 0; i < r->key_count; i++) {
        r->entries[i].visits = 0;
    }
    const uint64_t hash = r->keys[below(r, r->key_count)].hash;
    wr_table_find_hash(r->table, hash, count_found, r);
    for (uint32_t i = 0; i < r->key_count; i++) {
        REQUIRE(r->entries[i].visits == (r->entries[i].is_there && r->keys[i].hash == hash));
    }
}

// ---- rounds ----

static void choose_options(struct round *r)
{
    static const uint32_t plain_sizes[] = { 0, 1, 4, 6, 8, 12, 16, 24, 100, 520, 3000 };
    r->options.key_kind                 = (enum wr_key_kind)below(r, 4);
    r->options.stores_hash              = one_in(r, 3);
    r->options.seed                     = next_random(r);
    r->options.value_size               = plain_sizes[below(r, WR_COUNT_OF(plain_sizes))];
    r->strings                          = (struct wr_strings){ r->offsets, below(r, STRINGS + 1) };
    r->offsets[0]                       = 8;
    r->offsets[1]                       = 32;
    if (r->strings.count > 0) {
        r->options.value_size    = 24 + 32 * (r->strings.count - 1);
        r->options.value_strings = &r->strings;
    }
    const bool is_free    = r->options.stores_hash || r->options.key_kind == WR_KEY_BYTES;
    r->options.range_bits = one_in(r, 2) || (r->options.key_kind == WR_KEY_4 && !is_free)
                                ? 0
                                : 1 + below(r, is_free ? 20 : 5);
    r->bad_hash_mask      = ~0ull;
    if (is_free && one_in(r, 3)) {
        static const uint64_t masks[] = {
            0, 7, 0xff000000, 0xffffffff, 0xffffull << 48, 0xfull << 40, ~0ull << 30
        };
        r->bad_hash_mask = masks[below(r, WR_COUNT_OF(masks))];
    }
    r->text_limit = one_in(r, 10) ? 150000 : one_in(r, 3) ? 3000 : 100;
    r->key_count  = 1 + below(r, one_in(r, 5) ? MOST_KEYS : one_in(r, 4) ? 20 : 900);
    if (r->bad_hash_mask != ~0ull && r->key_count > 600) {
        r->key_count = 600; // searches are linear here
    }
    r->has_budget = one_in(r, 5);
}

static void open_round(struct round *r)
{
    choose_options(r);
    r->keys    = wr_alloc(r->key_count * sizeof(*r->keys));
    r->entries = wr_alloc(r->key_count * sizeof(*r->entries));
    for (uint32_t i = 0; i < r->key_count; i++) {
        make_key(r, i);
    }
    r->spills = !r->has_budget && one_in(r, 3);
    if (r->spills) {
        spilling_open(&r->spilling, 1024u << below(r, 10), next_random(r));
        r->pool = r->spilling.pool;
    } else {
        r->pool = wr_pool_open(r->has_budget ? 4096u << below(r, 9) : 0);
    }
    r->table = wr_table_open(r->pool, &r->options);
    if (one_in(r, 3)) {
        wr_table_reserve(r->table, below(r, 4 * r->key_count + 1));
    }
}

static void close_round(struct round *r)
{
    REQUIRE(wr_table_is_valid(r->table));
    REQUIRE(wr_table_bytes(r->table) >= wr_pool_used_bytes(r->pool));
    wr_table_close(r->table);
    REQUIRE(wr_pool_used_bytes(r->pool) == 0);
    if (r->spills) {
        spilled_count += wr_spill_facts(r->spilling.spill).written;
        REQUIRE(wr_spill_facts(r->spilling.spill).segments == 0);
        spilling_close(&r->spilling);
    } else {
        wr_pool_close(r->pool);
    }
    for (uint32_t i = 0; i < r->key_count; i++) {
        wr_free(r->keys[i].bytes);
    }
    wr_free(r->keys);
    wr_free(r->entries);
}

static void step(struct round *r)
{
    switch (below(r, 20)) {
    case 0:
    case 1: step_erase(r); break;
    case 2:
    case 3: step_find_many(r); break;
    case 4: step_walk(r); break;
    case 5:
    case 6: step_sweep(r); break;
    case 7: step_find_hash(r); break;
    case 8: step_one(r); break;
    case 9: REQUIRE(wr_table_is_valid(r->table)); break;
    default: step_resolve_many(r); break;
    }
    REQUIRE(wr_table_count(r->table) == r->count);
    release(r);
}

int main(int argc, char **argv)
{
    uint64_t cases = 20000;
    run_seed       = 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0) {
            run_seed = strtoull(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--cases") == 0) {
            cases = strtoull(argv[i + 1], NULL, 10);
        }
    }
    printf("seed: %llu\n", (unsigned long long)run_seed);
    for (uint64_t number = 0; case_number < cases; number++) {
        static struct round r;
        memset(&r, 0, sizeof(r));
        r.random = number << 40;
        open_round(&r);
        for (uint32_t n = 20 + below(&r, 200); n > 0; n--, case_number++) {
            step(&r);
        }
        close_round(&r);
    }
    printf("segments spilled: %llu\ncases: %llu\n", (unsigned long long)spilled_count,
           (unsigned long long)case_number);
    return 0;
}
