/* Memory as x86 has it: a store waits in its processor's buffer until it is flushed, in order; a
 * load does not wait for the processor's own buffer. Spin alone would check sequential consistency,
 * under which a missing fence is no bug. A process reads no variable that it has in its own buffer.
 *
 * Variables are cells of `memory`; STORE, FENCE and EXCHANGE name the processor. */

byte memory[VARIABLES];
chan buffer[PROCESSORS] = [4] of { byte, byte };

#define STORE(processor, variable, value) buffer[processor]!variable, value
#define FENCE(processor) empty(buffer[processor])

/* A read-modify-write waits for its processor's buffer, reads and writes at once. */
inline EXCHANGE(processor, variable, value, old)
{
    atomic {
        empty(buffer[processor]);
        old              = memory[variable];
        memory[variable] = value
    }
}

proctype flusher(byte processor)
{
    byte variable, value;
end:
    do
    :: atomic { buffer[processor]?variable, value -> memory[variable] = value; variable = 0; value = 0 }
    od
}
