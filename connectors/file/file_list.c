#include "connectors/file/file_list.h"

#include "connectors/file/file.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

struct search {
    struct wr_environment    *environment;
    struct wr_partition_list *list;
    int                       error; // of a directory that could not be listed
};

// ---- paths ----

static bool is_pattern(const char *part, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (strchr("*?[", part[i]) != NULL) {
            return true;
        }
    }
    return false;
}

// "" and "/" need no slash between them and a name.
static char *path_join(const char *directory, const char *name, size_t length)
{
    const size_t used     = strlen(directory);
    const bool   has_none = used > 0 && directory[used - 1] != '/';
    return wr_format("%s%s%.*s", directory, has_none ? "/" : "", (int)length, name);
}

static bool path_info(const struct search *search, const char *path, struct wr_file_info *info)
{
    return search->environment->ops->info(search->environment, path, info) == 0;
}

static void list_add(struct wr_partition_list *list, char *path)
{
    list->names                = wr_realloc(list->names, (list->count + 1) * sizeof(*list->names));
    list->names[list->count++] = path;
}

static void list_clear(struct wr_partition_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        wr_free(list->names[i]);
    }
    wr_free(list->names);
    *list = (struct wr_partition_list){ .count = 0 };
}

// ---- patterns ----

static void search_part(struct search *search, const char *directory, const char *rest);

struct match {
    struct search *search;
    const char    *directory;
    const char    *pattern; // of one part
    const char    *rest;    // of the path behind it; "" at its end
};

// What is behind `path` in the pattern: more parts, or nothing, and then it has to be a file.
static void search_behind(struct search *search, char *path, const char *rest)
{
    struct wr_file_info info;
    if (rest[0] != '\0') {
        search_part(search, path, rest);
    } else if (path_info(search, path, &info) && !info.is_directory) {
        list_add(search->list, path);
        return;
    }
    wr_free(path);
}

static void match_name(void *opaque, const char *name)
{
    const struct match *match = opaque;
    if (fnmatch(match->pattern, name, FNM_PERIOD) == 0) {
        search_behind(match->search, path_join(match->directory, name, strlen(name)), match->rest);
    }
}

// Finds what `rest` stands for in `directory` ("": the working directory).
static void search_part(struct search *search, const char *directory, const char *rest)
{
    const size_t length = strcspn(rest, "/");
    const char  *behind = rest + length + strspn(rest + length, "/");
    if (!is_pattern(rest, length)) {
        search_behind(search, path_join(directory, rest, length), behind);
        return;
    }
    struct wr_environment *environment = search->environment;
    char                  *pattern     = wr_format("%.*s", (int)length, rest);
    struct match           match       = { search, directory, pattern, behind };
    const char            *listed      = directory[0] != '\0' ? directory : ".";
    const int              status = environment->ops->list(environment, listed, match_name, &match);
    if (status < 0 && status != -ENOENT && status != -ENOTDIR) {
        search->error = status;
    }
    wr_free(pattern);
}

// ---- directories ----

static void directory_name(void *opaque, const char *name)
{
    const struct match *match = opaque;
    struct wr_file_info info;
    if (name[0] == '.') {
        return;
    }
    char *path = path_join(match->directory, name, strlen(name));
    if (path_info(match->search, path, &info) && info.is_regular) {
        list_add(match->search->list, path);
    } else {
        wr_free(path);
    }
}

static void search_directory(struct search *search, const char *path)
{
    struct wr_environment *environment = search->environment;
    struct match           match       = { .search = search, .directory = path };
    const int status = environment->ops->list(environment, path, directory_name, &match);
    search->error    = status < 0 ? status : 0;
}

// ---- all together ----

static bool refuse(weir_status *status, char **error, weir_status why, char *sentence)
{
    *status = why;
    *error  = sentence;
    return false;
}

static bool refuse_unreadable(weir_status *status, char **error, const char *path, int code)
{
    char text[WR_FILE_ERROR_MAX];
    return refuse(status, error, code == -ENOENT ? WEIR_NOT_FOUND : WEIR_UNREACHABLE,
                  wr_format("\"%s\" cannot be read: %s", path, wr_file_error(code, text)));
}

// A file that cannot be opened is said before anything runs. Pipes are not tried: that shows.
static bool files_are_readable(const struct search *search, weir_status *status, char **error)
{
    struct wr_environment *environment = search->environment;
    for (uint32_t i = 0; i < search->list->count; i++) {
        const char         *path = search->list->names[i];
        struct wr_file_info info = { .is_regular = false };
        if (!path_info(search, path, &info) || !info.is_regular) {
            continue;
        }
        const int file = environment->ops->open(environment, path, WR_OPEN_READ);
        if (file < 0) {
            return refuse_unreadable(status, error, path, file);
        }
        environment->ops->close(environment, file);
    }
    return true;
}

static bool search_path(struct search *search, const char *path, weir_status *status, char **error)
{
    struct wr_file_info info;
    const int           found = search->environment->ops->info(search->environment, path, &info);
    if (found == 0 && info.is_directory) {
        search_directory(search, path);
    } else if (found == 0) {
        list_add(search->list, wr_copy_text(path));
    } else if (is_pattern(path, strlen(path))) {
        const char *rest = path + strspn(path, "/");
        search_part(search, rest != path ? "/" : "", rest);
    } else {
        return refuse_unreadable(status, error, path, found);
    }
    if (search->error < 0) {
        return refuse_unreadable(status, error, path, search->error);
    }
    if (search->list->count == 0) {
        return refuse(status, error, WEIR_NOT_FOUND,
                      found == 0 ? wr_format("directory \"%s\" has no files to read", path)
                                 : wr_format("no file matches \"%s\"", path));
    }
    return files_are_readable(search, status, error);
}

bool wr_file_list(struct wr_environment *environment, const char *path,
                  struct wr_partition_list *list, weir_status *status, char **error)
{
    struct search search = { .environment = environment, .list = list };
    *list                = (struct wr_partition_list){ .count = 0 };
    if (strcmp(path, "-") == 0) {
        list_add(list, wr_copy_text(path));
        return true;
    }
    if (!search_path(&search, path, status, error)) {
        list_clear(list);
        return false;
    }
    return true;
}
