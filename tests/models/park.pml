/* A worker that sleeps and two that give it work: no wake-up is lost.
 *
 * Each giver publishes ITEMS items in a cell of its own and wakes the owner after each; the owner
 * takes them all, asleep in between when it likes. A lost wake-up leaves it in the kernel for ever,
 * which Spin reports as an invalid end state.
 *
 * Seeded bugs: those of futex.pml, and LOOK_BEFORE_ANNOUNCING, WAKE_BEFORE_PUBLISHING */

#define GIVERS 2
#define ITEMS 2
#define OWNER GIVERS
#define PROCESSORS 3
#define VARIABLES 3
#define WORD 2

#include "tso.pml"
#include "futex.pml"

byte taken[GIVERS];

inline look()
{
    has_found = false;
    if
    :: memory[0] != taken[0] -> taken[0] = memory[0]; has_found = true
    :: else
    fi;
    if
    :: memory[1] != taken[1] -> taken[1] = memory[1]; has_found = true
    :: else
    fi
}

proctype owner()
{
    bool has_found;
    byte old;
    do
    :: taken[0] == ITEMS && taken[1] == ITEMS -> break
    :: else ->
#ifdef LOOK_BEFORE_ANNOUNCING
        look();
        if
        :: has_found
        :: else -> announce(); wait()
        fi
#else
        announce();
        look();
        if
        :: has_found -> cancel()
        :: else -> wait()
        fi
#endif
    od
}

proctype giver(byte me)
{
    byte old, n;
    do
    :: n == ITEMS -> break
    :: else ->
        n++;
#ifdef WAKE_BEFORE_PUBLISHING
        wake_any(me);
        STORE(me, me, n)
#else
        STORE(me, me, n);
        wake_any(me)
#endif
    od
}

init
{
    atomic {
        run flusher(0);
        run flusher(1);
        run flusher(OWNER);
        run giver(0);
        run giver(1);
        run owner()
    }
}
