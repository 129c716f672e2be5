// produce: appends events to a log, at a pace.
#ifndef PAYMENTS_PRODUCE_H
#define PAYMENTS_PRODUCE_H

// `payments produce ...`, argv[0] being "produce". Returns the exit code.
int payments_produce(int argc, char **argv);

#endif // PAYMENTS_PRODUCE_H
