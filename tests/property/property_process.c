// Process functions against a plain model: states with strings, lists, maps, timers, side outputs.
//
// What a function does is drawn from its record's (or timer's) number and written once, over a
// struct world of calls; it runs over weir's calls and over the model's. Texts go from anywhere to
// anywhere, so that each wrong idea of what moves when shows. Each key's rows must leave in the
// model's order; timers must fire in the order of their deadlines, and after a batch's rows.
#include "tests/support/operator_harness.h"
#include "tests/support/trial.h"

enum {
    KEYS       = 5,
    LIST_MAX   = 40,
    MAP_KEYS   = 12,
    MAP_MOST   = 60,
    TIMERS_MAX = 400,
    ROWS_MAX   = 4000,
    TEXT_MAX   = 90
};
enum { NO_VIEW = 0, MAP = 4 }; // bits; the lists' are 1 and 2

typedef struct input {
    uint64_t  number;
    uint32_t  key;
    weir_str  name;
    weir_str  text;
    weir_time at;
} input;
WEIR_RECORD(input, number, key, name, text, at);
WEIR_KEY(by_number, input, key);
WEIR_KEY(by_name, input, name);

typedef struct cell {
    uint64_t number;
    weir_str text;
} cell;
WEIR_RECORD(cell, number, text);

typedef struct entry {
    uint16_t kind;
    weir_str name;
} entry;
WEIR_RECORD(entry, kind, name);

typedef struct output {
    uint32_t key;
    uint64_t number;
    weir_str text;
    weir_str more;
} output;
WEIR_RECORD(output, key, number, text, more);

// ---- the calls, weir's or the model's ----

struct world {
    void *self;
    cell *state;
    cell *(*list_add)(void *self, uint32_t list);
    cell *(*list_at)(void *self, uint32_t list, uint32_t index);
    uint32_t (*list_count)(void *self, uint32_t list);
    void (*list_remove)(void *self, uint32_t list, uint32_t index);
    void (*list_clear)(void *self, uint32_t list);
    cell *(*map_put)(void *self, const entry *key);
    cell *(*map_find)(void *self, const entry *key);
    bool (*map_remove)(void *self, const entry *key);
    uint32_t (*map_count)(void *self);
    void (*timer_set)(void *self, weir_time at);
    void (*timer_clear)(void *self, weir_time at);
    output *(*emit)(void *self);
    output *(*emit_side)(void *self);
    void (*clear)(void *self);
};

// ---- what a function does ----

static char many_bytes[4096];

static weir_str drawn_text(struct trial_random *random)
{
    const uint32_t length =
        trial_one_in(random, 3) ? trial_below(random, 12) : trial_below(random, TEXT_MAX);
    return weir_str_of(many_bytes + trial_below(random, 1000), length);
}

static entry drawn_entry(struct trial_random *random)
{
    static const char *const names[] = { "", "short", "a name that is longer than twelve bytes" };
    const uint32_t           drawn   = trial_below(random, MAP_KEYS);
    entry                    made;
    memset(&made, 0, sizeof(made));
    made.kind = (uint16_t)(drawn / 3);
    made.name = weir_str_from(names[drawn % 3]);
    return made;
}

static uint64_t text_sum(const weir_str *text)
{
    return wr_hash_bytes(weir_str_bytes(text), text->length, text->length);
}

// A text from somewhere that stays valid while the views `avoided` are called, and calls none of
// them.
static weir_str some_text(struct world *w, struct trial_random *random, weir_str own,
                          uint32_t avoided)
{
    const uint32_t from = trial_below(random, 5);
    if (from <= 1 && (avoided >> from & 1) == 0 && w->list_count(w->self, from) > 0) {
        return w->list_at(w->self, from, trial_below(random, w->list_count(w->self, from)))->text;
    }
    if (from == 2 && (avoided & MAP) == 0) {
        const entry key   = drawn_entry(random);
        const cell *found = w->map_find(w->self, &key);
        return found != NULL ? found->text : own;
    }
    return from == 3 && avoided == NO_VIEW ? w->state->text : own; // which may be a view's
}

static void emit_some(struct world *w, struct trial_random *random, weir_str own, bool is_side)
{
    const weir_str text = some_text(w, random, own, NO_VIEW);
    output        *out  = is_side ? w->emit_side(w->self) : w->emit(w->self);
    out->number         = trial_next(random);
    out->text           = text;
    out->more           = w->state->text;
    if (trial_one_in(random, 2)) {
        out->more =
            some_text(w, random, own, NO_VIEW); // while the first one points where it points
    }
}

static void emit_sum(struct world *w)
{
    uint64_t sum = w->state->number ^ text_sum(&w->state->text);
    for (uint32_t list = 0; list < 2; list++) {
        for (uint32_t i = 0; i < w->list_count(w->self, list); i++) {
            const cell *c = w->list_at(w->self, list, i);
            sum           = wr_mix64(sum, c->number ^ text_sum(&c->text));
        }
    }
    output *out = w->emit(w->self);
    out->number = wr_mix64(sum, w->map_count(w->self));
}

static void use_list(struct world *w, struct trial_random *random, weir_str own, uint32_t list,
                     uint32_t avoided)
{
    const uint32_t count = w->list_count(w->self, list);
    const weir_str text  = some_text(w, random, own, avoided | 1u << list);
    switch (count < LIST_MAX ? trial_below(random, count > 0 ? 5 : 1) : 4) {
    case 0:
    case 1: {
        cell *c   = w->list_add(w->self, list);
        c->number = trial_next(random);
        c->text   = trial_one_in(random, 3) ? w->state->text : text;
        break;
    }
    case 2: w->list_remove(w->self, list, trial_below(random, count)); break;
    case 3: {
        cell *c = w->list_at(w->self, list, trial_below(random, count));
        c->number++;
        c->text = text;
        break;
    }
    default:
        if (count == LIST_MAX || trial_one_in(random, 6)) {
            w->list_clear(w->self, list);
        }
        break;
    }
}

static void use_map(struct world *w, struct trial_random *random, weir_str own)
{
    const weir_str text = some_text(w, random, own, MAP);
    entry          key  = drawn_entry(random);
    if (trial_one_in(random, 6) && w->map_count(w->self) < MAP_MOST) {
        const cell *named = w->map_find(w->self, &key); // a key that is in the map it goes into
        key.name          = named != NULL ? named->text : key.name;
        w->map_put(w->self, &key)->number++;
        return;
    }
    switch (trial_below(random, 4)) {
    case 0:
        if (w->map_remove(w->self, &key)) {
            w->state->number++;
        }
        break;
    case 1: {
        cell *found = w->map_find(w->self, &key);
        if (found != NULL) {
            found->number++;
            found->text = text;
        }
        break;
    }
    default: {
        cell *c = w->map_put(w->self, &key);
        c->number++;
        if (trial_one_in(random, 3)) {
            use_list(w, random, own, trial_below(random, 2), MAP); // the map's element stays valid
            c->number += 7;
            c->text = own;
        } else {
            c->text = text;
        }
        break;
    }
    }
}

static void act(struct world *w, uint64_t number, weir_str own, weir_time at, bool is_timer)
{
    struct trial_random random  = { number };
    const uint32_t      actions = trial_below(&random, 7);
    uint32_t            emitted = 0;
    for (uint32_t i = 0; i < actions; i++) {
        const weir_time span = (weir_time)trial_below(&random, 40);
        switch (trial_below(&random, 14)) {
        case 0:
        case 1:
            w->state->number += number;
            w->state->text = some_text(w, &random, own, NO_VIEW);
            break;
        case 2:
        case 3:
        case 4: use_list(w, &random, own, trial_below(&random, 2), NO_VIEW); break;
        case 5:
        case 6:
        case 7: use_map(w, &random, own); break;
        case 8:
            // Of timers only into the future, and not for ever.
            if (!is_timer || trial_one_in(&random, 2)) {
                w->timer_set(w->self, is_timer ? at + 1 + span : at + span - 15);
            }
            break;
        case 9: w->timer_clear(w->self, at + span - 10); break;
        case 10:
            if (trial_one_in(&random, 4)) {
                w->clear(w->self);
            }
            break;
        case 11:
            emit_sum(w);
            emitted++;
            break;
        default:
            if (emitted++ < 6) {
                emit_some(w, &random, own, trial_one_in(&random, 3));
            }
            break;
        }
    }
}

// ---- the model ----

struct model_entry {
    entry key;
    cell  value;
};

struct model_key {
    cell               state;
    cell               lists[2][LIST_MAX + 1];
    uint32_t           counts[2];
    struct model_entry map[MAP_KEYS + MAP_MOST];
    uint32_t           map_count;
    weir_time          timers[TIMERS_MAX];
    uint32_t           timer_count;
    bool               is_cleared;
    output             rows[2][16]; // of the call
    uint32_t           row_counts[2];
    uint64_t           sent[2][ROWS_MAX]; // sums of all rows
    uint32_t           sent_counts[2];
    uint64_t           left[2][ROWS_MAX]; // what the operator sent
    uint32_t           left_counts[2];
    uint32_t           key;
};
static struct model_key model[KEYS];

// Every text the model holds lives here until the round is over.
static char  *arena;
static size_t arena_used;
enum { ARENA_BYTES = 8 << 20 };

static weir_str keep_text(weir_str text)
{
    TRIAL_CHECK(arena_used + text.length <= ARENA_BYTES, "%zu", arena_used);
    memcpy(arena + arena_used, weir_str_bytes(&text), text.length);
    const weir_str kept = weir_str_of(arena + arena_used, text.length);
    arena_used += text.length;
    return kept;
}

static cell *model_list_add(void *self, uint32_t list)
{
    struct model_key *m = self;
    cell             *c = &m->lists[list][m->counts[list]++];
    memset(c, 0, sizeof(*c));
    return c;
}
static cell *model_list_at(void *self, uint32_t list, uint32_t index)
{
    return &((struct model_key *)self)->lists[list][index];
}
static uint32_t model_list_count(void *self, uint32_t list)
{
    return ((struct model_key *)self)->counts[list];
}
static void model_list_remove(void *self, uint32_t list, uint32_t index)
{
    struct model_key *m   = self;
    m->lists[list][index] = m->lists[list][--m->counts[list]];
}
static void model_list_clear(void *self, uint32_t list)
{
    ((struct model_key *)self)->counts[list] = 0;
}
static cell *model_map_find(void *self, const entry *key)
{
    struct model_key *m = self;
    for (uint32_t i = 0; i < m->map_count; i++) {
        if (m->map[i].key.kind == key->kind && weir_str_equal(&m->map[i].key.name, &key->name)) {
            return &m->map[i].value;
        }
    }
    return NULL;
}
static cell *model_map_put(void *self, const entry *key)
{
    struct model_key *m     = self;
    cell             *found = model_map_find(self, key);
    if (found == NULL) {
        m->map[m->map_count] = (struct model_entry){ .key = *key };
        found                = &m->map[m->map_count++].value;
    }
    return found;
}
static bool model_map_remove(void *self, const entry *key)
{
    struct model_key *m = self;
    for (uint32_t i = 0; i < m->map_count; i++) {
        if (&m->map[i].value == model_map_find(self, key)) {
            m->map[i] = m->map[--m->map_count];
            return true;
        }
    }
    return false;
}
static uint32_t model_map_count(void *self) { return ((struct model_key *)self)->map_count; }
static void     model_timer_clear(void *self, weir_time at)
{
    struct model_key *m = self;
    for (uint32_t i = 0; i < m->timer_count; i++) {
        if (m->timers[i] == at) {
            m->timers[i] = m->timers[--m->timer_count];
            return;
        }
    }
}
static weir_time model_fires_at; // the timer that fires at the end; else WEIR_TIME_MAX
static uint64_t  model_dropped;  // timers

static void model_timer_set(void *self, weir_time at)
{
    struct model_key *m = self;
    if (at > model_fires_at) {
        model_dropped++;
        return;
    }
    model_timer_clear(self, at);
    TRIAL_CHECK(m->timer_count < TIMERS_MAX, "%u", m->timer_count);
    m->timers[m->timer_count++] = at;
}
static output *model_row(struct model_key *m, uint32_t side)
{
    output *row = &m->rows[side][m->row_counts[side]++];
    memset(row, 0, sizeof(*row));
    row->key = m->key;
    return row;
}
static output *model_emit(void *self) { return model_row(self, 0); }
static output *model_emit_side(void *self) { return model_row(self, 1); }
static void    model_clear(void *self) { ((struct model_key *)self)->is_cleared = true; }

static struct world model_world(struct model_key *m)
{
    return (struct world){ m,
                           &m->state,
                           model_list_add,
                           model_list_at,
                           model_list_count,
                           model_list_remove,
                           model_list_clear,
                           model_map_put,
                           model_map_find,
                           model_map_remove,
                           model_map_count,
                           model_timer_set,
                           model_timer_clear,
                           model_emit,
                           model_emit_side,
                           model_clear };
}

static uint64_t row_sum(const output *row)
{
    return wr_mix64(row->number, text_sum(&row->text) * 3 + text_sum(&row->more));
}

static void model_act(uint32_t key, uint64_t number, weir_str own, weir_time at, bool is_timer)
{
    struct model_key *m = &model[key];
    struct world      w = model_world(m);
    m->is_cleared       = false;
    m->row_counts[0] = m->row_counts[1] = 0;
    act(&w, number, keep_text(own), at, is_timer);
    for (uint32_t side = 0; side < 2; side++) {
        for (uint32_t i = 0; i < m->row_counts[side]; i++) {
            TRIAL_CHECK(m->sent_counts[side] < ROWS_MAX, "%u", m->sent_counts[side]);
            m->sent[side][m->sent_counts[side]++] = row_sum(&m->rows[side][i]);
        }
    }
    if (m->is_cleared) {
        memset(&m->state, 0, sizeof(m->state));
    }
}

static uint64_t timer_number(uint32_t key, weir_time at) { return wr_mix64((uint64_t)at, key); }
static weir_str timer_text(weir_time at) { return weir_str_of(many_bytes + at % 1000, 40); }

static void model_fire(uint32_t key, weir_time watermark)
{
    for (;;) {
        struct model_key *m        = &model[key];
        weir_time         earliest = WEIR_TIME_MAX;
        for (uint32_t i = 0; i < m->timer_count; i++) {
            earliest = m->timers[i] < earliest ? m->timers[i] : earliest;
        }
        if (m->timer_count == 0 || earliest > watermark) {
            return;
        }
        model_timer_clear(m, earliest);
        model_fires_at = watermark == WEIR_TIME_MAX ? earliest : WEIR_TIME_MAX;
        model_act(key, timer_number(key, earliest), timer_text(earliest), earliest, true);
        model_fires_at = WEIR_TIME_MAX;
    }
}

// ---- the same with weir's calls ----

WEIR_LIST(first_list, cell);
WEIR_LIST(second_list, cell);
WEIR_MAP_STATE(cells, entry, cell);
static const weir_list_view *const lists[2] = { &first_list, &second_list };

static uint32_t  key_at_hand;
static weir_time last_fired;

static cell *real_list_add(void *self, uint32_t list) { return weir_list_add(self, lists[list]); }
static cell *real_list_at(void *self, uint32_t list, uint32_t i)
{
    return weir_list_at(self, lists[list], i);
}
static uint32_t real_list_count(void *self, uint32_t list)
{
    return weir_list_count(self, lists[list]);
}
static void real_list_remove(void *self, uint32_t list, uint32_t i)
{
    weir_list_remove(self, lists[list], i);
}
static void  real_list_clear(void *self, uint32_t list) { weir_list_clear(self, lists[list]); }
static cell *real_map_put(void *self, const entry *key) { return weir_map_put(self, &cells, key); }
static cell *real_map_find(void *self, const entry *key)
{
    return weir_map_find(self, &cells, key);
}
static bool real_map_remove(void *self, const entry *key)
{
    return weir_map_remove(self, &cells, key);
}
static uint32_t real_map_count(void *self)
{
    const uint32_t count = weir_map_count(self, &cells);
    for (uint32_t i = 0; i < count; i++) {
        const entry *key = weir_map_key_at(self, &cells, i);
        TRIAL_CHECK(weir_map_find(self, &cells, key) != NULL, "key %u of %u is not found", i,
                    count);
    }
    return count;
}
static void    real_timer_set(void *self, weir_time at) { weir_timer_set(self, at); }
static void    real_timer_clear(void *self, weir_time at) { weir_timer_clear(self, at); }
static output *real_emit(void *self)
{
    output *out = weir_emit_row(self);
    out->key    = key_at_hand;
    return out;
}
static output *real_emit_side(void *self)
{
    output *out = weir_emit_side(self, 0);
    out->key    = key_at_hand;
    return out;
}
static void real_clear(void *self) { weir_state_clear(self); }

static struct world real_world(weir_call *call, cell *state)
{
    return (struct world){ call,
                           state,
                           real_list_add,
                           real_list_at,
                           real_list_count,
                           real_list_remove,
                           real_list_clear,
                           real_map_put,
                           real_map_find,
                           real_map_remove,
                           real_map_count,
                           real_timer_set,
                           real_timer_clear,
                           real_emit,
                           real_emit_side,
                           real_clear };
}

static void real_event(weir_call *call, cell *state, const input *in)
{
    struct world w = real_world(call, state);
    key_at_hand    = in->key;
    TRIAL_CHECK(weir_event_time(call) == in->at, "%lld, not %lld", weir_event_time(call), in->at);
    model_act(in->key, in->number, in->text, in->at, false);
    act(&w, in->number, in->text, in->at, false);
}

static void real_timer(weir_call *call, uint32_t key, cell *state, weir_time at)
{
    struct world w = real_world(call, state);
    TRIAL_CHECK(at >= last_fired, "a timer of %lld after one of %lld", at, last_fired);
    last_fired          = at;
    key_at_hand         = key;
    const weir_str own  = timer_text(at);
    char          *text = weir_scratch(call, own.length);
    memcpy(text, weir_str_bytes(&own), own.length);
    act(&w, timer_number(key, at), weir_str_of(text, own.length), at, true);
}

static void on_event_1(weir_call *call, const by_number *key, cell *state, const input *in)
{
    TRIAL_CHECK(key->key == in->key, "%u", key->key);
    real_event(call, state, in);
}
static void on_timer_1(weir_call *call, const by_number *key, cell *state, weir_time at)
{
    real_timer(call, key->key, state, at);
}
static void on_event_2(weir_call *call, const by_name *key, cell *state, const input *in)
{
    TRIAL_CHECK(weir_str_equal(&key->name, &in->name), "%u", in->key);
    real_event(call, state, in);
}
static uint32_t key_of_name(const weir_str *name) { return name->length % 7; }
static void     on_timer_2(weir_call *call, const by_name *key, cell *state, weir_time at)
{
    real_timer(call, key_of_name(&key->name), state, at);
}
WEIR_PROCESS(process_1, input, by_number, cell, output, on_event_1, on_timer_1);
WEIR_PROCESS(process_2, input, by_name, cell, output, on_event_2, on_timer_2);

// ---- rounds ----

static void take_rows(void *opaque, uint32_t output_number, const struct wr_batch *batch,
                      const uint16_t *selection, uint32_t count)
{
    const uint32_t side = output_number == WR_OUTPUT_MAIN ? 0 : 1;
    (void)opaque;
    (void)selection;
    for (uint32_t i = 0; i < count; i++) {
        const output *row = wr_batch_row(batch, i);
        TRIAL_CHECK(row->key < KEYS, "key %u", row->key);
        struct model_key *m = &model[row->key];
        TRIAL_CHECK(m->left_counts[side] < ROWS_MAX, "key %u", row->key);
        m->left[side][m->left_counts[side]++] = row_sum(row);
    }
}

static void check_rows(void)
{
    for (uint32_t key = 0; key < KEYS; key++) {
        for (uint32_t side = 0; side < 2; side++) {
            const struct model_key *m = &model[key];
            TRIAL_CHECK(m->sent_counts[side] == m->left_counts[side],
                        "key %u, output %u: %u rows, not %u", key, side, m->left_counts[side],
                        m->sent_counts[side]);
            for (uint32_t i = 0; i < m->sent_counts[side]; i++) {
                TRIAL_CHECK(m->sent[side][i] == m->left[side][i],
                            "key %u, output %u: row %u differs", key, side, i);
            }
        }
    }
}

static weir_str name_of(uint32_t key)
{
    // Lengths 7 * n + key: short and long ones.
    return weir_str_of(many_bytes, key + (key % 2 == 0 ? 7 : 28));
}

// Rows first, in the operator; the model has run inside of it. Then the timers.
static void run_batch(struct operator_harness *harness, struct trial_random *random, weir_time *now,
                      weir_time watermark, uint64_t *cases)
{
    struct operator_harness_batch batch =
        operator_harness_batch_open(&input_type, WR_COLUMN_TIME, 256u << trial_below(random, 7));
    const uint32_t wanted = 1 + trial_below(random, trial_one_in(random, 4) ? 80 : 12);
    for (uint32_t i = 0; i < wanted; i++) {
        *now += trial_below(random, 6);
        input in;
        memset(&in, 0, sizeof(in));
        in.number = trial_next(random);
        in.key    = trial_below(random, KEYS);
        in.name   = name_of(in.key);
        in.text   = drawn_text(random);
        in.at     = *now;
        if (!operator_harness_batch_add(&batch, &in, in.at, WEIR_INSERT)) {
            break;
        }
    }
    last_fired = WEIR_TIME_MIN;
    operator_harness_rows(harness, batch.batch, NULL, batch.batch->row_count);
    for (uint32_t key = 0; key < KEYS; key++) {
        model_fire(key, watermark);
    }
    *cases += batch.batch->row_count;
    operator_harness_batch_close(&batch);
    check_rows();
}

static void run_round(struct trial_random *random, uint64_t *cases)
{
    const weir_process_options      options    = { .lists = { &first_list, &second_list },
                                                   .maps  = { &cells },
                                                   .sides = { &output_type } };
    struct operator_harness_options under_test = {
        .operator_    = &wr_process_operator,
        .binding      = trial_one_in(random, 2) ? &process_1 : &process_2,
        .options      = &options,
        .outputs      = { [WR_OUTPUT_MAIN] = &output_type, [WR_OUTPUT_SIDES] = &output_type },
        .output_count = WR_OUTPUT_SIDES + 1,
        .columns      = trial_below(random, 2) * WR_COLUMN_TIME,
        .rows         = 1 + trial_below(random, 4),
        .take         = take_rows,
    };
    under_test.key = under_test.binding == &process_1 ? &by_number_key : &by_name_key;
    struct operator_harness harness;
    operator_harness_open(&harness, &under_test);
    weir_time now       = 1000;
    weir_time watermark = WEIR_TIME_MIN;
    memset(model, 0, sizeof(model));
    for (uint32_t key = 0; key < KEYS; key++) {
        model[key].key = key;
    }
    arena_used     = 0;
    model_dropped  = 0;
    model_fires_at = WEIR_TIME_MAX;
    for (uint32_t i = trial_below(random, 40); i > 0; i--) {
        run_batch(&harness, random, &now, watermark, cases);
        if (trial_one_in(random, 2)) {
            const weir_time next = now + (weir_time)trial_below(random, 30) - 20;
            watermark            = next > watermark ? next : watermark;
            last_fired           = WEIR_TIME_MIN;
            operator_harness_advance(&harness, watermark);
            for (uint32_t key = 0; key < KEYS; key++) {
                model_fire(key, watermark);
            }
            check_rows();
        }
    }
    last_fired = WEIR_TIME_MIN;
    operator_harness_advance(&harness, WEIR_TIME_MAX);
    for (uint32_t key = 0; key < KEYS; key++) {
        model_fire(key, WEIR_TIME_MAX);
    }
    check_rows();
    operator_harness_finish(&harness);
    TRIAL_CHECK(operator_harness_counter(&harness, WR_TIMERS_DROPPED) == model_dropped,
                "%" PRIu64 " timers dropped, not %" PRIu64,
                operator_harness_counter(&harness, WR_TIMERS_DROPPED), model_dropped);
    TRIAL_CHECK(operator_harness_failure(&harness) == NULL, "%s",
                operator_harness_failure(&harness));
    operator_harness_close(&harness);
}

int main(int argc, char **argv)
{
    const uint64_t seed  = trial_seed(argc, argv);
    const uint64_t least = trial_size(4000, 200000, 5000000);
    uint64_t       cases = 0;
    arena                = malloc(ARENA_BYTES);
    for (uint32_t i = 0; i < sizeof(many_bytes); i++) {
        many_bytes[i] = (char)('a' + wr_mix64(i, 1) % 26);
    }
    for (uint64_t round = 0; cases < least; round++) {
        struct trial_random random = { wr_mix64(wr_mix64(seed, 1), round) };
        run_round(&random, &cases);
    }
    free(arena);
    printf("cases: %" PRIu64 "\n", cases);
    return 0;
}
