/* runtime/flow/channel.c: a sender that is out of credit sleeps; a return wakes it, and only then.
 *
 * The receiver returns RETURNS batches one by one; the sender takes them all. WANTED says that the
 * sender was refused. Seeded bugs: those of futex.pml, and RETURN_LOOKS_FIRST, NO_FENCE_AT_RETURN,
 * SLEEP_WITHOUT_TELLING, SLEEP_WITHOUT_LOOKING */

#define RETURNS 3
#define RECEIVER 0
#define OWNER 1
#define PROCESSORS 2
#define VARIABLES 3
#define RETURNED 0
#define WANTED 1
#define WORD 2

#include "tso.pml"
#include "futex.pml"

byte taken;

inline look_into_back_ring()
{
    has_found = memory[RETURNED] != taken
}

/* channel_look: `wanted` is what the sender itself last stored. */
inline look()
{
    look_into_back_ring();
    if
    :: has_found && wanted -> wanted = false; STORE(OWNER, WANTED, false)
    :: !has_found && !wanted ->
#ifndef SLEEP_WITHOUT_TELLING
        wanted = true;
        STORE(OWNER, WANTED, true);
        FENCE(OWNER);
        look_into_back_ring()
#endif
    :: else
    fi
}

proctype sender()
{
    bool has_found, wanted;
    byte old;
    do
    :: taken == RETURNS -> break
    :: else ->
        look();
        if
        :: has_found -> taken++
        :: else ->
            announce();
#ifndef SLEEP_WITHOUT_LOOKING
            look();
#endif
            if
            :: has_found -> cancel()
            :: else -> wait()
            fi
        fi
    od
}

inline look_at_wanted()
{
#ifndef NO_FENCE_AT_RETURN
    FENCE(RECEIVER);
#endif
    is_wanted = memory[WANTED]
}

proctype receiver()
{
    bool is_wanted;
    byte old, n;
    do
    :: n == RETURNS -> break
    :: else ->
        n++;
#ifdef RETURN_LOOKS_FIRST
        look_at_wanted();
        STORE(RECEIVER, RETURNED, n);
#else
        STORE(RECEIVER, RETURNED, n);
        look_at_wanted();
#endif
        if
        :: is_wanted -> wake_any(RECEIVER)
        :: else
        fi
    od
}

init
{
    atomic {
        run flusher(RECEIVER);
        run flusher(OWNER);
        run receiver();
        run sender()
    }
}
