/* runtime/flow/park.c: announce, cancel, wait and wake on the cell WORD of the owner OWNER.
 *
 * Seeded bugs: NO_FENCE_AT_WAKE, NO_FENCE_AT_ANNOUNCE, WAKE_ONLY_THE_ASLEEP, WAIT_WITHOUT_COMPARING,
 * SLEEP_WITHOUT_COMPARING, STORE_AFTER_WAKING */

#define AWAKE 0
#define ANNOUNCED 1
#define ASLEEP 2

bool in_kernel; /* the owner lies in the futex's queue */

inline announce()
{
    STORE(OWNER, WORD, ANNOUNCED);
#ifndef NO_FENCE_AT_ANNOUNCE
    FENCE(OWNER)
#endif
}

inline cancel() { STORE(OWNER, WORD, AWAKE) }

inline sleep_in_kernel()
{
    atomic {
        if
#ifdef SLEEP_WITHOUT_COMPARING
        :: true -> in_kernel = true
#else
        :: memory[WORD] == ASLEEP -> in_kernel = true
        :: else
#endif
        fi
    }
    !in_kernel
}

inline wait()
{
    atomic {
        FENCE(OWNER);
        old = memory[WORD];
        if
#ifndef WAIT_WITHOUT_COMPARING
        :: old != ANNOUNCED
#endif
        :: else -> memory[WORD] = ASLEEP; old = ASLEEP
        fi
    }
    if
    :: old == ASLEEP ->
        sleep_in_kernel();
        EXCHANGE(OWNER, WORD, AWAKE, old)
    :: else
    fi
    old = 0
}

inline wake_kernel() { in_kernel = false }

inline wake_any(processor)
{
#ifndef NO_FENCE_AT_WAKE
    FENCE(processor);
#endif
    old = memory[WORD];
    if
#ifdef WAKE_ONLY_THE_ASLEEP
    :: old == ASLEEP ->
#else
    :: old != AWAKE ->
#endif
#ifdef STORE_AFTER_WAKING
        old = memory[WORD];
        if
        :: old == ASLEEP -> wake_kernel()
        :: else
        fi;
        EXCHANGE(processor, WORD, AWAKE, old)
#else
        EXCHANGE(processor, WORD, AWAKE, old);
        if
        :: old == ASLEEP -> wake_kernel()
        :: else
        fi
#endif
    :: else
    fi;
    old = 0
}
