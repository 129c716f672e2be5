// weir/test.h as a program in C++17 uses it: a job that keeps even numbers, and loses its power.
#include <cstdio>
#include <cstdlib>
#include <vector>
#include <weir.h>
#include <weir/test.h>

typedef struct number {
    int64_t value;
} number;
WEIR_RECORD(number, WEIR_FORMERLY(value, amount));
WEIR_KEY(by_value, number, WEIR_FORMERLY(value, amount));

static bool is_even(const number *n) { return n->value % 2 == 0; }
WEIR_FILTER(even, number, is_even);

static weir_job *build(void *)
{
    weir_job *job = weir_job_open("even");
    weir_test_sink(weir_filter(weir_test_source(job, "numbers", &number_type, nullptr), &even),
                   "kept", nullptr);
    return job;
}

static void play(weir_test *test, void *)
{
    const std::vector<number> numbers = { { 1 }, { 2 }, { 3 }, { 4 } };
    weir_test_feed(test, "numbers", 0, &number_type, numbers.data(), numbers.size());
}

int main()
{
    weir_test *test = weir_test_open(build(nullptr), nullptr);
    play(test, nullptr);
    weir_test_crash(test, WEIR_TEST_POWER_CUT, 20);
    weir_test_settle(test);
    weir_test_restore(test, 1);
    weir_test_finish(test);
    const std::vector<number> kept = { { 2 }, { 4 } };
    const char               *wrong =
        weir_test_expect(test, "kept", &number_type, kept.data(), kept.size(), WEIR_TEST_IN_ORDER);
    std::printf("%s\n", wrong != nullptr ? wrong : "as expected");
    const bool is_right = wrong == nullptr;
    weir_test_close(test);

    weir_test_property property{};
    property.build = build;
    property.play  = play;
    char *differs  = weir_test_permute(&property);
    std::printf("%s\n", differs != nullptr ? differs : "the same under every seed");
    const bool is_same = differs == nullptr;
    std::free(differs);
    return is_right && is_same ? 0 : 1;
}
