// weir/call.h: what a user function may ask of the runtime while it is called.
//
// Functions of filter, map, split, sink and an aggregate's result may take a weir_call * as their
// last parameter; those of process and flat map take one first, always. It is borrowed: valid until
// the function returns, on the thread that called it. Functions run on the worker thread of their
// task, one call at a time.
#ifndef WEIR_CALL_H
#define WEIR_CALL_H

#include <weir/record.h>

typedef struct weir_call weir_call;

// How a row relates to rows sent before: most streams carry inserts only.
typedef enum weir_change {
    WEIR_INSERT        = 0,
    WEIR_UPDATE_AFTER  = 1, // replaces the row of the same identity
    WEIR_DELETE        = 2, // withdraws it
    WEIR_UPDATE_BEFORE = 3
} weir_change;

typedef struct weir_list_view weir_list_view;
typedef struct weir_map_view  weir_map_view;

WEIR_BEGIN

// The parameters given with weir_with: borrowed; NULL if there are none.
WEIR_API const void *weir_parameters(const weir_call *call);
// The record's event time; in a timer its deadline. WEIR_TIME_MIN if the stream has no event time.
WEIR_API weir_time weir_event_time(const weir_call *call);
// The operator's watermark: no record before it is expected, but late ones may come. In a timer and
// in a window's result it is the one that made it fire. WEIR_TIME_MAX: the input is at its end.
WEIR_API weir_time weir_watermark(const weir_call *call);
// How the record at hand changes what was sent before.
WEIR_API weir_change weir_change_of(const weir_call *call);

// A row of the main output, zeroed, to be filled before the function returns; it is sent as
// `change` with event time `time`. More than the binding's `most` in one call fail the job by name.
WEIR_API void *weir_emit_change(weir_call *call, weir_change change, weir_time time);
// The same as an insert at the event time at hand.
WEIR_API void *weir_emit_row(weir_call *call);

// Refuses the record at hand: it goes to the job's dead letters with this reason (printf-like).
// Nothing is sent for it, whatever the function emits or returns; of a generator's record, nothing
// of this call and no more calls. What was done to the state stays.
WEIR_API void weir_reject(weir_call *call, const char *reason, ...) WEIR_PRINTF(2, 3);

// Bytes that live until the record's outputs have been copied; for strings that are made on the
// fly.
WEIR_API char *weir_scratch(weir_call *call, size_t bytes);

// What the bindings say before they call a function that takes the call: which row of the batch is
// at hand. Returns `call`.
WEIR_API weir_call *weir_call_at(weir_call *call, const void *record);

// ---- timers, in process functions ----

// Calls on_timer for the key at hand once the watermark has reached `at`. Setting the same time
// twice is setting it once. A time at or before the watermark fires after the batch's rows. Timers
// wait for the watermark, so records of later event times may be seen first: compare times, not
// arrivals.
// At the end of the input (weir_watermark is WEIR_TIME_MAX) every timer that is set fires, in order
// of time. What on_timer then sets for later than its own time has no time left to wait for: it is
// dropped and counted (WEIR_TIMERS_DROPPED), so that a timer that always sets itself again ends.
WEIR_API void weir_timer_set(weir_call *call, weir_time at);
WEIR_API void weir_timer_clear(weir_call *call, weir_time at);

// Drops the state of the key at hand when the function returns: the next record finds zeros. Its
// lists and maps stay.
WEIR_API void weir_state_clear(weir_call *call);

// ---- list and map views of the key at hand, in process functions ----
//
// Views are declared beside the binding (WEIR_LIST, WEIR_MAP_STATE) and given to it in the options
// of weir_process. An element's pointer is valid until the next call on the same view.

WEIR_API uint32_t weir_list_count(weir_call *call, const weir_list_view *view);
WEIR_API void    *weir_list_at(weir_call *call, const weir_list_view *view, uint32_t index);
WEIR_API void    *weir_list_add(weir_call *call, const weir_list_view *view); // zeroed, at the end
// Removes the element; the last one takes its place.
WEIR_API void weir_list_remove(weir_call *call, const weir_list_view *view, uint32_t index);
WEIR_API void weir_list_clear(weir_call *call, const weir_list_view *view);

WEIR_API void    *weir_map_find(weir_call *call, const weir_map_view *view,
                                const void *key); // or NULL
WEIR_API void    *weir_map_put(weir_call *call, const weir_map_view *view,
                               const void *key); // zeroed if new
WEIR_API bool     weir_map_remove(weir_call *call, const weir_map_view *view, const void *key);
WEIR_API uint32_t weir_map_count(weir_call *call, const weir_map_view *view);
// The index-th entry's key (0 <= index < count, an order of its own); its value by weir_map_find.
WEIR_API const void *weir_map_key_at(weir_call *call, const weir_map_view *view, uint32_t index);

WEIR_END

#endif // WEIR_CALL_H
