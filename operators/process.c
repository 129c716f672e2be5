// process: a user's function per record and per timer, with a state struct a key, list and map
// views, timers and side outputs.
//
//   record --> key --> state (resolved) --> on_event --> staged rows --> outputs
//   watermark --> timer index (deadline, hash) --> timer entries --> on_timer --> staged rows
//
// A timer's truth is its entry in the timer table, keyed by (deadline, owner key); the wheel of
// progress/ only indexes deadline and hash, so clearing a timer is erasing its entry: when the
// wheel comes round it finds nothing. Timers fire after a batch's rows and before the watermark is
// handed on, in deadline order. At the end, when the watermark is WEIR_TIME_MAX, a timer that sets
// itself again would fire for ever: what on_timer sets then for later than its own time is dropped.
// That depends on the key's own timers only, so that any number of tasks drop the same ones.
//
// One record's or one timer's rows are all in the outputs before the next is looked at. But tables
// are larger than caches, so that memory is fetched for many ahead: keys are taken for a group of
// rows and deadlines from the wheel for a group of timers, and the entries of their states and
// views are warmed; timers that are set are noted and entered together, before anything looks for
// them.
#include "operators/operators.h"
#include "operators/views.h"

enum { VIEWS_MAX = 8 };
enum {
    GROUP_MAX = 32
}; // rows or timers looked up ahead: what they touch stays in the nearest caches

// Timers that are set but not yet in the table and the wheel.
struct set_timers {
    uint32_t  count;
    weir_time at[GROUP_MAX];
    uint64_t  owner_hashes[GROUP_MAX];
    uint64_t  hashes[GROUP_MAX];
    uint32_t  starts[GROUP_MAX]; // of their keys in `bytes`
    uint32_t  lengths[GROUP_MAX];
    char     *bytes;
    size_t    used, capacity;
};

// Deadlines taken from the wheel; those from `next` on have not been looked at.
struct due_timers {
    uint32_t  count, next;
    uint32_t  most; // to take at once
    weir_time at[GROUP_MAX];
    uint64_t  owner_hashes[GROUP_MAX];
};

struct process_node {
    struct wr_node    node;
    struct wr_keyed   keyed;
    struct wr_table  *states;
    struct wr_strings state_strings;
    struct wr_view    lists[VIEWS_MAX];
    struct wr_view    maps[VIEWS_MAX];
    struct wr_view   *views[2 * VIEWS_MAX]; // those declared
    uint32_t          view_count;
    struct wr_timers *wheel;
    struct wr_table  *timers;
    struct set_timers set;
    struct due_timers due;

    // Rows whose keys have been taken.
    const struct wr_inlet *group_inlet;
    uint32_t               group_count, group_next;

    struct wr_owner owner;     // the key at hand
    void           *key;       // as a struct; of timers decoded
    void           *state;     // of the key at hand, while a user function runs
    bool            is_within; // the record at inlet->next is done, its rows may still be staged
    bool            fires_after_rows;

    // Owners whose timers of one (deadline, hash) are due.
    weir_time   due_at;
    uint64_t    due_hash;
    char       *due_keys; // length, bytes; length, bytes; ...
    size_t      due_used, due_next, due_capacity;
    uint32_t    due_entries;
    const void *due_entry;     // the last of them
    bool        due_is_erased; // there was only one, and it has gone
    bool        is_at_end;     // its on_timer runs, and no time will come after it
    char       *timer_key;     // scratch
    size_t      timer_key_bytes;
};

// What a timer's key begins with.
typedef struct timer_key {
    weir_time deadline;
} timer_key;
WEIR_RECORD(timer_key, deadline);

// ---- open and close ----

static struct wr_table *process_open_timers(const struct wr_node *node)
{
    const struct wr_table_options options = { .key_kind    = WR_KEY_BYTES,
                                              .range_bits  = node->range_bits,
                                              .stores_hash = true,
                                              .seed        = node->seed };
    return wr_table_open(node->pool, &options);
}

static bool process_open(struct wr_node *node)
{
    struct process_node        *process = (struct process_node *)node;
    const weir_process_binding *binding = node->spec->binding;
    const weir_process_options *options = node->spec->options;

    wr_keyed_init(&process->keyed, node->spec->key, node->seed);
    process->state_strings = wr_strings_of(binding->state);
    process->states =
        wr_keyed_open_table(&process->keyed, node, binding->state->size, &process->state_strings);
    process->timers = process_open_timers(node);
    process->wheel  = wr_timers_open();
    process->key    = wr_alloc(node->spec->key->key->size);
    for (uint32_t i = 0; i < VIEWS_MAX; i++) {
        if (options->lists[i] != NULL) {
            wr_view_init_list(&process->lists[i], options->lists[i], node);
            process->views[process->view_count++] = &process->lists[i];
        }
        if (options->maps[i] != NULL) {
            wr_view_init_map(&process->maps[i], options->maps[i], node);
            process->views[process->view_count++] = &process->maps[i];
        }
    }
    for (uint32_t i = 0; i < node->output_count; i++) {
        if (i != WR_OUTPUT_LATE && i != WR_OUTPUT_REJECTS) {
            wr_output_allow_staging(&node->outputs[i], binding->most);
        }
    }
    const struct wr_table_shape states = { .key   = node->spec->key->key,
                                           .parts = { { "state", binding->state, 0 } } };
    const struct wr_table_shape timers = {
        .own_key = { { "-", &timer_key_type, 0 }, { "owner", node->spec->key->key, 0 } },
    };
    wr_node_keep_table(node, "states", process->states, &states);
    wr_node_keep_table(node, "timers", process->timers, &timers);
    return true;
}

static void process_close(struct wr_node *node)
{
    struct process_node *process = (struct process_node *)node;
    if (process->states == NULL) {
        return;
    }
    for (uint32_t i = 0; i < VIEWS_MAX; i++) {
        wr_view_fini(&process->lists[i]);
        wr_view_fini(&process->maps[i]);
    }
    wr_table_close(process->states);
    wr_table_close(process->timers);
    wr_timers_close(process->wheel);
    wr_keyed_fini(&process->keyed);
    wr_strings_fini(&process->state_strings);
    wr_free(process->key);
    wr_free(process->due_keys);
    wr_free(process->timer_key);
    wr_free(process->set.bytes);
}

// ---- the key at hand ----

// The owner of the i-th row taken.
static struct wr_owner process_owner(const struct process_node *process, uint32_t i)
{
    const struct wr_keyed *keyed = &process->keyed;
    if (keyed->codec.kind == WR_KEY_BYTES) {
        return (struct wr_owner){ keyed->hashes[i], keyed->starts[i], keyed->lengths[i] };
    }
    const uint32_t length = keyed->codec.kind == WR_KEY_4   ? 4
                            : keyed->codec.kind == WR_KEY_8 ? 8
                                                            : 16;
    const char    *keys   = keyed->column.fixed;
    return (struct wr_owner){ keyed->hashes[i], keys + (size_t)i * length, length };
}

// Fetches what every call for one of these owners touches.
static void process_warm(const struct process_node *process, const uint64_t *hashes, uint32_t count)
{
    wr_table_warm_many(process->states, hashes, count);
    for (uint32_t i = 0; i < process->view_count; i++) {
        wr_table_warm_many(process->views[i]->heads, hashes, count);
    }
}

static void process_decode_key(struct process_node *process)
{
    if (process->keyed.codec.kind == WR_KEY_BYTES) {
        wr_key_decode(&process->keyed.codec, process->owner.key, process->owner.length,
                      process->key);
    } else {
        memcpy(process->key, process->owner.key, process->keyed.codec.type->size);
    }
}

static bool process_find_state(struct process_node *process, bool *is_new)
{
    process->state = wr_table_resolve(process->states, process->owner.hash, process->owner.key,
                                      process->owner.length, is_new);
    return process->state != NULL || wr_keyed_out_of_budget(&process->node);
}

// Before anything that staged rows, the state or open elements may point at moves: their strings
// are copied to scratch. Elements stay open, as the user may still write to them; `called` (may be
// NULL) is the view that is about to close its own.
static void process_own_strings(struct process_node *process, const struct wr_view *called)
{
    struct wr_node *node = &process->node;
    for (uint32_t i = 0; i < node->output_count; i++) {
        if (node->outputs[i].staged_count > 0 && node->outputs[i].layout.strings.count > 0) {
            wr_output_own_staged(node, &node->outputs[i]);
        }
    }
    wr_call_own_strings(node->call, &process->state_strings, process->state);
    for (uint32_t i = 0; i < process->view_count; i++) {
        const struct wr_view *view = process->views[i];
        if (view->open != NULL && view != called) {
            wr_call_own_strings(node->call, &view->value_strings, view->open);
        }
    }
}

static bool process_leave_views(struct process_node *process)
{
    bool is_ok = true;
    for (uint32_t i = 0; i < process->view_count; i++) {
        is_ok &= wr_view_leave(process->views[i], &process->owner);
    }
    return is_ok || wr_keyed_out_of_budget(&process->node);
}

static bool state_is_zero(const struct process_node *process)
{
    const weir_process_binding *binding = process->node.spec->binding;
    const char                 *bytes   = process->state;
    for (uint32_t i = 0; i < binding->state->size; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

// After a user function: strings find their home, a cleared state goes.
static bool process_settle(struct process_node *process, bool was_new_for_timer)
{
    const struct wr_owner *owner = &process->owner;
    process_own_strings(process, NULL);
    if (!process_leave_views(process)) {
        return false;
    }
    if (process->node.call->is_cleared || (was_new_for_timer && state_is_zero(process))) {
        (void)wr_table_erase(process->states, owner->hash, owner->key, owner->length);
        return true;
    }
    if (process->state_strings.count == 0) {
        return true;
    }
    const struct wr_keys column =
        process->keyed.codec.kind == WR_KEY_BYTES
            ? (struct wr_keys){ .bytes = &owner->key, .lengths = &owner->length }
            : (struct wr_keys){ .fixed = owner->key };
    return wr_table_keep_strings_many(process->states, &owner->hash, &column, 1, &process->state) ||
           wr_keyed_out_of_budget(&process->node);
}

static bool process_unstage(struct process_node *process)
{
    struct wr_node *node    = &process->node;
    bool            is_done = true;
    for (uint32_t i = 0; i < node->output_count; i++) {
        if (node->outputs[i].staged_count > 0) {
            is_done &= wr_output_unstage(node, &node->outputs[i]);
        }
    }
    if (is_done) {
        wr_call_reset(node->call);
    }
    return is_done;
}

// ---- timers ----

// The table key of a timer: its deadline, then the owner's key. Takes `sizeof(at) + owner->length`.
static void timer_write_key(char *to, const struct wr_owner *owner, weir_time at)
{
    memcpy(to, &at, sizeof(at));
    memcpy(to + sizeof(at), owner->key, owner->length);
}

static uint64_t timer_hash(uint64_t owner_hash, weir_time at)
{
    return wr_view_hash(owner_hash, (uint64_t)at);
}

static bool timer_erase(struct process_node *process, const struct wr_owner *owner, weir_time at)
{
    const size_t length = sizeof(at) + owner->length;
    if (length > process->timer_key_bytes) {
        process->timer_key       = wr_realloc(process->timer_key, length * 2);
        process->timer_key_bytes = length * 2;
    }
    timer_write_key(process->timer_key, owner, at);
    return wr_table_erase(process->timers, timer_hash(owner->hash, at), process->timer_key,
                          (uint32_t)length);
}

// Enters what has been set into the table and, where it was not there, into the wheel. False: the
// job has been failed for want of memory.
static bool set_enter(struct process_node *process)
{
    struct set_timers   *set = &process->set;
    const char          *keys[GROUP_MAX];
    void                *values[GROUP_MAX];
    uint8_t              is_new[GROUP_MAX];
    const uint32_t       count  = set->count;
    const struct wr_keys column = { .bytes = keys, .lengths = set->lengths };
    for (uint32_t i = 0; i < count; i++) {
        keys[i] = set->bytes + set->starts[i];
    }
    const uint32_t entered =
        wr_table_resolve_many(process->timers, set->hashes, &column, count, values, is_new);
    for (uint32_t i = 0; i < entered; i++) {
        if (is_new[i]) {
            wr_timers_add(process->wheel, set->at[i], set->owner_hashes[i]);
        }
    }
    set->count = 0;
    set->used  = 0;
    return entered == count || wr_keyed_out_of_budget(&process->node);
}

static void set_note(struct process_node *process, const struct wr_owner *owner, weir_time at)
{
    struct set_timers *set    = &process->set;
    const size_t       length = sizeof(at) + owner->length;
    if (set->count == GROUP_MAX && !set_enter(process)) {
        return;
    }
    if (set->used + length > set->capacity) {
        set->capacity = (set->used + length) * 2;
        set->bytes    = wr_realloc(set->bytes, set->capacity);
    }
    timer_write_key(set->bytes + set->used, owner, at);
    set->at[set->count]           = at;
    set->owner_hashes[set->count] = owner->hash;
    set->hashes[set->count]       = timer_hash(owner->hash, at);
    set->starts[set->count]       = (uint32_t)set->used;
    set->lengths[set->count]      = (uint32_t)length;
    set->used += length;
    set->count++;
}

// Takes the next deadlines at or before `until` from the wheel. False: there are none.
static bool due_take(struct process_node *process, weir_time until)
{
    struct due_timers *due = &process->due;
    uint64_t           hashes[GROUP_MAX];
    due->next = due->count = 0;
    if (process->set.count > 0 && !set_enter(process)) {
        return false;
    }
    due->most = due->most < GROUP_MAX / 2 ? due->most * 2 + 1 : GROUP_MAX;
    while (due->count < due->most && wr_timers_take(process->wheel, until, &due->at[due->count],
                                                    &due->owner_hashes[due->count])) {
        hashes[due->count] = timer_hash(due->owner_hashes[due->count], due->at[due->count]);
        due->count++;
    }
    wr_table_warm_many(process->timers, hashes, due->count);
    process_warm(process, due->owner_hashes, due->count);
    return due->count > 0;
}

// Before a timer of `at` is set: deadlines taken already go back into the wheel if the last is not
// before it, so that it comes in its turn, and is entered before the same timer, taken already, is
// looked for. So that a function which keeps setting such timers does not move the same ones again
// and again, fewer are taken next.
static void due_put_back(struct process_node *process, weir_time at)
{
    struct due_timers *due = &process->due;
    if (due->next == due->count || due->at[due->count - 1] < at) {
        return;
    }
    for (uint32_t i = due->next; i < due->count; i++) {
        wr_timers_add(process->wheel, due->at[i], due->owner_hashes[i]);
    }
    due->count = due->next;
    due->most  = 0;
}

static void due_collect(void *opaque, const void *key, uint32_t length, void *value)
{
    struct process_node *process = opaque;
    const uint32_t       bytes   = length - (uint32_t)sizeof(weir_time);
    if (memcmp(key, &process->due_at, sizeof(process->due_at)) != 0) {
        return; // another deadline with the same mixed hash
    }
    if (process->due_used + sizeof(bytes) + bytes > process->due_capacity) {
        process->due_capacity = (process->due_used + sizeof(bytes) + bytes) * 2;
        process->due_keys     = wr_realloc(process->due_keys, process->due_capacity);
    }
    memcpy(process->due_keys + process->due_used, &bytes, sizeof(bytes));
    memcpy(process->due_keys + process->due_used + sizeof(bytes),
           (const char *)key + sizeof(weir_time), bytes);
    process->due_used += sizeof(bytes) + bytes;
    process->due_entry = value;
    process->due_entries++;
}

// Finds the owners of the next deadline at or before `until`; false if there is none. Nearly always
// it is one owner: then the timer's entry is erased here, where it has just been found.
static bool due_find(struct process_node *process, weir_time until)
{
    struct due_timers *due = &process->due;
    wr_node_release_state(&process->node);
    if (due->next == due->count && !due_take(process, until)) {
        return false;
    }
    if (process->set.count > 0 && !set_enter(process)) {
        return false; // a timer set again by the one before it is this one
    }
    process->due_at   = due->at[due->next];
    process->due_hash = due->owner_hashes[due->next];
    due->next++;
    process->due_next = process->due_used = 0;
    process->due_entries                  = 0;
    const uint64_t hash                   = timer_hash(process->due_hash, process->due_at);
    wr_table_find_hash(process->timers, hash, due_collect, process);
    process->due_is_erased = process->due_entries == 1;
    if (process->due_is_erased) {
        wr_table_erase_at(process->timers, hash, process->due_entry);
    }
    return true;
}

// The next owner whose timer is due at or before `until`; false if there is none.
static bool due_next(struct process_node *process, weir_time until)
{
    while (process->due_next == process->due_used) {
        if (!due_find(process, until)) {
            return false;
        }
    }
    uint32_t bytes;
    memcpy(&bytes, process->due_keys + process->due_next, sizeof(bytes));
    process->owner =
        (struct wr_owner){ process->due_hash, process->due_keys + process->due_next + sizeof(bytes),
                           bytes };
    process->due_next += sizeof(bytes) + bytes;
    return true;
}

static bool timer_fire(struct process_node *process, weir_time until)
{
    const weir_process_binding *binding = process->node.spec->binding;
    struct weir_call           *call    = process->node.call;
    bool                        is_new  = false;

    if (!process->due_is_erased && !timer_erase(process, &process->owner, process->due_at)) {
        return true; // cleared by a timer that fired just before
    }
    process_decode_key(process);
    if (!process_find_state(process, &is_new)) {
        return false;
    }
    call->event_time  = process->due_at;
    call->change      = WEIR_INSERT;
    call->record      = NULL;
    call->is_rejected = call->is_cleared = 0;
    process->is_at_end                   = until == WEIR_TIME_MAX;
    binding->on_timer(call, process->key, process->state, process->due_at);
    process->is_at_end = false;
    return process_settle(process, is_new);
}

// Fires what is due, as the outputs have room. True when nothing is left to fire.
static bool process_fire(struct process_node *process, weir_time until)
{
    while (process_unstage(process)) {
        if (wr_node_has_failed(&process->node)) {
            return true;
        }
        if (!due_next(process, until)) {
            return true;
        }
        if (!timer_fire(process, until)) {
            return true; // the job has failed
        }
    }
    return false;
}

// ---- checkpoints ----

// Timers that are set are state from the moment they are in the table.
static bool process_barrier(struct wr_node *node, uint64_t barrier)
{
    struct process_node *process = (struct process_node *)node;
    (void)barrier;
    return process->set.count == 0 || set_enter(process) || wr_node_has_failed(node);
}

// The hash of an owner whose key is `bytes`, as tables compare keys.
static uint64_t owner_hash(struct process_node *process, const char *bytes, uint32_t length)
{
    uint64_t hash;
    process->owner = (struct wr_owner){ 0, bytes, length };
    process_decode_key(process);
    wr_key_hash_many(&process->keyed.codec, process->key, 1, process->node.seed, &hash);
    return hash;
}

// The wheel follows from the timers' entries.
static bool process_restored(struct wr_node *node)
{
    struct process_node   *process = (struct process_node *)node;
    struct wr_table_cursor cursor  = { 0 };
    const void            *keys[GROUP_MAX];
    uint32_t               lengths[GROUP_MAX], count;
    while ((count = wr_table_next(process->timers, &cursor, GROUP_MAX, keys, lengths, NULL, NULL)) >
           0) {
        for (uint32_t i = 0; i < count; i++) {
            const char *key = keys[i];
            weir_time   at;
            memcpy(&at, key, sizeof(at));
            wr_timers_add(process->wheel, at,
                          owner_hash(process, key + sizeof(at), lengths[i] - (uint32_t)sizeof(at)));
        }
        wr_node_release_state(node);
    }
    return true;
}

static struct process_node *call_process(weir_call *call)
{
    WR_ASSERT(call->node->ops ==
              &wr_process_operator); // only process functions have keys and views
    return (struct process_node *)call->node;
}

void weir_timer_set(weir_call *call, weir_time at)
{
    struct process_node *process = call_process(call);
    WR_ASSERT(at >= WEIR_TIME_MIN && at <= WEIR_TIME_MAX);
    if (process->is_at_end && at > process->due_at) {
        wr_count(call->node->counters, WR_TIMERS_DROPPED, 1);
        return;
    }
    due_put_back(process, at);
    set_note(process, &process->owner, at);
}

void weir_timer_clear(weir_call *call, weir_time at)
{
    struct process_node *process = call_process(call);
    if (process->set.count == 0 || set_enter(process)) {
        (void)timer_erase(process, &process->owner, at);
    }
}

void weir_state_clear(weir_call *call) { call->is_cleared = 1; }

// ---- rows ----

// Takes the keys of the inlet's next rows, unless they have been taken.
static void process_take_group(struct process_node *process, const struct wr_inlet *inlet)
{
    if (process->group_next < process->group_count && process->group_inlet == inlet) {
        return;
    }
    const uint32_t left  = inlet->count - inlet->next;
    process->group_inlet = inlet;
    process->group_next  = 0;
    process->group_count = left < GROUP_MAX ? left : GROUP_MAX;
    wr_keyed_take(&process->keyed, inlet, process->group_count);
    process_warm(process, process->keyed.hashes, process->group_count);
}

// What the function has emitted for the record at hand does not leave.
static void process_withdraw(struct process_node *process)
{
    for (uint32_t i = 0; i < process->node.output_count; i++) {
        wr_output_withdraw(&process->node.outputs[i]);
    }
}

static bool process_take(struct process_node *process, const struct wr_inlet *inlet)
{
    struct wr_node             *node    = &process->node;
    const weir_process_binding *binding = node->spec->binding;
    bool                        is_new  = false;

    wr_node_release_state(node);
    process_take_group(process, inlet);
    const uint32_t i = process->group_next++;
    process->owner   = process_owner(process, i);
    if (!process_find_state(process, &is_new)) {
        return false;
    }
    wr_call_begin(node, inlet->batch, wr_inlet_row(inlet, inlet->next));
    binding->on_event(node->call, wr_keyed_key(&process->keyed, i), process->state,
                      node->call->record);
    if (node->call->is_rejected) {
        process_withdraw(process);
    }
    return process_settle(process, false);
}

static void process_take_rows(struct process_node *process, struct wr_inlet *inlet)
{
    while (process_unstage(process)) {
        const bool was_last = process->is_within && inlet->next + 1 == inlet->count;
        // A timer set at or before the watermark fires after the batch's rows; the last row is let
        // go only then.
        if (was_last && !process_fire(process, process->node.watermark)) {
            return;
        }
        if (process->is_within) {
            process->is_within = false;
            inlet->next++;
        }
        if (inlet->next == inlet->count) {
            return;
        }
        if (!process_take(process, inlet)) {
            return;
        }
        process->is_within = true;
    }
}

static void process_rows(struct wr_node *node, struct wr_inlet *inlet)
{
    struct process_node *process = (struct process_node *)node;
    process_take_rows(process, inlet);
    if (process->set.count > 0) {
        (void)set_enter(process);
    }
}

static bool process_advance(struct wr_node *node, weir_time watermark)
{
    struct process_node *process = (struct process_node *)node;
    const bool           is_done = process_fire(process, watermark);
    if (process->set.count > 0) {
        (void)set_enter(process);
    }
    return is_done;
}

const struct wr_operator wr_process_operator = {
    .verb       = "process",
    .node_bytes = sizeof(struct process_node),
    .open       = process_open,
    .close      = process_close,
    .rows       = process_rows,
    .advance    = process_advance,
    .barrier    = process_barrier,
    .restored   = process_restored,
    .uses_time  = true,
};

// ---- side outputs and views: what a call may ask of a process function ----

void *weir_emit_side(weir_call *call, uint32_t index)
{
    struct wr_node             *node    = call->node;
    const weir_process_options *options = node->spec->options;
    const uint32_t              output  = WR_OUTPUT_SIDES + index;
    WR_ASSERT(index < WR_COUNT_OF(options->sides) && options->sides[index] != NULL);
    if (output < node->output_count && node->outputs[output].is_used) {
        return wr_output_stage(node, &node->outputs[output], WEIR_INSERT, call->event_time);
    }
    void *unread = weir_scratch(call, options->sides[index]->size); // nobody listens
    memset(unread, 0, options->sides[index]->size);
    return unread;
}

// The node's view that was declared as `declared`. One that was not given to weir_process ends the
// process: nothing sensible can be returned.
static struct wr_view *call_view(struct process_node *process, struct wr_view *views,
                                 const void *declared)
{
    for (uint32_t i = 0; i < VIEWS_MAX; i++) {
        if (views[i].declared == declared) {
            return &views[i];
        }
    }
    wr_node_fail(&process->node, "a view is used that is not in the options of weir_process");
    wr_assert_failed("the view is in the options of weir_process", __FILE__, __LINE__);
    return NULL;
}

static struct wr_view *call_list(weir_call *call, const weir_list_view *view)
{
    return call_view(call_process(call), call_process(call)->lists, view);
}

static struct wr_view *call_map(weir_call *call, const weir_map_view *view)
{
    return call_view(call_process(call), call_process(call)->maps, view);
}

// The view, for a call that closes its open element and may move what it holds.
static struct wr_view *call_list_to_change(weir_call *call, const weir_list_view *view)
{
    struct wr_view *list = call_list(call, view);
    process_own_strings(call_process(call), list);
    return list;
}

static struct wr_view *call_map_to_change(weir_call *call, const weir_map_view *view)
{
    struct wr_view *map = call_map(call, view);
    process_own_strings(call_process(call), map);
    return map;
}

// Memory for a new element; out of budget the job fails, and the function gets a throw-away.
static void *call_element(weir_call *call, void *element, uint32_t size)
{
    if (element != NULL) {
        return element;
    }
    (void)wr_keyed_out_of_budget(call->node);
    return memset(weir_scratch(call, size), 0, size);
}

uint32_t weir_list_count(weir_call *call, const weir_list_view *view)
{
    return wr_view_count(call_list(call, view), &call_process(call)->owner);
}

void *weir_list_at(weir_call *call, const weir_list_view *view, uint32_t index)
{
    struct wr_view *list = call_list_to_change(call, view);
    return wr_list_at(list, &call_process(call)->owner, index);
}

void *weir_list_add(weir_call *call, const weir_list_view *view)
{
    struct wr_view *list = call_list_to_change(call, view);
    return call_element(call, wr_list_add(list, &call_process(call)->owner), view->element->size);
}

void weir_list_remove(weir_call *call, const weir_list_view *view, uint32_t index)
{
    struct wr_view *list = call_list_to_change(call, view);
    if (!wr_list_remove(list, &call_process(call)->owner, index)) {
        (void)wr_keyed_out_of_budget(call->node);
    }
}

void weir_list_clear(weir_call *call, const weir_list_view *view)
{
    struct wr_view *list = call_list_to_change(call, view);
    wr_list_clear(list, &call_process(call)->owner);
}

void *weir_map_find(weir_call *call, const weir_map_view *view, const void *key)
{
    struct wr_view *map = call_map_to_change(call, view);
    return wr_map_find(map, &call_process(call)->owner, key);
}

// The key's strings may be in the map itself, where they move before the new entry has its copy.
static const void *call_own_key(weir_call *call, const struct wr_view *map, const void *key)
{
    if (wr_strings_long_bytes(&map->map_codec.strings, key) == 0) {
        return key;
    }
    void *own = weir_scratch(call, map->map_codec.type->size);
    memcpy(own, key, map->map_codec.type->size);
    wr_call_own_strings(call, &map->map_codec.strings, own);
    return own;
}

void *weir_map_put(weir_call *call, const weir_map_view *view, const void *key)
{
    struct wr_view *map = call_map_to_change(call, view);
    key                 = call_own_key(call, map, key);
    return call_element(call, wr_map_put(map, &call_process(call)->owner, key), view->value->size);
}

bool weir_map_remove(weir_call *call, const weir_map_view *view, const void *key)
{
    struct wr_view *map = call_map_to_change(call, view);
    return wr_map_remove(map, &call_process(call)->owner, key);
}

uint32_t weir_map_count(weir_call *call, const weir_map_view *view)
{
    return wr_view_count(call_map(call, view), &call_process(call)->owner);
}

const void *weir_map_key_at(weir_call *call, const weir_map_view *view, uint32_t index)
{
    return wr_map_key_at(call_map(call, view), &call_process(call)->owner, index);
}
