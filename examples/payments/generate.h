// generate: an endless stream of orders and payments that never happened, as lines of JSON.
#ifndef PAYMENTS_GENERATE_H
#define PAYMENTS_GENERATE_H

// `payments generate ...`, argv[0] being "generate". Returns the exit code.
int payments_generate(int argc, char **argv);

#endif // PAYMENTS_GENERATE_H
