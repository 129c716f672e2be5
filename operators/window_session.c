// Session windows: intervals of each key's records that are less than `gap` apart.
//
//   heads      key -> newest session -> older -> ... -> 0        by number, descending by start
//   sessions   number -> | accumulator | struct session | key |
//   timers     (deadline, number): when to look at a session again; one that is not the session's
//              deadline is stale
//
//   [start, end) with end = last + gap. A record at `time` joins a session when start - gap < time
//   < end. Sessions of a key lie at least a gap apart, so that a record joins two at most: then
//   these become one.
//
// A session fires when the watermark reaches its end, and stays until its end + lateness. A fired
// one that a record joins is corrected: an update as long as its start stays, which is what tells
// one session of a key from another; else its result is withdrawn and the new one inserted. If it
// is now open again its result is withdrawn until it fires.
//
// A record so late that its session has been dropped, but not late by itself, begins a session
// anew.
#include "operators/window.h"

#include "runtime/progress/progress.h"

#include <string.h>

struct session {
    weir_time start, last; // of its records
    weir_time deadline;    // of its timer
    uint64_t  next;        // the key's next older session
    uint64_t  hash;        // of the key
    uint32_t  emitted;     // rows sent for it
    uint32_t  has_fired;
};
typedef struct session session_entry;
WEIR_RECORD(session_entry, start, last, deadline, next, hash, emitted, has_fired);

typedef struct session_number {
    uint64_t number;
} session_number;
WEIR_RECORD(session_number, number);

// ---- a session's value ----

static uint32_t session_at(const struct wr_window *window)
{
    return (uint32_t)wr_round_up(window->accumulator_bytes, 8);
}

static uint32_t session_key_at(const struct wr_window *window)
{
    return session_at(window) + (uint32_t)sizeof(struct session);
}

static struct session *session_in(const struct wr_window *window, void *value)
{
    return (void *)((char *)value + session_at(window));
}

static void *session_accumulator(const struct wr_window *window, struct session *session)
{
    return (char *)session - session_at(window);
}

static void *session_key(struct session *session) { return session + 1; }

static weir_time session_end(const struct wr_window *window, const struct session *session)
{
    return session->last + window->window.gap;
}

// A number begins with the top bits of its key's hash, and so does the number's own hash: a session
// belongs to the task that has its key, and tasks never give the same number.
#define NUMBER_KEY_BITS (UINT64_MAX << 48)

static uint64_t number_hash(const struct wr_window *window, uint64_t number)
{
    return (number & NUMBER_KEY_BITS) | (wr_mix64(number, window->node.seed) & ~NUMBER_KEY_BITS);
}

static uint64_t number_next(struct wr_sessions *sessions, uint64_t hash)
{
    return (hash & NUMBER_KEY_BITS) | (uint64_t)++sessions->numbers;
}

static struct session *session_find(const struct wr_window *window, uint64_t number)
{
    void *value = number == 0 ? NULL
                              : wr_table_find(window->sessions.sessions,
                                              number_hash(window, number), &number, sizeof(number));
    return value != NULL ? session_in(window, value) : NULL;
}

// ---- opening ----

static void session_open(struct wr_window *window)
{
    struct wr_sessions           *sessions = &window->sessions;
    const struct wr_table_options heads = wr_window_table_options(window, sizeof(uint64_t), true);
    const size_t                  bytes = session_key_at(window) + window->aggregate->key->size;

    wr_strings_add(&sessions->strings, &window->strings, 0);
    wr_strings_add(&sessions->strings, &window->keys.codec.strings, session_key_at(window));
    const struct wr_table_options options = {
        .key_kind      = WR_KEY_8,
        .value_size    = (uint32_t)wr_round_up(bytes, 8),
        .value_strings = sessions->strings.count > 0 ? &sessions->strings : NULL,
        .range_bits    = window->node.range_bits,
        .stores_hash   = true,
        .seed          = window->node.seed,
    };
    sessions->heads                  = wr_table_open(window->node.pool, &heads);
    sessions->sessions               = wr_table_open(window->node.pool, &options);
    sessions->timers                 = wr_timers_open();
    const weir_type            *key  = window->aggregate->key;
    const struct wr_table_shape keys = { .key = key, .own = { { "-", &session_number_type, 0 } } };
    const struct wr_table_shape values = {
        .parts   = { { "accumulator", window->aggregate->accumulator, 0 },
                     { "key", key, session_key_at(window) } },
        .own_key = { { "-", &session_number_type, 0 } },
        .own     = { { "session", &session_entry_type, session_at(window) } },
    };
    wr_node_keep_table(&window->node, "heads", sessions->heads, &keys);
    wr_node_keep_table(&window->node, "sessions", sessions->sessions, &values);
    wr_node_keep_number(&window->node, "numbers", WR_CELL_GREATEST, &sessions->numbers);
}

static void session_restored(struct wr_window *window)
{
    struct wr_sessions    *sessions = &window->sessions;
    struct wr_table_cursor cursor   = { 0 };
    const void            *numbers[WR_GROUP_ROWS], *values[WR_GROUP_ROWS];
    uint32_t               count;
    while ((count = wr_table_next(sessions->sessions, &cursor, WR_GROUP_ROWS, numbers, NULL, NULL,
                                  values)) > 0) {
        for (uint32_t i = 0; i < count; i++) {
            uint64_t number;
            memcpy(&number, numbers[i], sizeof(number));
            const struct session *session =
                (const void *)((const char *)values[i] + session_at(window));
            wr_timers_add(sessions->timers, session->deadline, number);
        }
        wr_node_release_state(&window->node);
    }
}

static void session_close(struct wr_window *window)
{
    wr_table_close(window->sessions.heads);
    wr_table_close(window->sessions.sessions);
    wr_timers_close(window->sessions.timers);
    wr_strings_fini(&window->sessions.strings);
}

// ---- timers ----

// When the session fires or, fired, is dropped.
static weir_time session_due(const struct wr_window *window, const struct session *session)
{
    const weir_time end = session_end(window, session);
    return session->has_fired ? end + window->window.lateness : end;
}

static void session_schedule(struct wr_window *window, struct session *session, uint64_t number)
{
    session->deadline = wr_time_clamp(session_due(window, session));
    wr_timers_add(window->sessions.timers, session->deadline, number);
}

// ---- a row ----

// The sessions that a record joins: none, `later`, or `later` and the older `earlier`; and where in
// the key's list the first that is not after it stands.
struct joined {
    uint64_t        after; // the number of the session before it in the list; 0: the head
    uint64_t        later_number, earlier_number;
    struct session *later, *earlier;
    weir_time       start, last; // of the record and what it joins
    bool            fires;
};

// By unsigned differences: times may lie further apart than a weir_time can say.
static bool is_gap_between(const struct wr_window *window, weir_time earlier, weir_time later)
{
    return later > earlier && (uint64_t)later - (uint64_t)earlier >= (uint64_t)window->window.gap;
}

static bool session_takes(const struct wr_window *window, const struct session *session,
                          weir_time time)
{
    return session != NULL && !is_gap_between(window, session->last, time) &&
           !is_gap_between(window, time, session->start);
}

static struct joined joined_find(const struct wr_window *window, uint64_t head, weir_time time)
{
    struct joined   joined  = { .start = time, .last = time };
    uint64_t        number  = head;
    struct session *session = session_find(window, number);
    while (session != NULL && is_gap_between(window, time, session->start)) {
        joined.after = number;
        number       = session->next;
        session      = session_find(window, number);
    }
    if (session_takes(window, session, time)) {
        joined.later_number = number;
        joined.later        = session;
        joined.last         = session->last > time ? session->last : time;
        joined.start        = session->start < time ? session->start : time;
        session             = session_find(window, session->next);
    }
    if (joined.later != NULL && session_takes(window, session, time)) {
        joined.earlier_number = joined.later->next;
        joined.earlier        = session;
        joined.start          = session->start;
    }
    joined.fires = wr_time_is_reached(joined.last + window->window.gap, window->node.watermark);
    return joined;
}

// What the row and what it joins come to.
static void joined_merge(struct wr_window *window, const struct joined *joined, const void *row)
{
    if (joined->later != NULL) {
        memcpy(window->after, session_accumulator(window, joined->later),
               window->accumulator_bytes);
    } else {
        wr_window_clear(window, window->after);
    }
    if (joined->earlier != NULL) {
        wr_window_merge_one(window, window->after, session_accumulator(window, joined->earlier));
    }
    wr_window_merge_one(window, window->after, row);
}

static struct wr_pane_value session_value(const struct wr_window *window, struct session *session)
{
    return (struct wr_pane_value){ session->start, session_end(window, session),
                                   session_accumulator(window, session) };
}

// Withdraws a fired session's result, unless its identity stays and it fires again at once.
static void joined_withdraw(struct wr_window *window, const struct joined *joined,
                            struct session *session, const void *key)
{
    if (session == NULL || !session->has_fired ||
        (joined->fires && session->start == joined->start)) {
        return;
    }
    const struct wr_pane_value before  = session_value(window, session);
    const struct wr_pane_value nothing = { .accumulator = NULL };
    uint32_t                   emitted = session->emitted;
    wr_results_correct(&window->results, key, &before, &nothing, &emitted);
    if (session->start == joined->start) {
        window->sessions.emitted = emitted;
    }
}

static void joined_fire(struct wr_window *window, const struct joined *joined, const void *key)
{
    const struct wr_pane_value after   = { joined->start, joined->last + window->window.gap,
                                           window->after };
    struct wr_pane_value       before  = { .accumulator = NULL };
    struct session            *oldest  = joined->earlier != NULL ? joined->earlier : joined->later;
    uint32_t                  *emitted = &window->sessions.emitted;
    *emitted                           = 0;
    if (oldest != NULL && oldest->has_fired && oldest->start == joined->start) {
        before   = session_value(window, oldest);
        *emitted = oldest->emitted;
    }
    wr_results_correct(&window->results, key, &before, &after, emitted);
}

// Makes the rows by which the i-th row of the group changes what has been sent.
static void row_emit(struct wr_window *window, const struct joined *joined, uint32_t i)
{
    const void     *key      = wr_window_key(window, i);
    struct session *oldest   = joined->earlier != NULL ? joined->earlier : joined->later;
    const bool      stays    = oldest != NULL && oldest->start == joined->start;
    window->sessions.emitted = stays ? oldest->emitted : 0;
    joined_withdraw(window, joined, joined->later, key);
    joined_withdraw(window, joined, joined->earlier, key);
    if (joined->fires) {
        joined_merge(window, joined, wr_window_accumulator(window, i));
        joined_fire(window, joined, key);
    }
}

// ---- changing state ----

static bool session_keep(struct wr_window *window, uint64_t number, void *value)
{
    const uint64_t       hash = number_hash(window, number);
    const struct wr_keys key  = { .fixed = &number };
    if (window->sessions.strings.count == 0 ||
        wr_table_keep_strings_many(window->sessions.sessions, &hash, &key, 1, &value)) {
        return true;
    }
    wr_window_out_of_budget(window);
    return false;
}

// A session of the i-th row alone, behind `after` in the key's list.
static void session_add(struct wr_window *window, const struct joined *joined, uint32_t i)
{
    struct wr_sessions *sessions = &window->sessions;
    uint64_t           *head     = window->group.values[i];
    uint64_t            number   = number_next(sessions, window->group.hashes[i]);
    bool                is_new;
    void *value = wr_table_resolve(sessions->sessions, number_hash(window, number), &number,
                                   sizeof(number), &is_new);
    if (value == NULL) {
        wr_window_out_of_budget(window);
        return;
    }
    struct session *before  = session_find(window, joined->after);
    uint64_t       *link    = before != NULL ? &before->next : head;
    struct session *session = session_in(window, value);
    *session                = (struct session){
                       .start     = joined->start,
                       .last      = joined->last,
                       .next      = *link,
                       .hash      = window->group.hashes[i],
                       .emitted   = sessions->is_emitted ? sessions->emitted : 0,
                       .has_fired = joined->fires,
    };
    *link = number;
    memcpy(session_key(session), wr_window_key(window, i), window->aggregate->key->size);
    wr_window_clear(window, value);
    wr_window_merge_one(window, value, wr_window_accumulator(window, i));
    session_schedule(window, session, number);
    (void)session_keep(window, number, value);
}

// `later` becomes part of `earlier`, which takes its place in the list.
static void sessions_unite(struct wr_window *window, const struct joined *joined, uint32_t i)
{
    struct session *before = session_find(window, joined->after);
    uint64_t       *link   = before != NULL ? &before->next : window->group.values[i];
    wr_window_merge_one(window, session_accumulator(window, joined->earlier),
                        session_accumulator(window, joined->later));
    *link = joined->earlier_number;
    // What it holds has been taken over; strings among it are kept before its bytes can go.
    if (session_keep(window, joined->earlier_number,
                     session_accumulator(window, joined->earlier))) {
        wr_table_erase(window->sessions.sessions, number_hash(window, joined->later_number),
                       &joined->later_number, sizeof(joined->later_number));
    }
}

// The i-th row becomes part of the oldest session that it joins.
static void session_extend(struct wr_window *window, const struct joined *joined, uint32_t i)
{
    const struct wr_sessions *sessions = &window->sessions;
    uint64_t                  number   = joined->later_number;
    if (joined->earlier != NULL) {
        sessions_unite(window, joined, i);
        number = joined->earlier_number;
    }
    struct session *session = session_find(window, number);
    session->emitted        = sessions->is_emitted              ? sessions->emitted
                              : session->start == joined->start ? session->emitted
                                                                : 0;
    session->start          = joined->start;
    session->last           = joined->last;
    session->has_fired      = joined->fires;
    if (session_due(window, session) < session->deadline) {
        session_schedule(window, session, number);
    }
    void *value = session_accumulator(window, session);
    wr_window_merge_one(window, value, wr_window_accumulator(window, i));
    (void)session_keep(window, number, value);
}

// Consumes the i-th row of the group; false: the output is full.
static bool session_row(struct wr_window *window, uint32_t i)
{
    struct wr_sessions *sessions  = &window->sessions;
    const weir_time     time      = window->group.batch->times[window->group.rows[i]];
    const uint64_t     *head      = window->group.values[i];
    const struct joined joined    = joined_find(window, *head, time);
    const bool          has_fired = (joined.later != NULL && joined.later->has_fired) ||
                           (joined.earlier != NULL && joined.earlier->has_fired);

    if (!sessions->is_emitted && (joined.fires || has_fired)) {
        row_emit(window, &joined, i);
        sessions->is_emitted = true;
    }
    if (!wr_results_drain(&window->results)) {
        return false;
    }
    if (joined.later != NULL) {
        session_extend(window, &joined, i);
    } else {
        session_add(window, &joined, i);
    }
    sessions->is_emitted = false;
    return !window->has_failed;
}

// Cuts the group before its first late row; true if that is its first row of all.
static bool group_is_late(struct wr_window *window, weir_time late_before)
{
    struct wr_group *group = &window->group;
    uint32_t         i     = 0;
    while (i < group->count && group->batch->times[group->rows[i]] >= late_before) {
        i++;
    }
    group->count = i;
    return i == 0;
}

static void session_rows(struct wr_window *window, struct wr_inlet *inlet)
{
    const weir_time  late_before = wr_late_before(&window->window, window->node.watermark);
    struct wr_group *group       = &window->group;
    while (inlet->next < inlet->count) {
        wr_window_take(window, inlet);
        if (group_is_late(window, late_before)) {
            wr_count(window->node.counters, WR_LATE, 1);
            inlet->next++;
            continue;
        }
        wr_window_group_keys(window);
        if (wr_table_resolve_many(window->sessions.heads, group->hashes, &group->keys.keys,
                                  group->count, group->values, NULL) < group->count) {
            wr_window_out_of_budget(window);
            return;
        }
        for (uint32_t i = 0; i < group->count; i++) {
            if (!session_row(window, i)) {
                return;
            }
            inlet->next++;
        }
    }
}

// ---- firing ----

static void session_drop(struct wr_window *window, uint64_t number)
{
    struct wr_sessions   *sessions = &window->sessions;
    const struct session *session  = session_find(window, number);
    const uint64_t        hash     = session->hash;
    const uint64_t        next     = session->next;
    uint32_t              length;
    wr_key_block_fill(&window->keys, session + 1, 0, NULL, 1);
    const void *key  = wr_key_block_at(&window->keys, 0, &length);
    uint64_t   *head = wr_table_find(sessions->heads, hash, key, length);
    uint64_t   *link = head;
    while (*link != number) {
        link = &session_find(window, *link)->next;
    }
    *link = next;
    if (*head == 0) {
        wr_table_erase(sessions->heads, hash, key, length);
    }
    wr_table_erase(sessions->sessions, number_hash(window, number), &number, sizeof(number));
}

static void session_fire(struct wr_window *window, struct session *session, uint64_t number)
{
    const weir_pane pane = { session->start, session_end(window, session), session->emitted };
    session->has_fired   = true;
    session->emitted += wr_results_add(&window->results, WEIR_INSERT, session_key(session), &pane,
                                       session_accumulator(window, session));
    if (window->window.lateness == 0) {
        window->sessions.leaving = number;
    } else {
        session_schedule(window, session, number);
    }
}

static void session_timer(struct wr_window *window, weir_time watermark, weir_time deadline,
                          uint64_t number)
{
    struct session *session = session_find(window, number);
    if (session == NULL || session->deadline != deadline) {
        return;
    }
    if (!wr_time_is_reached(session_due(window, session), watermark)) {
        session_schedule(window, session, number);
    } else if (session->has_fired) {
        session_drop(window, number);
    } else {
        session_fire(window, session, number);
    }
}

static bool session_advance(struct wr_window *window, weir_time watermark)
{
    struct wr_sessions *sessions = &window->sessions;
    weir_time           deadline;
    uint64_t            number;
    while (wr_results_drain(&window->results)) {
        wr_node_release_state(&window->node);
        if (sessions->leaving != 0) {
            session_drop(window, sessions->leaving);
            sessions->leaving = 0;
        }
        if (!wr_timers_take(sessions->timers, watermark, &deadline, &number)) {
            return true;
        }
        session_timer(window, watermark, deadline, number);
    }
    return false;
}

const struct wr_window_kind_ops wr_session_window_ops = {
    .open     = session_open,
    .close    = session_close,
    .restored = session_restored,
    .rows     = session_rows,
    .advance  = session_advance,
};
