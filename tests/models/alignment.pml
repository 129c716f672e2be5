/* runtime/progress/alignment.c: partitions that come back from idleness, one that goes on reading,
 * and one who takes minima. No minimum is above where a partition that reads says it is.
 *
 * All accesses are in one order there, so that Spin's own is enough. A partition says where it is
 * before it publishes that, and IDLE while it does not count.
 *
 * Seeded bugs: LOOK_BEFORE_ENTERING (the floor is found while nobody knows of it),
 * COUNT_BEFORE_ENTERING, COUNT_AFTER_LOOKING, NO_SECOND_LOOK (of who takes a minimum),
 * TWO_AT_A_TIME */

#define RETURNING 2
#define PARTITIONS 3
#define MOVER 2
#define IDLE 99

byte watermark[PARTITIONS];
bool is_reading[PARTITIONS];
byte said[PARTITIONS];
byte returns;
bool is_locked;

/* alignment_minimum_but: `lowest` of those that read, else the highest of all. */
inline take_minimum_but(left_out)
{
    lowest  = IDLE;
    highest = 0;
    i       = 0;
    do
    :: i == PARTITIONS -> break
    :: else ->
        atomic {
            if
            :: watermark[i] > highest -> highest = watermark[i]
            :: else
            fi;
            if
            :: is_reading[i] && i != left_out && watermark[i] < lowest -> lowest = watermark[i]
            :: else
            fi;
            i++
        }
    od;
    if
    :: lowest == IDLE -> lowest = highest
    :: else
    fi
}

inline enter()
{
    is_reading[me] = true
}

inline come_back()
{
#ifndef TWO_AT_A_TIME
    atomic { !is_locked -> is_locked = true };
#endif
#ifdef COUNT_BEFORE_ENTERING
    returns++;
#endif
#ifdef LOOK_BEFORE_ENTERING
    take_minimum_but(me);
    enter();
    returns++;
#else
    enter();
#if !defined(COUNT_BEFORE_ENTERING) && !defined(COUNT_AFTER_LOOKING)
    returns++;
#endif
    take_minimum_but(me);
#endif
#ifdef COUNT_AFTER_LOOKING
    returns++;
#endif
    if
    :: lowest > watermark[me] -> watermark[me] = lowest
    :: else
    fi;
#ifndef TWO_AT_A_TIME
    is_locked = false;
#endif
    said[me] = watermark[me]
}

proctype returning(byte me)
{
    byte i, lowest, highest;
    come_back();
    said[me]       = IDLE;
    is_reading[me] = false;
    come_back()
}

proctype mover()
{
    byte n;
    do
    :: n == 3 -> break
    :: else ->
        n++;
        said[MOVER]      = n;
        watermark[MOVER] = n
    od;
    said[MOVER]       = IDLE;
    is_reading[MOVER] = false
}

proctype observer()
{
    byte i, lowest, highest, before;
again:
    before = returns;
    take_minimum_but(PARTITIONS);
#ifndef NO_SECOND_LOOK
    if
    :: returns != before -> goto again
    :: else
    fi;
#endif
    i = 0;
    do
    :: i == PARTITIONS -> break
    :: else -> assert(lowest <= said[i]); i++
    od
}

init
{
    atomic {
        said[0]           = IDLE;
        said[1]           = IDLE;
        is_reading[MOVER] = true;
        run returning(0);
        run returning(1);
        run mover();
        run observer()
    }
}
