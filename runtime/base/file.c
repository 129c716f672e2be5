#include "runtime/base/file.h"

#include <errno.h>
#include <string.h>

int wr_file_write(struct wr_environment *environment, int file, const void *bytes, size_t length,
                  uint64_t offset)
{
    for (size_t done = 0; done < length;) {
        const int64_t put = environment->ops->write_at(
            environment, file, (const char *)bytes + done, length - done, (int64_t)(offset + done));
        if (put <= 0) {
            return put < 0 ? (int)put : -EIO;
        }
        done += (size_t)put;
    }
    return 0;
}

int64_t wr_file_read(struct wr_environment *environment, int file, void *buffer, size_t length,
                     uint64_t offset)
{
    size_t done = 0;
    while (done < length) {
        const int64_t got = environment->ops->read_at(environment, file, (char *)buffer + done,
                                                      length - done, (int64_t)(offset + done));
        if (got < 0) {
            return got;
        }
        if (got == 0) {
            break;
        }
        done += (size_t)got;
    }
    return (int64_t)done;
}

int wr_file_sync_parent(struct wr_environment *environment, const char *path)
{
    char *const parent = wr_copy_text(path);
    for (size_t length = strlen(parent); length > 1 && parent[length - 1] == '/';) {
        parent[--length] = 0;
    }
    char *const slash = strrchr(parent, '/');
    if (slash != NULL) {
        slash[slash == parent ? 1 : 0] = 0;
    }
    const int status = environment->ops->sync_directory(environment, slash == NULL ? "." : parent);
    wr_free(parent);
    return status;
}
