// The statuses' names, sentences and exit codes, from their one list; and the version.
#include <weir/status.h>

#define TEXT_OF_(x) #x
#define TEXT_OF(x)  TEXT_OF_(x)

const char *weir_version(void)
{
    return TEXT_OF(WEIR_VERSION_MAJOR) "." TEXT_OF(WEIR_VERSION_MINOR) "." TEXT_OF(
        WEIR_VERSION_PATCH);
}

const char *weir_status_name(weir_status status)
{
    switch (status) {
#define CASE(code, name, exit_code, sentence)                                                      \
    case WEIR_##name: return #name;
        WEIR_STATUS_LIST(CASE)
#undef CASE
    }
    return "UNKNOWN";
}

const char *weir_status_sentence(weir_status status)
{
    switch (status) {
#define CASE(code, name, exit_code, sentence)                                                      \
    case WEIR_##name: return sentence;
        WEIR_STATUS_LIST(CASE)
#undef CASE
    }
    return "a status this version does not know";
}

int weir_status_exit_code(weir_status status)
{
    switch (status) {
#define CASE(code, name, exit_code, sentence)                                                      \
    case WEIR_##name: return exit_code;
        WEIR_STATUS_LIST(CASE)
#undef CASE
    }
    return 1;
}
