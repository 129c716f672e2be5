/* Credits and the three controls on a graph of tasks.
 *
 *      CHAIN      source -> task -> sink
 *      DIAMOND    source -> two tasks -> sink
 *      JOIN       two sources -> sink
 *      SHUFFLE    two sources -> each of two sinks
 *      FUNNEL     two sources -> each of two tasks -> sink
 *
 * A task holds one batch at a time and gives it back when its output is sent; it reads any input that
 * has one, except those that delivered the barrier being aligned. Data, drain and (mostly) end take
 * credit; a barrier takes the channel's control batch or rides on a batch of data.
 *
 * Checked in every state
 *   a record is taken between the same two barriers by every task (`epoch`)
 *   a barrier finds its control batch at home
 *   drain comes before end, and no record after drain
 * Checked at the end
 *   every task ended, and every batch is back with its sender
 *
 * COARSE: a step runs on until it blocks. Receiving ahead of time disturbs nobody (one receiver, and
 * sending never waits for a slot), so that less interleaving loses no behaviour of credits.
 *
 * EARLY_END: sources may end before the last checkpoint; their channels count as aligned.
 *
 * Seeded bugs: BARRIER_NEEDS_CREDIT, READ_ON_AFTER_BARRIER, FORWARD_AT_FIRST_BARRIER,
 * END_WITHOUT_DRAIN, DRAIN_TAKES_CONTROL, NEXT_CHECKPOINT_AT_ONCE, ONE_INPUT_FIRST,
 * ENDED_IS_NOT_ALIGNED, CREDIT_IS_LOST */

#ifndef CREDITS
#define CREDITS 1
#endif
#ifndef RECORDS
#define RECORDS 2
#endif
#ifndef CHECKPOINTS
#define CHECKPOINTS 2 /* the last one after the drain */
#endif

#ifdef CHAIN
#define EDGES 2
#define SOURCES 1
#define TASKS 2
#define SINKS 1
#endif
#ifdef DIAMOND
#define EDGES 4
#define SOURCES 1
#define TASKS 3
#define SINKS 1
#endif
#ifdef JOIN
#define EDGES 2
#define SOURCES 2
#define TASKS 1
#define SINKS 1
#endif
#ifdef SHUFFLE
#define EDGES 4
#define SOURCES 2
#define TASKS 2
#define SINKS 2
#endif
#ifdef FUNNEL
#define EDGES 6
#define SOURCES 2
#define TASKS 3
#define SINKS 1
#endif
#define NONE EDGES /* no such edge */

#ifdef COARSE
#define STEP atomic
#else
#define STEP
#endif

mtype = { DATA, DATA_AND_BARRIER, BARRIER, DRAIN, END };

chan forward[EDGES] = [CREDITS + 1] of { mtype, byte, bool }; /* what, epoch, on the control batch? */
byte credit[EDGES];
bool is_home[EDGES]; /* the control batch */

byte requested;        /* checkpoints asked of the sources */
byte acknowledged;     /* by the sinks */
byte drained_sources;
byte ended_sources;
byte ended_tasks;      /* sources and the coordinator not counted */

/* ---- sending ---- */

inline send_data(edge, what)
{
    atomic {
        credit[edge] > 0;
        credit[edge]--;
        forward[edge]!what, epoch, false
    }
}

inline send_control(edge, what)
{
    atomic {
        is_home[edge] = false;
        forward[edge]!what, epoch, true
    }
}

/* An open batch may take the barrier along; else the control batch is there. */
inline send_barrier(edge)
{
    if
    :: edge == NONE
#ifdef BARRIER_NEEDS_CREDIT
    :: edge != NONE -> assert(credit[edge] > 0); send_data(edge, BARRIER)
#else
    :: edge != NONE -> atomic { assert(is_home[edge]); send_control(edge, BARRIER) }
#ifdef RIDE
    :: edge != NONE && credit[edge] > 0 -> send_data(edge, DATA_AND_BARRIER)
#endif
#endif
    fi
}

inline send_drain(edge)
{
    if
    :: edge == NONE
    :: edge != NONE -> send_data(edge, DRAIN)
#ifdef DRAIN_TAKES_CONTROL
    :: edge != NONE && is_home[edge] -> send_control(edge, DRAIN)
#endif
    fi
}

inline send_end(edge)
{
    if
    :: edge == NONE
    :: edge != NONE -> send_data(edge, END)
    :: edge != NONE && is_home[edge] -> send_control(edge, END)
    fi
}

/* A record goes to either output, or nowhere. */
inline send_record(out0, out1)
{
    if
    :: out0 != NONE -> send_data(out0, DATA)
    :: out1 != NONE -> send_data(out1, DATA)
    :: true
    fi
}

/* ---- receiving ---- */

inline give_back(edge, is_control)
{
    if
    :: is_control -> is_home[edge] = true
    :: else -> credit[edge]++
    fi
}

#define IS_ALIGNED(i) (is_aligned[i] || !is_live[i])

/* All live inputs have delivered the barrier: it goes on, and so does reading. */
inline align(out0, out1)
{
    if
#ifdef FORWARD_AT_FIRST_BARRIER
    :: is_aligned[0] || is_aligned[1] ->
#else
#ifdef ENDED_IS_NOT_ALIGNED
    :: is_aligned[0] && (is_aligned[1] || in1 == NONE) ->
#else
    :: (is_aligned[0] || is_aligned[1]) && IS_ALIGNED(0) && IS_ALIGNED(1) ->
#endif
#endif
        send_barrier(out0);
        send_barrier(out1);
        atomic {
            epoch++;
            is_aligned[0] = false;
            is_aligned[1] = false;
            if
            :: out0 == NONE -> acknowledged++
            :: else
            fi
        }
    :: else
    fi
}

inline take(i, edge, out0, out1)
{
    forward[edge]?what, stamp, is_control;
    if
    :: what == DATA || what == DATA_AND_BARRIER ->
        assert(stamp == epoch);
        assert(!is_drained[i]  || what == DATA_AND_BARRIER);
        if
        :: what == DATA -> send_record(out0, out1)
        :: else
        fi
    :: what == END ->
        assert(is_drained[i]);
        is_live[i] = false
    :: what == DRAIN ->
        assert(!is_drained[i]);
        is_drained[i] = true;
        if
        :: is_drained[0] && is_drained[1] -> send_drain(out0); send_drain(out1)
        :: else
        fi
    :: else
    fi;
    atomic {
#ifdef CREDIT_IS_LOST
        if
        :: what != DRAIN -> give_back(edge, is_control)
        :: else
        fi;
#else
        give_back(edge, is_control);
#endif
        if
        :: what == BARRIER || what == DATA_AND_BARRIER -> is_aligned[i] = true
        :: else
        fi;
        what = DATA; stamp = 0; is_control = false
    }
    align(out0, out1)
}

#ifdef READ_ON_AFTER_BARRIER
#define CAN_READ(i, edge) (edge != NONE && is_live[i] && len(forward[edge]) > 0)
#else
#define CAN_READ(i, edge) (edge != NONE && is_live[i] && !is_aligned[i] && len(forward[edge]) > 0)
#endif

proctype task(byte in0; byte in1; byte out0; byte out1)
{
    bool is_aligned[2], is_live[2], is_drained[2], is_control;
    byte epoch, stamp;
    mtype what;
    atomic {
        is_live[0]    = true;
        is_live[1]    = in1 != NONE;
        is_drained[1] = in1 == NONE
    }
    do
    :: CAN_READ(0, in0) -> STEP { take(0, in0, out0, out1) }
#ifdef ONE_INPUT_FIRST
    :: !is_live[0] && CAN_READ(1, in1) -> STEP { take(1, in1, out0, out1) }
#else
    :: CAN_READ(1, in1) -> STEP { take(1, in1, out0, out1) }
#endif
    :: !is_live[0] && !is_live[1] -> break
    od;
    send_end(out0);
    send_end(out1);
    ended_tasks++
}

/* ---- sources and the coordinator ---- */

proctype source(byte out0; byte out1)
{
    byte epoch, sent;
    bool is_drained;
    do
    :: epoch < requested -> STEP { send_barrier(out0); send_barrier(out1); epoch++ }
    :: sent < RECORDS -> STEP { send_record(out0, out1); sent++ }
    :: sent == RECORDS && !is_drained ->
#ifndef END_WITHOUT_DRAIN
        send_drain(out0);
        send_drain(out1);
#endif
        is_drained = true;
        drained_sources++
#ifdef EARLY_END
    :: atomic { is_drained && epoch == requested -> ended_sources++ }; break
#else
    :: is_drained && epoch == CHECKPOINTS -> break
#endif
    od;
    send_end(out0);
    send_end(out1)
}

inline await_previous()
{
#ifndef NEXT_CHECKPOINT_AT_ONCE
    acknowledged == requested * SINKS;
    is_home[0] && is_home[1];
#if EDGES > 2
    is_home[2] && is_home[3];
#endif
#if EDGES > 4
    is_home[4] && is_home[5];
#endif
#else
    skip
#endif
}

/* The last checkpoint starts when all sources have drained. */
proctype coordinator()
{
    do
    :: requested == CHECKPOINTS -> break
    :: else ->
        await_previous();
        if
        :: requested + 1 < CHECKPOINTS
        :: else -> drained_sources == SOURCES
        fi;
#ifdef EARLY_END
        atomic {
            if
            :: ended_sources < SOURCES -> requested++
            :: else -> break
            fi
        }
#else
        requested++
#endif
    od
}

init
{
    byte edge;
    atomic {
        do
        :: edge < EDGES -> credit[edge] = CREDITS; is_home[edge] = true; edge++
        :: else -> break
        od;
#ifdef CHAIN
        run source(0, NONE);
        run task(0, NONE, 1, NONE);
        run task(1, NONE, NONE, NONE);
#endif
#ifdef DIAMOND
        run source(0, 1);
        run task(0, NONE, 2, NONE);
        run task(1, NONE, 3, NONE);
        run task(2, 3, NONE, NONE);
#endif
#ifdef JOIN
        run source(0, NONE);
        run source(1, NONE);
        run task(0, 1, NONE, NONE);
#endif
#ifdef SHUFFLE
        run source(0, 1);
        run source(2, 3);
        run task(0, 2, NONE, NONE);
        run task(1, 3, NONE, NONE);
#endif
#ifdef FUNNEL
        run source(0, 1);
        run source(2, 3);
        run task(0, 2, 4, NONE);
        run task(1, 3, 5, NONE);
        run task(4, 5, NONE, NONE);
#endif
        run coordinator()
    }
    ended_tasks == TASKS;
    atomic {
        edge = 0;
        do
        :: edge < EDGES ->
            assert(credit[edge] == CREDITS && is_home[edge] && len(forward[edge]) == 0);
            edge++
        :: else -> break
        od
    }
}
