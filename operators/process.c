// process: a user's function per record and per timer, with a state struct a key, list and map views,
// timers and side outputs.
//
//   record --> key --> state (resolved) --> on_event --> staged rows --> outputs
//   watermark --> timer index (deadline, hash) --> timer entries --> on_timer --> staged rows
//
// A timer's truth is its entry in the timer table, keyed by (deadline, owner key); the wheel of
// progress/ only indexes deadline and hash, so clearing a timer is erasing its entry: when the wheel
// comes round it finds nothing. Timers fire after a batch's rows and before the watermark is handed
// on, in deadline order.
//
// One record's or one timer's rows are all in the outputs before the next is looked at.
#include "operators/operators.h"
#include "operators/views.h"

enum { VIEWS_MAX = 8 };

struct process_node {
    struct wr_node    node;
    struct wr_keyed   keyed;
    struct wr_table  *states;
    struct wr_strings state_strings;
    struct wr_view    lists[VIEWS_MAX];
    struct wr_view    maps[VIEWS_MAX];
    struct wr_timers *wheel;
    struct wr_table  *timers;

    struct wr_owner   owner;     // the key at hand
    void             *key;       // as a struct; of timers decoded
    void             *state;     // of the key at hand, while a user function runs
    bool              is_within; // the record at inlet->next is done, its rows may still be staged
    bool              fires_after_rows;

    // Owners whose timers of one (deadline, hash) are due.
    weir_time         due_at;
    uint64_t          due_hash;
    char             *due_keys; // length, bytes; length, bytes; ...
    size_t            due_used, due_next, due_capacity;
    char             *timer_key; // scratch
    size_t            timer_key_bytes;
};

// ---- open and close ---------------------------------------------------------------------------------

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
        }
        if (options->maps[i] != NULL) {
            wr_view_init_map(&process->maps[i], options->maps[i], node);
        }
    }
    for (uint32_t i = 0; i < node->output_count; i++) {
        if (i != WR_OUTPUT_LATE && i != WR_OUTPUT_REJECTS) {
            wr_output_allow_staging(&node->outputs[i], binding->most);
        }
    }
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
}

// ---- the key at hand --------------------------------------------------------------------------------

static struct wr_owner process_owner(const struct process_node *process)
{
    const struct wr_keyed *keyed = &process->keyed;
    if (keyed->codec.kind == WR_KEY_BYTES) {
        return (struct wr_owner){ keyed->hashes[0], keyed->starts[0], keyed->lengths[0] };
    }
    const uint32_t length = keyed->codec.kind == WR_KEY_4 ? 4 : keyed->codec.kind == WR_KEY_8 ? 8 : 16;
    return (struct wr_owner){ keyed->hashes[0], keyed->column.fixed, length };
}

static void process_decode_key(struct process_node *process)
{
    if (process->keyed.codec.kind == WR_KEY_BYTES) {
        wr_key_decode(&process->keyed.codec, process->owner.key, process->owner.length, process->key);
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

// Before anything that staged rows, the state or open elements may point at moves: their strings are
// copied to scratch. Elements stay open, as the user may still write to them; `called` (may be NULL) is
// the view that is about to close its own.
static void process_own_strings(struct process_node *process, const struct wr_view *called)
{
    struct wr_node *node = &process->node;
    for (uint32_t i = 0; i < node->output_count; i++) {
        if (node->outputs[i].staged_count > 0 && node->outputs[i].layout.strings.count > 0) {
            wr_output_own_staged(node, &node->outputs[i]);
        }
    }
    wr_call_own_strings(node->call, &process->state_strings, process->state);
    for (uint32_t i = 0; i < VIEWS_MAX; i++) {
        if (process->lists[i].open != NULL && &process->lists[i] != called) {
            wr_call_own_strings(node->call, &process->lists[i].value_strings, process->lists[i].open);
        }
        if (process->maps[i].open != NULL && &process->maps[i] != called) {
            wr_call_own_strings(node->call, &process->maps[i].value_strings, process->maps[i].open);
        }
    }
}

static bool process_close_elements(struct process_node *process)
{
    bool is_ok = true;
    for (uint32_t i = 0; i < VIEWS_MAX; i++) {
        is_ok &= wr_view_close_element(&process->lists[i]);
        is_ok &= wr_view_close_element(&process->maps[i]);
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
    if (!process_close_elements(process)) {
        return false;
    }
    if (process->node.call->is_cleared || (was_new_for_timer && state_is_zero(process))) {
        (void)wr_table_erase(process->states, owner->hash, owner->key, owner->length);
        return true;
    }
    if (process->state_strings.count == 0) {
        return true;
    }
    const struct wr_keys column = process->keyed.codec.kind == WR_KEY_BYTES
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

// ---- timers -----------------------------------------------------------------------------------------

// The table key of a timer: its deadline, then the owner's key.
static uint32_t timer_make_key(struct process_node *process, const struct wr_owner *owner, weir_time at)
{
    const size_t length = sizeof(at) + owner->length;
    if (length > process->timer_key_bytes) {
        process->timer_key       = wr_realloc(process->timer_key, length * 2);
        process->timer_key_bytes = length * 2;
    }
    memcpy(process->timer_key, &at, sizeof(at));
    memcpy(process->timer_key + sizeof(at), owner->key, owner->length);
    return (uint32_t)length;
}

static void due_collect(void *opaque, const void *key, uint32_t length, void *value)
{
    struct process_node *process = opaque;
    const uint32_t       bytes   = length - (uint32_t)sizeof(weir_time);
    (void)value;
    if (memcmp(key, &process->due_at, sizeof(process->due_at)) != 0) {
        return; // another deadline with the same mixed hash
    }
    if (process->due_used + sizeof(bytes) + bytes > process->due_capacity) {
        process->due_capacity = (process->due_used + sizeof(bytes) + bytes) * 2;
        process->due_keys     = wr_realloc(process->due_keys, process->due_capacity);
    }
    memcpy(process->due_keys + process->due_used, &bytes, sizeof(bytes));
    memcpy(process->due_keys + process->due_used + sizeof(bytes), (const char *)key + sizeof(weir_time), bytes);
    process->due_used += sizeof(bytes) + bytes;
}

// The next owner whose timer is due at or before `until`; false if there is none.
static bool due_next(struct process_node *process, weir_time until)
{
    while (process->due_next == process->due_used) {
        if (!wr_timers_take(process->wheel, until, &process->due_at, &process->due_hash)) {
            return false;
        }
        process->due_next = process->due_used = 0;
        wr_table_find_hash(process->timers, wr_view_hash(process->due_hash, (uint64_t)process->due_at),
                           due_collect, process);
    }
    uint32_t bytes;
    memcpy(&bytes, process->due_keys + process->due_next, sizeof(bytes));
    process->owner = (struct wr_owner){ process->due_hash,
                                        process->due_keys + process->due_next + sizeof(bytes), bytes };
    process->due_next += sizeof(bytes) + bytes;
    return true;
}

static bool timer_fire(struct process_node *process)
{
    const weir_process_binding *binding = process->node.spec->binding;
    struct weir_call           *call    = process->node.call;
    const uint32_t              length  = timer_make_key(process, &process->owner, process->due_at);
    const uint64_t              hash    = wr_view_hash(process->owner.hash, (uint64_t)process->due_at);
    bool                        is_new  = false;

    if (!wr_table_erase(process->timers, hash, process->timer_key, length)) {
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
    binding->on_timer(call, process->key, process->state, process->due_at);
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
        if (!timer_fire(process)) {
            return true; // the job has failed
        }
    }
    return false;
}

static struct process_node *call_process(weir_call *call)
{
    WR_ASSERT(call->node->ops == &wr_process_operator); // only process functions have keys and views
    return (struct process_node *)call->node;
}

void weir_timer_set(weir_call *call, weir_time at)
{
    struct process_node *process = call_process(call);
    const uint32_t       length  = timer_make_key(process, &process->owner, at);
    const uint64_t       hash    = wr_view_hash(process->owner.hash, (uint64_t)at);
    bool                 is_new  = false;
    WR_ASSERT(at >= WEIR_TIME_MIN && at <= WEIR_TIME_MAX);
    if (wr_table_resolve(process->timers, hash, process->timer_key, length, &is_new) == NULL && !is_new) {
        (void)wr_keyed_out_of_budget(call->node);
    } else if (is_new) {
        wr_timers_add(process->wheel, at, process->owner.hash);
    }
}

void weir_timer_clear(weir_call *call, weir_time at)
{
    struct process_node *process = call_process(call);
    const uint32_t       length  = timer_make_key(process, &process->owner, at);
    const uint64_t       hash    = wr_view_hash(process->owner.hash, (uint64_t)at);
    (void)wr_table_erase(process->timers, hash, process->timer_key, length);
}

void weir_state_clear(weir_call *call) { call->is_cleared = 1; }

// ---- rows -------------------------------------------------------------------------------------------

static bool process_take(struct process_node *process, const struct wr_inlet *inlet)
{
    struct wr_node             *node    = &process->node;
    const weir_process_binding *binding = node->spec->binding;
    bool                        is_new  = false;

    wr_keyed_take(&process->keyed, inlet, 1);
    process->owner = process_owner(process);
    if (!process_find_state(process, &is_new)) {
        return false;
    }
    wr_call_begin(node, inlet->batch, wr_inlet_row(inlet, inlet->next));
    binding->on_event(node->call, wr_keyed_key(&process->keyed, 0), process->state, node->call->record);
    return process_settle(process, false);
}

static void process_rows(struct wr_node *node, struct wr_inlet *inlet)
{
    struct process_node *process = (struct process_node *)node;

    while (process_unstage(process)) {
        const bool was_last = process->is_within && inlet->next + 1 == inlet->count;
        // A timer set at or before the watermark fires after the batch's rows; the last row is let go
        // only then.
        if (was_last && !process_fire(process, node->watermark)) {
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

static bool process_advance(struct wr_node *node, weir_time watermark)
{
    return process_fire((struct process_node *)node, watermark);
}

const struct wr_operator wr_process_operator = {
    .verb       = "process",
    .node_bytes = sizeof(struct process_node),
    .open       = process_open,
    .close      = process_close,
    .rows       = process_rows,
    .advance    = process_advance,
    .uses_time  = true,
};

// ---- side outputs and views: what a call may ask of a process function ---------------------------------

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
static struct wr_view *call_view(struct process_node *process, struct wr_view *views, const void *declared)
{
    for (uint32_t i = 0; i < VIEWS_MAX; i++) {
        if (views[i].declared == declared) {
            return &views[i];
        }
    }
    wr_node_fail(&process->node, "a view is used that is not in the options of weir_process");
    WR_ASSERT(!"the view is in the options of weir_process");
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
    if (wr_strings_long_bytes(&map->key_strings, key) == 0) {
        return key;
    }
    void *own = weir_scratch(call, map->map_codec.type->size);
    memcpy(own, key, map->map_codec.type->size);
    wr_call_own_strings(call, &map->key_strings, own);
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
