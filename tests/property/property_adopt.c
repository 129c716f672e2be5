// Tables that hand over their segments to others, task counts changing, against a plain array:
// random kinds of keys, values with strings, tables by time; between two handovers everything is
// written, erased and captured as ever, and what handed over is closed at once.
//
// usage: property_adopt [SEED]        a case is one handover that was looked at
#include "runtime/state/slices.h"
#include "tests/support/trial.h"

#define MOST_KEYS  30000u
#define MOST_TASKS 9u
#define CELLS      65536u

struct value {
    uint64_t version;
    weir_str text;
};

struct key {
    uint64_t hash;
    uint32_t length;
    char     bytes[24];
    uint64_t version; // 0: it is not there
};

struct task {
    struct wr_pool      *pool;
    struct wr_table     *table;
    struct wr_hash_range range;
};

struct life {
    struct trial_random    *random;
    struct wr_table_options options;
    struct wr_strings       strings;
    uint32_t                offset;
    struct key             *keys;
    uint32_t                key_count;
    struct task             tasks[MOST_TASKS];
    uint32_t                task_count;
    uint64_t                version;
};

static uint64_t cases;

// ---- tasks ----

static struct task task_open(struct life *life, uint32_t number, uint32_t count)
{
    const uint64_t first = ((uint64_t)number * CELLS + count - 1) / count;
    const uint64_t end   = ((uint64_t)(number + 1) * CELLS + count - 1) / count;
    struct task    task  = { .pool = wr_pool_open(0), .range = { first << 48, (end << 48) - 1 } };
    life->options.range_bits = (count & (count - 1)) == 0 ? (uint32_t)__builtin_ctz(count) : 0;
    task.table               = wr_table_open(task.pool, &life->options);
    return task;
}

static struct task *task_of(struct life *life, uint64_t hash)
{
    return &life->tasks[((hash >> 48) * life->task_count) >> 16];
}

// ---- what is written ----

static const char *text_of(uint64_t version, uint32_t *length)
{
    static char text[64];
    *length = (uint32_t)(version * 7 % 41);
    memset(text, 'a' + (int)(version % 26), sizeof(text));
    return text;
}

static void write_key(struct life *life, struct key *key)
{
    struct task  *task  = task_of(life, key->hash);
    struct value *value = wr_table_resolve(task->table, key->hash, key->bytes, key->length, NULL);
    uint32_t      length;
    const char   *text   = text_of(++life->version, &length);
    void         *values = value;
    const char   *bytes  = key->bytes;
    TRIAL_CHECK(value != NULL, "no memory");
    value->version            = life->version;
    value->text               = weir_str_of(text, length);
    const struct wr_keys keys = { key->bytes, &bytes, &key->length };
    TRIAL_CHECK(wr_table_keep_strings_many(task->table, &key->hash, &keys, 1, &values),
                "no memory for a string");
    key->version = life->version;
}

static void erase_key(struct life *life, struct key *key)
{
    const bool was_there =
        wr_table_erase(task_of(life, key->hash)->table, key->hash, key->bytes, key->length);
    TRIAL_CHECK(was_there == (key->version != 0), "erased: %d", was_there);
    key->version = 0;
}

static void work(struct life *life, uint32_t steps)
{
    for (uint32_t i = 0; i < steps; i++) {
        struct key *key = &life->keys[trial_below(life->random, life->key_count)];
        if (trial_one_in(life->random, 4)) {
            erase_key(life, key);
        } else {
            write_key(life, key);
        }
    }
}

static void *no_room(void *opaque, size_t bytes)
{
    static char *memory;
    (void)opaque;
    memory = wr_realloc(memory, bytes + 1);
    return memory;
}

static void no_put(void *opaque, struct wr_image *image)
{
    (void)opaque;
    if (image->is_packed) {
        image->place = (struct wr_image_place){ 1, (uint32_t)image->bytes, 0, image->entries, 0 };
    }
}

// Marks and captures are over when tables are handed over, but leave their traces.
static void capture_all(struct life *life)
{
    for (uint32_t i = 0; i < life->task_count; i++) {
        struct task            *task = &life->tasks[i];
        struct wr_pool         *undo = wr_pool_open(0);
        const struct wr_capture to   = { .pool = undo, .room = no_room, .put = no_put };
        wr_table_mark(task->table, &to);
        work(life, 50);
        while (!wr_table_capture(task->table, 1 << 14)) {
        }
        wr_pool_close(undo);
    }
}

// ---- looking ----

static void check(struct life *life)
{
    uint64_t there = 0, counted = 0;
    for (uint32_t i = 0; i < life->key_count; i++) {
        const struct key   *key = &life->keys[i];
        const struct value *value =
            wr_table_find_read(task_of(life, key->hash)->table, key->hash, key->bytes, key->length);
        uint32_t length;
        TRIAL_CHECK((value != NULL) == (key->version != 0), "key %u: there: %d", i, value != NULL);
        if (value != NULL) {
            const char *text = text_of(key->version, &length);
            TRIAL_CHECK(value->version == key->version, "key %u has version %" PRIu64, i,
                        value->version);
            TRIAL_CHECK(value->text.length == length &&
                            memcmp(weir_str_bytes(&value->text), text, length) == 0,
                        "key %u has another text", i);
            there++;
        }
    }
    for (uint32_t i = 0; i < life->task_count; i++) {
        TRIAL_CHECK(wr_table_is_valid(life->tasks[i].table), "task %u of %u", i, life->task_count);
        counted += wr_table_count(life->tasks[i].table);
    }
    TRIAL_CHECK(there == counted, "%" PRIu64 " keys, counted %" PRIu64, there, counted);
}

// ---- handing over ----

static void hand_over(struct life *life, uint32_t count)
{
    struct task    next[MOST_TASKS];
    struct wr_part parts[MOST_TASKS];
    for (uint32_t i = 0; i < life->task_count; i++) {
        parts[i] = (struct wr_part){ life->tasks[i].table, life->tasks[i].range };
    }
    for (uint32_t i = 0; i < count; i++) {
        next[i] = task_open(life, i, count);
        TRIAL_CHECK(wr_table_adopt(next[i].table, next[i].range, parts, life->task_count),
                    "task %u of %u", i, count);
    }
    for (uint32_t i = 0; i < life->task_count; i++) {
        wr_table_close(life->tasks[i].table);
        wr_pool_close(life->tasks[i].pool);
    }
    memcpy(life->tasks, next, sizeof(next));
    life->task_count = count;
}

static void keys_make(struct life *life)
{
    for (uint32_t i = 0; i < life->key_count; i++) {
        struct key *key = &life->keys[i];
        memcpy(key->bytes, &i, sizeof(i));
        key->length =
            life->options.key_kind == WR_KEY_BYTES ? 4 + i % 20 : 4u << life->options.key_kind;
        if (life->options.key_kind == WR_KEY_BYTES || life->options.stores_hash) {
            key->hash = wr_hash_bytes(key->bytes, key->length, life->options.seed);
        } else {
            uint64_t halves[2] = { 0, 0 };
            memcpy(halves, key->bytes, key->length);
            key->hash = wr_mix64(halves[0], life->options.seed);
            key->hash = key->length == 16 ? wr_mix64(halves[1], key->hash) : key->hash;
        }
    }
}

static void try_once(struct trial_random *random)
{
    struct life life = {
        .random    = random,
        .offset    = offsetof(struct value, text),
        .key_count = 1 + trial_below(random, trial_one_in(random, 3) ? MOST_KEYS : 300),
    };
    life.strings = (struct wr_strings){ .count = 1, .offsets = &life.offset };
    life.options = (struct wr_table_options){
        .key_kind      = (enum wr_key_kind)trial_below(random, 4),
        .value_size    = sizeof(struct value),
        .value_strings = &life.strings,
        .stores_hash   = trial_one_in(random, 2),
        .seed          = trial_next(random),
    };
    life.keys = wr_alloc(life.key_count * sizeof(*life.keys));
    keys_make(&life);
    life.task_count = 1 + trial_below(random, MOST_TASKS);
    for (uint32_t i = 0; i < life.task_count; i++) {
        life.tasks[i] = task_open(&life, i, life.task_count);
    }
    for (uint32_t round = 0; round < 6; round++) {
        work(&life, trial_one_in(random, 4) ? 3 : life.key_count * 2);
        if (trial_one_in(random, 3)) {
            capture_all(&life);
        }
        hand_over(&life, 1 + trial_below(random, MOST_TASKS));
        check(&life);
        cases++;
    }
    for (uint32_t i = 0; i < life.task_count; i++) {
        wr_table_close(life.tasks[i].table);
        wr_pool_close(life.tasks[i].pool);
    }
    wr_free(life.keys);
}

int main(int argc, char **argv)
{
    struct trial_random random = { trial_seed(argc, argv) };
    const uint64_t      lives  = trial_size(20, 200, 5000);
    for (uint64_t i = 0; i < lives; i++) {
        try_once(&random);
    }
    printf("cases: %" PRIu64 "\n", cases);
    return 0;
}
