#include "bench/harness/machine.h"

#include <ctype.h>
#include <string.h>

static void text_trim(char *text)
{
    size_t length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        text[--length] = '\0';
}

static void cpu_read(struct machine *m)
{
    char  line[256];
    FILE *file = fopen("/proc/cpuinfo", "r");
    snprintf(m->cpu, sizeof m->cpu, "unknown");
    while (file && fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon)
            continue;
        snprintf(m->cpu, sizeof m->cpu, "%.120s", colon + 2);
        text_trim(m->cpu);
        break;
    }
    if (file)
        fclose(file);
}

static void compiler_read(struct machine *m)
{
#ifdef __clang__
    snprintf(m->compiler, sizeof m->compiler, "%s", __VERSION__); // begins with its name
#else
    snprintf(m->compiler, sizeof m->compiler, "gcc %s", __VERSION__);
#endif
    text_trim(m->compiler);
}

static void commit_read(struct machine *m)
{
    FILE *git = popen("git rev-parse --verify --quiet HEAD 2>/dev/null", "r");
    snprintf(m->commit, sizeof m->commit, "unknown");
    if (!git)
        return;
    char line[sizeof m->commit];
    if (fgets(line, sizeof line, git))
        snprintf(m->commit, sizeof m->commit, "%s", line);
    pclose(git);
    text_trim(m->commit);
}

void machine_read(struct machine *m)
{
    cpu_read(m);
    compiler_read(m);
    commit_read(m);
}

void json_print_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if ((unsigned char)*c < ' ')
            fprintf(out, "\\u%04x", (unsigned)*c);
        else
            fputc(*c, out);
    }
    fputc('"', out);
}
