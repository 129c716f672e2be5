// Captures of tables against a plain array: random options, writes of every kind between mark and
// end of a capture, captures one after the other, captures given up, files that count no more; one
// round in three with a budget over which segments go to a file.
//
// usage: property_capture [SEED]
//
// The model holds what each key's entry should be, and a copy of that as of the mark. When a
// capture is over, its images (packed ones, and unchanged ones read where earlier captures put
// them) are the copy exactly: entry by entry as the format has them, and unpacked into tables that
// share the hashes between them; what those are captured to is the same again. Then images are
// damaged. A case is one random call, or one capture looked at.
#include "runtime/state/state.h"
#include "tests/support/spilling.h"
#include "tests/support/trial.h"

#define MOST_KEYS  6000u
#define MOST_BATCH 300u
#define MOST_FILES 48u
#define STRINGS    2u

struct text {
    uint64_t seed;
    uint32_t length;
};

struct entry {
    bool        is_there;
    uint64_t    version; // 0: never written
    struct text texts[STRINGS];
};

struct key {
    uint64_t hash;
    uint32_t length;
    char     fixed[16];
    char    *bytes; // WR_KEY_BYTES
};

// What a capture packed; gone when it counts no more.
struct file {
    bool   is_gone;
    char  *bytes;
    size_t used, capacity;
};

// Everything one capture handed over.
struct capture {
    struct wr_capture to;
    uint32_t          file;
    struct wr_image  *images;
    uint32_t          count, capacity;
    uint32_t          packed_count;
};

struct round {
    uint64_t                random;
    struct wr_table_options options;
    struct wr_strings       strings;
    uint32_t                offsets[STRINGS];
    uint32_t                key_count;
    struct wr_pool         *pool, *undo_pool;
    struct spilling         spilling;
    bool                    spills;
    struct wr_table        *table;
    struct key             *keys;
    struct entry           *entries, *marked;
    uint64_t                bad_hash_mask;
    struct file             files[MOST_FILES];
    uint32_t                file_count;
    struct capture          capture;
    bool                    is_marked;
    bool                    is_quiet; // few writes, so that most of what is there is unchanged
    bool                    is_clean; // nothing was written since the last capture's mark
    struct wr_table_cursor  sweep;
    uint64_t                sweep_salt;
};

static uint64_t run_seed;
static uint64_t spilled_count; // segments, in all rounds
static uint64_t case_number;

#define REQUIRE(claim)                                                                             \
    do {                                                                                           \
        if (!(claim)) {                                                                            \
            printf("seed %" PRIu64 ", case %" PRIu64 ", line %d: %s\n", run_seed, case_number,     \
                   __LINE__, #claim);                                                              \
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

// Nothing points into a table: often their spill learns of it.
static void release(struct round *r)
{
    if (r->spills && !one_in(r, 4)) {
        wr_spill_release(r->spilling.spill);
    }
}

// ---- keys ----

static bool has_free_hash(const struct round *r)
{
    return r->options.stores_hash || r->options.key_kind == WR_KEY_BYTES;
}

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
        key->length = number == 0 ? 0 : 4 + below(r, one_in(r, 200) ? 3000 : 30);
        key->bytes  = wr_alloc(key->length + 1);
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
    if (has_free_hash(r)) {
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
    return (char)(wr_mix64(text->seed, i / 64) ^ i);
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

static void require_value(struct round *r, const struct entry *entry, const char *value)
{
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
    case 2: return one_in(r, 30) ? below(r, 20000) : 13 + below(r, 100);
    default: return below(r, 40);
    }
}

// Writes something new. Long strings point into the memory returned, which is to be freed, or, now
// and then, where another value's string points.
static char *write_value(struct round *r, uint32_t number, char *value, uint32_t other,
                         const char *other_value)
{
    struct entry *const entry = &r->entries[number];
    uint32_t            lengths[STRINGS];
    size_t              used = 0;
    for (uint32_t s = 0; s < r->strings.count; s++) {
        lengths[s] = random_length(r);
        used += lengths[s];
    }
    char *const borrowed = wr_alloc(used + 1);
    used                 = 0;
    entry->version       = next_random(r) | 1;
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

// ---- writing ----

struct batch {
    uint32_t       count;
    uint32_t       numbers[MOST_BATCH];
    uint64_t       hashes[MOST_BATCH];
    char           fixed[MOST_BATCH * 16];
    const char    *bytes[MOST_BATCH];
    uint32_t       lengths[MOST_BATCH];
    void          *values[MOST_BATCH];
    const void    *found[MOST_BATCH];
    uint8_t        is_new[MOST_BATCH];
    struct wr_keys keys;
};

static struct batch batch;

static void fill_batch(struct round *r)
{
    const uint32_t span  = one_in(r, 3) ? 1 + below(r, r->key_count) : r->key_count;
    const uint32_t first = below(r, r->key_count - span + 1);
    batch.count          = below(r, r->is_quiet ? 4 : one_in(r, 3) ? MOST_BATCH + 1 : 40);
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

static void write_batch(struct round *r)
{
    static char *borrowed[MOST_BATCH];
    for (uint32_t i = 0; i < batch.count; i++) {
        const uint32_t other = below(r, batch.count);
        if (batch.values[i] != NULL) {
            const uint32_t from = batch.values[other] == NULL ? i : other;
            borrowed[i] = write_value(r, batch.numbers[i], batch.values[i], batch.numbers[from],
                                      batch.values[from]);
        }
    }
    REQUIRE(
        wr_table_keep_strings_many(r->table, batch.hashes, &batch.keys, batch.count, batch.values));
    for (uint32_t i = 0; i < batch.count; i++) {
        if (batch.values[i] != NULL) {
            wr_free(borrowed[i]);
        }
    }
    for (uint32_t i = 0; i < batch.count; i++) {
        if (batch.values[i] != NULL) {
            require_value(r, &r->entries[batch.numbers[i]], batch.values[i]);
        }
    }
}

static void step_resolve_many(struct round *r)
{
    fill_batch(r);
    REQUIRE(wr_table_resolve_many(r->table, batch.hashes, &batch.keys, batch.count, batch.values,
                                  batch.is_new) == batch.count);
    for (uint32_t i = 0; i < batch.count; i++) {
        struct entry *const entry = &r->entries[batch.numbers[i]];
        REQUIRE(batch.is_new[i] == !entry->is_there);
        if (!entry->is_there) {
            *entry = (struct entry){ .is_there = true };
        }
    }
    if (!one_in(r, 5)) {
        write_batch(r);
    }
    r->is_clean = r->is_clean && batch.count == 0;
}

static void step_find_many(struct round *r)
{
    fill_batch(r);
    wr_table_find_many(r->table, batch.hashes, &batch.keys, batch.count, batch.values);
    for (uint32_t i = 0; i < batch.count; i++) {
        REQUIRE((batch.values[i] != NULL) == r->entries[batch.numbers[i]].is_there);
        r->is_clean = r->is_clean && batch.values[i] == NULL;
    }
    write_batch(r);
}

static void step_read_many(struct round *r)
{
    fill_batch(r);
    wr_table_find_many_read(r->table, batch.hashes, &batch.keys, batch.count, batch.found);
    for (uint32_t i = 0; i < batch.count; i++) {
        const uint32_t number = batch.numbers[i];
        REQUIRE((batch.found[i] != NULL) == r->entries[number].is_there);
        REQUIRE(batch.found[i] == wr_table_find_read(r->table, batch.hashes[i],
                                                     key_bytes(r, number), batch.lengths[i]));
        if (batch.found[i] != NULL) {
            require_value(r, &r->entries[number], batch.found[i]);
        }
    }
}

// Without touching strings, which a walk or find_hash leaves no chance to keep.
static void write_plain(struct round *r, uint32_t number, char *value)
{
    struct entry *const entry = &r->entries[number];
    entry->version            = next_random(r) | 1;
    for (uint32_t at = 0; at < r->options.value_size; at++) {
        if (!is_string_byte(r, at)) {
            value[at] = plain_byte(entry, at);
        }
    }
    r->is_clean = false;
}

static void step_one(struct round *r)
{
    const uint32_t    number = below(r, r->key_count);
    const struct key *key    = &r->keys[number];
    bool              is_new = false;
    char             *value  = NULL;
    if (one_in(r, 2)) {
        value = wr_table_resolve(r->table, key->hash, key_bytes(r, number), key->length, &is_new);
        REQUIRE(value != NULL && is_new == !r->entries[number].is_there);
    } else {
        value = wr_table_find(r->table, key->hash, key_bytes(r, number), key->length);
        REQUIRE((value != NULL) == r->entries[number].is_there);
    }
    if (is_new) {
        r->entries[number] = (struct entry){ .is_there = true };
    }
    if (value != NULL) {
        require_value(r, &r->entries[number], value);
        write_plain(r, number, value);
    }
}

static void step_erase(struct round *r)
{
    const uint32_t most = r->is_quiet ? 3 : one_in(r, 8) ? 2 * r->key_count : 60;
    for (uint32_t n = below(r, most); n > 0; n--) {
        const uint32_t    number = below(r, r->key_count);
        const struct key *key    = &r->keys[number];
        const bool        was    = r->entries[number].is_there;
        REQUIRE(wr_table_erase(r->table, key->hash, key_bytes(r, number), key->length) == was);
        r->entries[number] = (struct entry){ .is_there = false };
        r->is_clean        = r->is_clean && !was;
    }
}

static void step_walk(struct round *r)
{
    const void            *keys[64];
    uint32_t               lengths[64];
    uint64_t               hashes[64];
    const void            *values[64];
    struct wr_table_cursor cursor = { 0, 0 };
    uint32_t               count;
    const bool             writes = !r->is_quiet && one_in(r, 2);
    uint64_t               seen   = 0;
    uint64_t               want   = 0;
    while ((count = wr_table_next(r->table, &cursor, 64, keys, lengths, hashes, values)) > 0) {
        for (uint32_t i = 0; i < count; i++) {
            const uint32_t number = number_of(r, keys[i], lengths[i]);
            require_value(r, &r->entries[number], values[i]);
            if (writes && one_in(r, 8)) {
                write_plain(r, number, wr_table_write_at(r->table, hashes[i], values[i]));
            }
        }
        seen += count;
        release(r);
    }
    for (uint32_t i = 0; i < r->key_count; i++) {
        want += r->entries[i].is_there;
    }
    REQUIRE(seen == want);
}

static bool keeps(void *opaque, const void *key, uint32_t length, const void *value)
{
    struct round *const r      = opaque;
    const uint32_t      number = number_of(r, key, length);
    require_value(r, &r->entries[number], value);
    if (wr_mix64(number, r->sweep_salt) % 4 != 0) {
        r->entries[number] = (struct entry){ .is_there = false };
        r->is_clean        = false;
        return false;
    }
    return true;
}

static void step_sweep(struct round *r)
{
    if (r->is_quiet) {
        return;
    }
    if (wr_table_sweep(r->table, &r->sweep, 1 + below(r, one_in(r, 2) ? 100 : 5000), keeps, r)) {
        r->sweep      = (struct wr_table_cursor){ 0, 0 };
        r->sweep_salt = next_random(r);
    }
    r->is_clean = false; // what erasures have emptied is made smaller, and packed again
}

static void write_found(void *opaque, const void *key, uint32_t length, void *value)
{
    struct round *const r      = opaque;
    const uint32_t      number = number_of(r, key, length);
    require_value(r, &r->entries[number], value);
    write_plain(r, number, value);
}

static void step_find_hash(struct round *r)
{
    wr_table_find_hash(r->table, r->keys[below(r, r->key_count)].hash, write_found, r);
}

// ---- where images go ----

static void *file_room(void *opaque, size_t bytes)
{
    struct round *const r    = opaque;
    struct file *const  file = &r->files[r->capture.file];
    if (file->used + bytes > file->capacity) {
        file->capacity = 2 * (file->used + bytes);
        file->bytes    = wr_realloc(file->bytes, file->capacity);
    }
    memset(file->bytes + file->used, 0x5a, bytes);
    return file->bytes + file->used;
}

static uint32_t check_of(const char *bytes, size_t length)
{
    return (uint32_t)wr_hash_bytes(bytes, length, 0);
}

static void file_put(void *opaque, struct wr_image *image)
{
    struct round *const   r       = opaque;
    struct capture *const capture = &r->capture;
    if (image->is_packed) {
        struct file *const file = &r->files[capture->file];
        image->place.file       = capture->file;
        image->place.offset     = file->used;
        image->place.crc        = check_of(file->bytes + file->used, image->bytes);
        file->used += image->bytes;
        capture->packed_count++;
    }
    if (capture->count == capture->capacity) {
        capture->capacity = capture->capacity * 2 + 8;
        capture->images = wr_realloc(capture->images, capture->capacity * sizeof(*capture->images));
    }
    capture->images[capture->count++] = *image;
}

static const char *image_bytes(struct round *r, const struct wr_image *image)
{
    const struct file *const file = &r->files[image->place.file];
    REQUIRE(image->place.file < r->file_count && !file->is_gone);
    REQUIRE(image->place.offset + image->bytes <= file->used);
    const char *const bytes = file->bytes + image->place.offset;
    REQUIRE(image->place.crc == check_of(bytes, image->bytes));
    return bytes;
}

// ---- what a capture gave ----

static char   packed[1 << 16];
static size_t packed_bytes;

static void packed_add(const void *bytes, size_t count)
{
    WR_ASSERT(packed_bytes + count <= sizeof(packed));
    if (count > 0) {
        memcpy(packed + packed_bytes, bytes, count);
    }
    packed_bytes += count;
}

// An entry as the format has it, made from the model.
static uint64_t entry_digest(struct round *r, uint32_t number, const struct entry *entry)
{
    const struct key *key = &r->keys[number];
    packed_bytes          = 0;
    if (r->options.key_kind == WR_KEY_BYTES) {
        packed_add(&key->length, sizeof(key->length));
    }
    packed_add(key_bytes(r, number), key->length);
    if (has_free_hash(r)) {
        packed_add(&key->hash, sizeof(key->hash));
    }
    char *const value = packed + packed_bytes;
    for (uint32_t at = 0; at < r->options.value_size; at++) {
        const char byte = plain_byte(entry, at);
        packed_add(&byte, 1);
    }
    for (uint32_t s = 0; s < r->strings.count; s++) {
        const struct text *text  = &entry->texts[s];
        const size_t       begin = packed_bytes;
        for (uint32_t i = 0; i < text->length; i++) {
            const char byte = text_byte(text, i);
            packed_add(&byte, 1);
        }
        weir_str string = weir_str_of(packed + begin, text->length);
        if (weir_str_is_inline(&string)) {
            packed_bytes = begin;
        } else {
            memset(&string.rest, 0, sizeof(string.rest));
        }
        memcpy(value + r->offsets[s], &string, sizeof(string));
    }
    return wr_hash_bytes(packed, packed_bytes, 1);
}

// The bytes of the entry at the start of `bytes`.
static size_t entry_length(const struct round *r, const char *bytes)
{
    uint32_t length = 4u << r->options.key_kind;
    size_t   at     = 0;
    if (r->options.key_kind == WR_KEY_BYTES) {
        memcpy(&length, bytes, sizeof(length));
        at = sizeof(length);
    }
    at += length + (has_free_hash(r) ? 8 : 0);
    const char *const value = bytes + at;
    at += r->options.value_size;
    for (uint32_t s = 0; s < r->strings.count; s++) {
        memcpy(&length, value + r->offsets[s], sizeof(length));
        at += length > WEIR_STR_INLINE ? length : 0;
    }
    return at;
}

struct digest {
    uint64_t sum;
    uint64_t count;
};

static struct digest model_digest(struct round *r, const struct entry *entries,
                                  struct wr_hash_range range)
{
    struct digest digest = { 0, 0 };
    for (uint32_t i = 0; i < r->key_count; i++) {
        const uint64_t hash = r->keys[i].hash;
        if (entries[i].is_there && hash >= range.first && hash <= range.last) {
            digest.sum += entry_digest(r, i, &entries[i]);
            digest.count++;
        }
    }
    return digest;
}

static struct digest images_digest(struct round *r)
{
    struct digest digest = { 0, 0 };
    for (uint32_t i = 0; i < r->capture.count; i++) {
        const struct wr_image *image = &r->capture.images[i];
        const char            *bytes = image_bytes(r, image);
        size_t                 at    = 0;
        REQUIRE(image->entries > 0 && image->entries == image->place.entries);
        REQUIRE(image->bytes == image->place.bytes);
        for (uint32_t n = 0; n < image->entries; n++) {
            REQUIRE(at < image->bytes);
            const size_t length = entry_length(r, bytes + at);
            REQUIRE(length <= image->bytes - at);
            digest.sum += wr_hash_bytes(bytes + at, length, 1);
            at += length;
        }
        REQUIRE(at == image->bytes);
        digest.count += image->entries;
    }
    return digest;
}

static struct wr_hash_range whole_range(const struct round *r)
{
    if (r->options.range_bits == 0) {
        return (struct wr_hash_range){ 0, UINT64_MAX };
    }
    const uint64_t first = 1ull << (64 - r->options.range_bits);
    return (struct wr_hash_range){ first, first + (first - 1) };
}

static void require_disjoint(struct round *r)
{
    uint64_t share = 0; // of 2^40
    for (uint32_t i = 0; i < r->capture.count; i++) {
        const struct wr_image *a = &r->capture.images[i];
        REQUIRE(a->depth <= 32 && (a->depth == 64 || a->prefix << a->depth == 0));
        share += (uint64_t)1 << (40 - a->depth);
        for (uint32_t j = 0; j < i && i < 50; j++) {
            const struct wr_image *b     = &r->capture.images[j];
            const uint32_t         depth = a->depth < b->depth ? a->depth : b->depth;
            REQUIRE(depth > 0 && (a->prefix ^ b->prefix) >> (64 - depth) != 0);
        }
    }
    REQUIRE(share <= (uint64_t)1 << 40);
}

static void free_capture(struct round *r)
{
    wr_free(r->capture.images);
    r->capture = (struct capture){ .count = 0 };
}

// What the table unpacked is captured to is the same again.
static void recapture(struct round *r, struct wr_table *table, struct digest want)
{
    const struct capture before = r->capture;
    r->capture                  = (struct capture){ .to = before.to, .file = r->file_count++ };
    wr_table_mark(table, &r->capture.to);
    while (!wr_table_capture(table, below(r, 5000))) {
        REQUIRE(!wr_table_is_captured(table));
    }
    const struct digest digest = images_digest(r);
    REQUIRE(digest.sum == want.sum && digest.count == want.count);
    REQUIRE(r->capture.packed_count == r->capture.count);
    r->file_count--;
    r->files[r->file_count].used = 0;
    free_capture(r);
    r->capture = before;
}

static void require_range(struct round *r, struct wr_hash_range range)
{
    struct wr_table_options options = r->options;
    // A narrower range may know more bits of its hashes.
    while (options.range_bits < 20 && one_in(r, 2) &&
           (range.first ^ range.last) >> (63 - options.range_bits) == 0) {
        options.range_bits++;
    }
    struct wr_table *const table = wr_table_open(r->pool, &options);
    uint64_t               added = 0;
    for (uint32_t i = 0; i < r->capture.count; i++) {
        const struct wr_image *image = &r->capture.images[i];
        REQUIRE(wr_table_unpack(table, image_bytes(r, image), image->bytes, image, range, &added) ==
                WR_UNPACK_DONE);
    }
    const struct digest want = model_digest(r, r->marked, range);
    REQUIRE(added == want.count && wr_table_count(table) == want.count);
    REQUIRE(wr_table_is_valid(table));
    for (uint32_t i = 0; i < r->key_count; i++) {
        const struct key *key   = &r->keys[i];
        const bool        is_in = key->hash >= range.first && key->hash <= range.last;
        const void *found = wr_table_find_read(table, key->hash, key_bytes(r, i), key->length);
        REQUIRE((found != NULL) == (is_in && r->marked[i].is_there));
        if (found != NULL) {
            require_value(r, &r->marked[i], found);
        }
    }
    if (one_in(r, 2) && r->file_count < MOST_FILES) {
        recapture(r, table, want);
    }
    wr_table_close(table);
}

// Damaged images crash nothing, and leave a sound table; one cut, longer or of another count of
// entries is refused. A whole one is, too, where there is no budget for it.
static void damage(struct round *r, const struct wr_image *whole)
{
    enum { CUT, LONGER, MORE, LESS, POOR, FLIPPED, KINDS };
    const uint32_t   kind  = below(r, KINDS);
    struct wr_image  image = *whole;
    struct wr_pool  *pool  = wr_pool_open(kind == POOR ? 512u << below(r, 6) : 64u << 20);
    struct wr_table *table = wr_table_open(pool, &r->options);
    const size_t     length =
        kind == CUT ? below(r, (uint32_t)image.bytes) : image.bytes + (kind == LONGER);
    // Exactly so large, so that reading past the end is seen.
    char *const bytes = wr_alloc(length > 0 ? length : 1);
    memcpy(bytes, image_bytes(r, whole), length < image.bytes ? length : image.bytes);
    image.entries = image.entries + (kind == MORE) - (kind == LESS);
    for (uint32_t n = kind == FLIPPED ? 1 + below(r, 3) : 0; n > 0; n--) {
        bytes[below(r, (uint32_t)length)] ^= (char)(1u << below(r, 8));
    }
    const enum wr_unpack unpacked =
        wr_table_unpack(table, bytes, length, &image, whole_range(r), NULL);
    REQUIRE(unpacked != WR_UNPACK_DONE || kind == POOR || kind == FLIPPED);
    REQUIRE(unpacked == WR_UNPACK_DONE || unpacked == WR_UNPACK_OUT_OF_BUDGET || kind != POOR);
    REQUIRE(wr_unpack_text(unpacked)[0] != '\0');
    REQUIRE(wr_table_is_valid(table));
    wr_table_close(table);
    wr_pool_close(pool);
    wr_free(bytes);
}

static void check_capture(struct round *r)
{
    const struct wr_hash_range whole = whole_range(r);
    const struct digest        want  = model_digest(r, r->marked, whole);
    const struct digest        have  = images_digest(r);
    REQUIRE(have.count == want.count && have.sum == want.sum);
    require_disjoint(r);
    // Cut the hashes where keys are, or anywhere.
    struct wr_hash_range range = whole;
    for (uint32_t n = below(r, 3); n > 0; n--) {
        const uint64_t at = one_in(r, 2)
                                ? r->keys[below(r, r->key_count)].hash
                                : whole.first + next_random(r) % (whole.last - whole.first);
        if (at > range.first && at < range.last) {
            require_range(r, (struct wr_hash_range){ range.first, at - 1 });
            range.first = at;
        }
    }
    require_range(r, range);
    for (uint32_t n = below(r, 4); n > 0 && r->capture.count > 0; n--) {
        damage(r, &r->capture.images[below(r, r->capture.count)]);
    }
}

// ---- captures ----

static void capture_over(struct round *r)
{
    REQUIRE(wr_table_is_captured(r->table) && wr_table_undo_bytes(r->table) == 0);
    REQUIRE(wr_pool_used_bytes(r->undo_pool) == 0);
    check_capture(r);
    r->is_marked = false;
    free_capture(r);
    case_number++;
}

static void step_mark(struct round *r)
{
    if (r->is_marked || r->file_count == MOST_FILES) {
        return;
    }
    r->capture = (struct capture){
        .to   = { .opaque = r, .pool = r->undo_pool, .room = file_room, .put = file_put },
        .file = r->file_count++,
    };
    memcpy(r->marked, r->entries, r->key_count * sizeof(*r->entries));
    wr_table_mark(r->table, &r->capture.to);
    r->is_marked = true;
    if (r->is_clean && one_in(r, 2)) { // nothing is packed a second time
        REQUIRE(wr_table_capture(r->table, SIZE_MAX));
        REQUIRE(r->capture.packed_count == 0);
        capture_over(r);
    }
    r->is_clean = true;
}

static void step_capture(struct round *r)
{
    if (!r->is_marked) {
        REQUIRE(wr_table_capture(r->table, 1));
        return;
    }
    if (wr_table_capture(r->table, one_in(r, 4) ? SIZE_MAX : below(r, 20000))) {
        capture_over(r);
    }
}

static void lose_file(struct round *r, uint32_t number)
{
    struct file *const file = &r->files[number];
    wr_table_touch_file(r->table, number);
    wr_free(file->bytes);
    *file = (struct file){ .is_gone = true };
}

static void step_unmark(struct round *r)
{
    if (!r->is_marked) {
        return;
    }
    wr_table_unmark(r->table);
    REQUIRE(wr_table_is_captured(r->table) && wr_pool_used_bytes(r->undo_pool) == 0);
    lose_file(r, r->capture.file);
    r->is_marked = false;
    r->is_clean  = false;
    free_capture(r);
}

static void step_touch(struct round *r)
{
    if (!r->is_marked && r->file_count > 0) {
        const uint32_t latest = r->file_count < 4 ? r->file_count : 4;
        lose_file(r, r->file_count - 1 - below(r, latest));
        r->is_clean = false;
    }
}

// A table that goes is captured to its end, or given up.
static void step_reopen(struct round *r)
{
    if (one_in(r, 3)) {
        step_unmark(r);
    }
    while (r->is_marked) {
        step_capture(r);
    }
    wr_table_close(r->table);
    memset(r->entries, 0, r->key_count * sizeof(*r->entries));
    r->table    = wr_table_open(r->pool, &r->options);
    r->sweep    = (struct wr_table_cursor){ 0, 0 };
    r->is_clean = false;
    if (one_in(r, 3)) {
        wr_table_reserve(r->table, below(r, 2 * r->key_count + 1));
    }
}

// ---- rounds ----

static void choose_options(struct round *r)
{
    static const uint32_t plain_sizes[] = { 0, 1, 4, 6, 8, 12, 16, 24, 100, 520 };
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
    const bool is_free = has_free_hash(r);
    r->options.range_bits =
        one_in(r, 2) || (r->options.key_kind == WR_KEY_4 && !is_free) ? 0 : 1 + below(r, 5);
    r->bad_hash_mask = ~0ull;
    if (is_free && one_in(r, 4)) {
        static const uint64_t masks[] = { 7, 0xff000000, 0xffffull << 48, 0xfull << 40 };
        r->bad_hash_mask              = masks[below(r, WR_COUNT_OF(masks))];
    }
    r->is_quiet  = one_in(r, 3);
    r->key_count = 1 + below(r, one_in(r, 5) ? MOST_KEYS : one_in(r, 4) ? 20 : 900);
    if (r->bad_hash_mask != ~0ull && r->key_count > 300) {
        r->key_count = 300; // searches are linear here
    }
}

static void open_round(struct round *r)
{
    choose_options(r);
    r->keys    = wr_alloc(r->key_count * sizeof(*r->keys));
    r->entries = wr_alloc(r->key_count * sizeof(*r->entries));
    r->marked  = wr_alloc(r->key_count * sizeof(*r->marked));
    for (uint32_t i = 0; i < r->key_count; i++) {
        make_key(r, i);
    }
    r->spills = one_in(r, 3);
    if (r->spills) {
        spilling_open(&r->spilling, 1024u << below(r, 10), next_random(r));
    }
    r->pool = r->spills ? r->spilling.pool : wr_pool_open(0);
    // Sometimes for no undo at all, or few.
    r->undo_pool = wr_pool_open(one_in(r, 3) ? 256u << below(r, 6) : 0);
    r->table     = wr_table_open(r->pool, &r->options);
    for (uint32_t i = below(r, r->key_count); i < r->key_count && r->is_quiet; i++) {
        const struct key *key = &r->keys[i];
        REQUIRE(wr_table_resolve(r->table, key->hash, key_bytes(r, i), key->length, NULL) != NULL);
        r->entries[i].is_there = true;
    }
}

static void close_round(struct round *r)
{
    REQUIRE(wr_table_is_valid(r->table));
    step_reopen(r);
    wr_table_close(r->table);
    REQUIRE(wr_pool_used_bytes(r->pool) == 0);
    if (r->spills) {
        spilled_count += wr_spill_facts(r->spilling.spill).written;
        spilling_close(&r->spilling);
    } else {
        wr_pool_close(r->pool);
    }
    wr_pool_close(r->undo_pool);
    for (uint32_t i = 0; i < r->key_count; i++) {
        wr_free(r->keys[i].bytes);
    }
    for (uint32_t i = 0; i < MOST_FILES; i++) {
        wr_free(r->files[i].bytes);
    }
    wr_free(r->keys);
    wr_free(r->entries);
    wr_free(r->marked);
}

static void step(struct round *r)
{
    switch (below(r, 32)) {
    case 0:
    case 1: step_erase(r); break;
    case 2:
    case 3: step_find_many(r); break;
    case 4: step_walk(r); break;
    case 5: step_sweep(r); break;
    case 6: step_find_hash(r); break;
    case 7: step_one(r); break;
    case 8: REQUIRE(wr_table_is_valid(r->table)); break;
    case 9: step_read_many(r); break;
    case 10: step_unmark(r); break;
    case 11: step_touch(r); break;
    case 12:
        if (one_in(r, 4)) {
            step_reopen(r);
        }
        break;
    case 13:
    case 14:
    case 15:
    case 16:
    case 17: step_mark(r); break;
    case 18:
    case 19:
    case 20:
    case 21:
    case 22: step_capture(r); break;
    default: step_resolve_many(r); break;
    }
    release(r);
}

int main(int argc, char **argv)
{
    run_seed             = trial_seed(argc, argv);
    const uint64_t cases = trial_size(10000, 250000, 3000000);
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
    printf("segments spilled: %" PRIu64 "\ncases: %" PRIu64 "\n", spilled_count, case_number);
    return 0;
}
