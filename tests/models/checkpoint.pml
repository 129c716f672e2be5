/* Checkpoints: barriers, credits, aborts, a crash, and the end of the input.
 *
 *      CHAIN      source -> task -> sink
 *      DIAMOND    source -> two tasks -> sink; records go to the tasks in turn
 *      SHUFFLE    two sources -> each of two sinks, in turn
 *
 *      coordinator:  ask n -> gather acknowledgements -> publish n -> complete(n)
 *                              \-> abort n                  \-> the final one: the sources may end
 *
 * The coordinator and the tasks speak by letters and acknowledgements, tasks with one another by
 * channels only. A letter may lie unread for as long as it likes, and be older than what a channel
 * brings.
 *
 * A record is its number on its channel. A task's state is how many records it has taken from each
 * input and sent to each output, so that "the same records" is "the same counts". The table of a
 * task is one segment: it has a place, the checkpoint whose file it was captured into last, and is
 * captured again when it has changed. The drain takes credit as a record does; the last record
 * stands for it.
 *
 * The rules, beyond those of the graph
 *   R1   a barrier lower than the one being aligned, or of a checkpoint known to be aborted, is
 *        dropped
 *   R2   a higher one cancels what is being aligned: its abort is under way as a letter
 *   R3   a sender whose control batch is not at home waits for it, in mid-walk if need be
 *   R4   a barrier carries the number of the last published checkpoint: places in later files are
 *        void, whatever the letters have said so far
 *   R5   a source has drained when its drain has left on every output; only then may the final
 *        checkpoint be asked for
 *   R6   a task that has ended still reads its letters: the last complete(n) may come after the
 *        end, and a source that has ended answers for itself
 * CONFIRMED: instead of R2 to R4, n + 1 starts when every task has read the abort of n, is not in
 * the middle of forwarding it, and has its control batches at home.
 *
 * Checked in every state
 *   I1   spare + held + in the ring = credits + 1
 *   I3   a barrier leaves without a data credit, and (CONFIRMED) finds its control batch at home
 *   I4   a channel's barriers rise; what is known to be aborted is not acknowledged
 *   I5   an input that has delivered the barrier is not read
 *   I6   a task marks when every input has delivered the barrier or has ended
 *   I7   no record leaves while a barrier is being forwarded
 *   I8   record n + 1 follows record n, also across a crash: none is lost, none comes twice
 *   what is published: of every channel as many records sent as taken; no place in the file of a
 *   checkpoint that was not published
 *   complete(n) rises, and makes visible exactly what the sinks had taken at the mark of n
 *   a task ends when all it has taken is published
 * Checked at the end
 *   every input is visible once, every batch is with its sender. Every step uses something up, so
 *   that a search without a deadlock says that each run gets there.
 *
 * EARLY_END (SHUFFLE): the second source may end as soon as it has drained.
 * ANY_KEY: a record goes to either output, and after a crash perhaps to the other.
 * COARSE: tasks acknowledge at the mark, and sinks take a record as soon as they may. Nobody can
 * keep them from it and nobody but the sender hears of it: no claim depends on the order.
 *
 * Seeded bugs, and what each breaks
 *   READ_ON_AFTER_BARRIER       I5: records behind the barrier get into the snapshot, and
 *                               once more after a crash
 *   RECORD_BETWEEN_BARRIERS     I7: one receiver counts a record to n, the sender to n + 1
 *   MARK_AT_FIRST_BARRIER       I6: the snapshot lacks what the other inputs still carry
 *   ENDED_IS_NOT_ALIGNED        deadlock: a barrier is awaited from an input that will send none
 *   ENDED_DOES_NOT_ANSWER       deadlock: a source that ended never acknowledges
 *   END_BEFORE_FINAL            a sink ends with output that no checkpoint will ever publish
 *   DRAINED_TOO_SOON            the same: the final barrier overtakes the drain in the source
 *   ENDED_READS_NO_LETTERS      deadlock: the last output is published and never made visible
 *   BARRIER_NEEDS_CREDIT        I3: a barrier waits behind the data it should overtake in credit
 *   NO_WAIT_FOR_CONTROL         I3: n + 1 follows an abort of n whose barrier is still out
 *   NEXT_WHEN_HOME              I3: all are at home because a source has yet to emit n
 *   ABORTED_ALIGNS_AGAIN        I4: a late barrier of n is aligned, acknowledged, and waited for
 *   NEXT_CANCELS_NOTHING        n + 1 is marked with an input that has come no further than n
 *   COUNT_ANY_ACKNOWLEDGEMENT   a late one of n counts for n + 1, which is published half captured
 *   CAPTURE_WHEN_ACKNOWLEDGED   records after the mark get into the snapshot
 *   ABORT_BY_MAILBOX_ONLY       a segment unchanged since the mark of n is left where n put it; the
 *                               barrier of n + 1 was faster than the letter that n is aborted
 *   COMPLETE_TAKES_ALL          output after the mark is visible, and comes twice after a crash
 *   COMPLETE_IS_NOT_CUMULATIVE  output of an aborted n is lost when n + 1 is published
 *   ABORT_DROPS_PENDING         the same
 *   NO_COMMIT_AT_RECOVERY       a crash between manifest and complete(n) loses the output of n */

#ifndef CREDITS
#define CREDITS 1
#endif
#ifndef RECORDS
#define RECORDS 3
#endif
#ifndef CHECKPOINTS
#define CHECKPOINTS 2 /* published ones; the last one after the drain */
#endif
#ifndef ABORTS
#define ABORTS 1
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#define NUMBERS (CHECKPOINTS + ABORTS) /* of checkpoints: 1 .. NUMBERS */

#ifdef CHAIN
#define EDGES 2
#define SOURCES 1
#define TASKS 3
#define FIRST_SINK 2
#define FIRST_OUTPUT 1 /* the edges from here on lead to sinks */
#endif
#ifdef DIAMOND
#define EDGES 4
#define SOURCES 1
#define TASKS 4
#define FIRST_SINK 3
#define FIRST_OUTPUT 2
#endif
#ifdef SHUFFLE
#define EDGES 4
#define SOURCES 2
#define TASKS 4
#define FIRST_SINK 2
#define FIRST_OUTPUT 0
#endif
#define NONE EDGES /* no such edge */
#define ALL_TASKS ((1 << TASKS) - 1)

mtype = { RECORD, BARRIER, END };

/* ---- channels: by edge ---- */

chan ring[EDGES] = [CREDITS + 1] of { mtype, byte }; /* the record's or barrier's number */
byte credit[EDGES];
bool is_home[EDGES]; /* the control batch */
byte sent[EDGES];
byte taken[EDGES];
byte heard[EDGES]; /* the last barrier */
bool is_aligned[EDGES];
bool has_ended[EDGES];

/* ---- tasks ---- */

#define RUNNING 0
#define FORWARDING 1 /* and 2: the second output's turn */
#define ENDING 3     /* and 4 */
#define DONE 5
#define IS_FORWARDING(t) (state[t] == FORWARDING || state[t] == FORWARDING + 1)

byte state[TASKS];
byte barrier[TASKS];   /* being aligned, or the last one marked */
byte aborted[TASKS];   /* as far as it has read the letters */
byte capturing[TASKS]; /* marked and not yet acknowledged; 0: nothing */
byte held[TASKS];      /* 1 + the edge at which its record waits; 0: it has none */
byte place[TASKS];     /* the checkpoint whose file has the table's segment */

/* ---- sinks: by edge; on disk, as it is appended ---- */

byte cut[EDGES]; /* taken at the last mark; of tasks between, too */
byte pending[EDGES * (NUMBERS + 1)];
byte visible[EDGES]; /* to those who read what is committed */
byte completed[TASKS]; /* as far as it has read */
#define PENDING(edge, number) pending[(edge) * (NUMBERS + 1) + (number)]

/* ---- the coordinator and its store ---- */

byte asked;
bool is_gathering;
bool is_final;  /* the one asked for last */
byte withdrawn; /* the last aborted one */
byte acknowledged; /* a bit a task */
byte early_left; /* checkpoints that need not wait for the drain */
byte aborts_left;
byte crashes_left;

byte marked_sent[EDGES]; /* of the one being gathered */
byte marked_taken[EDGES];
byte marked_place[TASKS];

byte published;
byte published_ones; /* a bit each; 0, the empty one, is among them */
bool is_final_published;
byte saved[EDGES]; /* the published counts, of both sides */
byte saved_place[TASKS];

bool is_over;
hidden byte i, k, number;
hidden mtype what;

/* ---- sending ---- */

#define IS_WHOLE(edge) (credit[edge] + is_home[edge] + len(ring[edge]) == CREDITS + 1)
#define IS_WHOLE_HELD(edge) (credit[edge] + is_home[edge] + len(ring[edge]) == CREDITS)

inline send_record(edge)
{
    assert(!IS_FORWARDING(t)); /* I7 */
    credit[edge]--;
    sent[edge]++;
    ring[edge]!RECORD, sent[edge]
}

#if defined(CONFIRMED) || defined(NEXT_WHEN_HOME) || defined(NO_WAIT_FOR_CONTROL)
#define MAY_SEND_BARRIER(edge) true
#else
#define MAY_SEND_BARRIER(edge) is_home[edge] /* R3 */
#endif

inline send_barrier(edge)
{
#ifdef BARRIER_NEEDS_CREDIT
    assert(credit[edge] > 0); /* I3: it always fits */
    credit[edge]--;
#else
    assert(is_home[edge]); /* I3 */
    is_home[edge] = false;
#endif
    ring[edge]!BARRIER, barrier[t]
}

inline send_end(edge)
{
    is_home[edge] = false;
    ring[edge]!END, 0
}

/* ---- the mark ---- */

#ifdef ABORT_BY_MAILBOX_ONLY
#define IS_VOID(t) \
    (capturing[t] != 0 || (place[t] <= aborted[t] && !(published_ones & (1 << place[t]))))
#else
#define IS_VOID(t) (place[t] > published) /* R4: `published` as the barrier carries it */
#endif

inline note_marked()
{
    if
    :: is_gathering && asked == barrier[t] -> /* else nobody will look at the file */
        if
        :: t >= SOURCES ->
            marked_taken[in0] = taken[in0];
            marked_place[t] = place[t];
            if
            :: in1 != NONE -> marked_taken[in1] = taken[in1]
            :: else
            fi
        :: else
        fi;
        if
        :: out0 != NONE -> marked_sent[out0] = sent[out0]
        :: else
        fi;
        if
        :: out1 != NONE -> marked_sent[out1] = sent[out1]
        :: else
        fi
    :: else
    fi
}

inline cut_input(edge)
{
    if
    :: t >= FIRST_SINK -> PENDING(edge, barrier[t]) = taken[edge] - cut[edge]
    :: else
    fi;
    cut[edge] = taken[edge];
    is_aligned[edge] = false
}

/* One that comes later is a publication that comes later, but for what is aborted meanwhile. */
#ifdef COARSE
#define ACKNOWLEDGES_AT_MARK(t) true
#else
#define ACKNOWLEDGES_AT_MARK(t) (t < SOURCES)
#endif

#define IS_CHANGED (taken[in0] != cut[in0] || (in1 != NONE && taken[in1] != cut[in1]))

/* The disk has it. */
inline acknowledge()
{
    assert(capturing[t] > aborted[t] && capturing[t] > published); /* I4 */
#ifdef CAPTURE_WHEN_ACKNOWLEDGED
    note_marked();
#endif
    if
#ifdef COUNT_ANY_ACKNOWLEDGEMENT
    :: is_gathering
#else
    :: is_gathering && capturing[t] == asked
#endif
        -> acknowledged = acknowledged | (1 << t)
    :: else
    fi;
    capturing[t] = 0
}

/* What one checkpoint saves of a task; a capture that another mark overtakes is given up. */
inline mark()
{
    if
    :: t >= SOURCES ->
        if
        :: IS_CHANGED || IS_VOID(t) -> place[t] = barrier[t]
        :: else
        fi;
        cut_input(in0);
        if
        :: in1 != NONE -> cut_input(in1)
        :: else
        fi
    :: else
    fi;
#ifndef CAPTURE_WHEN_ACKNOWLEDGED
    note_marked();
#endif
    capturing[t] = barrier[t];
    if
    :: ACKNOWLEDGES_AT_MARK(t) -> acknowledge()
    :: else
    fi;
    if
    :: out0 != NONE -> state[t] = FORWARDING
    :: else
    fi
}

/* ---- receiving ---- */

#define IS_THROUGH(edge) (edge == NONE || is_aligned[edge] || has_ended[edge])
#define IS_ALIGNING (is_aligned[in0] || (in1 != NONE && is_aligned[in1]))

inline cancel_alignment()
{
    is_aligned[in0] = false;
    if
    :: in1 != NONE -> is_aligned[in1] = false
    :: else
    fi
}

inline take_record(edge)
{
    assert(!is_aligned[edge]);          /* I5 */
    assert(number == taken[edge] + 1); /* I8 */
    taken[edge]++;
    if
    :: out0 == NONE -> credit[edge]++
    :: out0 != NONE && credit[out0] > 0 -> send_record(out0); credit[edge]++
    :: else -> held[t] = 1 + edge
    fi
}

inline take_barrier(edge)
{
#ifdef BARRIER_NEEDS_CREDIT
    credit[edge]++;
#else
    is_home[edge] = true;
#endif
    assert(number > heard[edge]); /* I4 */
    heard[edge] = number;
    if
#ifdef ABORTED_ALIGNS_AGAIN
    :: false
#else
    :: number <= aborted[t] || number < barrier[t] /* R1 */
#endif
    :: else ->
#ifndef NEXT_CANCELS_NOTHING
        if
        :: number != barrier[t] -> cancel_alignment() /* R2 */
        :: else
        fi;
#endif
        barrier[t] = number;
        is_aligned[edge] = true;
#ifndef ABORT_BY_MAILBOX_ONLY
        if
        :: barrier[t] > withdrawn && aborted[t] < withdrawn -> read_abort()
        :: else
        fi
#endif
    fi
}

/* After a barrier or an end: is there more to wait for? */
inline look_at_inputs()
{
    if
#ifdef MARK_AT_FIRST_BARRIER
    :: IS_ALIGNING ->
#else
#ifdef ENDED_IS_NOT_ALIGNED
    :: is_aligned[in0] && (in1 == NONE || is_aligned[in1]) ->
#else
    :: IS_ALIGNING && IS_THROUGH(in0) && IS_THROUGH(in1) ->
#endif
#endif
        assert(IS_THROUGH(in0) && IS_THROUGH(in1)); /* I6 */
        mark()
    :: has_ended[in0] && (in1 == NONE || has_ended[in1]) ->
        state[t] = (out0 == NONE -> DONE : ENDING);
        assert(taken[in0] == saved[in0] && (in1 == NONE || taken[in1] == saved[in1]))
    :: else
    fi
}

inline take(edge)
{
    ring[edge]?what, number;
    if
    :: what == RECORD -> take_record(edge)
    :: what == BARRIER -> take_barrier(edge); look_at_inputs()
    :: what == END -> is_home[edge] = true; has_ended[edge] = true; look_at_inputs()
    fi;
    assert(IS_WHOLE(edge) || (held[t] == 1 + edge && IS_WHOLE_HELD(edge))); /* I1 */
    what = 0; number = 0
}

#ifdef READ_ON_AFTER_BARRIER
#define CAN_TAKE(edge) (edge != NONE && state[t] == RUNNING && !held[t] && len(ring[edge]) > 0)
#else
#define CAN_TAKE(edge) \
    (edge != NONE && state[t] == RUNNING && !held[t] && !is_aligned[edge] && len(ring[edge]) > 0)
#endif

/* ---- letters ---- */

/* Those of one kind add up: a letter is the difference between what the coordinator has said last
 * and what the task has read. One that would change nothing counts as read. */
#ifdef ABORT_BY_MAILBOX_ONLY
#define HAS_ABORT(t) (aborted[t] < withdrawn)
#else
#define HAS_ABORT(t) (aborted[t] < withdrawn && barrier[t] <= withdrawn)
#endif

/* In mid-walk: the rest stays undone. To go on is to read it later. */
inline read_abort()
{
    aborted[t] = withdrawn;
    if
    :: capturing[t] <= withdrawn -> capturing[t] = 0
    :: else
    fi;
    if
    :: IS_FORWARDING(t) && barrier[t] <= withdrawn -> state[t] = RUNNING
    :: else
    fi;
    if
    :: t >= SOURCES && barrier[t] <= withdrawn -> cancel_alignment()
    :: t < SOURCES && barrier[t] < withdrawn -> barrier[t] = withdrawn
    :: else
    fi;
#ifdef ABORT_DROPS_PENDING
    if
    :: t >= FIRST_SINK ->
        PENDING(in0, withdrawn) = 0;
        if
        :: in1 != NONE -> PENDING(in1, withdrawn) = 0
        :: else
        fi
    :: else
    fi;
#endif
}

/* Cumulative: what an aborted one left behind is published with the next. */
inline commit(edge, upto)
{
    k = 1;
    do
    :: k <= upto ->
#ifdef COMPLETE_IS_NOT_CUMULATIVE
        if
        :: k == upto -> visible[edge] = visible[edge] + PENDING(edge, k)
        :: else
        fi;
#else
        visible[edge] = visible[edge] + PENDING(edge, k);
#endif
        PENDING(edge, k) = 0;
        k++
    :: else -> break
    od;
    k = 0;
    assert(visible[edge] == saved[edge])
}

#ifdef COMPLETE_TAKES_ALL
#define UPTO NUMBERS
#else
#define UPTO published
#endif

inline read_complete()
{
    completed[t] = published;
    commit(in0, UPTO);
    if
    :: in1 != NONE -> commit(in1, UPTO)
    :: else
    fi
}

/* ---- tasks between, and sinks ---- */

#ifdef COARSE
#define IS_EAGER(edge) \
    (edge >= FIRST_OUTPUT && edge < EDGES && !is_aligned[edge] && ring[edge]?[RECORD, _])
#ifdef CHAIN
#define IS_QUIET !IS_EAGER(1)
#else
#ifdef DIAMOND
#define IS_QUIET !(IS_EAGER(2) || IS_EAGER(3))
#else
#define IS_QUIET !(IS_EAGER(0) || IS_EAGER(1) || IS_EAGER(2) || IS_EAGER(3))
#endif
#endif

inline take_at_once(edge)
{
    ring[edge]?RECORD, number;
    assert(number == taken[edge] + 1); /* I8 */
    number = 0;
    taken[edge]++;
    credit[edge]++
}

proctype eager()
{
    do
#ifdef SHUFFLE
    :: d_step { IS_EAGER(0) -> take_at_once(0) }
#endif
#ifndef DIAMOND
    :: d_step { IS_EAGER(1) -> take_at_once(1) }
#endif
#ifndef CHAIN
    :: d_step { IS_EAGER(2) -> take_at_once(2) }
    :: d_step { IS_EAGER(3) -> take_at_once(3) }
#endif
    :: is_over -> break
    od
}
#else
#define IS_QUIET true
#endif


proctype task(byte t; byte in0; byte in1; byte out0; byte out1) provided (IS_QUIET)
{
    do
    :: d_step { CAN_TAKE(in0) -> take(in0) }
    :: d_step { CAN_TAKE(in1) -> take(in1) }
    :: d_step {
        state[t] == RUNNING && held[t] && credit[out0] > 0 ->
        send_record(out0);
        credit[held[t] - 1]++;
        held[t] = 0
    }
    :: d_step {
        state[t] == FORWARDING && MAY_SEND_BARRIER(out0) -> send_barrier(out0); state[t] = RUNNING
    }
    :: d_step { state[t] == ENDING && is_home[out0] -> send_end(out0); state[t] = DONE }
    :: d_step { capturing[t] != 0 -> acknowledge() }
    :: d_step { HAS_ABORT(t) -> read_abort() }
#ifdef ENDED_READS_NO_LETTERS
    :: d_step { t >= FIRST_SINK && completed[t] < published && state[t] != DONE -> read_complete() }
#else
    :: d_step { t >= FIRST_SINK && completed[t] < published -> read_complete() } /* R6 */
#endif
    :: is_over -> break
    od
}

/* ---- sources ---- */

#define SENT (sent[out0] + (out1 == NONE -> 0 : sent[out1]))

inline poll(edge)
{
    if
    :: credit[edge] > 0 -> send_record(edge)
    :: else -> held[t] = 1 + edge
    fi
}

#ifdef RECORD_BETWEEN_BARRIERS
#define CAN_POLL (state[t] <= FORWARDING + 1 && !held[t] && SENT < RECORDS)
#else
#define CAN_POLL (state[t] == RUNNING && !held[t] && SENT < RECORDS)
#endif
#ifdef DRAINED_TOO_SOON
#define CAN_MARK (state[t] == RUNNING)
#else
#define CAN_MARK (state[t] == RUNNING && !held[t])
#endif

#ifdef END_BEFORE_FINAL
#define MAY_END true
#else
#ifdef EARLY_END
#define MAY_END (t == 1)
#else
#define MAY_END false
#endif
#endif

proctype source(byte t; byte in0; byte in1; byte out0; byte out1) provided (IS_QUIET)
{
    do
#ifdef ANY_KEY
    :: d_step { CAN_POLL -> poll(out0) }
    :: d_step { CAN_POLL && out1 != NONE -> poll(out1) }
#else
    :: d_step {
        CAN_POLL ->
        if
        :: out1 != NONE && (SENT & 1) -> poll(out1)
        :: else -> poll(out0)
        fi
    }
#endif
    :: d_step {
        state[t] == RUNNING && held[t] && credit[held[t] - 1] > 0 ->
        send_record(held[t] - 1);
        held[t] = 0
    }
    :: d_step {
        state[t] == FORWARDING && MAY_SEND_BARRIER(out0) ->
        send_barrier(out0);
        state[t] = (out1 == NONE -> RUNNING : FORWARDING + 1)
    }
    :: d_step {
        state[t] == FORWARDING + 1 && MAY_SEND_BARRIER(out1) ->
        send_barrier(out1);
        state[t] = RUNNING
    }
    :: d_step {
        state[t] == ENDING && is_home[out0] ->
        send_end(out0);
        state[t] = (out1 == NONE -> DONE : ENDING + 1)
    }
    :: d_step { state[t] == ENDING + 1 && is_home[out1] -> send_end(out1); state[t] = DONE }
    :: d_step { MAY_END && state[t] == RUNNING && !held[t] && SENT == RECORDS -> state[t] = ENDING }

    :: d_step { barrier[t] < asked && CAN_MARK -> barrier[t]++; mark() }
#ifndef ENDED_DOES_NOT_ANSWER
    :: d_step { /* R6: ended, with all it had */
        barrier[t] < asked && state[t] >= ENDING ->
        barrier[t]++;
        note_marked();
        capturing[t] = barrier[t];
        acknowledge()
    }
#endif
#ifdef CONFIRMED
    :: d_step { HAS_ABORT(t) -> read_abort() }
#else
    :: d_step { /* else it changes nothing */
        HAS_ABORT(t) && (barrier[t] < withdrawn || IS_FORWARDING(t)) -> read_abort()
    }
#endif
    :: d_step { is_final_published && state[t] == RUNNING -> state[t] = ENDING }
    :: is_over -> break
    od
}

/* ---- the coordinator ---- */

#ifdef DRAINED_TOO_SOON
#define HAS_DRAINED(t, all_sent) (all_sent + (held[t] != 0) == RECORDS)
#else
#define HAS_DRAINED(t, all_sent) (all_sent == RECORDS) /* R5 */
#endif
#ifdef CHAIN
#define ALL_DRAINED HAS_DRAINED(0, sent[0])
#define ALL_HOME (is_home[0] && is_home[1])
#else
#ifdef DIAMOND
#define ALL_DRAINED HAS_DRAINED(0, sent[0] + sent[1])
#else
#define ALL_DRAINED (HAS_DRAINED(0, sent[0] + sent[1]) && HAS_DRAINED(1, sent[2] + sent[3]))
#endif
#define ALL_HOME (is_home[0] && is_home[1] && is_home[2] && is_home[3])
#endif

/* That a task has nothing more to say of n stays so until n + 1 is asked for: one look at all of
 * them is as good as a letter from each. */
#define IS_OUT(t) (aborted[t] == withdrawn && !IS_FORWARDING(t))
#ifdef CHAIN
#define ALL_OUT (IS_OUT(0) && IS_OUT(1) && IS_OUT(2))
#else
#define ALL_OUT (IS_OUT(0) && IS_OUT(1) && IS_OUT(2) && IS_OUT(3))
#endif

#ifdef CONFIRMED
#define MAY_GO_ON (ALL_OUT && ALL_HOME)
#else
#ifdef NEXT_WHEN_HOME
#define MAY_GO_ON ALL_HOME
#else
#define MAY_GO_ON true
#endif
#endif

inline forget_marked()
{
    k = 0;
    do
    :: k < EDGES -> marked_sent[k] = 0; marked_taken[k] = 0; k++
    :: else -> break
    od;
    k = 0;
    do
    :: k < TASKS -> marked_place[k] = 0; k++
    :: else -> break
    od;
    k = 0
}

inline publish()
{
    k = 0;
    do
    :: k < EDGES ->
        assert(marked_sent[k] == marked_taken[k]); /* one cut through all channels */
        saved[k] = marked_sent[k];
        k++
    :: else -> break
    od;
    k = 0;
    published_ones = published_ones | (1 << asked);
    do
    :: k < TASKS ->
        assert(published_ones & (1 << marked_place[k])); /* else its file is gone */
        saved_place[k] = marked_place[k];
        k++
    :: else -> break
    od;
    assert(asked > published);
    published = asked;
    is_final_published = is_final;
    if
    :: !is_final -> early_left--
    :: else
    fi;
    is_gathering = false;
    forget_marked()
}

proctype coordinator() provided (IS_QUIET)
{
    do
    :: d_step {
        !is_gathering && !is_final_published && MAY_GO_ON &&
        (ALL_DRAINED || early_left > 0) ->
        asked++;
        is_gathering = true;
        acknowledged = 0;
        is_final = ALL_DRAINED
    }
    :: d_step {
        is_gathering && aborts_left > 0 ->
        aborts_left--;
        is_gathering = false;
        withdrawn = asked;
        forget_marked()
    }
    :: d_step { is_gathering && acknowledged == ALL_TASKS -> publish() }
    :: is_over -> break
    od
}

/* ---- a crash, and what is made of the last manifest ---- */

inline restore()
{
    k = 0;
    do
    :: k < EDGES ->
        do
        :: len(ring[k]) > 0 -> ring[k]?_, _
        :: else -> break
        od;
        credit[k] = CREDITS;
        is_home[k] = true;
        sent[k] = saved[k];
        taken[k] = saved[k];
        cut[k] = saved[k];
        heard[k] = published;
        is_aligned[k] = false;
        has_ended[k] = false;
        k++
    :: else -> break
    od;
    k = 0;
    do
    :: k < TASKS ->
        state[k] = RUNNING;
        barrier[k] = published;
        aborted[k] = 0;
        capturing[k] = 0;
        held[k] = 0;
        completed[k] = published;
        place[k] = saved_place[k];
        k++
    :: else -> break
    od;
    k = 0;
    asked = published;
    is_gathering = false;
    is_final = false;
    withdrawn = 0;
    acknowledged = 0;
    forget_marked()
}

/* What the manifest decides is committed again; the rest is cut off. */
inline recover_sinks()
{
    i = FIRST_OUTPUT;
    do
    :: i < EDGES ->
        number = published;
        commit(i, number);
        do
        :: number < NUMBERS -> number++; PENDING(i, number) = 0
        :: else -> break
        od;
        number = 0;
        i++
    :: else -> break
    od;
    i = 0
}

proctype crash() provided (IS_QUIET)
{
    do
    :: d_step {
        crashes_left > 0 && !is_over ->
        crashes_left--;
        restore()
#ifndef NO_COMMIT_AT_RECOVERY
        ; recover_sinks()
#endif
    }
    :: is_over -> break
    od
}

/* ---- start and end ---- */

#ifdef SHUFFLE
#define ALL_READ (completed[2] == published && completed[3] == published)
#else
#define ALL_READ (completed[FIRST_SINK] == published)
#endif
#ifdef CHAIN
#define ALL_DONE (state[0] == DONE && state[1] == DONE && state[2] == DONE)
#else
#define ALL_DONE (state[0] == DONE && state[1] == DONE && state[2] == DONE && state[3] == DONE)
#endif

init
{
    atomic {
        do
        :: i < EDGES -> credit[i] = CREDITS; is_home[i] = true; i++
        :: else -> break
        od;
        i = 0;
        published_ones = 1;
        early_left = CHECKPOINTS - 1;
        /* Chosen beforehand: a fault yet to come is no way out of a deadlock. */
        select(aborts_left : 0 .. ABORTS);
        select(crashes_left : 0 .. CRASHES);
#ifdef CHAIN
        run source(0, NONE, NONE, 0, NONE);
        run task(1, 0, NONE, 1, NONE);
        run task(2, 1, NONE, NONE, NONE);
#endif
#ifdef DIAMOND
        run source(0, NONE, NONE, 0, 1);
        run task(1, 0, NONE, 2, NONE);
        run task(2, 1, NONE, 3, NONE);
        run task(3, 2, 3, NONE, NONE);
#endif
#ifdef SHUFFLE
        run source(0, NONE, NONE, 0, 1);
        run source(1, NONE, NONE, 2, 3);
        run task(2, 0, 2, NONE, NONE);
        run task(3, 1, 3, NONE, NONE);
#endif
        run coordinator();
        run crash();
#ifdef COARSE
        run eager()
#endif
    }
    d_step {
        ALL_DONE && ALL_READ && !is_gathering ->
        assert(is_final_published);
        i = FIRST_OUTPUT;
        k = 0;
        do
        :: i < EDGES -> k = k + visible[i]; i++
        :: else -> break
        od;
        assert(k == SOURCES * RECORDS); /* all of it */
        i = 0;
        k = 0;
        do
        :: i < EDGES -> assert(credit[i] == CREDITS && is_home[i] && len(ring[i]) == 0); i++
        :: else -> break
        od;
        i = 0;
        is_over = true
    }
}
